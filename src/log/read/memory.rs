//! Drives: the memory that the logs of one shard take on one device: newest records, reads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::{Rc, Weak};

use futures_util::future::{Either, select};

use super::demand::Demand;
use super::stream::BatchStream;
use crate::base::Offset;
use crate::io::budget::{Budget, Use};
use crate::io::buffer::{Pool, ReadMemory};
use crate::io::semaphore::{Permit, Semaphore};
use crate::log::append::LogsOptions;
use crate::log::inner::Inner;

/// Of the bytes that the cache has for sure, one in so many is kept even where no reader needs it.
const KEPT_SHARE: usize = 8;
/// Logs that are asked to give up a chunk in one step of giving up what no reader needs.
const GIVEN_UP_AT_ONCE: usize = 32;

/// Streams that are kept for the fetch that goes on where they ended.
const PARKED_MAX: usize = 256;

/// Memory of the logs of one shard on one device.
pub struct LogMemory {
    budget: Rc<Budget>,
    pool: Pool,
    cache_bytes: usize,
    cache_bytes_max: usize,
    /// What readers make of the cache.
    demand: Demand,
    /// Room for one read more, for when the budget is used up by those who wait for each other:
    /// one reader at a time always gets on.
    last: Rc<Budget>,
    /// Bytes of reads under way.
    reads: Rc<Semaphore>,
    /// Logs in the order in which they took chunks, one entry for each.
    chunk_order: RefCell<VecDeque<Weak<Inner>>>,
    /// The longest parked first.
    parked: RefCell<VecDeque<Parked>>,
}

/// A stream whose reader is likely to come back.
struct Parked {
    stream: Box<BatchStream>,
    /// Whether it was there when its log was last maintained.
    is_old: bool,
}

impl LogMemory {
    /// Bounds from `options`; chunks are those of `pool`, and count in the budget from now on.
    pub fn new(options: &LogsOptions, pool: &Pool) -> Rc<LogMemory> {
        let budget = Rc::clone(&options.budget);
        pool.count_chunks_in(budget.hold(Use::Tail, 0));
        let cache_bytes_max = options.cache_bytes_max.max(options.cache_bytes);
        let memory = Rc::new(LogMemory {
            pool: pool.clone(),
            cache_bytes: options.cache_bytes,
            cache_bytes_max,
            demand: Demand::new(options.cache_bytes / KEPT_SHARE, cache_bytes_max),
            last: Budget::new(options.read_ahead_bytes),
            reads: Semaphore::new(options.read_bytes_max),
            chunk_order: RefCell::default(),
            parked: RefCell::default(),
            budget: Rc::clone(&budget),
        });
        let weak = Rc::downgrade(&memory);
        budget.on_shortage(move |missing| {
            if let Some(memory) = weak.upgrade() {
                memory.give_up(missing);
            }
        });
        memory
    }

    /// Memory for a read of `bytes`, waiting until there is some. A task that waits here must hold
    /// none.
    pub async fn for_read(&self, bytes: usize) -> ReadMemory {
        if let Some(memory) = self.for_read_now(bytes) {
            return memory;
        }
        let free = pin!(self.budget.reserve(Use::Reads, bytes));
        match select(free, pin!(self.last.reserve(Use::Reads, bytes))).await {
            Either::Left((memory, _)) => (memory, None),
            Either::Right((last, _)) => (self.budget.hold(Use::Reads, bytes), Some(last)),
        }
    }

    /// Memory for a read of `bytes`, if there is some.
    pub fn for_read_now(&self, bytes: usize) -> Option<ReadMemory> {
        let memory = self.budget.try_reserve(Use::Reads, bytes)?;
        Some((memory, None))
    }

    /// Memory for a read of `bytes` that no task waits for yet: only what no other use is likely
    /// to want.
    pub fn for_read_ahead(&self, bytes: usize) -> Option<ReadMemory> {
        let total = self.budget.total_bytes();
        let reads = self.budget.used_by(Use::Reads);
        let is_little = reads + bytes <= total / 4 && self.free_bytes() >= total / 8 + bytes;
        is_little.then(|| self.for_read_now(bytes)).flatten()
    }

    /// Memory for a read of `bytes` that goes on with one that has its own; it is little.
    pub fn for_read_on(&self, bytes: usize) -> ReadMemory {
        (self.budget.hold(Use::Reads, bytes), None)
    }

    /// What is free, or would be if nothing was held that can be given up.
    fn free_bytes(&self) -> usize {
        let extra = self.pool.chunk_bytes_out().saturating_sub(self.cache_bytes);
        self.budget.free_bytes() + extra
    }

    /// Whether there is so little left that readers should not sit on what they do not send.
    pub fn is_tight(&self) -> bool {
        self.budget.is_short() || self.free_bytes() < self.budget.total_bytes() / 2
    }

    /// Waits until a read of `bytes` fits into what the device may have to do at a time; one
    /// read always does.
    pub async fn read_permit(&self, bytes: usize) -> Permit {
        self.reads.take(bytes).await
    }

    /// Notes that `log` took `count` chunks, and has the oldest given up where they are too
    /// many by now; where none can be, what keeps them is brought to the logs' files.
    pub fn chunks_taken(&self, log: &Rc<Inner>, count: usize) {
        let mut order = self.chunk_order.borrow_mut();
        for _ in 0..count {
            order.push_back(Rc::downgrade(log));
        }
        // Bounded: a log that can give up nothing now is asked again later.
        self.evict(&mut order, count + 8, LogMemory::has_unneeded_chunks);
        if self.has_too_many_chunks() {
            log.logs.hurry_home();
        }
    }

