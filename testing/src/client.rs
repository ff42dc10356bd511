//! Drives: one connection to a broker, for well-formed requests and for raw bytes.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use crate::PATIENCE;

/// The client id of requests that need none in particular.
pub const CLIENT_ID: &str = "test";

/// What became of a request.
pub enum Outcome<T> {
    /// It was answered.
    Answer(T),
    /// The broker closed the connection.
    Closed,
    /// Nothing came, and the connection stayed open.
    Silent,
    /// Something came that cannot be decoded; the text says why.
    Garbled(String),
}

impl<T> Outcome<T> {
    /// Makes another answer of this one, where there is one.
    pub fn and_then<U>(self, make: impl FnOnce(T) -> Outcome<U>) -> Outcome<U> {
        match self {
            Outcome::Answer(answer) => make(answer),
            Outcome::Closed => Outcome::Closed,
            Outcome::Silent => Outcome::Silent,
            Outcome::Garbled(why) => Outcome::Garbled(why),
        }
    }
}

/// A connection, which numbers its requests.
pub struct Client {
    /// The socket, for bytes that are not requests.
    pub stream: TcpStream,
    client_id: &'static str,
    correlation_id: i32,
}

impl Client {
    /// Connects to a shard of a broker on this host.
    pub fn connect(port: u16) -> Client {
        Client::try_connect(port).unwrap()
    }

    /// As [`Self::connect`]; an error where no broker listens.
    pub fn try_connect(port: u16) -> Result<Client> {
        Client::to(([127, 0, 0, 1], port).into(), CLIENT_ID)
    }

    /// Connects to any broker, with a client id of its own.
    pub fn to(address: SocketAddr, client_id: &'static str) -> Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Client::over(stream, client_id)
    }

    /// A client of what a socket is connected to.
    pub fn over(stream: TcpStream, client_id: &'static str) -> Result<Client> {
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            client_id,
            correlation_id: 0,
        })
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.try_call(version, request).unwrap()
    }

    /// As [`Self::call`]; an error when the connection ends instead.
    pub fn try_call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        self.send(version, request)?;
        let (correlation_id, answer) = self.answer::<R>(version)?;
        assert_eq!(correlation_id, self.correlation_id);
        Ok(answer)
    }

    /// Sends a request without waiting.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        self.correlation_id += 1;
        let frame = frame_of(self.client_id, version, self.correlation_id, request);
        self.stream.write_all(&frame)
    }

    /// The answer to the oldest request that has none yet, and that request's number.
    pub fn answer<R: Request>(&mut self, version: i16) -> Result<(i32, R::Response)> {
        let answer = self.receive()?;
        decode::<R>(version, answer).map_err(Error::other)
    }

    /// As [`Self::answer`] of the latest request, within `patience`.
    pub fn answer_within<R: Request>(
        &mut self,
        version: i16,
        patience: Duration,
    ) -> Outcome<R::Response> {
        let answer = self.receive_within(patience);
        answer.and_then(|answer| decode_of::<R>(version, self.correlation_id, answer))
    }

    /// Sends bytes as they are. That the broker has closed the connection shows when an answer is
    /// waited for.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a frame as it is and waits for an answer.
    pub fn exchange(&mut self, frame: &[u8]) -> Result<Bytes> {
        self.stream.write_all(frame)?;
        self.receive()
    }

    /// The next answer, with its header.
    pub fn receive(&mut self) -> Result<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer)?;
        Ok(Bytes::from(answer))
    }

    /// As [`Self::receive`], within `patience`.
    pub fn receive_within(&mut self, patience: Duration) -> Outcome<Bytes> {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        match self.receive() {
            Ok(answer) => Outcome::Answer(answer),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Outcome::Silent,
            Err(_) => Outcome::Closed,
        }
    }

    /// Ends this side: the broker reads that nothing more comes, and may still answer.
    pub fn end_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Whether the broker has closed the connection, after what it may still have sent.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }
}

/// A request's whole frame: length, header, body.
pub fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Vec<u8> {
    frame_of(CLIENT_ID, version, correlation_id, request)
}

/// As [`frame`], with another client id.
pub fn frame_of<R: Request>(
    client_id: &str,
    version: i16,
    correlation_id: i32,
    request: &R,
) -> Vec<u8> {
    let mut body = BytesMut::new();
    let header = header(client_id, R::KEY, version, correlation_id);
    let encoded = header.encode(&mut body, R::header_version(version));
    let encoded = encoded.and_then(|()| request.encode(&mut body, version));
    let name = std::any::type_name::<R>();
    encoded.unwrap_or_else(|error| panic!("{name} v{version} cannot be encoded: {error}"));
    sized(&body)
}

/// The header of a request.
pub fn header(client_id: &str, key: i16, version: i16, correlation_id: i32) -> RequestHeader {
    RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())))
}

/// Puts the length in front.
pub fn sized(body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.put_i32(body.len() as i32);
    frame.extend_from_slice(body);
    frame
}

/// Decodes an answer, all of it: the number of its request, and what it says. The error tells
/// what is wrong with it.
pub fn decode<R: Request>(
    version: i16,
    answer: Bytes,
) -> std::result::Result<(i32, R::Response), String> {
    let mut body = answer.clone();
    let header = ResponseHeader::decode(&mut body, R::Response::header_version(version));
    let decoded = header.and_then(|header| {
        let answer = R::Response::decode(&mut body, version)?;
        Ok((header.correlation_id, answer))
    });
    match decoded {
        Err(why) => Err(format!("{why} in {answer:?}")),
        Ok(_) if body.has_remaining() => {
            Err(format!("{} bytes too many in {answer:?}", body.remaining()))
        }
        Ok(decoded) => Ok(decoded),
    }
}

/// As [`decode`], of the answer to the request with this number.
pub fn decode_of<R: Request>(
    version: i16,
    correlation_id: i32,
    answer: Bytes,
) -> Outcome<R::Response> {
    match decode::<R>(version, answer) {
        Ok((number, answer)) if number == correlation_id => Outcome::Answer(answer),
        Ok((number, _)) => Outcome::Garbled(format!(
            "correlation id {number} instead of {correlation_id}"
        )),
        Err(why) => Outcome::Garbled(why),
    }
}
