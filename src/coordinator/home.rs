//! Pure: one partition of `__consumer_offsets` being served: its machine, the batches that are
//! on their way to the log, and the answers that wait for them.
//!
//! Every answer, of reads too, waits behind the newest batch that was there before it: so
//! nobody is told of what may yet be lost, and what one client was told the next one sees.

use std::collections::{HashMap, VecDeque};

use futures_channel::oneshot;

use crate::base::{Instant, Offset, TopicId};

use super::batches::to_batches;
use super::group::{
    CommittedOffsets, GroupMachine, Join, JoinReply, Now, Outcome, StateCounts, Sync, SyncReply,
    Token,
};

/// A machine at work. Dropping it drops every parked request, which its asker takes for
/// "not the coordinator any more".
pub(super) struct Serving {
    machine: GroupMachine,
    /// The largest batch that the log takes, in bytes.
    batch_bytes_max: usize,
    next_token: u64,
    joins: HashMap<Token, oneshot::Sender<JoinReply>>,
    syncs: HashMap<Token, oneshot::Sender<SyncReply>>,
    /// Batches that the log has not taken yet, in order.
    unwritten: VecDeque<Vec<u8>>,
    /// How many batches were ever handed over, and how many of these the log has taken.
    handed: u64,
    written: u64,
    /// For batches that the log has taken: the count up to it, and the offset that must be
    /// committed for it.
    uncommitted: VecDeque<(u64, Offset)>,
    committed: u64,
    parked: VecDeque<Parked>,
}

/// Answers that wait until so many batches are committed.
struct Parked {
    behind: u64,
    joins: Vec<(Token, JoinReply)>,
    syncs: Vec<(Token, SyncReply)>,
    others: Vec<oneshot::Sender<()>>,
}

/// Resolves when an answer may be given; is dropped when it may never be.
pub(super) type Turn = oneshot::Receiver<()>;

impl Serving {
    /// Serves a machine that was just loaded.
    pub fn new(machine: GroupMachine, batch_bytes_max: usize) -> Serving {
        Serving {
            machine,
            batch_bytes_max,
            next_token: 0,
            joins: HashMap::new(),
            syncs: HashMap::new(),
            unwritten: VecDeque::new(),
            handed: 0,
            written: 0,
            uncommitted: VecDeque::new(),
            committed: 0,
            parked: VecDeque::new(),
        }
    }