    /// Whether more is kept than readers need, or may be.
    fn has_unneeded_chunks(&self) -> bool {
        self.pool.chunk_bytes_out() > self.demand.bytes() || self.has_too_many_chunks()
    }

    /// Notes that a reader found records in memory, and how many bytes of chunks were taken before
    /// those behind them.
    pub fn was_found(&self, taken_before: u64) {
        let taken = self.pool.chunk_bytes_taken();
        self.demand.found(taken.saturating_sub(taken_before));
    }

    /// Notes that a reader did not find the record of `log` at `offset` in memory.
    pub fn was_missed(&self, log: &Inner, offset: Offset) {
        let behind = bytes_behind(log, offset, self.cache_bytes_max as u64);
        let taken = self.pool.chunk_bytes_taken();
        self.demand.missed(behind, taken);
    }

    /// To be called each second.
    pub fn second_passed(&self) {
        self.demand.second_passed();
    }

    /// Gives up some of what is kept and no reader needs any more; `true` where there is more.
    pub fn give_up_unneeded(&self) -> bool {
        let mut order = self.chunk_order.borrow_mut();
        let before = self.pool.chunk_bytes_out();
        self.evict(&mut order, GIVEN_UP_AT_ONCE, LogMemory::has_unneeded_chunks);
        self.pool.chunk_bytes_out() < before && self.has_unneeded_chunks()
    }

    /// More than the cache has for sure is kept only while no other use comes close to wanting it.
    fn has_too_many_chunks(&self) -> bool {
        let out = self.pool.chunk_bytes_out();
        out > self.cache_bytes
            && (out > self.cache_bytes_max
                || self.budget.is_short()
                || self.budget.free_bytes() < self.budget.total_bytes() / 4)
    }

    /// Whether so much of the budget is taken by chunks which cannot be given up, because they
    /// are not written yet or a reader holds them, that a log which has some to write waits for
    /// that before it takes more.
    pub fn is_full(&self) -> bool {
        self.pool.chunk_bytes_out() > self.budget.total_bytes() / 4 * 3
    }

    fn evict(
        &self,
        order: &mut VecDeque<Weak<Inner>>,
        mut attempts: usize,
        goes_on: impl Fn(&LogMemory) -> bool,
    ) {
        while attempts > 0 && goes_on(self) {
            attempts -= 1;
            let Some(oldest) = order.pop_front() else {
                return;
            };
            if let Some(log) = oldest.upgrade()
                && !log.evict()
                && log.has_tail()
            {
                order.push_back(oldest);
            }
        }
    }

    /// Gives up what is held only because memory was free, at least `missing` bytes of it if
    /// there is so much.
    fn give_up(&self, missing: usize) {
        let goal = self.budget.free_bytes() + missing;
        while self.budget.free_bytes() < goal {
            let Some(parked) = self.parked.borrow_mut().pop_front() else {
                break;
            };
            drop(parked);
        }
        // Where a log is just appending it has the order, and looks itself.
        if let Ok(mut order) = self.chunk_order.try_borrow_mut() {
            let attempts = order.len();
            self.evict(&mut order, attempts, |it| {
                it.pool.chunk_bytes_out() > it.cache_bytes && it.budget.free_bytes() < goal
            });
        }
    }

    /// Keeps a stream that has given out all it was to give, for a reader that goes on.
    pub fn park(&self, stream: Box<BatchStream>) {
        let mut parked = self.parked.borrow_mut();
        if parked.len() >= PARKED_MAX {
            parked.pop_front();
        }
        parked.push_back(Parked {
            stream,
            is_old: false,
        });
    }

    /// The stream that `log` goes on with at `offset`, if one is parked.
    pub fn unpark(&self, log: &Inner, offset: Offset) -> Option<Box<BatchStream>> {
        let mut parked = self.parked.borrow_mut();
        let at = parked
            .iter()
            .rposition(|it| it.stream.goes_on(log, offset))?;
        parked.remove(at).map(|it| it.stream)
    }

    /// Forgets the streams of `log` that were parked when this was last called, or all of them.
    pub fn forget_parked(&self, log: &Inner, all: bool) {
        self.parked.borrow_mut().retain_mut(|it| {
            let is_its = it.stream.is_of(log);
            !is_its || !all && !std::mem::replace(&mut it.is_old, true)
        });
    }
}

/// About how many bytes of `log` lie behind `offset`, as if all records of a segment were of one
/// size: the index would have to be read to know. No segment is looked at beyond the one that
/// brings it above `max`.
fn bytes_behind(log: &Inner, offset: Offset, max: u64) -> u64 {
    let state = log.state.borrow();
    let (mut end, mut behind) = (log.end_offset.get(), 0);
    for segment in state.segments.iter().rev() {
        let (base, bytes) = (segment.base_offset, segment.size.get());
        if base <= offset {
            let share = (end - offset) as f64 / (end - base).max(1) as f64;
            return behind + (bytes as f64 * share) as u64;
        }
        behind += bytes;
        end = base;
        if behind > max {
            break;
        }
    }
    behind
}
