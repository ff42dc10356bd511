//! Pure: how far the process is: starting, serving, stopping; shared by all its executors.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Logs are opened, and checked after an unclean stop.
    Starting,
    /// All shards serve.
    Serving,
    /// It was told to stop.
    Stopping,
}

/// The stage of the process, and how many of its shards have no folder left.
#[derive(Debug)]
pub struct Life {
    stage: AtomicU8,
    shards: usize,
    without_folder: AtomicUsize,
    /// Why the broker cannot be part of its cluster any more.
    cast_out: OnceLock<String>,
}

impl Life {
    /// A process of so many shards that starts.
    pub fn new(shards: usize) -> Life {
        Life {
            stage: AtomicU8::new(0),
            shards,
            without_folder: AtomicUsize::new(0),
            cast_out: OnceLock::new(),
        }
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Serving,
            _ => Stage::Stopping,
        }
    }

    /// All shards serve.
    pub fn serves(&self) {
        self.stage.store(1, Ordering::Release);
    }

    /// It was told to stop.
    pub fn stops(&self) {
        self.stage.store(2, Ordering::Release);
    }

    /// The broker cannot be part of its cluster any more, for this reason.
    pub fn is_cast_out(&self, why: String) {
        // The first reason is the one that counts.
        let _ = self.cast_out.set(why);
    }

    /// Why the broker cannot be part of its cluster any more, if that is so.
    pub fn cast_out(&self) -> Option<&str> {
        self.cast_out.get().map(String::as_str)
    }

    /// A shard has lost its last folder; whether no shard has one any more.
    pub fn lost_last_folder(&self) -> bool {
        self.without_folder.fetch_add(1, Ordering::AcqRel) + 1 >= self.shards
    }

    /// Whether no shard has a folder any more.
    pub fn has_no_folder(&self) -> bool {
        self.without_folder.load(Ordering::Acquire) >= self.shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_shard_that_loses_its_folders_ends_it() {
        let life = Life::new(2);
        assert_eq!(life.stage(), Stage::Starting);
        life.serves();
        assert_eq!(life.cast_out(), None);
        life.is_cast_out("a".to_owned());
        life.is_cast_out("b".to_owned());
        assert_eq!(life.cast_out(), Some("a"));
        assert!(!life.lost_last_folder() && !life.has_no_folder());
        assert!(life.lost_last_folder() && life.has_no_folder());
        life.stops();
        assert_eq!(life.stage(), Stage::Stopping);
    }
}
