//! Pure: ConsumerGroupHeartbeat, deadlines of members, and replay of consumer groups.

use std::rc::Rc;

use crate::coordinator::record::{ConsumerChange, ConsumerRecord, Record};
use crate::coordinator::runtime::{Machine, Origin};

use super::config::ConsumerConfig;
use super::consumer::request::{ConsumerBeat, ConsumerHeartbeat, ConsumerRefused};
use super::consumer::{AWAY, ConsumerGroup, Found, LEFT, Leaving, Plan, Surroundings};
use super::kind::AnyGroup;
use super::{Commit, GroupError, GroupMachine, Now, Outcome};
use crate::base::{PartitionIndex, TopicId};

impl GroupMachine {
    /// ConsumerGroupHeartbeat.
    pub fn consumer_heartbeat(
        &mut self,
        beat: &ConsumerHeartbeat,
        now: Now,
        out: &mut Outcome,
    ) -> Result<ConsumerBeat, ConsumerRefused> {
        if self.deletions.contains_key(&beat.group) {
            return Err(GroupError::Loading.into());
        }
        let config = self.config.consumer.of_group(&beat.group, &self.topics);
        let leaves = matches!(beat.member_epoch, LEFT | AWAY);
        let joins = beat.member_epoch == 0;
        let known = self.groups.get(&beat.group);
        let (plan, before) = match known {
            None if leaves => return Err(ConsumerRefused::not_found(&beat.group)),
            None if !joins => return Err(ConsumerRefused::no_group(&beat.group)),
            None if !self.has_memory_for_group(&beat.group) => {
                return Err(GroupError::NoMemory.into());
            }
            None => (self.first_heartbeat(&config, beat, now)?, Vec::new()),
            Some(AnyGroup::Classic(group)) if joins && group.is_empty() => {
                let tombstone = Record::Group(beat.group.clone(), None);
                (self.first_heartbeat(&config, beat, now)?, vec![tombstone])
            }
            Some(AnyGroup::Classic(_)) if joins => {
                let joined = self.join_and_upgrade(&config, beat, now, out)?;
                self.tell(beat, now);
                return Ok(joined);
            }
            Some(AnyGroup::Classic(_)) => return Err(ConsumerRefused::other_kind(&beat.group)),
            Some(AnyGroup::Consumer(group)) => {
                let cx = self.surroundings(&config, now);
                if leaves {
                    let leaving = group.leave(beat)?;
                    let left = self.leave_consumer(beat, leaving, now, out)?;
                    self.tell(beat, now);
                    return Ok(left);
                }
                (group.heartbeat(cx, beat)?, Vec::new())
            }
        };
        let reply = self.carry_out(&beat.group, before, plan, now, out)?;
        self.tell(beat, now);
        Ok(reply)
    }

    fn leave_consumer(
        &mut self,
        beat: &ConsumerHeartbeat,
        leaving: Leaving,
        now: Now,
        out: &mut Outcome,
    ) -> Result<ConsumerBeat, ConsumerRefused> {
        let reply = ConsumerBeat {
            member_id: beat.member_id.clone(),
            member_epoch: beat.member_epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        };
        let group = &beat.group;
        Ok(match leaving {
            Leaving::Away(plan) => {
                self.carry_out(group, Vec::new(), plan.replying(reply), now, out)
            }
            Leaving::Gone(id) => self.remove_consumers(group, &[id], reply, now, out),
        }?)
    }

    fn first_heartbeat(
        &self,
        config: &ConsumerConfig,
        beat: &ConsumerHeartbeat,
        now: Now,
    ) -> Result<Plan<ConsumerBeat>, ConsumerRefused> {
        let group = ConsumerGroup::new(beat.group.clone());
        group.heartbeat(self.surroundings(config, now), beat)
    }

