//! Pure: all groups of one partition of `__consumer_offsets`.
//!
//! A step takes a request and the time, applies what it decides through [`GroupMachine::replay`]
//! and answers with an [`Outcome`]: records to append, and parked requests to answer once these
//! are durable. If they cannot be made durable the machine is thrown away and loaded anew.

#[cfg(test)]
mod bounds;
mod classic;
mod memory;
mod offsets;
mod request;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::base::timers::Deadlines;
use crate::base::{Instant, ProducerId, TopicId};
use crate::coordinator::probe::Probe;
use crate::coordinator::record::{Encoded, Record};

use classic::{Group, Step, Timer};
use offsets::{Offsets, commit_record};

pub use memory::{Memory, Unbounded};
pub use offsets::{CommittedOfGroup, CommittedOffsets, FetchedTopics, Origin, Place, before_all};
pub use request::*;

/// Groups whose offsets are looked at in one go for those that have expired.
const EXPIRED_AT_ONCE: usize = 64;

/// How many groups are in each state, by the state's name.
pub type StateCounts = BTreeMap<&'static str, usize>;

/// The groups of one partition of `__consumer_offsets`, and their offsets.
pub struct GroupMachine {
    config: GroupConfig,
    groups: BTreeMap<Rc<str>, Group>,
    offsets: Offsets,
    timers: Deadlines<Timer>,
    /// The last group whose offsets were looked at, while that is under way.
    expired_upto: Option<Rc<str>>,
    probe: Rc<Probe>,
    memory: Box<dyn Memory>,
    /// What all groups take.
    group_bytes: usize,
}

// === impl GroupMachine: the log ===

impl GroupMachine {
    /// A machine without groups, to be loaded.
    pub fn new(config: GroupConfig) -> GroupMachine {
        GroupMachine {
            config,
            groups: BTreeMap::new(),
            offsets: Offsets::default(),
            timers: Deadlines::default(),
            expired_upto: None,
            probe: Rc::default(),
            memory: Box::new(Unbounded),
            group_bytes: 0,
        }
    }

    /// The same machine, taking its memory from `memory`.
    #[must_use]
    pub fn within(mut self, memory: Box<dyn Memory>) -> GroupMachine {
        self.memory = memory;
        self
    }

    /// Counts what groups and offsets take now.
    fn count_memory(&mut self) {
        #[cfg(test)]
        assert_eq!(self.offsets.bytes, self.offsets.measure());
        self.memory.count(self.group_bytes + self.offsets.bytes);
    }

    /// The same machine, counting into `probe`.
    #[must_use]
    pub fn counting_into(mut self, probe: Rc<Probe>) -> GroupMachine {
        self.probe = probe;
        self
    }

    /// Takes over a record, at load and for every record that a step decides.
    pub fn replay(&mut self, record: &Record, origin: Origin) {
        match record {
            Record::Offset(key, value) => {
                self.offsets.replay(key, value.as_ref(), origin);
                if value.is_some() {
                    self.ensure_group(&key.group);
                }
            }
            Record::Group(id, Some(value)) => {
                let group = self.ensure_group(id);
                let before = group.bytes;
                group.replay(value);
                let after = group.bytes;
                self.group_bytes = self.group_bytes + after - before;
            }
            Record::Group(id, None) => self.forget_group(id),
            Record::Other(_) => {}
        }
        self.count_memory();
    }

    /// Takes over the marker that ends a producer's transaction.
    pub fn replay_marker(&mut self, producer: ProducerId, committed: bool) {
        self.offsets.replay_marker(producer, committed);
        self.count_memory();
    }

