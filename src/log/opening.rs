//! Pure: what is known of a log before it is opened, and what opening it found.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::format::{AbortedTransaction, Stop};
use crate::base::{Offset, TopicId};

/// What is known about a log before it is opened.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// Whether the log's folder was closed cleanly: then nothing is scanned.
    pub clean: bool,
    /// Everything before this offset was flushed and sealed (`recovery-point-offset-checkpoint`).
    pub recovery_point: Offset,
    /// Everything before this offset was flushed (`replication-offset-checkpoint`): where less is
    /// found, the end is not torn but lost.
    pub flushed_offset: Offset,
    /// The first offset that may be read (`log-start-offset-checkpoint`).
    pub start_offset: Offset,
    /// Up to where the log was compacted (`cleaner-offset-checkpoint`), if it ever was.
    pub cleaned: Option<Offset>,
    /// Whether offsets may be missing between batches though the log was never compacted: true for
    /// all logs of a node whose logs may follow others, since a leader's may be compacted. A base
    /// offset that is damaged is then noticed by the batch behind it.
    pub gaps: bool,
    /// Set by [`super::Folder::cut_back`]: a batch that reaches to this offset or behind it is cut
    /// off, and all behind it.
    pub cut_at: Option<Offset>,
    /// Whether [`Replay`] is wanted, so that producer state can be rebuilt.
    pub replay: bool,
    /// The topic's id, written into `partition.metadata` with the first append.
    pub topic_id: Option<TopicId>,
}

impl Opening {
    /// The offset that the log is known to have come to, at least.
    pub fn known_offset(&self) -> Offset {
        let flushed = self.flushed_offset.max(self.recovery_point);
        flushed.max(self.start_offset)
    }
}

/// What opening a log found and did.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Count of segments.
    pub segments_count: usize,
    /// Bytes that were read and checked.
    pub scanned_bytes: u64,
    /// What was cut off the end, if anything but blank space was.
    pub cut: Option<Cut>,
    /// Whether the leader epoch checkpoint was not what had been written. It was made anew from
    /// the batches.
    pub epochs_damaged: bool,
    /// Damage before the end: nothing was cut, and the log takes no appends.
    pub damage: Option<Damage>,
}

/// A torn end that was cut off: no ack had been given for it.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The data file.
    pub file: String,
    /// Where the valid batches end, in bytes.
    pub position: u64,
    /// What stood there.
    pub reason: Stop,
}

/// Valid batches follow what is not one: the log was damaged after it had been written.
#[derive(Clone, Debug)]
pub struct Damage {
    /// The data file.
    pub file: String,
    /// Where in it, in bytes.
    pub position: u64,
    /// The first offset that cannot be read.
    pub offset: Offset,
    /// What stands there.
    pub reason: Stop,
}

/// What a rebuild of producer state is shown, in order: perhaps a snapshot, then batches.
pub enum Replay<'a> {
    /// The content of `<offset>.snapshot`: the state before the record at that offset. Who finds
    /// that it is none sets the cell, and is shown an older one, or all batches.
    Snapshot(Offset, &'a [u8], &'a Cell<bool>),
    /// A whole valid batch behind that. Where it ends a transaction that was aborted, the cell is
    /// to say so: of what is scanned, the indexes of aborted transactions are made of it.
    Batch(&'a [u8], &'a Cell<Option<AbortedTransaction>>),
}

/// Why a log could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The device or the file system failed.
    Io(io::Error),
    /// The segments do not follow each other.
    Gap {
        /// The offset at which one ends.
        end: Offset,
        /// The offset with which the next begins.
        next: Offset,
    },
    /// The folder, or every data file in it, is gone, though the log had come to this offset.
    Lost(PathBuf, Offset),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::Io(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io(error) => write!(f, "the log could not be opened: {error}"),
            OpenError::Gap { end, next } => write!(
                f,
                "a segment ends at offset {end} and the next begins at {next}: records are missing"
            ),
            OpenError::Lost(dir, known) => write!(
                f,
                "the data files of {} are gone, though the log had come to offset {known}: put \
                 the folder back from a copy and start again",
                dir.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage {
            file,
            position,
            offset,
            reason,
        } = self;
        write!(
            f,
            "{file} is damaged at byte {position} (offset {offset}): {reason}, \
             though records behind it had been flushed"
        )
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cut {
            file,
            position,
            reason,
        } = self;
        write!(
            f,
            "{file} was cut at byte {position}, where there was {reason}"
        )
    }
}
