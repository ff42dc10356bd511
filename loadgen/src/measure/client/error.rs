//! Pure: why a broker could not be talked to.

use std::{fmt, io};

use corelane_wire::ErrorCode;

/// Why a broker could not be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It cannot be reached.
    #[error("{}", no_connection(.0, .1))]
    Connect(String, io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(io::Error),
    /// The broker closed the connection.
    #[error("the broker closed the connection")]
    Closed,
    /// Nothing came for longer than the socket waits.
    #[error("the broker is there and does not answer: it hangs, or has no CPU or disk to go on")]
    Silent,
    /// An answer is not what was asked for.
    #[error("not a Kafka answer: {0}")]
    Malformed(String),
    /// The broker answered with a Kafka error code.
    #[error(
        "{0} was refused with Kafka's error {1} ({name}){hint}",
        name = ErrorCode(*.1).name(),
        hint = refusal_hint(.0, *.1)
    )]
    Refused(&'static str, i16),
    /// The broker does not speak a version that loadgen does: API key, version.
    #[error("the broker does not speak version {1} of API {0}")]
    Unsupported(i16, i16),
    /// The topic is not as it should be.
    #[error("{0}")]
    Topic(String),
}

/// The error for an answer that no broker gives.
pub fn malformed(reason: impl fmt::Display) -> ClientError {
    ClientError::Malformed(reason.to_string())
}

/// Why there is no connection to `address`.
fn no_connection(address: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidInput => {
            format!("{address} is no HOST:PORT, such as localhost:9092")
        }
        _ => format!("cannot reach {address}: {error}"),
    }
}

/// What to do about the error `code` of the request `what`, if that is known.
fn refusal_hint(what: &str, code: i16) -> &'static str {
    match (what, code) {
        ("Metadata", 3) => ": --create N makes the topic",
        _ => "",
    }
}