    /// Everything is replayed: members have a session from now on.
    pub fn loaded(&mut self, now: Now, out: &mut Outcome) {
        let retention = now.instant.after_ms(self.config.retention_check_ms);
        self.timers.set(Timer::Retention, retention);
        for id in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.step(&id, now, out, |group, step| group.loaded(step));
        }
    }

    /// How many groups there are.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    fn ensure_group(&mut self, id: &Rc<str>) -> &mut Group {
        let bytes = &mut self.group_bytes;
        self.groups.entry(id.clone()).or_insert_with(|| {
            let group = Group::new(id.clone(), None);
            *bytes += group.bytes;
            group
        })
    }

    fn forget_group(&mut self, id: &Rc<str>) {
        let Some(group) = self.groups.remove(id) else {
            return;
        };
        self.group_bytes -= group.bytes;
        for timer in group.all_timers() {
            self.timers.cancel(&timer);
        }
        if self.offsets.any_of(id) {
            // Kafka turned it into a group of a kind not known here, which kept its offsets.
            self.ensure_group(id);
        }
    }

    fn write(&mut self, out: &mut Outcome, record: Record) {
        if let Some(encoded) = record.encode() {
            self.replay(&record, Origin::NEW);
            out.records.push(encoded);
        }
    }

    /// Lets `act` work on a group, if there is one of that name.
    fn step<T>(
        &mut self,
        id: &str,
        now: Now,
        out: &mut Outcome,
        act: impl FnOnce(&mut Group, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?;
        let mut step = Step {
            config: &self.config,
            timers: &mut self.timers,
            probe: &self.probe,
            out,
            memory: &*self.memory,
            now,
        };
        let before = group.bytes;
        let value = act(group, &mut step);
        #[cfg(test)]
        assert_eq!(group.bytes, group.measure(), "what {id} takes");
        if group.bytes != before {
            self.group_bytes = self.group_bytes + group.bytes - before;
            self.count_memory();
        }
        Some(value)
    }
}

// === impl GroupMachine: membership ===

impl GroupMachine {
    /// JoinGroup. The answer comes through an outcome, of this step or a later one.
    pub fn join(&mut self, token: Token, join: &Join, now: Now, out: &mut Outcome) {
        if !self.groups.contains_key(&join.group) {
            if !join.member_id.is_empty() {
                let error = GroupError::UnknownMember;
                return out.refuse_join(token, &join.member_id, error);
            }
            if !self.has_memory_for_group(&join.group) {
                return out.refuse_join(token, &join.member_id, GroupError::NoMemory);
            }
            self.create_group(&join.group, now);
            self.step(&join.group, now, out, |group, step| {
                group.write_created(step)
            });
        }
        self.step(&join.group, now, out, |group, step| {
            group.join(step, token, join);
        });
    }

    fn create_group(&mut self, id: &Rc<str>, now: Now) {
        let group = Group::new(id.clone(), Some(now.wall_ms));
        self.group_bytes += group.bytes;
        self.groups.insert(id.clone(), group);
        self.count_memory();
    }

    fn has_memory_for_group(&self, id: &str) -> bool {
        self.memory.has_room_for(memory::GROUP_BYTES + id.len())
    }

    /// SyncGroup. The answer comes through an outcome, of this step or a later one.
    pub fn sync(&mut self, token: Token, sync: Sync, now: Now, out: &mut Outcome) {
        let id = sync.group.clone();
        let known = self.step(&id, now, out, |group, step| group.sync(step, token, sync));
        if known.is_none() {
            out.syncs.push((token, Err(GroupError::UnknownMember)));
        }
    }

    /// Whether a group has this member.
    pub fn is_member(&self, group: &str, member_id: &str) -> bool {
        let group = self.groups.get(group);
        group.is_some_and(|group| group.members.contains_key(member_id))
    }

    /// Heartbeat.
    pub fn heartbeat(&mut self, beat: &Heartbeat, now: Now) -> Result<(), GroupError> {
        let mut out = Outcome::default();
        self.step(&beat.group, now, &mut out, |group, step| {
            group.heartbeat(step, beat)
        })
        .unwrap_or(Err(GroupError::UnknownMember))
    }

    /// LeaveGroup: one result per member that leaves.
    pub fn leave(
        &mut self,
        leave: &Leave,
        now: Now,
        out: &mut Outcome,
    ) -> Vec<Result<(), GroupError>> {
        self.step(&leave.group, now, out, |group, step| {
            group.leave(step, &leave.members)
        })
        .unwrap_or_else(|| vec![Err(GroupError::UnknownMember); leave.members.len()])
    }

