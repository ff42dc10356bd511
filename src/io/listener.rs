//! Drives: listening sockets.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::time::Duration;

use glommio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

#[cfg(any(test, feature = "sim"))]
use super::sim;
use super::stream::Stream;

/// A bound TCP socket that has not been given to an executor yet. Bound before the executors
/// start, so that a port in use is found before anything else happens.
pub struct Bound {
    socket: Socket,
    address: SocketAddr,
}

/// A listening socket of the current executor.
pub struct Listener(Kind);

enum Kind {
    Tcp(TcpListener),
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimListener),
}

/// Connections that may wait to be accepted, where the settings do not say: a fleet of clients
/// that comes back at once should find place. The kernel has a limit of its own.
const BACKLOG: i32 = 4096;

/// What a listening socket and those it accepts are made with.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketOptions {
    /// Connections that may wait to be accepted; `None` for as many as is usual.
    pub backlog: Option<i32>,
    /// SO_RCVBUF in bytes; `None` leaves it to the kernel.
    pub receive_buffer_bytes: Option<usize>,
    /// SO_SNDBUF in bytes; `None` leaves it to the kernel.
    pub send_buffer_bytes: Option<usize>,
}

/// How long a port in use is waited for. The kernel tears the rings of a killed process down
/// some time after the process is gone, and their listening sockets with them: a broker
/// that is restarted at once after it was killed would find its own ports taken.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Binds and listens on `address`; port 0 takes any free port. Blocks for [`PATIENCE`] before
/// it says that the port is in use.
pub fn bind(address: SocketAddr, options: SocketOptions) -> io::Result<Bound> {
    let mut waited = Duration::ZERO;
    loop {
        match try_bind(address, options) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && waited < PATIENCE => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            done => return done,
        }
    }
}

fn try_bind(address: SocketAddr, options: SocketOptions) -> io::Result<Bound> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it: small answers must not wait for Nagle's algorithm.
    socket.set_tcp_nodelay(true)?;
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(&address.into())?;
    socket.listen(options.backlog.unwrap_or(BACKLOG))?;
    let address = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(Bound { socket, address })
}

// === impl Bound ===

impl Bound {
    /// The address it listens on, with the port the kernel gave.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the socket to the current executor.
    #[allow(unsafe_code)]
    pub fn listen(self) -> Listener {
        // SAFETY: the descriptor is a listening socket that is owned here and by nothing else.
        let tcp = unsafe { TcpListener::from_raw_fd(self.socket.into_raw_fd()) };
        Listener(Kind::Tcp(tcp))
    }
}

// === impl Listener ===

impl Listener {
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn simulated(listener: sim::SimListener) -> Listener {
        Listener(Kind::Sim(listener))
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Tcp(tcp) => tcp.local_addr().map_err(io::Error::from),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(listener) => Ok(listener.address()),
        }
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.0 {
            Kind::Tcp(tcp) => tcp.accept().await.map(Stream::tcp).map_err(io::Error::from),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(listener) => Ok(Stream::simulated(listener.accept().await)),
        }
    }
}
