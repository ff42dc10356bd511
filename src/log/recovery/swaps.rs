//! Drives: what a start does about a swap of cleaned segments that was interrupted: see
//! `compaction/swap.rs`.

use super::open::Opener;
use crate::base::Offset;
use crate::log::compaction::SWAP_SUFFIX;
use crate::log::format::{Scanner, Stop, walk};
use crate::log::opening::{Damage, OpenError};
use crate::log::segment::file_name;

impl Opener<'_> {
    /// Finishes swaps that were interrupted. One whose data file is damaged is left as it is.
    pub async fn finish_swaps(&mut self) -> Result<(), OpenError> {
        for (base, len) in std::mem::take(&mut self.listing.swaps) {
            let Some(end) = self.end_of_swap(base, len).await? else {
                continue;
            };
            let dir = self.inner.dir.clone();
            for suffix in [".index", ".timeindex", ".txnindex"] {
                // They may be the old segment's, and can be made from the data.
                self.disk.remove(&dir.join(file_name(base, suffix))).await?;
            }
            let covered = self.listing.segments.range(base + 1..end);
            let covered: Vec<Offset> = covered.map(|(base, _)| *base).collect();
            for old in covered {
                for suffix in [".index", ".timeindex", ".txnindex", ".snapshot", ".log"] {
                    self.disk.remove(&dir.join(file_name(old, suffix))).await?;
                }
                self.listing.segments.remove(&old);
                self.listing.snapshots.retain(|offset| *offset != old);
            }
            let left = |it: &Offset| !(base..end).contains(it);
            self.listing.transactions.retain(left);
            let swap = dir.join(file_name(base, SWAP_SUFFIX));
            let name = dir.join(file_name(base, ".log"));
            self.disk.rename(&swap, &name).await?;
            self.disk.sync_dir(&dir).await?;
            self.listing.segments.insert(base, len);
        }
        Ok(())
    }

    /// The offset behind the last record of a cleaned segment; `None` when it is damaged.
    async fn end_of_swap(&mut self, base: Offset, len: u64) -> Result<Option<Offset>, OpenError> {
        let path = self.inner.dir.join(file_name(base, SWAP_SUFFIX));
        let file = self.disk.open(&path).await?;
        let mut scanner = Scanner::tolerant(0, base);
        let scanned = &mut self.recovered.scanned_bytes;
        let stop = walk(&file, len, &mut scanner, &mut |_, batch| {
            *scanned += batch.len() as u64;
        })
        .await?;
        if stop == Stop::End && scanner.expected > base {
            return Ok(Some(scanner.expected));
        }
        self.recovered.damage = Some(Damage {
            file: path.display().to_string(),
            position: scanner.position,
            offset: scanner.expected,
            reason: stop,
        });
        Ok(None)
    }
}
