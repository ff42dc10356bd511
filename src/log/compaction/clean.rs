//! Drives: one cleaning of one log: the newest offset of each key of the dirty part goes into
//! the map, then all segments up to there are copied without what it supersedes.

use std::io;
use std::rc::Rc;

use super::filter::Filter;
use super::job::{CleanError, Cleaned, Cleaning};
use super::keymap::KeyMap;
use super::pace::Pace;
use super::plan::{Bounds, Dirt, Piece, groups};
use super::source::Source;
use super::transactions::{Aborted, Survey, Transactions, is_part_of_transaction};
use crate::base::{Offset, WallMs};
use crate::log::inner::Inner;
use crate::log::segment::Segment;
use crate::wire::batch::BatchView;
use crate::wire::compress::STEP_BYTES;
use crate::wire::unpack::Unpacking;

/// Bytes read or written at once, at most.
const STEP_BYTES_MAX: usize = 256 << 10;
/// What a record counts for at the least, in bytes, when its key goes into the map.
const MAP_BYTES_MIN: usize = 64;
/// The least that makes sense.
const STEP_BYTES_MIN: usize = 4 << 10;

/// Marks a log as being cleaned for as long as that lasts.
struct Busy(Rc<Inner>);

/// One cleaning under way.
pub struct Cleaner<'a> {
    pub(super) log: &'a Rc<Inner>,
    pub(super) job: &'a Cleaning<'a>,
    pub(super) pace: Pace,
    pub(super) step_bytes: usize,
    pub(super) keys: KeyMap,
    /// Every record before this offset is in the map.
    pub(super) mapped: Offset,
    /// Up to where the log may be cleaned.
    limit: Offset,
    /// Known once a transactional batch was met.
    pub(super) aborted: Option<Vec<Aborted>>,
    pub(super) transactions: Transactions,
    pub(super) filter: Filter,
    pub(super) cleaned: Cleaned,
}

impl Inner {
    /// See [`crate::log::Log::dirt`].
    pub async fn dirt(
        self: &Rc<Self>,
        cleaned: Option<Offset>,
        stable: Offset,
        now: WallMs,
    ) -> io::Result<Option<Dirt>> {
        let config = self.config.borrow().clone();
        if !config.compact || self.check_goes_on().is_err() || self.state_is_empty() {
            return Ok(None);
        }
        self.roll_overdue(now);
        let mut bounds = Bounds {
            cleaned,
            start: self.start_offset.get(),
            end: self.end_offset.get(),
            stable: stable.min(self.settled_offset()),
            min_lag_ms: config.min_compaction_lag_ms,
            max_lag_ms: config.max_compaction_lag_ms,
            now,
        };
        let sealed = self.cleanable();
        for (segment, _) in &sealed {
            match self.load_timestamps(segment, &bounds).await {
                Err(_) if segment.is_retired() => return Ok(None),
                loaded => loaded?,
            }
        }
        let pieces: Vec<Piece> = sealed.iter().map(piece).collect();
        bounds.end = self.end_offset.get();
        Ok(Some(Dirt::of(&pieces, &bounds)))
    }

    /// See [`crate::log::Log::clean`].
    pub async fn clean(
        self: &Rc<Self>,
        dirt: &Dirt,
        job: &Cleaning<'_>,
    ) -> Result<Cleaned, CleanError> {
        if self.cleaning.replace(true) {
            return Err(CleanError::Overtaken);
        }
        let _busy = Busy(Rc::clone(self));
        // What was cleaned before holds no record of an aborted transaction, and its marker may
        // go now: who still knew of it would pass over what its producer committed later.
        self.aborted.borrow_mut().cut_front(dirt.first_dirty);
        let offsets = (dirt.end - dirt.first_dirty).max(0) as u64;
        let step_bytes = (job.buffer_bytes / 2).clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
        let mut cleaner = Cleaner {
            log: self,
            job,
            pace: Pace::new(self, job.bytes_per_second),
            step_bytes,
            keys: KeyMap::new(job.map_bytes_max, job.map_load_factor, offsets),
            mapped: dirt.first_dirty,
            limit: dirt.end,
            aborted: None,
            transactions: Transactions::default(),
            filter: Filter::default(),
            cleaned: Cleaned::default(),
        };
        let done = cleaner.run(dirt).await;
        while cleaner.keys.shed() {
            self.logs.disk().runtime().yield_now().await;
        }
        cleaner.cleaned.moved_bytes = cleaner.pace.moved_bytes.get();
        done.map(|()| cleaner.cleaned)
    }

    /// Whether a cleaning may go on.
    pub fn check_goes_on(&self) -> Result<(), CleanError> {
        if self.stopped.get() || self.has_failed() {
            return Err(CleanError::Overtaken);
        }
        Ok(())
    }

    /// Begins a new segment when the active one holds records that have waited too long to be
    /// cleaned, so that they can be (KIP-354). With appends this happens by itself.
    fn roll_overdue(self: &Rc<Self>, now: WallMs) {
        let max_lag_ms = self.config.borrow().max_compaction_lag_ms;
        let Some(active) = self.active() else {
            return;
        };
        let idle = self.end_offset.get() == self.flushed_offset.get();
        if max_lag_ms == i64::MAX || active.size.get() == 0 || !idle {
            return;
        }
        let begun = match active.first_timestamp.get() {
            first if first > 0 => first,
            _ => active.created_ms.get(),
        };
        if now.saturating_sub(begun) > max_lag_ms {
            self.roll(now);
            self.start_upkeep();
        }
    }