    pub(super) fn surroundings<'a>(
        &'a self,
        config: &'a ConsumerConfig,
        now: Now,
    ) -> Surroundings<'a> {
        Surroundings {
            config,
            topics: &self.topics,
            regexes: &self.regexes,
            memory: &*self.memory,
            now,
        }
    }

    /// Writes a line to the log about a member that has joined or left.
    fn tell(&self, beat: &ConsumerHeartbeat, now: Now) {
        if beat.member_epoch > 0 || !self.probe.may_log_member(now.instant) {
            return;
        }
        let (group, member) = (&*beat.group, &*beat.member_id);
        let instance = beat.instance_id.as_deref();
        match beat.member_epoch {
            0 => tracing::info!(group, member, instance, "member joins the consumer group"),
            LEFT => tracing::info!(group, member, instance, "member leaves the consumer group"),
            _ => tracing::info!(group, member, instance, "static member leaves for a while"),
        }
    }

    /// Writes the records `before`, then those of the plan, and sets its deadlines.
    pub(super) fn carry_out<R>(
        &mut self,
        id: &Rc<str>,
        before: Vec<Record>,
        plan: Plan<R>,
        now: Now,
        out: &mut Outcome,
    ) -> Result<R, GroupError> {
        let changes = Record::of_consumers(id, plan.changes);
        self.write_together(before.into_iter().chain(changes), out)?;
        self.set_timers(plan.timers, now);
        let group = self.groups.get_mut(id).and_then(AnyGroup::consumer_mut);
        if let (Some(group), Some(refresh)) = (group, plan.refresh) {
            group.set_refresh(refresh);
        }
        if let Some(refresh) = plan.regexes {
            self.regexes.begin(refresh, &self.topics, now);
        }
        self.probe
            .consumer_rebalances
            .add(u64::from(plan.rebalances));
        Ok(plan.reply)
    }

    /// Writes all of these records, or none, where one of them does not fit the log.
    pub(super) fn write_together(
        &mut self,
        records: impl Iterator<Item = Record>,
        out: &mut Outcome,
    ) -> Result<(), GroupError> {
        let encoded = |record: Record| {
            let encoded = record.encode().ok_or(GroupError::Unexpected)?;
            match encoded.size_bytes() > self.config.record_bytes_max {
                true => Err(GroupError::RecordTooLarge),
                false => Ok((record, encoded)),
            }
        };
        let all: Result<Vec<_>, GroupError> = records.map(encoded).collect();
        for (record, encoded) in all? {
            self.replay(&record, Origin::NEW);
            if planted!(TombstoneForgotten) && is_target_removal(&record) {
                continue;
            }
            out.records.push(encoded);
        }
        Ok(())
    }

    /// Takes over a record of a consumer group.
    pub(super) fn replay_consumer(&mut self, record: &ConsumerRecord) {
        let ConsumerRecord { group: id, change } = record;
        if matches!(change, ConsumerChange::Epoch(None)) {
            if self.consumer(id).is_some() {
                self.forget_group(id);
            }
            return;
        }
        if brings_something(change) {
            self.ensure_consumer(id);
        }
        let group = self.groups.get_mut(id).and_then(AnyGroup::consumer_mut);
        if let Some(group) = group {
            let before = group.bytes;
            group.replay(change);
            #[cfg(test)]
            assert_eq!(group.bytes, group.measure(), "what {id} takes");
            self.group_bytes = self.group_bytes + group.bytes - before;
        }
    }

    /// Makes sure that there is a consumer group of this name. An empty classic one is replaced:
    /// compaction has removed the tombstone that ended it.
    fn ensure_consumer(&mut self, id: &Rc<str>) {
        match self.groups.get(id) {
            Some(AnyGroup::Consumer(_)) => return,
            Some(AnyGroup::Classic(group)) if !group.is_empty() => return,
            Some(AnyGroup::Classic(_)) | None => {}
        }
        self.drop_group(id);
        let group = ConsumerGroup::new(id.clone());
        self.group_bytes += group.bytes;
        let group = AnyGroup::Consumer(Box::new(group));
        self.groups.insert(id.clone(), group);
    }

    /// Removes a member of a consumer group that has missed a deadline.
    fn fence(&mut self, id: &Rc<str>, member: &Rc<str>, why: &str, now: Now, out: &mut Outcome) {
        let group = self.consumer(id);
        if !group.is_some_and(|group| group.has_member(member)) {
            return;
        }
        let may_log = self.probe.may_log_member(now.instant);
        if may_log {
            let (group, member) = (&**id, &**member);
            tracing::info!(
                group,
                member,
                why,
                "member of the consumer group is removed"
            );
        }
        self.probe.failed_members.add(1);
        // It fails only where a group that becomes a classic one is too large for the log: the
        // member stays, and the next removal tries again.
        let member = std::slice::from_ref(member);
        let removed = self.remove_consumers(id, member, (), now, out);
        if let Err(error) = removed
            && may_log
        {
            let group = &**id;
            tracing::warn!(
                group,
                ?error,
                "member not removed: the group cannot be written"
            );
        }
    }

    /// A member's session has run out.
    pub(super) fn expire_consumer(
        &mut self,
        id: &Rc<str>,
        member: &Rc<str>,
        now: Now,
        out: &mut Outcome,
    ) {
        self.fence(id, member, "its session has run out", now, out);
    }

    /// The time in which a classic member must have joined again, or asked for its assignment, is
    /// over.
    pub(super) fn expire_classic(
        &mut self,
        id: &Rc<str>,
        member: &Rc<str>,
        now: Now,
        out: &mut Outcome,
    ) {
        self.fence(id, member, "it has not joined or synced in time", now, out);
    }

    /// The time in which a member must have given up partitions is over.
    pub(super) fn expire_revocation(
        &mut self,
        id: &Rc<str>,
        member: &Rc<str>,
        now: Now,
        out: &mut Outcome,
    ) {
        let group = self.consumer(id);
        if group.is_some_and(|group| group.must_be_fenced(member)) {
            let why = "it has not given up its partitions in time";
            self.fence(id, member, why, now, out);
        }
    }

    /// Starts the sessions of a group's members.
    pub(super) fn consumer_loaded(&mut self, id: &Rc<str>, now: Now) {
        let Some(group) = self.consumer(id) else {
            return;
        };
        let config = self.config.consumer.of_group(id, &self.topics);
        let timers = group.loaded(config.session_timeout_ms);
        self.set_timers(timers, now);
    }

    /// Runs one step of resolving regular expressions.
    pub(super) fn resolve_some(&mut self, now: Now, out: &mut Outcome) {
        let Some(found) = self.regexes.work(&*self.memory) else {
            return;
        };
        self.take_resolved(found, now, out);
    }

    fn take_resolved(&mut self, found: Found, now: Now, out: &mut Outcome) {
        let id = found.group.clone();
        if found.is_cut && self.probe.may_log(now.instant) {
            let group = &*id;
            tracing::warn!(
                group,
                "no memory for the topics of its regular expressions: some wait"
            );
        }
        let config = self.config.consumer.of_group(&id, &self.topics);
        let Some(group) = self.consumer(&id) else {
            return;
        };
        let plan = group.resolved(self.surroundings(&config, now), found);
        let kept = self.carry_out(&id, Vec::new(), plan, now, out);
        if let Err(error) = kept
            && self.probe.may_log(now.instant)
        {
            let group = &*id;
            tracing::warn!(
                group,
                ?error,
                "a resolved regular expression was not written"
            );
        }
    }
}

