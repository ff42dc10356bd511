//! Drives: connections to a broker: whole calls while setting up, frames without waiting later.

mod error;
mod versions;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use error::{ClientError, malformed};
pub use versions::Versions;

/// As long as Kafka's clients wait (request.timeout.ms).
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// No answer of a broker is larger: a larger length is not of Kafka's protocol.
const FRAME_MAX_BYTES: usize = 1 << 30;

/// A connection to one broker.
pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
    inbox: BytesMut,
    outbox: Vec<u8>,
    scratch: Box<[u8]>,
    waits: bool,
}

/// `request` as a whole frame.
pub fn frame<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
) -> Result<Vec<u8>, ClientError> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("loadgen")));
    let mut bytes = BytesMut::from(&[0; 4][..]);
    header
        .encode(&mut bytes, R::header_version(version))
        .map_err(malformed)?;
    request.encode(&mut bytes, version).map_err(malformed)?;
    let length = (bytes.len() - 4) as i32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes.into())
}

/// The body of an answer to version `version`, and the id of the request that it answers.
pub fn open<M: Decodable + HeaderVersion>(
    mut answer: Bytes,
    version: i16,
) -> Result<(i32, M), ClientError> {
    let header_bytes = if M::header_version(version) == 0 {
        4
    } else {
        5
    };
    if answer.len() < header_bytes {
        return Err(ClientError::Malformed(
            "an answer without a header".to_owned(),
        ));
    }
    let id = i32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
    let mut body = answer.split_off(header_bytes);
    Ok((id, M::decode(&mut body, version).map_err(malformed)?))
}

impl Connection {
    /// Connects to `address`, host:port.
    pub fn open(address: &str) -> Result<Connection, ClientError> {
        Connection::open_within(address, CALL_TIMEOUT)
    }

    /// The same; neither connecting nor an answer may take longer than `patience`.
    pub fn open_within(address: &str, patience: Duration) -> Result<Connection, ClientError> {
        let failed = |error| ClientError::Connect(address.to_owned(), error);
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for resolved in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&resolved, patience) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    stream.set_read_timeout(Some(patience)).map_err(failed)?;
                    return Ok(Connection {
                        stream,
                        correlation_id: 0,
                        inbox: BytesMut::new(),
                        outbox: Vec::new(),
                        scratch: vec![0; 256 * 1024].into(),
                        waits: true,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// Makes the socket non-blocking; [`Connection::call`] must not be used after that.
    pub fn never_wait(&mut self) -> Result<(), ClientError> {
        self.waits = false;
        self.stream.set_nonblocking(true).map_err(ClientError::Io)
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        self.correlation_id += 1;
        let frame = frame(request, version, self.correlation_id)?;
        self.stream.write_all(&frame).map_err(ClientError::Io)?;
        loop {
            if let Some(answer) = self.next_frame()? {
                let (id, body) = open(answer, version)?;
                if id != self.correlation_id {
                    return Err(malformed(format!("answer {id} to {}", self.correlation_id)));
                }
                return Ok(body);
            }
            self.receive()?;
        }
    }

    /// Hands the beginning of `bytes` to the kernel without waiting, and says how much it took.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, ClientError> {
        match self.stream.write(bytes) {
            Ok(taken) => Ok(taken),
            Err(error) if is_passing(&error) => Ok(0),
            Err(error) => Err(ClientError::Io(error)),
        }
    }

    /// The socket, to wait for.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Hands `frame` to the kernel without waiting. False if nothing of it was taken; if a part
    /// was, the rest goes out by [`Connection::flush`].
    pub fn try_send(&mut self, frame: &[u8]) -> Result<bool, ClientError> {
        self.flush()?;
        if !self.outbox.is_empty() {
            return Ok(false);
        }
        match self.stream.write(frame) {
            Ok(taken) => {
                self.outbox.extend_from_slice(&frame[taken..]);
                Ok(true)
            }
            Err(error) if is_passing(&error) => Ok(false),
            Err(error) => Err(ClientError::Io(error)),
        }
    }

    /// Sends what is left of the last frame, as far as the kernel takes it.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(taken) => drop(self.outbox.drain(..taken)),
                Err(error) if is_passing(&error) => break,
                Err(error) => return Err(ClientError::Io(error)),
            }
        }
        Ok(())
    }

    /// Whether a part of a frame still has to go out.
    pub fn is_blocked(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Reads once what is there; false if that was nothing.
    pub fn receive(&mut self) -> Result<bool, ClientError> {
        match self.stream.read(&mut self.scratch) {
            Ok(0) => Err(ClientError::Closed),
            Ok(count) => {
                self.inbox.extend_from_slice(&self.scratch[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
            // On a blocking socket this error means that its read timeout has passed.
            Err(error) if is_passing(&error) && self.waits => Err(ClientError::Silent),
            Err(error) if is_passing(&error) => Ok(false),
            Err(error) => Err(ClientError::Io(error)),
        }
    }

    /// The next whole answer among what was received, without its length.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, ClientError> {
        let Some(length) = self.inbox.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_MAX_BYTES {
            return Err(malformed(format!("an answer of {length} bytes")));
        }
        if self.inbox.len() < 4 + length {
            return Ok(None);
        }
        let mut frame = self.inbox.split_to(4 + length).freeze();
        Ok(Some(frame.split_off(4)))
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Sleeps until a connection has something to read (or space, where it is blocked), but no
/// longer than `wait_ns`.
pub fn sleep<'a>(connections: impl Iterator<Item = &'a Connection>, wait_ns: u64) {
    let mut fds: Vec<PollFd<'_>> = connections
        .map(|connection| {
            let writable = if connection.is_blocked() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            PollFd::from_borrowed_fd(connection.stream.as_fd(), PollFlags::IN | writable)
        })
        .collect();
    let seconds = (wait_ns / 1_000_000_000) as i64;
    let timeout = Timespec {
        tv_sec: seconds,
        tv_nsec: (wait_ns % 1_000_000_000) as i64,
    };
    // A signal ends the sleep early; callers look at the clock again anyway.
    let _ = poll(&mut fds, Some(&timeout));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn answers_are_cut_into_frames_wherever_they_are_split() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in [&[0, 0, 0][..], &[2, 7], &[8, 0, 0, 0, 1, 9, 0]] {
                stream.write_all(piece).unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let mut connection = Connection::open(&address).unwrap();
        let mut frames = Vec::new();
        let end = loop {
            while let Some(frame) = connection.next_frame().unwrap() {
                frames.push(frame.to_vec());
            }
            if let Err(end) = connection.receive() {
                break end;
            }
        };
        server.join().unwrap();
        assert!(matches!(end, ClientError::Closed));
        assert_eq!(frames, [vec![7, 8], vec![9]]);
    }
}
