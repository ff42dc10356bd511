// Copyright 2024 Glommio Project Authors. Licensed under Apache-2.0.

//! Corelane: the timers of a reactor, the next one to expire first. As published they were in a
//! wheel, and the next one was found by looking at all of them, in each turn of the executor.

use super::timer_id::TimerId;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Timers as a binary heap: to insert and to remove takes time that grows with the logarithm of
/// their number, and no memory where there were as many before. The next one is its first.
pub(crate) struct ReactorTimers {
    /// When each expires, and its slot. Each expires no later than the two below it.
    heap: Vec<(Instant, u32)>,

    /// By the index of a timer's ID.
    slots: Vec<Slot>,

    /// Slots without a timer.
    free: Vec<u32>,

    /// Wakers of those that have just expired. Kept for its memory: this runs in each turn.
    expired: Vec<Waker>,
}

/// A timer, or room for one.
struct Slot {
    /// How many timers have been here: an ID of an earlier one says nothing of this one.
    generation: u32,

    /// Where in the heap it is.
    place: usize,

    /// Whom it wakes; `None` where the slot is free.
    waker: Option<Waker>,
}

impl ReactorTimers {
    pub(crate) fn new() -> Self {
        Self {
            heap: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            expired: Vec::new(),
        }
    }

    /// Insert a timer and return an ID for cancellation
    pub(crate) fn insert(&mut self, expires_at: Instant, waker: Waker) -> TimerId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                place: 0,
                waker: None,
            });
            self.slots.len() as u32 - 1
        });
        self.slots[index as usize].waker = Some(waker);
        self.heap.push((expires_at, index));
        self.rise(self.heap.len() - 1);
        TimerId::new(index, self.slots[index as usize].generation)
    }

    /// Has another waker woken; `false` where the timer has expired or was removed
    pub(crate) fn renew(&mut self, id: TimerId, waker: &Waker) -> bool {
        if !self.exists(id) {
            return false;
        }
        if let Some(known) = &mut self.slots[id.index() as usize].waker {
            known.clone_from(waker);
        }
        true
    }

    /// Remove a timer by ID
    ///
    /// Returns true if the timer was found and removed
    pub(crate) fn remove(&mut self, id: TimerId) -> bool {
        let exists = self.exists(id);
        if exists {
            self.take(self.slots[id.index() as usize].place);
        }
        exists
    }

    /// Check if a timer exists by ID
    pub(crate) fn exists(&self, id: TimerId) -> bool {
        let slot = self.slots.get(id.index() as usize);
        slot.is_some_and(|slot| slot.generation == id.generation() && slot.waker.is_some())
    }

    /// Process expired timers
    ///
    /// Returns (next_timer_duration, num_woke)
    ///
    /// # Re-entrancy Safety
    ///
    /// This method collects all expired wakers BEFORE calling wake() to avoid
    /// re-entrancy panics. If a waker tries to insert/remove timers during
    /// wake(), it won't conflict with our mutable borrow.
    pub(crate) fn process_timers(&mut self) -> (Option<Duration>, usize) {
        if self.heap.is_empty() {
            return (None, 0);
        }
        let now = Instant::now();
        while self.heap.first().is_some_and(|(at, _)| *at <= now) {
            let waker = self.take(0);
            self.expired.extend(waker);
        }
        let woke = self.expired.len();
        for waker in self.expired.drain(..) {
            waker.wake();
        }
        let next = self.heap.first();
        let next_duration = next.map(|(at, _)| at.saturating_duration_since(now));
        (next_duration, woke)
    }

    /// Get the number of active timers
    #[allow(dead_code)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Check if there are no active timers
    #[allow(dead_code)]
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Takes the timer at `place` out of the heap
    fn take(&mut self, place: usize) -> Option<Waker> {
        let (_, index) = self.heap.swap_remove(place);
        if place < self.heap.len() {
            // What was the last one stands here now: only one of the two moves it.
            self.sink(place);
            self.rise(place);
        }
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        slot.waker.take()
    }

    /// Moves what is at `place` up to where those above expire no later
    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.heap[place] < self.heap[(place - 1) / 2] {
            self.heap.swap(place, (place - 1) / 2);
            self.note(place);
            place = (place - 1) / 2;
        }
        self.note(place);
    }

    /// Moves what is at `place` down to where those below expire no earlier
    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut first = place;
            for below in [left, right] {
                if below < self.heap.len() && self.heap[below] < self.heap[first] {
                    first = below;
                }
            }
            if first == place {
                break;
            }
            self.heap.swap(place, first);
            self.note(place);
            place = first;
        }
        self.note(place);
    }

    /// Notes where the timer at `place` is
    fn note(&mut self, place: usize) {
        let (_, index) = self.heap[place];
        self.slots[index as usize].place = place;
    }
}