// === impl GroupMachine: offsets ===

impl GroupMachine {
    /// Whether the sender of a commit may commit for its group at all.
    pub(super) fn check_commit(
        &mut self,
        commit: &Commit,
        now: Now,
        out: &mut Outcome,
    ) -> Result<(), GroupError> {
        if let Some(group) = self.consumer(&commit.group) {
            return group.check_commit(commit);
        }
        let check = |group: &mut super::classic::Group, step: &mut super::step::Step<'_>| {
            group.check_commit(step, commit)
        };
        self.step(&commit.group, now, out, check).unwrap_or(Ok(()))
    }

    /// Whether the sender may commit for this partition.
    pub(super) fn check_commit_of(
        &self,
        commit: &Commit,
        topic: TopicId,
        index: PartitionIndex,
    ) -> Result<(), GroupError> {
        let group = self.consumer(&commit.group);
        group.map_or(Ok(()), |group| group.check_commit_of(commit, topic, index))
    }

    /// Whether a member may fetch the offsets of its group. A request that names no member may.
    pub fn check_fetch(
        &self,
        group: &str,
        member: Option<&str>,
        epoch: i32,
    ) -> Result<(), GroupError> {
        let group = self.consumer(group);
        group.map_or(Ok(()), |group| group.check_fetch(member, epoch))
    }
}

/// Whether the record has a value. A tombstone for an unknown group changes nothing.
fn brings_something(change: &ConsumerChange) -> bool {
    match change {
        ConsumerChange::Epoch(value) => value.is_some(),
        ConsumerChange::PartitionMetadata(is_listed) => *is_listed,
        ConsumerChange::Member(_, value) => value.is_some(),
        ConsumerChange::TargetEpoch(value) => value.is_some(),
        ConsumerChange::Target(_, value) => value.is_some(),
        ConsumerChange::Current(_, value) => value.is_some(),
        ConsumerChange::Regex(_, value) => value.is_some(),
    }
}

fn is_target_removal(record: &Record) -> bool {
    let Record::Consumer(record) = record else {
        return false;
    };
    matches!(record.change, ConsumerChange::Target(_, None))
}