    /// Sees to it that the timestamps of a segment are known that the plan asks for.
    async fn load_timestamps(&self, segment: &Rc<Segment>, bounds: &Bounds) -> io::Result<()> {
        if bounds.min_lag_ms > 0 {
            if segment.max_timestamp.get().0 < 0 {
                self.load_lookups(segment).await?;
            }
            self.check_times(segment).await?;
        }
        match bounds.max_lag_ms {
            i64::MAX => Ok(()),
            _ => self.load_first_timestamp(segment).await,
        }
    }

    fn state_is_empty(&self) -> bool {
        self.state.borrow().segments.is_empty()
    }

    /// The sealed segments that are done with, in order, each with the offset where the next
    /// begins; those behind one that is not are left out.
    fn cleanable(&self) -> Vec<(Rc<Segment>, Offset)> {
        let state = self.state.borrow();
        state
            .segments
            .windows(2)
            .take_while(|pair| {
                // A start finds the next segment by its name.
                pair[0].settled.get() && pair[1].on_disk.get()
            })
            .map(|pair| (Rc::clone(&pair[0]), pair[1].base_offset))
            .collect()
    }
}

/// What the plan looks at of a segment.
fn piece((segment, end): &(Rc<Segment>, Offset)) -> Piece {
    let bytes = segment.size.get();
    Piece {
        base: segment.base_offset,
        end: *end,
        bytes,
        // The lookups of a segment that is not read are on disk only.
        index_bytes: match segment.indexed.get() {
            true => segment.offsets.borrow().len() as u64 * 12,
            false => bytes / 256,
        },
        youngest: segment.age_timestamp(),
        first: segment.first_timestamp.get(),
    }
}

// === impl Cleaner ===

impl Cleaner<'_> {
    async fn run(&mut self, dirt: &Dirt) -> Result<(), CleanError> {
        let segments = self.log.cleanable();
        let upto = |offset: Offset| {
            segments
                .iter()
                .filter(move |(it, _)| it.base_offset < offset)
        };
        for (segment, end) in upto(dirt.end).filter(|(_, end)| *end > dirt.first_dirty) {
            if !self.map(segment, *end, dirt.first_dirty).await? {
                break;
            }
        }
        self.cleaned.end = self.mapped;
        self.cleaned.keys_count = self.keys.count();
        self.cleaned.map_bytes = self.keys.memory_bytes();
        let config = self.log.config.borrow().clone();
        let chosen: Vec<_> = upto(self.mapped).cloned().collect();
        let pieces: Vec<Piece> = chosen.iter().map(piece).collect();
        self.transactions = Transactions::new(self.aborted.as_deref().unwrap_or_default());
        for group in groups(&pieces, config.segment_bytes, config.segment_index_bytes) {
            self.rewrite(&chosen[group]).await?;
        }
        self.cleaned.records = (self.filter.records_read, self.filter.records_kept);
        Ok(())
    }

    /// Adds the keys of a segment's records from `first_dirty` on to the map; `false` when it
    /// is full.
    async fn map(
        &mut self,
        segment: &Rc<Segment>,
        end: Offset,
        first_dirty: Offset,
    ) -> Result<bool, CleanError> {
        let mut source = Source::open(self.log, segment, self.step_bytes).await?;
        let mut room = Vec::new();
        while let Some(batch) = source.next(&self.pace).await? {
            if batch.last_offset() < first_dirty {
                self.watch(&batch);
                continue;
            }
            if is_part_of_transaction(&batch) && self.aborted.is_none() {
                self.survey().await?;
            }
            if !self.watch(&batch) && !self.put_keys(&batch, first_dirty, &mut room).await? {
                return Ok(false);
            }
            self.mapped = self.mapped.max(batch.next_offset());
            self.pace.worked(room.len()).await;
        }
        self.mapped = self.mapped.max(end);
        Ok(true)
    }

    /// Follows the transactions; whether the batch supersedes nothing.
    fn watch(&mut self, batch: &BatchView<'_>) -> bool {
        if batch.attributes().is_control() {
            self.transactions.on_marker(batch);
            return true;
        }
        self.transactions.on_data(batch)
    }

    /// Adds the keys of a batch to the map; `false` when it is full. One that cannot be looked into
    /// supersedes nothing that is known.
    async fn put_keys(
        &mut self,
        batch: &BatchView<'_>,
        first_dirty: Offset,
        room: &mut Vec<u8>,
    ) -> Result<bool, CleanError> {
        let Ok(mut unpacking) = Unpacking::new(batch, room) else {
            return Ok(true);
        };
        loop {
            match unpacking.step(room) {
                Ok(true) => self.pace.worked(STEP_BYTES).await,
                Ok(false) => break,
                Err(_) => return Ok(true),
            }
        }
        for record in unpacking.records(room) {
            let Ok(record) = record else {
                return Ok(true);
            };
            let offset = record.offset(batch);
            if offset < first_dirty {
                continue;
            }
            if let Some(key) = record.key
                && self.keys.put(key, offset).is_err()
            {
                return Ok(false);
            }
            self.mapped = self.mapped.max(offset + 1);
            let value_bytes = record.value.map_or(0, <[u8]>::len);
            self.pace.worked(value_bytes.max(MAP_BYTES_MIN)).await;
        }
        Ok(true)
    }

    /// Walks over all that may be cleaned to find which transactions were aborted.
    pub(super) async fn survey(&mut self) -> Result<(), CleanError> {
        let mut survey = Survey::default();
        let limit = self.limit;
        for (segment, _) in self.log.cleanable() {
            if segment.base_offset >= limit {
                break;
            }
            let mut source = Source::open(self.log, &segment, self.step_bytes).await?;
            while let Some(batch) = source.next(&self.pace).await? {
                survey.look(&batch);
            }
        }
        let aborted = survey.finish();
        self.transactions = Transactions::new(&aborted);
        self.aborted = Some(aborted);
        Ok(())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.cleaning.set(false);
        self.0.progress.ring();
    }
}
