//! Pure: tasks that wait for a partition to move, woken by a direct call in the same turn.

use std::task::Waker;

use super::state::{Acks, ReplicaState};
use crate::base::Offset;

/// Tasks parked on one partition. In the steady state it allocates nothing: lists
/// keep their memory.
#[derive(Default)]
pub struct Waiters {
    producers: Vec<Producer>,
    readers: Vec<Waker>,
    followers: Vec<Waker>,
}

/// A producer whose batch is to be acked.
struct Producer {
    acks: Acks,
    upto: Offset,
    waker: Waker,
}

impl Waiters {
    /// Wakes `waker` once everything before `upto` is acked to those who wait for `acks`.
    pub fn park_producer(&mut self, acks: Acks, upto: Offset, waker: &Waker) {
        let mut producers = self.producers.iter_mut();
        match producers.find(|it| it.acks == acks && it.waker.will_wake(waker)) {
            Some(known) => known.upto = known.upto.min(upto),
            None => self.producers.push(Producer {
                acks,
                upto,
                waker: waker.clone(),
            }),
        }
    }

    /// Wakes `waker` when there is more to read.
    pub fn park_reader(&mut self, waker: &Waker) {
        if !self.readers.iter().any(|known| known.will_wake(waker)) {
            self.readers.push(waker.clone());
        }
    }

    /// Wakes `waker` when there is more to replicate.
    pub fn park_follower(&mut self, waker: &Waker) {
        if !self.followers.iter().any(|known| known.will_wake(waker)) {
            self.followers.push(waker.clone());
        }
    }

    /// Forgets a reader or follower that waits no more.
    pub fn leave(&mut self, waker: &Waker) {
        for parked in [&mut self.readers, &mut self.followers] {
            if let Some(at) = parked.iter().position(|known| known.will_wake(waker)) {
                parked.swap_remove(at);
            }
        }
    }

    /// The log has become longer: wakes all followers. They need not wait until it is stored.
    pub fn appended(&mut self) {
        self.followers.drain(..).for_each(Waker::wake);
    }

    /// The partition's numbers have moved: wakes the producers whose batches are acked now, and
    /// all readers.
    pub fn advance(&mut self, state: &ReplicaState) {
        let mut at = 0;
        while at < self.producers.len() {
            let Producer { acks, upto, .. } = self.producers[at];
            if upto <= state.acked_offset(acks) {
                self.producers.swap_remove(at).waker.wake();
            } else {
                at += 1;
            }
        }
        self.readers.drain(..).for_each(Waker::wake);
    }

    /// The partition has failed or is out of service: wakes all tasks, to find that out.
    pub fn wake_all(&mut self) {
        self.producers.drain(..).for_each(|it| it.waker.wake());
        self.readers.drain(..).for_each(Waker::wake);
        self.followers.drain(..).for_each(Waker::wake);
    }

    /// How many tasks are parked.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.producers.len() + self.readers.len() + self.followers.len()
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
    fn a_producer_is_woken_by_the_ack_that_covers_its_batch_and_not_before() {
        for acks in [Acks::Leader, Acks::All] {
            let counter = Arc::new(Counter::default());
            let waker = Waker::from(counter.clone());
            let mut state = ReplicaState::opened(0, 0, 0);
            state.lead(0);
            let mut waiters = Waiters::default();
            state.appended(0, 10);
            waiters.park_producer(acks, 10, &waker);
            state.stored(9);
            state.commit(9);
            waiters.advance(&state);
            assert_eq!(counter.0.load(Ordering::Relaxed), 0);
            state.stored(10);
            state.commit(10);
            waiters.advance(&state);
            assert_eq!(counter.0.load(Ordering::Relaxed), 1);
            assert_eq!(waiters.count(), 0);
        }
    }

    #[test]
    fn a_task_that_parks_twice_for_the_same_is_parked_once() {
        let waker = Waker::from(Arc::new(Counter::default()));
        let mut waiters = Waiters::default();
        waiters.park_producer(Acks::All, 10, &waker);
        waiters.park_producer(Acks::All, 8, &waker);
        waiters.park_reader(&waker);
        waiters.park_reader(&waker);
        assert_eq!(waiters.count(), 2);
        waiters.leave(&waker);
        assert_eq!(waiters.count(), 1);
        waiters.park_producer(Acks::Leader, 10, &waker);
        assert_eq!(waiters.count(), 2);
    }

    #[test]
    fn a_follower_is_woken_by_an_append_and_a_reader_is_not() {
        let (read, replicated) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let mut waiters = Waiters::default();
        waiters.park_reader(&read.clone().into());
        waiters.park_follower(&replicated.clone().into());
        waiters.appended();
        assert_eq!(read.0.load(Ordering::Relaxed), 0);
        assert_eq!(replicated.0.load(Ordering::Relaxed), 1);
        waiters.park_follower(&replicated.clone().into());
        waiters.leave(&Waker::from(replicated));
        assert_eq!(waiters.count(), 1);
    }
}
