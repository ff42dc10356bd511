//! Pure: why a start cannot read what a journal holds, and what its owner is told.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::file::IN_USE;

/// Why records that were acked may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The journal is gone, though it was in use.
    Missing(PathBuf),
    /// Neither place says where it begins.
    NoFront(PathBuf),
    /// An entry is damaged that had been flushed.
    Entry(PathBuf, u64),
    /// What was kept of logs that had failed is damaged.
    Kept(PathBuf),
}

impl From<Lost> for io::Error {
    fn from(lost: Lost) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, lost.to_string())
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Missing(path) => write!(f, "{} is gone", path.display())?,
            Lost::NoFront(path) => write!(f, "{} has lost its beginning", path.display())?,
            Lost::Entry(path, at) => {
                write!(f, "{} is damaged at byte {at}", path.display())?;
            }
            Lost::Kept(path) => {
                return write!(
                    f,
                    "{} is damaged, and records of logs that failed before the stop were in it \
                     alone: put it back from a copy; or remove it to go on without them",
                    path.display()
                );
            }
        }
        write!(
            f,
            ", and records that were acked in the last seconds before the stop were in it alone: \
             put it back from a copy; or remove {IN_USE} beside it to go on without them"
        )
    }
}
