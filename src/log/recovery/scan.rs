//! Drives: a walk over the batches of a segment while its log is opened.

use std::cell::Cell;
use std::io;

use super::open::Opener;
use crate::io::file::File;
use crate::log::format::{Scanner, Stop, walk};
use crate::log::opening::Replay;
use crate::log::segment::Segment;

impl Opener<'_> {
    /// Walks over the batches of a file from the scanner's position on; with `note` they are
    /// counted into the segment and its lookups.
    pub(super) async fn scan(
        &mut self,
        segment: &Segment,
        file: &File,
        len: u64,
        scanner: &mut Scanner,
        note: bool,
    ) -> io::Result<Stop> {
        let interval = self.inner.config.borrow().index_interval_bytes;
        let (inner, replay) = (&self.inner, &mut self.replay);
        let (replay_from, scanned) = (self.replay_from, &mut self.recovered.scanned_bytes);
        let aborts = &mut self.scanned_aborts;
        walk(file, len, scanner, &mut |header, batch| {
            let aborted = Cell::new(None);
            if header.last_offset() >= replay_from {
                replay(Replay::Batch(batch, &aborted));
            }
            if note {
                aborts.extend(aborted.take());
                segment.note(header, batch.len(), interval);
                let mut state = inner.state.borrow_mut();
                state
                    .epochs
                    .assign(header.leader_epoch(), header.base_offset());
            }
            *scanned += batch.len() as u64;
        })
        .await
    }
}
