//! Pure: batches on their way into a log, and the replies that wait for them.
//!
//! Every reply, of reads too, waits behind the newest batch that was there before it. So no client
//! is told of what may yet be lost, and what one client was told the next one sees. Where an append
//! fails the queue is dropped, with all that waits in it.

use std::collections::VecDeque;

use crate::base::{Offset, WallMs, limits};
use crate::coordinator::record::Encoded;

use super::batches::to_batches;
use super::machine::InTransaction;
use crate::partition::producers::Guard;

/// Batches of one log in order, and replies of type `R` between them.
#[derive(Debug)]
pub(super) struct Queue<R> {
    /// The largest batch that the log takes, in bytes.
    batch_bytes_max: usize,
    /// Batches that the log has not taken yet.
    unwritten: VecDeque<Unwritten>,
    /// How many batches were ever handed over, how many of these the log has taken, and how many
    /// of those it has acked.
    handed: u64,
    written: u64,
    acked: u64,
    /// Batches that the log has taken and not acked.
    unacked: VecDeque<Unacked>,
    /// Bytes of all batches that are not acked.
    bytes: usize,
    /// Replies, each with the count of batches that must be acked before it.
    parked: VecDeque<(u64, R)>,
}

/// A batch that the log has not taken yet.
#[derive(Clone, Debug)]
pub(super) struct Unwritten {
    /// The batch.
    pub bytes: Vec<u8>,
    /// Shows that it may begin a transaction in the log.
    pub guard: Option<Guard>,
}

/// A batch that the log has taken.
#[derive(Debug)]
struct Unacked {
    /// How many batches were written up to this one.
    count: u64,
    /// It is acked once everything before this offset is.
    upto: Offset,
    bytes: usize,
}

impl<R> Queue<R> {
    /// An empty queue before a log that takes batches of at most `batch_bytes_max` bytes.
    pub fn new(batch_bytes_max: usize) -> Queue<R> {
        Queue {
            batch_bytes_max,
            unwritten: VecDeque::new(),
            handed: 0,
            written: 0,
            acked: 0,
            unacked: VecDeque::new(),
            bytes: 0,
            parked: VecDeque::new(),
        }
    }

    /// Adds the records of one step, as batches; as part of a transaction, if there is one.
    pub fn push(&mut self, records: &[Encoded], transaction: Option<&InTransaction>, now: WallMs) {
        let guard = transaction.and_then(|it| it.guard);
        for bytes in to_batches(records, transaction, self.batch_bytes_max, now) {
            self.push_batch(bytes, guard);
        }
    }

    /// Adds a batch as it is.
    pub fn push_batch(&mut self, bytes: Vec<u8>, guard: Option<Guard>) {
        self.handed += 1;
        self.bytes += bytes.len();
        self.unwritten.push_back(Unwritten { bytes, guard });
    }

    /// Whether all batches are acked, so that no reply has to wait.
    pub fn is_quiet(&self) -> bool {
        self.acked == self.handed
    }

    /// Whether work that takes long may add batches now.
    pub fn takes_more(&self) -> bool {
        self.bytes < limits::COORDINATOR_QUEUE_BYTES_MAX
    }

    /// Parks a reply behind the newest batch, or gives it back where it need not wait.
    #[must_use]
    pub fn park(&mut self, reply: R) -> Option<R> {
        if self.is_quiet() {
            return Some(reply);
        }
        self.parked.push_back((self.handed, reply));
        None
    }

    /// The oldest batch that the log has not taken yet.
    pub fn unwritten(&self) -> Option<&Unwritten> {
        self.unwritten.front()
    }

    /// The log has taken that batch: it is durable once everything before `upto` is acked.
    pub fn wrote(&mut self, upto: Offset) {
        let batch = self.unwritten.pop_front();
        let batch = batch.expect("what is written was in the queue");
        let last = self.unacked.back().map_or(0, |last| last.upto);
        assert!(upto > last, "batches are written in order");
        self.written += 1;
        self.unacked.push_back(Unacked {
            count: self.written,
            upto,
            bytes: batch.bytes.len(),
        });
    }

    /// The offset before which everything must be acked for the oldest batch that waits for that.
    pub fn unacked(&self) -> Option<Offset> {
        self.unacked.front().map(|first| first.upto)
    }

