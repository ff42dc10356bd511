//! Drives: which transactions of a log were aborted, found out when it is opened.
//!
//! Kafka's `.txnindex` has no checksum, and one that was shortened by whole entries looks like a
//! whole one. So their checksums are kept from the first time that a log is opened, in a file of
//! ours; one that is another since, or that cannot be right, is made anew from the batches.

use std::collections::BTreeMap;
use std::io;

use super::open::Opener;
use crate::base::Offset;
use crate::io::durable::Durable;
use crate::log::compaction::transactions::Survey;
use crate::log::format::aborted::CHECKSUMS_FILE;
use crate::log::format::{AbortedTransaction, AbortedTransactions, Checksums, Scanner, Stop, walk};
use crate::log::inner::Inner;
use crate::log::opening::{Damage, OpenError};
use crate::log::segment::{ABORTED_SUFFIX, base_offset_in, file_name};
use crate::wire::batch::{BatchHeader, BatchView};

impl Inner {
    /// Notes that the index called `name` is about to go, so that a start does not miss it.
    pub async fn forget_index(&self, name: &str) -> io::Result<()> {
        let was_known = self.index_sums.borrow_mut().forget(name);
        match was_known {
            true => self.replace_index_sums().await,
            false => Ok(()),
        }
    }

    async fn replace_index_sums(&self) -> io::Result<()> {
        self.write_index_sums(Durable::Now).await?;
        self.logs.disk().sync_dir(&self.dir).await
    }
}

