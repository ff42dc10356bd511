//! Pure: why nothing was read.

use std::fmt;
use std::io;

/// Why nothing was read.
#[derive(Debug)]
pub enum ReadError {
    /// The offset lies before the log's start or behind its end.
    OutOfRange,
    /// The bytes on disk are no batches: they were damaged after they had been written.
    Damaged {
        /// The data file.
        file: String,
        /// Where in it, in bytes.
        position: u64,
        /// Whether this place was not known to be damaged.
        is_news: bool,
    },
    /// The device failed.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::OutOfRange => f.write_str("the offset lies outside the log"),
            ReadError::Damaged { file, position, .. } => {
                write!(f, "{file} holds no batch at byte {position}: it is damaged")
            }
            ReadError::Io(error) => write!(f, "a read failed: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}