impl Default for ReactorTimers {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Helper: a waker that does nothing when woken.
    fn dummy_waker() -> Waker {
        Waker::noop().clone()
    }

    #[test]
    fn test_insert_and_process() {
        let mut timers = ReactorTimers::new();
        let now = Instant::now();

        // Insert a timer and get ID
        let _id = timers.insert(now + Duration::from_millis(100), dummy_waker());
        assert_eq!(timers.len(), 1);

        // Process before expiry - should not wake
        let (next, woke) = timers.process_timers();
        assert_eq!(woke, 0);
        assert!(next.is_some());
        assert_eq!(timers.len(), 1);

        // Wait and process after expiry
        std::thread::sleep(Duration::from_millis(150));
        let (_, woke) = timers.process_timers();
        assert_eq!(woke, 1);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn test_remove() {
        let mut timers = ReactorTimers::new();
        let now = Instant::now();

        // Insert and get ID
        let id = timers.insert(now + Duration::from_millis(100), dummy_waker());
        assert_eq!(timers.len(), 1);

        // Remove the timer using ID
        assert!(timers.remove(id));
        assert_eq!(timers.len(), 0);

        // Try to remove again with same ID - should return false
        assert!(!timers.remove(id));
    }

    #[test]
    fn test_exists() {
        let mut timers = ReactorTimers::new();
        let now = Instant::now();

        // Insert and get ID
        let id = timers.insert(now + Duration::from_millis(100), dummy_waker());

        // Should exist with correct ID
        assert!(timers.exists(id));

        // Remove and check it no longer exists
        timers.remove(id);
        assert!(!timers.exists(id));
    }

    #[test]
    fn test_multiple_timers() {
        let mut timers = ReactorTimers::new();
        let now = Instant::now();

        // Insert multiple timers
        let id1 = timers.insert(now + Duration::from_millis(100), dummy_waker());
        let id2 = timers.insert(now + Duration::from_millis(200), dummy_waker());
        let id3 = timers.insert(now + Duration::from_millis(300), dummy_waker());

        assert_eq!(timers.len(), 3);

        // Remove one timer
        assert!(timers.remove(id2));
        assert_eq!(timers.len(), 2);

        // Verify correct timers remain
        assert!(timers.exists(id1));
        assert!(!timers.exists(id2));
        assert!(timers.exists(id3));
    }

    // Corelane: inserted and removed in any order, against a list.
    #[test]
    fn test_those_that_are_left_expire_in_their_order() {
        let begin = Instant::now();
        let mut timers = ReactorTimers::new();
        let mut left = Vec::new();
        let mut seed: u64 = 7;
        for _ in 0..3_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (seed >> 33) as usize;
            if number % 3 > 0 || left.is_empty() {
                let at = begin + Duration::from_secs(number as u64 % 1_000 + 1_000);
                left.push((at, timers.insert(at, dummy_waker())));
            } else {
                let (at, id) = left.swap_remove(number % left.len());
                assert!(timers.remove(id) && !timers.exists(id) && !timers.remove(id));
                assert!(at > begin);
            }
            assert_eq!(timers.len(), left.len());
            let first = left.iter().map(|(at, _)| *at).min();
            assert_eq!(timers.heap.first().map(|(at, _)| *at), first);
        }
        assert!(left.iter().all(|(_, id)| timers.exists(*id)));
        left.sort_by_key(|(at, _)| *at);
        for (at, _) in left {
            assert_eq!(timers.heap[0].0, at);
            timers.take(0);
        }
        assert!(timers.is_empty() && timers.slots.len() > 500);
    }
}
