//! Pure: a machine at work on its partition: the records it makes go into the queue, and the
//! replies wait there until they may be given.

use std::collections::BTreeMap;

use futures_channel::oneshot;

use crate::base::{Instant, Offset};

use super::machine::{Machine, Now, Outcome, Token};
use super::queue::{Queue, Unwritten};
use crate::partition::Marker;
use crate::wire::batch::marker_batch;

/// A machine at work. Dropping it drops every request that waits, which its sender takes for "not
/// the coordinator any more".
pub(super) struct Serving<M: Machine> {
    machine: M,
    queue: Queue<Due<M::Reply>>,
    /// Where the replies to parked requests go.
    askers: BTreeMap<Token, oneshot::Sender<M::Reply>>,
    next_token: u64,
}

/// What may be told once the batches before it are acked.
enum Due<R> {
    /// The reply to a parked request.
    Reply(Token, R),
    /// An answer that its task has already.
    Turn(oneshot::Sender<()>),
}

/// Resolves when an answer may be given; is dropped when it may never be.
pub(super) type Turn = oneshot::Receiver<()>;

impl<M: Machine> Serving<M> {
    /// Serves a machine whose log was replayed a moment ago, and which has not heard of `changes`.
    pub fn new(machine: M, batch_bytes_max: usize, changes: &[M::Change], now: Now) -> Serving<M> {
        let mut serving = Serving {
            machine,
            queue: Queue::new(batch_bytes_max),
            askers: BTreeMap::new(),
            next_token: 0,
        };
        serving.step(now, |machine, out| {
            machine.loaded(now, out);
            for change in changes {
                machine.follow(change, now, out);
            }
        });
        serving
    }

    /// The machine, to look at what a client is not told.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// When the machine wants to be looked after.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        self.machine.next_deadline()
    }

    /// Takes a request in; its reply comes through the receiver.
    pub fn handle(&mut self, request: M::Request, now: Now) -> oneshot::Receiver<M::Reply> {
        let (sender, receiver) = oneshot::channel();
        self.next_token += 1;
        let token = Token(self.next_token);
        self.askers.insert(token, sender);
        self.step(now, |machine, out| machine.handle(token, request, now, out));
        receiver
    }

    /// Lets `act` work on the machine. Its result may be told once the turn has come: at once
    /// without one.
    pub fn ask<T>(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut M, &mut Outcome<M::Reply>) -> T,
    ) -> (T, Option<Turn>) {
        let value = self.step(now, act);
        let turn = match self.queue.is_quiet() {
            true => None,
            false => self.turn(),
        };
        (value, turn)
    }

    fn turn(&mut self) -> Option<Turn> {
        let (sender, receiver) = oneshot::channel();
        let waits = self.queue.park(Due::Turn(sender)).is_none();
        waits.then_some(receiver)
    }

    /// Ends a transaction: the machine takes the marker over, behind what it has decided before.
    pub fn end_transaction(&mut self, marker: &Marker, now: Now) -> Option<Turn> {
        let Marker {
            producer_id,
            committed,
            coordinator_epoch,
            ..
        } = *marker;
        self.machine.replay_marker(producer_id, committed);
        let producer = (producer_id, marker.producer_epoch);
        let batch = marker_batch(producer, committed, coordinator_epoch, now.wall_ms);
        self.queue.push_batch(batch, None);
        self.turn()
    }

    /// Lets the machine follow a change of the cluster.
    pub fn follow(&mut self, change: &M::Change, now: Now) {
        self.step(now, |machine, out| machine.follow(change, now, out));
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        self.step(now, |machine, out| machine.expire(now, out));
    }

    fn step<T>(&mut self, now: Now, act: impl FnOnce(&mut M, &mut Outcome<M::Reply>) -> T) -> T {
        let mut out = Outcome::default();
        let value = act(&mut self.machine, &mut out);
        self.queue
            .push(&out.records, out.transaction.as_ref(), now.wall_ms);
        for (token, reply) in out.replies {
            if let Some(due) = self.queue.park(Due::Reply(token, reply)) {
                give(&mut self.askers, due);
            }
        }
        value
    }

    /// Whether the machine has work that takes long, and the log has caught up so far that a step
    /// of it may be done.
    pub fn may_work(&self) -> bool {
        self.machine.has_work() && self.queue.takes_more()
    }

    /// Does a step of the work that takes long.
    pub fn work(&mut self, now: Now) {
        self.step(now, |machine, out| machine.work(now, out));
    }

    /// See [`Queue::unwritten`].
    pub fn unwritten(&self) -> Option<&Unwritten> {
        self.queue.unwritten()
    }

    /// See [`Queue::wrote`].
    pub fn wrote(&mut self, upto: Offset) {
        self.queue.wrote(upto);
    }

    /// See [`Queue::unacked`].
    pub fn unacked(&self) -> Option<Offset> {
        self.queue.unacked()
    }

    /// Everything before `upto` is acked: gives the answers that waited for it.
    pub fn acked(&mut self, upto: Offset) {
        self.queue.acked(upto, |due| give(&mut self.askers, due));
    }
}

