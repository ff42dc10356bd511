//! Pure: why a request is not answered, and its connection closed instead.

use std::io;

use crate::log::ReadError;
use crate::metadata::controller::ForwardError;
use crate::server::state::answer_memory::NotMade;
use crate::server::state::probe::Closing;
use crate::server::state::shared_answers::SharedError;
use crate::wire::codec::{DecodeError, EncodeError};
use crate::wire::frame::FrameError;
use crate::wire::header::HeaderError;

/// Why the broker closes a connection because of a request.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The length prefix cannot be right.
    #[error("{0}")]
    Frame(FrameError),
    /// The request header cannot be read.
    #[error("{0}")]
    Header(HeaderError),
    /// No API with this key is served.
    #[error("API key {0} is not one this broker serves")]
    UnknownApi(i16),
    /// The API of this name is served, this version is not.
    #[error("{0} version {1} is not one this broker serves")]
    UnsupportedVersion(&'static str, i16),
    /// The body is no request of this API and version.
    #[error("the body is no {0} request of version {1}")]
    Malformed(&'static str, i16),
    /// The call of this API and version has no answer.
    #[error("{0} version {1}: {2}")]
    Call(&'static str, i16, CallError),
    /// A produce request that wants no answer failed: closing is how the client learns of it.
    #[error("a produce request with acks=0 failed: {0}")]
    NoAnswerWanted(&'static str),
    /// The client does not take the answer.
    #[error("the answer cannot be sent: {0}")]
    Gone(io::Error),
    /// Records that an answer under way has promised cannot be read.
    #[error("records of {partition} that an answer under way promised cannot be read: {error}")]
    Cut {
        /// Their topic and partition.
        partition: String,
        /// Why not.
        error: ReadError,
    },
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request is not what its header says.
    #[error("{0}")]
    Request(DecodeError),
    /// The answer holds what its version cannot say: a mistake of ours.
    #[error("the answer cannot be encoded: {0}")]
    Answer(EncodeError),
    /// The answer was not made.
    #[error("{0}")]
    NotMade(NotMade),
    /// The active controller of the cluster did not answer.
    #[error("{0}")]
    Controller(ForwardError),
    /// What the active controller answered is no answer to the request.
    #[error("the active controller's answer is not one to this request")]
    Garbled,
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
            Refused::Call(
                _,
                _,
                CallError::NotMade(NotMade::Panicked)
                | CallError::Answer(_)
                | CallError::Controller(_)
                | CallError::Garbled,
            ) => Closing::Unanswerable,
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
