//! Drives: one cleaning of one log: the newest offset of each key of the dirty part goes into
//! the map, then all segments up to there are copied without what it supersedes.

use std::fmt;
use std::io;
use std::rc::Rc;

use super::filter::{Fate, Filter, Judged, LastRecords, Left, PACK_BYTES, Rules, Unreadable};
use super::keymap::KeyMap;
use super::pace::Pace;
use super::plan::{Bounds, Dirt, Piece, groups};
use super::source::Source;
use super::target::Target;
use super::transactions::{Aborted, Survey, Transactions};
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

/// What a cleaning may use, and what it must know.
pub struct Cleaning<'a> {
    /// Memory for the map of keys, in bytes.
    pub map_bytes_max: usize,
    /// How full it may get, as a share.
    pub map_load_factor: f64,
    /// Memory for what is being read and written, in bytes.
    pub buffer_bytes: usize,
    /// Bytes that may be read and written in a second.
    pub bytes_per_second: f64,
    /// What active producers wrote last; asked for once for each new segment.
    pub last_records: &'a dyn Fn() -> LastRecords,
    /// The time.
    pub now: WallMs,
}

/// What a cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cleaned {
    /// Every record before this offset has been looked at.
    pub end: Offset,
    /// Segments before and after.
    pub segments: (usize, usize),
    /// Their bytes before and after.
    pub bytes: (u64, u64),
    /// Their records before and after.
    pub records: (u64, u64),
    /// Bytes that it read and wrote.
    pub moved_bytes: (u64, u64),
    /// Batches that cannot be looked into and were kept as they are, and the first of them.
    pub unreadable_count: u64,
    /// See there.
    pub unreadable: Option<(Offset, Unreadable)>,
    /// Keys in the map.
    pub keys_count: usize,
    /// Its memory, in bytes.
    pub map_bytes: usize,
}

/// Why a log was not cleaned. It is as it was, or new in part.
#[derive(Debug)]
pub enum CleanError {
    /// The log is being closed or removed, or has failed, or its segments changed meanwhile.
    Overtaken,
    /// The device or the file system failed.
    Io(io::Error),
    /// What was written is not what is there.
    Damaged {
        /// The data file.
        file: String,
        /// Where in it, in bytes.
        position: u64,
    },
    /// The cleaned segment would be larger than the format can hold.
    TooLarge,
}

/// Marks a log as being cleaned for as long as that lasts.
struct Busy(Rc<Inner>);

/// One cleaning under way.
struct Cleaner<'a> {
    log: &'a Rc<Inner>,
    job: &'a Cleaning<'a>,
    pace: Pace,
    step_bytes: usize,
    keys: KeyMap,
    /// Every record before this offset is in the map.
    mapped: Offset,
    /// Up to where the log may be cleaned.
    limit: Offset,
    /// Known once a transactional batch was met.
    aborted: Option<Vec<Aborted>>,
    transactions: Transactions,
    filter: Filter,
    cleaned: Cleaned,
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
            stable: stable.min(self.acked_offset.get()),
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
    async fn survey(&mut self) -> Result<(), CleanError> {
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

    /// Makes one segment of those in `old`.
    async fn rewrite(&mut self, old: &[(Rc<Segment>, Offset)]) -> Result<(), CleanError> {
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
        let waited =
            super::filter::delete_horizon(batch).is_some_and(|horizon| horizon <= self.job.now);
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

/// Whether deciding about it takes knowing which transactions were aborted.
fn is_part_of_transaction(batch: &BatchView<'_>) -> bool {
    batch.attributes().is_transactional() || batch.attributes().is_control()
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.cleaning.set(false);
        self.0.progress.ring();
    }
}

impl fmt::Display for CleanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CleanError::Overtaken => f.write_str("the log changed or was closed meanwhile"),
            CleanError::Io(error) => write!(f, "the disk failed: {error}"),
            CleanError::Damaged { file, position } => {
                write!(f, "{file} holds no valid batch at byte {position}")
            }
            CleanError::TooLarge => f.write_str("a cleaned segment would be larger than 2 GiB"),
        }
    }
}

impl std::error::Error for CleanError {}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Compression(error) => error.fmt(f),
            Unreadable::Record(error) => error.fmt(f),
        }
    }
}
