//! Drives: one connection that never waits for an answer, and waiting for several of them.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

/// Bytes of the length in front of each answer.
const LENGTH: usize = 4;

/// A connection to a broker on this host.
pub struct Connection {
    stream: TcpStream,
    inbox: BytesMut,
}

impl Connection {
    /// Connects.
    pub fn to(port: u16) -> Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            inbox: BytesMut::new(),
        })
    }

    /// Sends a frame.
    pub fn send(&mut self, mut frame: &[u8]) -> Result<()> {
        while !frame.is_empty() {
            match self.stream.write(frame) {
                Ok(sent) => frame = &frame[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next answer, if it has come as a whole.
    pub fn answer(&mut self) -> Result<Option<Bytes>> {
        let mut piece = [0; 16 << 10];
        while !self.is_whole() {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Error::other("the broker has closed the connection")),
                Ok(count) => self.inbox.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let length = self.inbox.get_i32() as usize;
        Ok(Some(self.inbox.split_to(length).freeze()))
    }

    fn is_whole(&self) -> bool {
        let length = self.inbox.first_chunk::<LENGTH>();
        length.is_some_and(|it| self.inbox.len() >= LENGTH + i32::from_be_bytes(*it) as usize)
    }
}

/// Waits until any of them has something, for so long at most; the indexes of those that have.
pub fn wait<'a>(
    connections: impl Iterator<Item = &'a Connection>,
    time: Duration,
) -> Result<Vec<usize>> {
    let mut all: Vec<PollFd<'_>> = connections
        .map(|one| PollFd::new(&one.stream, PollFlags::IN))
        .collect();
    let time = Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    poll(&mut all, Some(&time))?;
    let ready = all.iter().enumerate();
    let ready = ready.filter(|(_, one)| !one.revents().is_empty());
    Ok(ready.map(|(index, _)| index).collect())
}
