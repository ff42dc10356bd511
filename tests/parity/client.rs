//! Drives: connections of the stories, and their frames, all with one client id.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use corelane_testing::Client;
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::Request;

/// The client id of every request: Kafka puts it in front of the member ids that it makes.
pub const CLIENT_ID: &str = "parity";

/// How long a well-formed request may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long "no answer" takes to be believed where none is expected.
pub const SILENCE: Duration = Duration::from_millis(700);

/// Connects; a broker that cannot be reached ends the story.
pub fn connect(address: SocketAddr) -> Client {
    let connected = Client::to(address, CLIENT_ID);
    connected.unwrap_or_else(|error| panic!("no connection to {address}: {error}"))
}

/// A whole frame: length, header, body.
pub fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Bytes {
    corelane_testing::frame_of(CLIENT_ID, version, correlation_id, request).into()
}

/// The header of a request with the client id that all of them have.
pub fn header(key: i16, version: i16, correlation_id: i32) -> RequestHeader {
    corelane_testing::header(CLIENT_ID, key, version, correlation_id)
}

/// Puts the length in front.
pub fn sized(body: &[u8]) -> Bytes {
    corelane_testing::sized(body).into()
}