    /// Everything before `upto` is acked: gives the replies that waited for it to `answer`, in the
    /// order in which they were parked.
    pub fn acked(&mut self, upto: Offset, mut answer: impl FnMut(R)) {
        while let Some(first) = self.unacked.front()
            && first.upto <= upto
        {
            self.acked = first.count;
            self.bytes -= first.bytes;
            self.unacked.pop_front();
        }
        while let Some((behind, _)) = self.parked.front()
            && *behind <= self.acked
            && let Some((_, reply)) = self.parked.pop_front()
        {
            answer(reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// What happens to a queue.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// A step makes so many records, each of which fills a batch.
        Push(usize),
        /// A reply is made.
        Park(&'static str),
        /// The log takes the oldest batch, which ends before this offset.
        Wrote(Offset),
        /// The log has acked everything before this offset.
        Acked(Offset),
    }
    use Event::*;

    /// A step, the replies that go on with it, and then: the first unwritten batch is there, and
    /// the offset that is waited for.
    type Line = (Event, &'static [&'static str], bool, Option<Offset>);

    fn record() -> Encoded {
        Encoded {
            key: vec![7; 100],
            value: None,
        }
    }

    fn play(lines: &[Line]) -> Queue<&'static str> {
        // One record fits.
        let mut queue = Queue::new(150);
        for (at, (event, answered, unwritten, unacked)) in lines.iter().enumerate() {
            let mut went = Vec::new();
            match *event {
                Push(count) => queue.push(&vec![record(); count], None, 1),
                Park(reply) => went.extend(queue.park(reply)),
                Wrote(upto) => queue.wrote(upto),
                Acked(upto) => queue.acked(upto, |reply| went.push(reply)),
            }
            assert_eq!(went, *answered, "line {at}: {event:?}");
            assert_eq!(queue.unwritten().is_some(), *unwritten, "line {at}");
            assert_eq!(queue.unacked(), *unacked, "line {at}");
        }
        queue
    }

    #[test]
    fn a_reply_waits_for_the_batches_before_it_and_no_other() {
        let queue = play(&[
            (Park("at once"), &["at once"], false, None),
            (Push(1), &[], true, None),
            (Park("a"), &[], true, None),
            (Park("b"), &[], true, None),
            (Push(1), &[], true, None),
            (Park("c"), &[], true, None),
            (Wrote(10), &[], true, Some(10)),
            (Acked(9), &[], true, Some(10)),
            (Acked(10), &["a", "b"], true, None),
            (Park("d"), &[], true, None),
            (Wrote(12), &[], false, Some(12)),
            (Acked(11), &[], false, Some(12)),
            (Acked(15), &["c", "d"], false, None),
            (Park("at once again"), &["at once again"], false, None),
        ]);
        assert!(queue.is_quiet());
    }

    #[test]
    fn a_step_of_many_batches_is_answered_after_the_last() {
        play(&[
            (Push(3), &[], true, None),
            (Park("all"), &[], true, None),
            (Wrote(1), &[], true, Some(1)),
            (Wrote(2), &[], true, Some(1)),
            (Acked(2), &[], true, None),
            (Wrote(3), &[], false, Some(3)),
            (Acked(3), &["all"], false, None),
        ]);
    }

    #[test]
    fn one_ack_may_cover_many_batches_and_keeps_the_order_of_replies() {
        play(&[
            (Push(1), &[], true, None),
            (Park("a"), &[], true, None),
            (Push(1), &[], true, None),
            (Park("b"), &[], true, None),
            (Push(1), &[], true, None),
            (Wrote(1), &[], true, Some(1)),
            (Wrote(2), &[], true, Some(1)),
            (Wrote(3), &[], false, Some(1)),
            (Park("c"), &[], false, Some(1)),
            (Acked(3), &["a", "b", "c"], false, None),
        ]);
    }

    #[test]
    fn a_step_without_records_adds_nothing_to_wait_for() {
        let queue = play(&[
            (Push(0), &[], false, None),
            (Park("a"), &["a"], false, None),
        ]);
        assert!(queue.is_quiet());
    }

    #[test]
    fn a_queue_is_full_until_enough_of_it_is_acked() {
        let mut queue = Queue::<()>::new(usize::MAX);
        let record = Encoded {
            key: vec![7; limits::COORDINATOR_QUEUE_BYTES_MAX / 2],
            value: None,
        };
        let step = [record];
        queue.push(&step, None, 1);
        assert!(queue.takes_more());
        queue.push(&step, None, 1);
        assert!(!queue.takes_more());
        queue.wrote(1);
        assert!(!queue.takes_more(), "what is written waits for its ack");
        queue.acked(1, drop);
        assert!(queue.takes_more());
    }

    #[test]
    fn what_is_parked_is_dropped_with_the_queue() {
        let reply = Rc::new(());
        let mut queue = Queue::new(150);
        queue.push(&[record(), record()], None, 1);
        assert!(queue.park(reply.clone()).is_none());
        queue.wrote(1);
        queue.acked(1, |_| panic!("the second batch is not acked"));
        assert_eq!(Rc::strong_count(&reply), 2);
        drop(queue);
        assert_eq!(Rc::strong_count(&reply), 1);
    }

    #[test]
    #[should_panic(expected = "batches are written in order")]
    fn a_log_that_goes_back_is_refused() {
        play(&[
            (Push(2), &[], true, None),
            (Wrote(5), &[], true, Some(5)),
            (Wrote(5), &[], false, Some(5)),
        ]);
    }
}
