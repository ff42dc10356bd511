//! Drives: copies what a cleaning leaves of some segments into one new segment.

use std::rc::Rc;

use super::clean::Cleaner;
use super::filter::{
    Fate, Filter, Judged, LastRecords, Left, PACK_BYTES, Rules, Unreadable, delete_horizon,
};
use super::job::CleanError;
use super::pace::Pace;
use super::source::Source;
use super::target::Target;
use super::transactions::is_part_of_transaction;
use crate::base::Offset;
use crate::log::segment::Segment;
use crate::wire::batch::BatchView;
use crate::wire::compress::STEP_BYTES;

impl Cleaner<'_> {
    /// Makes one segment of those in `old`.
    pub(super) async fn rewrite(
        &mut self,
        old: &[(Rc<Segment>, Offset)],
    ) -> Result<(), CleanError> {
        let (Some((first, _)), Some((last, end))) = (old.first(), old.last()) else {
            return Ok(());
        };
        let (log, step_bytes) = (self.log, self.step_bytes);
        let mut target = Target::create(log, first.base_offset, last, step_bytes).await?;
        let mut changed = old.len() > 1;
        let last_records = (self.job.last_records)();
        for (segment, _) in old {
            match self.copy(segment, *end, &last_records, &mut target).await {
                Ok(differs) => changed |= differs,
                Err(error) => return Err(target.give_up(error).await),
            }
        }
        let before: u64 = old.iter().map(|(segment, _)| segment.size.get()).sum();
        self.cleaned.segments.0 += old.len();
        self.cleaned.segments.1 += 1;
        self.cleaned.bytes.0 += before;
        if !changed {
            self.cleaned.bytes.1 += before;
            return target.abandon().await.map_err(CleanError::Io);
        }
        let new = target.finish(&self.pace).await?;
        self.cleaned.bytes.1 += new.size.get();
        let old: Vec<Rc<Segment>> = old.iter().map(|(segment, _)| Rc::clone(segment)).collect();
        log.swap(new, &old).await
    }

    /// Copies what is left of a segment; whether that is not all of it.
    async fn copy(
        &mut self,
        segment: &Rc<Segment>,
        group_end: Offset,
        last_records: &LastRecords,
        target: &mut Target,
    ) -> Result<bool, CleanError> {
        let mut source = Source::open(self.log, segment, self.step_bytes).await?;
        let mut changed = false;
        while let Some(batch) = source.next(&self.pace).await? {
            if is_part_of_transaction(&batch) && self.aborted.is_none() {
                // The map did not come as far, or they are from before.
                self.survey().await?;
            }
            let fate = self.fate(&batch, group_end, last_records);
            let rules = Rules {
                keys: &self.keys,
                mapped: self.mapped,
                now: self.job.now,
                delete_retention_ms: self.log.config.borrow().delete_retention_ms,
                keeps_tombstones: self.cleaned.unreadable_count > 0,
            };
            let left = filtered(&mut self.filter, &self.pace, &batch, fate, &rules).await;
            let left = left.unwrap_or_else(|error| {
                let first = (batch.base_offset(), error);
                self.cleaned.unreadable.get_or_insert(first);
                self.cleaned.unreadable_count += 1;
                Left::Whole
            });
            let bytes = match left {
                Left::Whole => batch.bytes(),
                Left::Part => &self.filter.out,
                Left::Nothing => &[],
            };
            changed |= bytes != batch.bytes();
            target.append(bytes, &self.pace).await?;
            self.pace.worked(bytes.len()).await;
        }
        Ok(changed)
    }

    /// What is known of a batch before its records are looked at.
    fn fate(
        &mut self,
        batch: &BatchView<'_>,
        group_end: Offset,
        last_records: &LastRecords,
    ) -> Fate {
        let is_control = batch.attributes().is_control();
        let needless = if is_control {
            self.transactions.on_marker(batch)
        } else {
            self.transactions.on_data(batch)
        };
        let waited = delete_horizon(batch).is_some_and(|horizon| horizon <= self.job.now);
        let last = batch
            .has_producer_id()
            .then(|| last_records.get(&batch.producer_id()))
            .flatten();
        let is_last = last.is_some_and(|last| match last.data_offset {
            Some(offset) => batch.last_offset() == offset,
            None => is_control && batch.producer_epoch() == last.epoch,
        });
        Fate {
            discard: needless && (!is_control || waited),
            needless_marker: needless && is_control,
            // Each segment ends with the offset before the next one's first, so that a start
            // sees that nothing is missing in between. Kafka does so for the last one only.
            stays: is_last || batch.next_offset() == group_end,
        }
    }
}

/// What is left of a batch; others run between the steps of a large one.
async fn filtered(
    filter: &mut Filter,
    pace: &Pace,
    batch: &BatchView<'_>,
    fate: Fate,
    rules: &Rules<'_>,
) -> Result<Left, Unreadable> {
    let mut unpacking = filter.unpacking(batch, fate)?;
    if let Some(unpacking) = &mut unpacking {
        while filter.unpack(unpacking)? {
            pace.worked(STEP_BYTES).await;
        }
    }
    match filter.judge(batch, fate, rules, unpacking.as_ref())? {
        Judged::Left(left) => Ok(left),
        Judged::Pack(mut packing) => {
            pace.worked(batch.size_bytes()).await;
            while filter.pack(&mut packing)? {
                pace.worked(PACK_BYTES).await;
            }
            filter.seal(*packing)
        }
    }
}