impl Opener<'_> {
    /// Learns which transactions were aborted: without knowing it a reader of committed records
    /// would be shown others.
    pub async fn load_aborted(&mut self, end: Offset) -> Result<(), OpenError> {
        if self.listing.has_index_sums {
            let sums = Checksums::read(&self.disk, &self.inner.dir.join(CHECKSUMS_FILE)).await?;
            self.inner.index_sums.replace(sums);
        }
        let mut noted = self.clear_scanned(end).await?;
        // By the base offset of their segment; none for what is not to be believed.
        let mut contents: BTreeMap<Offset, Option<Vec<u8>>> = BTreeMap::new();
        for base in std::mem::take(&mut self.listing.transactions) {
            if self.segment_end(base, end).is_some() {
                let path = self.inner.dir.join(file_name(base, ABORTED_SUFFIX));
                contents.insert(base, Some(self.disk.read(&path).await?));
            }
        }
        let names = self.inner.index_sums.borrow().names();
        for name in names {
            let Some(base) = base_offset_in(&name, ABORTED_SUFFIX) else {
                continue;
            };
            if self.segment_end(base, end).is_none() {
                noted |= self.inner.index_sums.borrow_mut().forget(&name);
                continue;
            }
            let content = contents.entry(base).or_default();
            let sums = self.inner.index_sums.borrow();
            if content.as_ref().is_some_and(|it| !sums.allow(&name, it)) {
                *content = None;
            }
        }
        if self.opening.cut_at.is_some() && self.recovered.damage.is_none() {
            noted |= self.cut_index(&mut contents, end).await?;
        }
        if !self.take_aborted(&contents, end) {
            self.make_indexes_anew(&mut contents, end).await?;
            if self.recovered.damage.is_some() {
                return Ok(());
            }
        }
        if self.knows_scanned_aborts() {
            let mut aborted = self.inner.aborted.borrow_mut();
            let scanned = std::mem::take(&mut self.scanned_aborts);
            scanned.into_iter().for_each(|one| aborted.push(one));
        }
        for (base, content) in &contents {
            let content = content.as_deref().unwrap_or_default();
            let name = file_name(*base, ABORTED_SUFFIX);
            noted |= self.inner.index_sums.borrow_mut().note(&name, content);
        }
        if noted {
            self.inner.replace_index_sums().await?;
        }
        Ok(())
    }

    /// Whether the transactions that were aborted in segments that were scanned are known from
    /// their batches, all of which were replayed.
    fn knows_scanned_aborts(&self) -> bool {
        self.scanned_from
            .is_some_and(|from| self.replay_from <= from)
    }

    /// Removes the indexes of segments that were scanned: they are of an earlier time, and are
    /// written with the final form of the segment. Whether their checksums were forgotten.
    async fn clear_scanned(&mut self, end: Offset) -> io::Result<bool> {
        let Some(from) = self.scanned_from.filter(|_| self.knows_scanned_aborts()) else {
            return Ok(false);
        };
        let mut noted = false;
        let (scanned, sealed) = std::mem::take(&mut self.listing.transactions)
            .into_iter()
            .partition(|base| *base >= from);
        self.listing.transactions = sealed;
        let scanned: Vec<Offset> = scanned;
        for base in scanned {
            // Those of segments that are gone went with them.
            if self.segment_end(base, end).is_some() {
                let path = self.inner.dir.join(file_name(base, ABORTED_SUFFIX));
                self.disk.remove(&path).await?;
            }
        }
        let names = self.inner.index_sums.borrow().names();
        for name in names {
            if base_offset_in(&name, ABORTED_SUFFIX).is_some_and(|base| base >= from) {
                noted |= self.inner.index_sums.borrow_mut().forget(&name);
            }
        }
        Ok(noted)
    }

    /// Takes out of the newest index what was cut off the log; whether there was anything. Until
    /// its checksum is noted it is one that cannot be believed.
    async fn cut_index(
        &mut self,
        contents: &mut BTreeMap<Offset, Option<Vec<u8>>>,
        end: Offset,
    ) -> io::Result<bool> {
        let Some((base, Some(content))) = contents.iter_mut().next_back() else {
            return Ok(false);
        };
        let left = AbortedTransactions::before(content, end).len();
        if left == content.len() {
            return Ok(false);
        }
        content.truncate(left);
        let name = file_name(*base, ABORTED_SUFFIX);
        let path = self.inner.dir.join(&name);
        self.disk.replace(&path, content.clone()).await?;
        self.inner.index_sums.borrow_mut().forget(&name);
        Ok(true)
    }

    /// Takes in what the indexes say; `false`, and nothing of it is known, where one cannot be
    /// right.
    fn take_aborted(&self, contents: &BTreeMap<Offset, Option<Vec<u8>>>, end: Offset) -> bool {
        let mut aborted = self.inner.aborted.borrow_mut();
        let mut sound = true;
        for (base, content) in contents {
            let end = self.segment_end(*base, end).unwrap_or(*base);
            sound &= content
                .as_ref()
                .is_some_and(|it| aborted.load(it, *base, end));
        }
        if !sound {
            *aborted = Default::default();
        }
        sound
    }

    /// Takes in those that can be believed.
    fn take_believed(&self, contents: &BTreeMap<Offset, Option<Vec<u8>>>, end: Offset) {
        let mut aborted = self.inner.aborted.borrow_mut();
        for (base, content) in contents {
            let end = self.segment_end(*base, end).unwrap_or(*base);
            if let Some(content) = content {
                aborted.load(content, *base, end);
            }
        }
    }

    /// Makes the indexes that cannot be believed anew, from all batches up to the last of them.
    async fn make_indexes_anew(
        &mut self,
        contents: &mut BTreeMap<Offset, Option<Vec<u8>>>,
        end: Offset,
    ) -> Result<(), OpenError> {
        let Some(last) = contents.keys().next_back().copied() else {
            return Ok(());
        };
        let found = self.survey(last).await?;
        let Some(found) = found else {
            self.take_believed(contents, end);
            if self.recovered.damage.is_none() {
                let file = self.inner.dir.join(file_name(last, ABORTED_SUFFIX));
                self.recovered.damage = Some(Damage {
                    file: file.display().to_string(),
                    position: 0,
                    offset: last,
                    reason: Stop::Index,
                });
            }
            return Ok(());
        };
        for (base, content) in contents.iter_mut() {
            let segment = *base..self.segment_end(*base, end).unwrap_or(*base);
            let mut bytes = Vec::new();
            let of_segment = found.iter().filter(|it| segment.contains(&it.last_offset));
            of_segment.for_each(|one| one.write(&mut bytes));
            if content.as_ref() != Some(&bytes) {
                let path = self.inner.dir.join(file_name(*base, ABORTED_SUFFIX));
                tracing::error!(file = %path.display(),
                    "an index of aborted transactions is not what it was: made anew from the batches");
                self.disk.replace(&path, bytes.clone()).await?;
                let name = file_name(*base, ABORTED_SUFFIX);
                self.inner.index_sums.borrow_mut().forget(&name);
                self.inner.logs.probe().mended_lookups_count.add(1);
                *content = Some(bytes);
            }
        }
        self.take_aborted(contents, end);
        Ok(())
    }

    /// The aborted transactions in the segments up to that at `last`, in the order of their
    /// markers. `None` where not all batches can be read.
    async fn survey(&self, last: Offset) -> io::Result<Option<Vec<AbortedTransaction>>> {
        let segments = self.inner.state.borrow().segments.clone();
        let mut survey = Survey::default();
        for segment in segments.iter().filter(|it| it.base_offset <= last) {
            let file = segment.file(&self.disk).await?;
            let mut scanner = Scanner::tolerant(0, segment.base_offset);
            let mut each = |_: &BatchHeader, batch: &[u8]| {
                if let Ok(batch) = BatchView::parse(batch) {
                    survey.look(&batch);
                }
            };
            let stop = walk(&file, segment.size.get(), &mut scanner, &mut each).await?;
            segment.close_file();
            if stop != Stop::End {
                return Ok(None);
            }
        }
        Ok(Some(survey.into_index()))
    }
}
