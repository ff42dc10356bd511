//! Drives: one client's byte stream.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::io::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;

use super::descriptors::{Held, Holder};

/// A connected socket. Clones share it, so that one task reads while another writes.
#[derive(Clone)]
pub struct Stream(Rc<Shared>);

struct Shared {
    tcp: RefCell<TcpStream>,
    /// Bytes that the kernel has taken so far.
    written_bytes: Cell<u64>,
    /// Whether the last attempt to write found no room in the kernel.
    is_blocked: Cell<bool>,
    /// It counts among this process's descriptors.
    _held: Held,
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream) -> Stream {
        Stream(Rc::new(Shared {
            tcp: RefCell::new(stream),
            written_bytes: Cell::new(0),
            is_blocked: Cell::new(false),
            _held: Held::new(Holder::Socket),
        }))
    }

    /// Connects to `address`.
    pub async fn connect(address: SocketAddr) -> io::Result<Stream> {
        let stream = TcpStream::connect(address).await.map_err(io::Error::from)?;
        stream.set_nodelay(true).map_err(io::Error::from)?;
        Ok(Stream::tcp(stream))
    }

    /// The other side's address.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.0.tcp.borrow().peer_addr().map_err(io::Error::from)
    }

    /// This side's address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.0.tcp.borrow().local_addr().map_err(io::Error::from)
    }

    /// Reads what is there, waiting for the first byte; 0 at the end of the stream.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| Pin::new(&mut *self.0.tcp.borrow_mut()).poll_read(cx, buffer)).await
    }

    /// Reads what is there, for those who poll; 0 at the end of the stream.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_read(cx, buffer)
    }

    /// Writes some of `bytes`, for those who poll.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write(cx, bytes);
        self.note(&written);
        written
    }

    /// As [`Stream::poll_write`], of several pieces in order.
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write_vectored(cx, slices);
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

    /// Ends both directions, for those who poll.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.0.tcp.borrow().poll_shutdown(cx, Shutdown::Both);
        shut.map_err(io::Error::from)
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
        let _ = poll_fn(|cx| self.0.tcp.borrow().poll_shutdown(cx, Shutdown::Both)).await;
    }
}
