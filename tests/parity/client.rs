//! Drives: one plain connection to a broker, for well-formed requests and for raw bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// The client id of every request: Kafka puts it in front of the member ids that it makes.
pub const CLIENT_ID: &str = "parity";

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

/// A connection, which numbers its requests.
pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    /// How long a well-formed request may take.
    pub const PATIENCE: Duration = Duration::from_secs(20);

    /// How long "no answer" takes to be believed where none is expected.
    pub const SILENCE: Duration = Duration::from_millis(700);

    /// Connects; a broker that cannot be reached ends the story.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        stream.set_nodelay(true).expect("set_nodelay");
        Self {
            stream,
            correlation_id: 0,
        }
    }

    /// Sends a request without waiting for its answer. Writing to a connection that the broker
    /// has closed is no error here: [`Self::receive`] tells.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let frame = frame::<R>(version, self.correlation_id, request);
        let _ = self.stream.write_all(&frame);
    }

    /// Waits for the answer to the latest request.
    pub fn receive<R: Request>(
        &mut self,
        version: i16,
        patience: Duration,
    ) -> Outcome<R::Response> {
        let answer = self.receive_frame(patience);
        decode::<R>(version, self.correlation_id, answer)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Ends this side: the broker reads that nothing more comes, and may still answer.
    pub fn end_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next answer without its length.
    pub fn receive_frame(&mut self, patience: Duration) -> Outcome<Bytes> {
        self.stream
            .set_read_timeout(Some(patience))
            .expect("set_read_timeout");
        let mut length = [0; 4];
        let read = self.stream.read_exact(&mut length).and_then(|()| {
            let mut body = vec![0; u32::from_be_bytes(length) as usize];
            self.stream.read_exact(&mut body).map(|()| body)
        });
        match read {
            Ok(body) => Outcome::Answer(body.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Outcome::Silent,
            Err(_) => Outcome::Closed,
        }
    }
}

/// A whole frame: length, header, body.
pub fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Bytes {
    let mut body = BytesMut::new();
    let header = header(R::KEY, version, correlation_id);
    header
        .encode(&mut body, R::header_version(version))
        .expect("header");
    let name = std::any::type_name::<R>();
    request
        .encode(&mut body, version)
        .unwrap_or_else(|error| panic!("{name} v{version} cannot be encoded: {error}"));
    sized(&body)
}

/// The header of a request with the client id that all of them have.
pub fn header(key: i16, version: i16, correlation_id: i32) -> RequestHeader {
    let mut header = RequestHeader::default();
    header.request_api_key = key;
    header.request_api_version = version;
    header.correlation_id = correlation_id;
    header.client_id = Some(StrBytes::from_static_str(CLIENT_ID));
    header
}

/// Puts the length in front.
pub fn sized(body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(4 + body.len());
    frame.put_i32(body.len() as i32);
    frame.extend_from_slice(body);
    frame.freeze()
}

/// Decodes an answer, all of it.
pub fn decode<R: Request>(
    version: i16,
    correlation_id: i32,
    answer: Outcome<Bytes>,
) -> Outcome<R::Response> {
    let mut body = match answer {
        Outcome::Answer(body) => body,
        Outcome::Closed => return Outcome::Closed,
        Outcome::Silent => return Outcome::Silent,
        Outcome::Garbled(why) => return Outcome::Garbled(why),
    };
    let whole = body.clone();
    let header = ResponseHeader::decode(&mut body, R::Response::header_version(version));
    let answer = match header {
        Ok(header) if header.correlation_id != correlation_id => Err(format!(
            "correlation id {} instead of {correlation_id}",
            header.correlation_id
        )),
        Ok(_) => R::Response::decode(&mut body, version).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match answer {
        Ok(_) if body.has_remaining() => {
            Outcome::Garbled(format!("{} bytes too many in {whole:?}", body.remaining()))
        }
        Ok(answer) => Outcome::Answer(answer),
        Err(why) => Outcome::Garbled(format!("{why} in {whole:?}")),
    }
}
