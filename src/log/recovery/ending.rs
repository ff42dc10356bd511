//! Drives: the end of a log that was not closed: is it the true end, and cutting it.

use super::open::Opener;
use crate::base::Offset;
use crate::io::buffer::{BLOCK_BYTES, block_down};
use crate::io::durable::Durable;
use crate::io::file::File;
use crate::log::format::{Scanner, Step, Stop, Trailer, extent, newest_trailer, read_on};
use crate::log::opening::{Cut, OpenError};
use crate::log::segment::{NEXT_SUFFIX, Segment, file_name};

impl Opener<'_> {
    /// Gives the file prepared behind `base` its name when it begins where the log ends.
    pub async fn adopt_next(&mut self, base: Offset, scanner: &Scanner) -> Result<bool, OpenError> {
        let path = self.inner.dir.join(file_name(base, NEXT_SUFFIX));
        let file = self.disk.open(&path).await?;
        let mut probe = scanner.clone();
        probe.position = 0;
        probe.gaps = false;
        let len = file.len().await?;
        let mut bytes = Vec::new();
        loop {
            match probe.step(&bytes, len) {
                Step::Batch(..) => break,
                Step::Stop(_) => return Ok(false),
                Step::More(needed) => read_on(&file, 0, &mut bytes, needed, len).await?,
            }
        }
        let name = file_name(scanner.expected, ".log");
        self.disk.rename(&path, &self.inner.dir.join(name)).await?;
        self.disk.sync_dir(&self.inner.dir).await?;
        Ok(true)
    }

    /// Whether nothing that was flushed lies at or behind `end`, so that what stands there may
    /// be cut off: see [`Trailer`].
    pub async fn end_is_proven(
        &self,
        segment: &Segment,
        file: &File,
        len: u64,
        stop: Stop,
        end: Offset,
    ) -> Result<bool, OpenError> {
        if end < self.opening.recovery_point.max(self.opening.flushed_offset) {
            return Ok(false);
        }
        let size = segment.size.get();
        let later = self.listing.segments.range(segment.base_offset + 1..);
        let later: Vec<(String, u64)> = later
            .map(|(base, len)| (file_name(*base, ".log"), *len))
            .chain(
                self.listing
                    .nexts
                    .range(segment.base_offset..)
                    .map(|(base, len)| (file_name(*base, NEXT_SUFFIX), *len)),
            )
            .collect();
        if stop == Stop::Blank && later.is_empty() {
            let last = extent(size) - BLOCK_BYTES as u64;
            let block = file.read(last, BLOCK_BYTES).await?;
            if Trailer::in_block(&block).is_some_and(|trailer| trailer.end == size) {
                return Ok(true);
            }
        }
        let mut newest = newest_trailer(file, block_down(size), len).await?;
        for (name, len) in later {
            let file = self.disk.open(&self.inner.dir.join(name)).await?;
            newest = newest.max(newest_trailer(&file, 0, len).await?);
        }
        Ok(newest.is_none_or(|flushed| flushed <= end))
    }

    /// Cuts what follows the last valid batch.
    pub async fn cut(
        &mut self,
        segment: &Segment,
        file: &File,
        len: u64,
        stop: Stop,
    ) -> Result<(), OpenError> {
        let size = segment.size.get();
        let later: Vec<Offset> = self
            .listing
            .segments
            .range(segment.base_offset + 1..)
            .map(|(base, _)| *base)
            .collect();
        let blank = matches!(stop, Stop::Blank | Stop::End) && later.is_empty();
        if !blank && stop != Stop::Cut {
            self.recovered.cut = Some(Cut {
                file: segment.path().display().to_string(),
                position: size,
                reason: stop,
            });
        }
        // The youngest first, so that a crash in between leaves no gap.
        for base in later.into_iter().rev() {
            // Aborted transactions that are gone must not be those of a later segment of its name.
            for suffix in [".txnindex", ".log", ".index", ".timeindex"] {
                let path = self.inner.dir.join(file_name(base, suffix));
                self.disk.remove(&path).await?;
            }
            self.disk.sync_dir(&self.inner.dir).await?;
        }
        if stop == Stop::Cut {
            for suffix in [".index", ".timeindex"] {
                let path = self.inner.dir.join(file_name(segment.base_offset, suffix));
                self.disk.remove(&path).await?;
            }
        }
        // Blank space may stay: the next append has it prepared again before it writes there,
        // and a truncation for each of ten thousand logs would take a start minutes.
        if len > size && !blank && !planted!(NoCut) {
            let modified_ms = segment.modified_ms.get();
            file.truncate(size, modified_ms, Durable::Now).await?;
        }
        segment.prepared.set(size);
        Ok(())
    }
}
