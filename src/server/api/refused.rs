//! Pure: why a request is not answered, and its connection closed instead.

use std::fmt;
use std::io;

use crate::log::ReadError;
use crate::server::state::answer_memory::NotMade;
use crate::server::state::probe::Closing;
use crate::server::state::shared_answers::SharedError;
use crate::wire::codec::{DecodeError, EncodeError};
use crate::wire::frame::FrameError;
use crate::wire::header::HeaderError;

/// Why the broker closes a connection because of a request.
#[derive(Debug)]
pub enum Refused {
    /// The length prefix cannot be right.
    Frame(FrameError),
    /// The request header cannot be read.
    Header(HeaderError),
    /// No API with this key is served.
    UnknownApi(i16),
    /// The API of this name is served, this version is not.
    UnsupportedVersion(&'static str, i16),
    /// The body is no request of this API and version.
    Malformed(&'static str, i16),
    /// The call of this API and version has no answer.
    Call(&'static str, i16, CallError),
    /// A produce request that wants no answer failed: closing is how the client learns of it.
    NoAnswerWanted(&'static str),
    /// The client does not take the answer.
    Gone(io::Error),
    /// Records that an answer under way has promised cannot be read.
    Cut {
        /// Their topic and partition.
        partition: String,
        /// Why not.
        error: ReadError,
    },
}

/// Why a call has no answer.
#[derive(Debug)]
pub enum CallError {
    /// The request is not what its header says.
    Request(DecodeError),
    /// The answer holds what its version cannot say: a mistake of ours.
    Answer(EncodeError),
    /// The answer was not made.
    NotMade(NotMade),
}

impl Refused {
    /// What the connection's end is counted as; `None` where the client left.
    pub fn closing(&self) -> Option<Closing> {
        Some(match self {
            Refused::Frame(_) => Closing::Frame,
            Refused::Header(_) => Closing::Header,
            Refused::UnknownApi(_) => Closing::UnknownApi,
            Refused::UnsupportedVersion(..) => Closing::UnsupportedVersion,
            Refused::Malformed(..) | Refused::Call(_, _, CallError::Request(_)) => {
                Closing::Malformed
            }
            Refused::Call(_, _, CallError::NotMade(NotMade::Panicked) | CallError::Answer(_)) => {
                Closing::Unanswerable
            }
            Refused::Call(_, _, CallError::NotMade(_)) => Closing::AnswerMemory,
            Refused::NoAnswerWanted(_) => Closing::NoAnswerWanted,
            Refused::Cut { .. } => Closing::Unanswerable,
            Refused::Gone(_) => return None,
        })
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Gone(error)
    }
}

impl From<SharedError> for CallError {
    fn from(error: SharedError) -> CallError {
        match error {
            SharedError::Encode(error) => CallError::Answer(error),
            SharedError::NotMade(error) => CallError::NotMade(error),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Frame(error) => error.fmt(f),
            Refused::Header(error) => error.fmt(f),
            Refused::UnknownApi(key) => write!(f, "API key {key} is not one this broker serves"),
            Refused::UnsupportedVersion(name, version) => {
                write!(f, "{name} version {version} is not one this broker serves")
            }
            Refused::Malformed(name, version) => {
                write!(f, "the body is no {name} request of version {version}")
            }
            Refused::Call(name, version, error) => write!(f, "{name} version {version}: {error}"),
            Refused::NoAnswerWanted(reason) => {
                write!(f, "a produce request with acks=0 failed: {reason}")
            }
            Refused::Gone(error) => write!(f, "the answer cannot be sent: {error}"),
            Refused::Cut { partition, error } => write!(
                f,
                "records of {partition} that an answer under way promised cannot be read: {error}"
            ),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Request(error) => error.fmt(f),
            CallError::Answer(error) => write!(f, "the answer cannot be encoded: {error}"),
            CallError::NotMade(error) => error.fmt(f),
        }
    }
}
