//! Pure: tasks that wait for a partition to move, woken by a direct call in the same turn.

use std::task::Waker;

use crate::base::Offset;

/// Tasks parked on one partition. Steady state allocates nothing: lists keep their room.
#[derive(Default)]
pub struct Waiters {
    commits: Vec<(Offset, Waker)>,
    readers: Vec<Waker>,
}

impl Waiters {
    /// Wakes `waker` once everything below `upto` is acked.
    pub fn park_commit(&mut self, upto: Offset, waker: &Waker) {
        for (parked, known) in &mut self.commits {
            if known.will_wake(waker) {
                *parked = (*parked).min(upto);
                return;
            }
        }
        self.commits.push((upto, waker.clone()));
    }

    /// Wakes `waker` when there is more to read.
    pub fn park_reader(&mut self, waker: &Waker) {
        if !self.readers.iter().any(|known| known.will_wake(waker)) {
            self.readers.push(waker.clone());
        }
    }

    /// Forgets a reader that waits no more.
    pub fn leave(&mut self, waker: &Waker) {
        if let Some(at) = self.readers.iter().position(|known| known.will_wake(waker)) {
            self.readers.swap_remove(at);
        }
    }

    /// Everything below `upto` is acked: wakes the commits this covers, and all readers.
    pub fn advance(&mut self, upto: Offset) {
        let mut at = 0;
        while at < self.commits.len() {
            if self.commits[at].0 <= upto {
                self.commits.swap_remove(at).1.wake();
            } else {
                at += 1;
            }
        }
        self.readers.drain(..).for_each(Waker::wake);
    }

    /// The partition has failed or gone: wakes everyone to find out.
    pub fn wake_all(&mut self) {
        self.commits.drain(..).for_each(|(_, waker)| waker.wake());
        self.readers.drain(..).for_each(Waker::wake);
    }

    /// How many tasks are parked.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.commits.len() + self.readers.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_commit_is_woken_by_the_ack_that_covers_it_and_not_before() {
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(counter.clone());
        let mut waiters = Waiters::default();
        waiters.park_commit(10, &waker);
        waiters.advance(9);
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);
        waiters.advance(10);
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        assert_eq!(waiters.count(), 0);
    }

    #[test]
    fn a_task_that_parks_twice_is_parked_once() {
        let waker = Waker::from(Arc::new(Counter::default()));
        let mut waiters = Waiters::default();
        waiters.park_commit(10, &waker);
        waiters.park_commit(8, &waker);
        waiters.park_reader(&waker);
        waiters.park_reader(&waker);
        assert_eq!(waiters.count(), 2);
        waiters.leave(&waker);
        assert_eq!(waiters.count(), 1);
    }
}