/// Gives an answer to the task that waits for it; one that went away meanwhile is no error.
fn give<R>(askers: &mut BTreeMap<Token, oneshot::Sender<R>>, due: Due<R>) {
    match due {
        Due::Reply(token, reply) => {
            let _ = askers.remove(&token).map(|asker| asker.send(reply));
        }
        Due::Turn(turn) => {
            let _ = turn.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits;
    use crate::coordinator::runtime::tests::sample::{STEP_BYTES, Sample, Wait, now};

    fn serving() -> Serving<Sample> {
        Serving::new(Sample::default(), 1_000_000, &[], now(0))
    }

    fn put(serving: &mut Serving<Sample>, key: &str, value: i64) -> Option<Turn> {
        let ((), turn) = serving.ask(now(1), |sample, out| sample.put(key, value, out));
        turn
    }

    fn came(turn: &mut Turn) -> bool {
        turn.try_recv().unwrap().is_some()
    }

    #[test]
    fn an_answer_waits_for_its_batch_and_for_those_before_it() {
        let mut serving = serving();
        let mut first = put(&mut serving, "a", 1).unwrap();
        let mut second = put(&mut serving, "a", 2).unwrap();
        // A reader is told nothing that may yet be lost.
        let (seen, reader) = serving.ask(now(1), |sample, _| sample.kept.get("a").copied());
        let mut reader = reader.unwrap();
        assert_eq!(seen, Some(2));
        assert!(serving.unwritten().is_some());
        serving.wrote(10);
        assert_eq!(serving.unacked(), Some(10));
        serving.acked(9);
        assert!(!came(&mut first));
        serving.acked(10);
        assert!(came(&mut first) && !came(&mut second) && !came(&mut reader));
        serving.wrote(11);
        assert!(serving.unwritten().is_none());
        serving.acked(11);
        assert!(came(&mut second) && came(&mut reader));
        assert_eq!(serving.unacked(), None);
        assert!(serving.ask(now(1), |_, _| ()).1.is_none());
    }

    #[test]
    fn a_parked_request_is_answered_behind_the_record_that_answers_it() {
        let mut serving = serving();
        let mut reply = serving.handle(Wait::of("a", 1_000), now(1));
        assert_eq!(reply.try_recv(), Ok(None));
        put(&mut serving, "a", 7);
        assert_eq!(reply.try_recv(), Ok(None));
        serving.wrote(1);
        serving.acked(1);
        assert_eq!(reply.try_recv(), Ok(Some(Some(7))));
        // Nothing is written: the reply comes at once.
        let mut again = serving.handle(Wait::of("a", 1_000), now(2));
        assert_eq!(again.try_recv(), Ok(Some(Some(7))));
    }

    #[test]
    fn a_parked_request_ends_with_its_deadline() {
        let mut serving = serving();
        let mut reply = serving.handle(Wait::of("a", 10), now(1));
        assert_eq!(serving.next_deadline(), Some(now(11).instant));
        serving.expire(now(10));
        assert_eq!(reply.try_recv(), Ok(None));
        serving.expire(now(11));
        assert_eq!(reply.try_recv(), Ok(Some(None)));
        assert_eq!(serving.next_deadline(), None);
    }

    #[test]
    fn work_in_many_steps_waits_for_the_log() {
        let mut serving = serving();
        assert!(!serving.may_work());
        serving.ask(now(1), |sample, _| sample.steps_left = 1_000);
        let mut steps = 0;
        while serving.may_work() {
            serving.work(now(1));
            steps += 1;
        }
        // The one that fills the queue is the last.
        assert_eq!(steps, limits::COORDINATOR_QUEUE_BYTES_MAX / STEP_BYTES + 1);
        let mut upto = 0;
        while serving.unwritten().is_some() {
            upto += 1;
            serving.wrote(upto);
        }
        assert!(!serving.may_work());
        serving.acked(upto);
        assert!(serving.may_work());
    }

    #[test]
    fn what_changed_during_the_load_is_followed_behind_it() {
        let mut sample = Sample::default();
        sample.kept.extend([("a".into(), 1), ("b".into(), 2)]);
        let serving = Serving::new(sample, 1_000_000, &["a".into()], now(0));
        assert_eq!(serving.machine().kept.len(), 1);
        assert!(serving.unwritten().is_some());
    }

    #[test]
    fn a_task_that_waits_for_a_machine_that_is_dropped_finds_out() {
        let mut serving = serving();
        let mut turn = put(&mut serving, "a", 1).unwrap();
        let mut reply = serving.handle(Wait::of("b", 10), now(1));
        drop(serving);
        assert!(turn.try_recv().is_err() && reply.try_recv().is_err());
    }
}
