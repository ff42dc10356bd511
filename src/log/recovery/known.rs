//! Drives: what a log that is opened is known to hold without a look at its batches: leader epochs,
//! and a snapshot of its producers.

use std::cell::Cell;

use super::open::Opener;
use crate::base::Offset;
use crate::log::format::{Checksums, Epochs, checksums, epochs};
use crate::log::opening::{OpenError, Replay};
use crate::log::segment::file_name;

impl Opener<'_> {
    /// Reads the leader epoch checkpoint. Where there are segments and it is missing or not what
    /// was written, nothing is taken for sealed: the epochs come from the batches.
    pub(super) async fn load_epochs(&mut self) -> Result<(), OpenError> {
        let mut epochs = None;
        if self.listing.has_epochs {
            let sums = Checksums::read(&self.disk, &self.inner.dir.join(checksums::FILE)).await?;
            let path = self.inner.dir.join(epochs::FILE);
            let text = self.disk.read(&path).await?;
            epochs = std::str::from_utf8(&text).ok().and_then(Epochs::from_text);
            epochs = epochs.filter(|_| sums.allow(epochs::FILE, &text));
            self.recovered.epochs_damaged = epochs.is_none();
            self.inner.sums.replace(sums);
        }
        self.trusts_nothing = epochs.is_none();
        self.inner.state.borrow_mut().epochs = epochs.clone().unwrap_or_default();
        self.known_epochs = epochs;
        Ok(())
    }

    /// Shows the newest snapshot that can be true.
    pub(super) async fn load_snapshot(&mut self) -> Result<(), OpenError> {
        if !self.opening.replay {
            return Ok(());
        }
        self.replay_from = 0;
        // Where the log will be found to end is not known yet. A snapshot of what lies behind the
        // end would pass off batches that are lost as stored when they are sent again: only what
        // lies before everything that is to be checked counts.
        let limit = match self.opening.clean || planted!(StaleSnapshot) {
            true => Offset::MAX,
            false => {
                let first = self.first_to_check().await?;
                self.checked_from = Some(first);
                first
            }
        };
        let snapshots = self.listing.snapshots.clone();
        for offset in snapshots.into_iter().rev().filter(|it| *it <= limit) {
            let path = self.inner.dir.join(file_name(offset, ".snapshot"));
            let content = self.disk.read(&path).await?;
            let refused = Cell::new(false);
            (self.replay)(Replay::Snapshot(offset, &content, &refused));
            if !refused.get() {
                self.replay_from = offset;
                self.inner.snapshot_at.set(Some(offset));
                break;
            }
        }
        Ok(())
    }

    /// The base offset of the first segment that is to be checked, in a log that was not closed
    /// cleanly.
    async fn first_to_check(&mut self) -> Result<Offset, OpenError> {
        let segments = &self.listing.segments;
        let first = segments.keys().next().copied().unwrap_or(0);
        if self.trusts_nothing {
            return Ok(first);
        }
        let known = segments.range(..=self.opening.recovery_point);
        let mut known = known.map(|(base, _)| *base).rev();
        let (last, before) = (known.next().unwrap_or(first), known.next());
        match before {
            // One that ends with the recovery point may be prepared for more.
            Some(before) if !self.is_sealed(before, last).await? => Ok(before),
            _ => Ok(last),
        }
    }
}
