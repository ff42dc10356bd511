//! Drives: the byte stream of one connection.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;

use super::descriptors::{Held, Holder};
use super::runtime::Runtime;
#[cfg(any(test, feature = "sim"))]
use super::sim;

/// A connected socket. Clones share it, so that one task reads while another writes.
#[derive(Clone)]
pub struct Stream(Rc<Shared>);

struct Shared {
    socket: Socket,
    runtime: Runtime,
    /// Bytes that the kernel has taken so far.
    written_bytes: Cell<u64>,
    /// Whether the last attempt to write found no space in the kernel.
    is_blocked: Cell<bool>,
}

enum Socket {
    /// With its count among this process's descriptors.
    Tcp(
        RefCell<TcpStream>,
        #[expect(dead_code, reason = "counts until it is dropped")] Held,
    ),
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimStream),
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream) -> Stream {
        let held = Held::new(Holder::Socket);
        Stream::new(Socket::Tcp(RefCell::new(stream), held), Runtime::ring())
    }

    #[cfg(any(test, feature = "sim"))]
    pub(super) fn simulated(stream: sim::SimStream) -> Stream {
        let runtime = Runtime::simulated(stream.runtime());
        Stream::new(Socket::Sim(stream), runtime)
    }

    fn new(socket: Socket, runtime: Runtime) -> Stream {
        Stream(Rc::new(Shared {
            socket,
            runtime,
            written_bytes: Cell::new(0),
            is_blocked: Cell::new(false),
        }))
    }

    /// The executor that the stream is used on.
    pub fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// The other side's address.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        match &self.0.socket {
            Socket::Tcp(tcp, _) => tcp.borrow().peer_addr().map_err(io::Error::from),
            #[cfg(any(test, feature = "sim"))]
            Socket::Sim(stream) => Ok(stream.peer()),
        }
    }

    /// This side's address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        match &self.0.socket {
            Socket::Tcp(tcp, _) => tcp.borrow().local_addr().map_err(io::Error::from),
            #[cfg(any(test, feature = "sim"))]
            Socket::Sim(stream) => Ok(stream.local()),
        }
    }

    /// Reads what is there, waiting for the first byte; 0 at the end of the stream.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Reads what is there, for code that polls; 0 at the end of the stream.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match &self.0.socket {
            Socket::Tcp(tcp, _) => Pin::new(&mut *tcp.borrow_mut()).poll_read(cx, buffer),
            #[cfg(any(test, feature = "sim"))]
            Socket::Sim(stream) => stream.poll_read(cx, buffer),
        }
    }

    /// Writes some of `bytes`, for code that polls.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &self.0.socket {
            Socket::Tcp(tcp, _) => Pin::new(&mut *tcp.borrow_mut()).poll_write(cx, bytes),
            #[cfg(any(test, feature = "sim"))]
            Socket::Sim(stream) => stream.poll_write(cx, &[IoSlice::new(bytes)]),
        };
        self.note(&written);
        written
    }

    /// As [`Stream::poll_write`], of several pieces in order.
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &self.0.socket {
            Socket::Tcp(tcp, _) => Pin::new(&mut *tcp.borrow_mut()).poll_write_vectored(cx, slices),
            #[cfg(any(test, feature = "sim"))]
            Socket::Sim(stream) => stream.poll_write(cx, slices),
        };
        self.note(&written);
        written
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        self.0.is_blocked.set(written.is_pending());
        if let Poll::Ready(Ok(count)) = written {
            let before = self.0.written_bytes.get();
            self.0.written_bytes.set(before + *count as u64);
        }
    }

    /// Bytes that the kernel has taken so far.
    pub fn written_bytes(&self) -> u64 {
        self.0.written_bytes.get()
    }

    /// Whether a write waits for the other side to read.
    pub fn is_write_blocked(&self) -> bool {
        self.0.is_blocked.get()
    }

    /// Ends both directions, for code that polls.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx, Shutdown::Both)
    }

    fn poll_end(&self, cx: &mut Context<'_>, how: Shutdown) -> Poll<io::Result<()>> {
        match &self.0.socket {
            Socket::Tcp(tcp, _) => {
                let ended = tcp.borrow().poll_shutdown(cx, how);
                ended.map_err(io::Error::from)
            }
            #[cfg(any(test, feature = "sim"))]
            Socket::Sim(stream) => {
                stream.shutdown(how);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Writes all of `bytes`.
    pub async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_all_vectored(&mut [IoSlice::new(bytes)]).await
    }

    /// Writes all slices in order, many to a system call; consumes `slices` as it goes.
    pub async fn write_all_vectored(&self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let written = poll_fn(|cx| self.poll_write_vectored(cx, slices)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut slices, written);
        }
        Ok(())
    }

    /// Ends both directions; a read that waits returns 0.
    pub async fn shutdown(&self) {
        // A connection the other side has already reset is as closed as it can be.
        let _ = poll_fn(|cx| self.poll_end(cx, Shutdown::Both)).await;
    }

    /// Ends the direction to the other side, which finds the end of the stream behind what was
    /// written; what it sends can still be read.
    pub async fn end_writes(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_end(cx, Shutdown::Write)).await
    }
}
