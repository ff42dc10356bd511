//! Pure: what a cleaning of a log is given, what it did, and why it was not done.

use std::fmt;
use std::io;

use super::filter::{LastRecords, Unreadable};
use crate::base::{Offset, WallMs};

/// What a cleaning may use, and what it must know.
pub struct Cleaning<'a> {
    /// Memory for the map of keys, in bytes.
    pub map_bytes_max: usize,
    /// How full it may get, as a share.
    pub map_load_factor: f64,
    /// Memory for what is being read and written, in bytes.
    pub buffer_bytes: usize,
    /// Bytes that may be read and written in a second.
    pub bytes_per_second: f64,
    /// What active producers wrote last; asked for once for each new segment.
    pub last_records: &'a dyn Fn() -> LastRecords,
    /// The time.
    pub now: WallMs,
}

/// What a cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cleaned {
    /// Every record before this offset has been looked at.
    pub end: Offset,
    /// Segments before and after.
    pub segments: (usize, usize),
    /// Their bytes before and after.
    pub bytes: (u64, u64),
    /// Their records before and after.
    pub records: (u64, u64),
    /// Bytes that it read and wrote.
    pub moved_bytes: (u64, u64),
    /// Batches that cannot be looked into and were kept as they are, and the first of them.
    pub unreadable_count: u64,
    /// See there.
    pub unreadable: Option<(Offset, Unreadable)>,
    /// Keys in the map.
    pub keys_count: usize,
    /// Its memory, in bytes.
    pub map_bytes: usize,
}

/// Why a log was not cleaned. It is as it was, or new in part.
#[derive(Debug)]
pub enum CleanError {
    /// The log is being closed or removed, or has failed, or its segments changed meanwhile.
    Overtaken,
    /// The device or the file system failed.
    Io(io::Error),
    /// What was written is not what is there.
    Damaged {
        /// The data file.
        file: String,
        /// Where in it, in bytes.
        position: u64,
    },
    /// The cleaned segment would be larger than the format can hold.
    TooLarge,
}

impl fmt::Display for CleanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CleanError::Overtaken => f.write_str("the log changed or was closed meanwhile"),
            CleanError::Io(error) => write!(f, "the disk failed: {error}"),
            CleanError::Damaged { file, position } => {
                write!(f, "{file} holds no valid batch at byte {position}")
            }
            CleanError::TooLarge => f.write_str("a cleaned segment would be larger than 2 GiB"),
        }
    }
}

impl std::error::Error for CleanError {}
