//! Drives: a cleaned segment takes the place of those it was made of, so that a crash at any
//! moment leaves the old ones or the new one.
//!
//! The names are Kafka's. `.cleaned` files count for nothing. Once the data file is called
//! `.swap` the new segment counts, and a start finishes what is missing (`recovery/swaps.rs`): the
//! old segments it covers go, the oldest first (a younger one may hold the tombstone that keeps an
//! older one's record deleted), and it takes the name of the first. A cleaned segment always ends
//! with the last offset of those it replaces, so which it covers can be read from it.

use std::io;
use std::ops::Range;
use std::rc::Rc;

use super::job::CleanError;
use super::target;
use crate::io::cause::Cause;
use crate::log::inner::{FailedOperation, Inner};
use crate::log::segment::{Segment, file_name};

/// What the data file of a cleaned segment ends with while it takes its place.
pub const SWAP_SUFFIX: &str = ".log.swap";

impl Inner {
    /// Puts `new` in the place of the segments in `old`, which follow one another in the log.
    pub async fn swap(
        self: &Rc<Self>,
        new: Segment,
        old: &[Rc<Segment>],
    ) -> Result<(), CleanError> {
        // Retention leaves the log's segments alone meanwhile, and has left them now.
        let _reshaping = loop {
            match self.reshape() {
                Some(reshaping) => break reshaping,
                None => self.progress.wait().await,
            }
        };
        self.swap_alone(new, old).await
    }

    async fn swap_alone(
        self: &Rc<Self>,
        new: Segment,
        old: &[Rc<Segment>],
    ) -> Result<(), CleanError> {
        let base = new.base_offset;
        if self.place_of(old).is_none() || self.check_goes_on().is_err() {
            target::remove_files(self, base)
                .await
                .map_err(CleanError::Io)?;
            return Err(CleanError::Overtaken);
        }
        let disk = self.logs.disk();
        let below = old.last().map_or(base, |last| last.base_offset + 1);
        if let Err(error) = self.void_in_journal(below).await {
            // The error that came first is the one to tell.
            let _ = target::remove_files(self, base).await;
            return Err(CleanError::Io(error));
        }
        let swap = self.dir.join(file_name(base, SWAP_SUFFIX));
        if let Err(error) = disk.rename(&new.path(), &swap).await {
            // The error that came first is the one to tell.
            let _ = target::remove_files(self, base).await;
            return Err(CleanError::Io(error));
        }
        new.set_path(swap);
        let new = Rc::new(new);
        let counted = self.sync_names().await;
        if counted.is_ok() {
            self.splice(&new, old);
        }
        let moved = match counted {
            Ok(()) => self.move_names(&new, old).await,
            failed => failed,
        };
        // Half of it is on disk: only a start can tell what there is.
        moved.map_err(|error| {
            self.fail(FailedOperation::Write, &error);
            CleanError::Io(error)
        })
    }

    /// Where in the log the segments `old` are, if all of them still are.
    fn place_of(&self, old: &[Rc<Segment>]) -> Option<Range<usize>> {
        let state = self.state.borrow();
        let first = old.first()?;
        let at = state.segments.iter().position(|it| Rc::ptr_eq(it, first))?;
        let there = state.segments.get(at..at + old.len())?;
        let same = there.iter().zip(old).all(|(a, b)| Rc::ptr_eq(a, b));
        (same && at + old.len() < state.segments.len()).then(|| at..at + old.len())
    }

    /// From here on reads find the new segment. Those under way go on with the old files.
    fn splice(&self, new: &Rc<Segment>, old: &[Rc<Segment>]) {
        let Some(place) = self.place_of(old) else {
            return;
        };
        let mut state = self.state.borrow_mut();
        state.segments.splice(place, [Rc::clone(new)]);
        // What memory still has of the log up to there would be read before the files.
        if let Some(last) = old.last() {
            state.tail.forget_segments(last.base_offset);
        }
        for segment in old {
            segment.replace();
        }
    }

    /// Gives the new files the names of the old ones.
    async fn move_names(&self, new: &Segment, old: &[Rc<Segment>]) -> io::Result<()> {
        for segment in old {
            segment.retire().await;
        }
        // A job that began before they were given up may still be at them.
        self.upkeep_idle().await;
        let disk = self.logs.disk();
        let base = new.base_offset;
        for suffix in [".index", ".timeindex"] {
            let cleaned = target::path(self, base, suffix);
            let name = self.dir.join(file_name(base, suffix));
            disk.rename(&cleaned, &name).await?;
        }
        let name = file_name(base, ".txnindex");
        self.forget_index(&name).await?;
        disk.remove(&self.dir.join(name)).await?;
        self.snapshot_at.set(None);
        for segment in old.iter().filter(|segment| segment.base_offset != base) {
            for suffix in [".index", ".timeindex", ".txnindex", ".snapshot", ".log"] {
                let path = self.dir.join(file_name(segment.base_offset, suffix));
                disk.remove(&path).await?;
            }
        }
        let name = self.dir.join(file_name(base, ".log"));
        disk.rename(&new.path(), &name).await?;
        new.set_path(name);
        for segment in old {
            segment.close_file();
        }
        self.sync_names().await
    }

    /// Makes the names in the log's folder durable, however long the host is short of what that
    /// takes: half a swap cannot be taken back.
    async fn sync_names(&self) -> io::Result<()> {
        loop {
            match self.logs.disk().sync_dir(&self.dir).await {
                Err(error) if Cause::of(&error).is_of_the_host() && !self.stopped.get() => {}
                synced => return synced,
            }
        }
    }
}