    /// The moment by which [`GroupMachine::expire`] wants to be called.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now, out: &mut Outcome) {
        // What a step sets to "at once" waits for the next call, so that this one ends.
        for _ in 0..self.timers.len() {
            match self.timers.pop_due(now.instant) {
                None => return,
                Some(Timer::Join(id)) => {
                    self.step(&id, now, out, |group, step| group.expire_join(step));
                }
                Some(Timer::Sync(id)) => {
                    self.step(&id, now, out, |group, step| group.expire_sync(step));
                }
                Some(Timer::Session(id, member_id)) => {
                    self.step(&id, now, out, |group, step| {
                        group.expire_session(step, &member_id);
                    });
                }
                Some(Timer::Retention) => self.expire_offsets(now, out),
            }
        }
    }
}

// === impl GroupMachine: offsets ===

impl GroupMachine {
    /// OffsetCommit: a result per partition, in the order of the request; `Err` is everybody's.
    pub fn commit(
        &mut self,
        commit: &Commit,
        now: Now,
        out: &mut Outcome,
    ) -> Result<PartitionResults, GroupError> {
        if !self.groups.contains_key(&commit.group) {
            if commit.generation >= 0 {
                return Err(match commit.knows_group_not_found {
                    true => GroupError::GroupNotFound,
                    false => GroupError::IllegalGeneration,
                });
            }
            if !self.has_memory_for_group(&commit.group) {
                return Err(GroupError::NoMemory);
            }
            // A client that assigns partitions to itself makes its group by its first commit.
            self.create_group(&commit.group, now);
        }
        self.step(&commit.group, now, out, |group, step| {
            group.check_commit(step, commit)
        })
        .unwrap_or(Ok(()))?;
        let mut written = Vec::new();
        let mut results = Vec::with_capacity(commit.topics.len());
        for topic in &commit.topics {
            let mut of_topic = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let record = commit_record(&self.config, now, commit, topic, partition);
                if let Err(GroupError::RecordTooLarge) = record {
                    return Err(GroupError::RecordTooLarge);
                }
                of_topic.push((
                    partition.partition,
                    record.as_ref().map(|_| ()).map_err(|e| *e),
                ));
                written.extend(record);
            }
            results.push(of_topic);
        }
        if !self.has_memory_for_offsets(&written) {
            return Err(GroupError::NoMemory);
        }
        self.probe.committed_offsets.add(written.len() as u64);
        for (record, encoded) in written {
            self.replay(&record, Origin::NEW);
            out.records.push(encoded);
        }
        Ok(results)
    }

    /// Whether there is memory for these offsets beside those that are there.
    fn has_memory_for_offsets(&self, written: &[(Record, Encoded)]) -> bool {
        let more = written.iter().map(|(record, _)| match record {
            Record::Offset(key, Some(value)) => self.offsets.bytes_more(key, value),
            _ => 0,
        });
        let more: usize = more.sum();
        more == 0 || self.memory.has_room_for(more)
    }

    /// OffsetFetch of some topics' partitions, in the order asked for. An unknown group has no
    /// offsets.
    pub fn fetch(
        &self,
        group: &str,
        topics: &[TopicPartitions],
        stable: bool,
    ) -> Vec<Vec<Fetched>> {
        let fetch = |wanted| self.offsets.fetch(group, wanted, stable);
        topics.iter().map(fetch).collect()
    }

    /// OffsetFetch of everything that the group has committed.
    #[cfg(test)]
    pub fn fetch_all(&self, group: &str, stable: bool) -> FetchedTopics {
        let all = self.fetch_some(group, stable, &before_all(), usize::MAX);
        all.0
    }

    /// OffsetFetch of what the group has committed, from `place` on and at most `most` offsets;
    /// and where the next one is, if there are more.
    pub fn fetch_some(
        &self,
        group: &str,
        stable: bool,
        place: &Place,
        most: usize,
    ) -> (FetchedTopics, Option<Place>) {
        self.offsets.fetch_some(group, stable, place, most)
    }

    /// OffsetDelete: a result per partition, in the order of the request; `Err` is everybody's.
    pub fn delete_offsets(
        &mut self,
        group_id: &str,
        topics: &[TopicPartitions],
        out: &mut Outcome,
    ) -> Result<PartitionResults, GroupError> {
        let group = self.groups.get(group_id).ok_or(GroupError::GroupNotFound)?;
        group.check_offset_delete()?;
        let mut removals = Vec::new();
        let mut results = Vec::with_capacity(topics.len());
        for topic in topics {
            let result = match group.is_subscribed_to(&topic.name) {
                true => Err(GroupError::SubscribedToTopic),
                false => Ok(()),
            };
            let partitions = topic.partitions.iter();
            if result.is_ok() {
                let removal = |&partition| self.offsets.removal(group_id, &topic.name, partition);
                removals.extend(partitions.clone().filter_map(removal));
            }
            results.push(partitions.map(|&partition| (partition, result)).collect());
        }
        for record in removals {
            self.write(out, record);
        }
        Ok(results)
    }

    /// Removes the offsets of topics that are gone.
    pub fn topics_deleted(&mut self, deleted: &[(Rc<str>, TopicId)], out: &mut Outcome) {
        for record in self.offsets.removals_of_topics(deleted) {
            self.write(out, record);
        }
    }

    /// Removes expired offsets, and groups that have neither offsets nor members: of a few
    /// groups at a time, so that others get their turn in between.
    fn expire_offsets(&mut self, now: Now, out: &mut Outcome) {
        let after = match &self.expired_upto {
            Some(id) => Bound::Excluded(&**id),
            None => Bound::Unbounded,
        };
        let next = self.groups.range::<str, _>((after, Bound::Unbounded));
        let ids: Vec<_> = next
            .take(EXPIRED_AT_ONCE)
            .map(|(id, _)| id.clone())
            .collect();
        let more = ids.len() == EXPIRED_AT_ONCE;
        self.expired_upto = ids.last().filter(|_| more).cloned();
        let wait_ms = if more {
            0
        } else {
            self.config.retention_check_ms.max(1)
        };
        self.timers
            .set(Timer::Retention, now.instant.after_ms(wait_ms));
        for id in ids {
            self.expire_offsets_of(&id, now, out);
        }
    }

    fn expire_offsets_of(&mut self, id: &Rc<str>, now: Now, out: &mut Outcome) {
        let Some(group) = self.groups.get(id) else {
            return;
        };
        let (records, none_left) = self.offsets.expirations(group, &self.config, now);
        self.probe.expired_offsets.add(records.len() as u64);
        let gone = none_left && group.is_empty();
        if gone {
            tracing::info!(
                group = &**id,
                "group removed: it has neither members nor offsets"
            );
        }
        let tombstone = gone.then(|| Record::Group(id.clone(), None));
        for record in records.into_iter().chain(tombstone) {
            self.write(out, record);
        }
    }
}

