//! Pure: why a broker could not be talked to.

use std::{fmt, io};

/// Why a broker could not be talked to.
#[derive(Debug)]
pub enum ClientError {
    /// It cannot be reached.
    Connect(String, io::Error),
    /// The connection broke.
    Io(io::Error),
    /// The broker closed the connection.
    Closed,
    /// Nothing came for longer than the socket waits.
    Silent,
    /// An answer is not what was asked for.
    Malformed(String),
    /// The broker answered with a Kafka error code.
    Refused(&'static str, i16),
    /// The broker does not speak a version that loadgen does: API key, version.
    Unsupported(i16, i16),
    /// The topic is not as it should be.
    Topic(String),
}

/// The error for an answer that no broker gives.
pub fn malformed(reason: impl fmt::Display) -> ClientError {
    ClientError::Malformed(reason.to_string())
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Connect(address, error) if error.kind() == io::ErrorKind::InvalidInput => {
                write!(f, "{address} is no HOST:PORT, such as localhost:9092")
            }
            ClientError::Connect(address, error) => write!(f, "cannot reach {address}: {error}"),
            ClientError::Io(error) => write!(f, "the connection broke: {error}"),
            ClientError::Closed => f.write_str("the broker closed the connection"),
            ClientError::Silent => f.write_str(
                "the broker is there and does not answer: it hangs, or has no CPU or disk to go on",
            ),
            ClientError::Malformed(reason) => write!(f, "not a Kafka answer: {reason}"),
            ClientError::Refused(what, code) => {
                let name = corelane_wire::ErrorCode(*code).name();
                write!(f, "{what} was refused with Kafka's error {code} ({name})")?;
                match (*what, *code) {
                    ("Metadata", 3) => f.write_str(": --create N makes the topic"),
                    _ => Ok(()),
                }
            }
            ClientError::Unsupported(key, version) => {
                write!(
                    f,
                    "the broker does not speak version {version} of API {key}"
                )
            }
            ClientError::Topic(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ClientError {}