    /// When the machine wants to be looked after.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        self.machine.next_deadline()
    }

    /// See [`GroupMachine::is_member`].
    pub fn is_member(&self, group: &str, member_id: &str) -> bool {
        self.machine.is_member(group, member_id)
    }

    /// Adds its groups to those in each state.
    pub fn count_states(&self, counts: &mut StateCounts) {
        self.machine.count_states(counts);
    }

    /// See [`GroupMachine::copy_committed`].
    pub fn copy_committed(&self, most: usize, to: &mut CommittedOffsets) {
        self.machine.copy_committed(most, to);
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// Takes a join in; its answer comes through the receiver.
    pub fn join(&mut self, join: &Join, now: Now) -> oneshot::Receiver<JoinReply> {
        let (sender, receiver) = oneshot::channel();
        let token = self.token();
        self.joins.insert(token, sender);
        self.step(now, |machine, out| machine.join(token, join, now, out));
        receiver
    }

    /// Takes a sync in; its answer comes through the receiver.
    pub fn sync(&mut self, sync: Sync, now: Now) -> oneshot::Receiver<SyncReply> {
        let (sender, receiver) = oneshot::channel();
        let token = self.token();
        self.syncs.insert(token, sender);
        self.step(now, |machine, out| machine.sync(token, sync, now, out));
        receiver
    }

    /// Lets `act` work on the machine. Its result may be told once the turn has come: at once
    /// without one.
    pub fn ask<T>(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut GroupMachine, &mut Outcome) -> T,
    ) -> (T, Option<Turn>) {
        let value = self.step(now, act);
        if self.is_quiet() {
            return (value, None);
        }
        let (sender, receiver) = oneshot::channel();
        self.park().others.push(sender);
        (value, Some(receiver))
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        self.step(now, |machine, out| machine.expire(now, out));
    }

    /// The machine is loaded: sessions begin.
    pub fn loaded(&mut self, now: Now, deleted: &[(std::rc::Rc<str>, TopicId)]) {
        self.step(now, |machine, out| {
            machine.loaded(now, out);
            machine.topics_deleted(deleted, out);
        });
    }

    fn step<T>(&mut self, now: Now, act: impl FnOnce(&mut GroupMachine, &mut Outcome) -> T) -> T {
        let mut out = Outcome::default();
        let value = act(&mut self.machine, &mut out);
        for batch in to_batches(&out.records, self.batch_bytes_max, now.wall_ms) {
            self.handed += 1;
            self.unwritten.push_back(batch);
        }
        if self.is_quiet() {
            self.answer(out.joins, out.syncs);
        } else if !(out.joins.is_empty() && out.syncs.is_empty()) {
            let parked = self.park();
            parked.joins.append(&mut out.joins);
            parked.syncs.append(&mut out.syncs);
        }
        value
    }

    /// Whether everything handed over is committed.
    fn is_quiet(&self) -> bool {
        self.committed == self.handed
    }

    /// Where answers behind the newest batch wait.
    fn park(&mut self) -> &mut Parked {
        let behind = self.handed;
        if self.parked.back().is_none_or(|last| last.behind != behind) {
            self.parked.push_back(Parked {
                behind,
                joins: Vec::new(),
                syncs: Vec::new(),
                others: Vec::new(),
            });
        }
        let last = self.parked.len() - 1;
        &mut self.parked[last]
    }

    fn answer(&mut self, joins: Vec<(Token, JoinReply)>, syncs: Vec<(Token, SyncReply)>) {
        // An asker that went away meanwhile is no error.
        for (token, reply) in joins {
            let _ = self.joins.remove(&token).map(|asker| asker.send(reply));
        }
        for (token, reply) in syncs {
            let _ = self.syncs.remove(&token).map(|asker| asker.send(reply));
        }
    }

    /// The oldest batch that the log has not taken yet.
    pub fn unwritten(&self) -> Option<&[u8]> {
        self.unwritten.front().map(Vec::as_slice)
    }

    /// The log has taken that batch; it is durable once everything below `upto` is committed.
    pub fn wrote(&mut self, upto: Offset) {
        if self.unwritten.pop_front().is_some() {
            self.written += 1;
            self.uncommitted.push_back((self.written, upto));
        }
    }

    /// The offset below which everything must be committed for the oldest waiting batch.
    pub fn uncommitted(&self) -> Option<Offset> {
        self.uncommitted.front().map(|(_, upto)| *upto)
    }

    /// Everything below `high_watermark` is committed: gives the answers that waited for it.
    pub fn commit(&mut self, high_watermark: Offset) {
        while let Some((count, upto)) = self.uncommitted.front()
            && *upto <= high_watermark
        {
            self.committed = *count;
            self.uncommitted.pop_front();
        }
        while let Some(parked) = self.parked.front()
            && parked.behind <= self.committed
            && let Some(parked) = self.parked.pop_front()
        {
            self.answer(parked.joins, parked.syncs);
            for other in parked.others {
                let _ = other.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::group::{
        Commit, CommitPartition, CommitTopic, GroupConfig, GroupError, Protocol,
    };

    fn now(ms: u64) -> Now {
        Now {
            instant: Instant(ms * 1_000_000),
            wall_ms: ms as i64,
        }
    }

    fn serving() -> Serving {
        let config = GroupConfig {
            initial_rebalance_delay_ms: 0,
            ..GroupConfig::default()
        };
        let mut serving = Serving::new(GroupMachine::new(config), 1_000_000);
        serving.loaded(now(0), &[]);
        serving
    }

    fn commit(serving: &mut Serving, offset: Offset) -> Option<Turn> {
        let commit = Commit {
            group: "g".into(),
            generation: -1,
            member_id: "".into(),
            instance_id: None,
            retention_ms: None,
            knows_group_not_found: true,
            topics: vec![CommitTopic {
                name: "t".into(),
                id: TopicId::ZERO,
                partitions: vec![CommitPartition {
                    partition: 0,
                    offset,
                    leader_epoch: -1,
                    metadata: "".into(),
                }],
            }],
        };
        let (result, turn) =
            serving.ask(now(1), |machine, out| machine.commit(&commit, now(1), out));
        assert!(result.is_ok());
        turn
    }

    fn join() -> Join {
        Join {
            group: "h".into(),
            member_id: "".into(),
            instance_id: None,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![Protocol {
                name: "range".into(),
                metadata: bytes::Bytes::new(),
            }],
            reason: None,
            member_id_required: true,
            may_skip_assignment: true,
            unique: crate::base::ids::Uuid::nil(),
        }
    }

    fn came(turn: &mut Turn) -> bool {
        turn.try_recv().unwrap().is_some()
    }

    #[test]
    fn an_answer_waits_for_its_batch_and_for_those_before_it() {
        let mut serving = serving();
        let mut first = commit(&mut serving, 1).unwrap();
        let mut second = commit(&mut serving, 2).unwrap();
        // A reader is told nothing that may yet be lost.
        let (seen, reader) = serving.ask(now(1), |machine, _| machine.fetch_all("g", false).len());
        let mut reader = reader.unwrap();
        assert_eq!(seen, 1);
        assert!(serving.unwritten().is_some());
        serving.wrote(10);
        assert_eq!(serving.uncommitted(), Some(10));
        serving.commit(9);
        assert!(!came(&mut first));
        serving.commit(10);
        assert!(came(&mut first) && !came(&mut second) && !came(&mut reader));
        serving.wrote(11);
        assert!(serving.unwritten().is_none());
        serving.commit(11);
        assert!(came(&mut second) && came(&mut reader));
        assert_eq!(serving.uncommitted(), None);
        assert!(serving.ask(now(1), |_, _| ()).1.is_none());
    }

    #[test]
    fn a_join_is_answered_behind_the_record_it_made() {
        let mut serving = serving();
        let mut answer = serving.join(&join(), now(1));
        assert_eq!(answer.try_recv().unwrap(), None);
        serving.wrote(1);
        serving.commit(1);
        let Some(Err(refused)) = answer.try_recv().unwrap() else {
            panic!("the member id comes first");
        };
        assert_eq!(refused.error, GroupError::MemberIdRequired);
        let again = Join {
            member_id: refused.member_id,
            ..join()
        };
        // Nothing is written by a rebalance: the answer comes at once.
        let mut answer = serving.join(&again, now(2));
        assert_eq!(answer.try_recv().unwrap(), None);
        serving.expire(now(2));
        assert!(answer.try_recv().unwrap().unwrap().is_ok());
    }

    #[test]
    fn who_waits_for_a_machine_that_is_dropped_finds_out() {
        let mut serving = serving();
        let mut turn = commit(&mut serving, 1).unwrap();
        let mut answer = serving.join(&join(), now(1));
        drop(serving);
        assert!(turn.try_recv().is_err() && answer.try_recv().is_err());
    }
}