// === impl GroupMachine: administration ===

impl GroupMachine {
    /// ListGroups: those in one of `states` (any case; none named is all of them). The filter by
    /// type is the caller's: all groups here are classic.
    pub fn list(&self, states: &[String]) -> Vec<Listed> {
        let wanted = |group: &&Group| {
            let is_state = |name: &String| name.trim().eq_ignore_ascii_case(group.state.name());
            states.is_empty() || states.iter().any(is_state)
        };
        let listed = |group: &Group| Listed {
            group: group.id.clone(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            state: group.state.name(),
        };
        self.groups.values().filter(wanted).map(listed).collect()
    }

    /// Adds its groups to those in each state.
    pub fn count_states(&self, counts: &mut StateCounts) {
        for group in self.groups.values() {
            *counts.entry(group.state.name()).or_default() += 1;
        }
    }

    /// Copies committed offsets, as long as there are no more than `most` of them.
    pub fn copy_committed(&self, most: usize, to: &mut CommittedOffsets) {
        self.offsets.copy_committed(most, to);
    }

    /// DescribeGroups, for one group.
    pub fn describe(&self, group: &str) -> Option<Described> {
        self.groups.get(group).map(Group::describe)
    }

    /// DeleteGroups, for one group: its offsets go with it.
    pub fn delete_group(&mut self, id: &Rc<str>, out: &mut Outcome) -> Result<(), GroupError> {
        let group = self.groups.get(id).ok_or(GroupError::GroupNotFound)?;
        if !group.is_empty() {
            return Err(GroupError::NonEmpty);
        }
        let offsets = self.offsets.removals_of_group(id);
        tracing::info!(group = &**id, offsets = offsets.len(), "group deleted");
        for record in offsets {
            self.write(out, record);
        }
        self.write(out, Record::Group(id.clone(), None));
        Ok(())
    }
}
