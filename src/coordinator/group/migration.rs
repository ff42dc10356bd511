//! Pure: groups change between the protocols while they are in use, as
//! `group.consumer.migration.policy` allows; and members that speak the classic protocol in a
//! group of the consumer protocol.

use std::rc::Rc;

use crate::coordinator::record::Record;

use super::classic::{Group, Member};
use super::config::ConsumerConfig;
use super::consumer::request::{ConsumerBeat, ConsumerHeartbeat, ConsumerRefused};
use super::consumer::{ConsumerGroup, NoUpgrade, OldMember, Timers, upgraded};
use super::kind::AnyGroup;
use super::step::Timer;
use super::{GroupError, GroupMachine, Heartbeat, Join, Leave, Now, Outcome, Sync, Token};

/// A classic group that becomes one of the consumer protocol: the records and deadlines that this
/// takes.
pub(super) struct Upgrade {
    group: ConsumerGroup,
    records: Vec<Record>,
    sessions: Timers,
}

// === impl GroupMachine: to the consumer protocol ===

impl GroupMachine {
    /// A member of the consumer protocol joins a classic group that is in use.
    pub(super) fn join_and_upgrade(
        &mut self,
        config: &ConsumerConfig,
        beat: &ConsumerHeartbeat,
        now: Now,
        out: &mut Outcome,
    ) -> Result<ConsumerBeat, ConsumerRefused> {
        let classic = self.groups.get(&beat.group).and_then(AnyGroup::classic);
        let classic = classic.ok_or_else(|| ConsumerRefused::other_kind(&beat.group))?;
        let upgrade = self.upgrade(config, classic)?;
        let cx = self.surroundings(config, now);
        let mut plan = upgrade.group.heartbeat(cx, beat)?;
        let mut timers = upgrade.sessions;
        timers.append(&mut plan.timers);
        plan.timers = timers;
        // Replay of the records drops the classic group with its deadlines.
        self.step(&beat.group, now, out, |group, step| {
            group.give_up(step, GroupError::RebalanceInProgress);
        });
        let reply = self.carry_out(&beat.group, upgrade.records, plan, now, out)?;
        if self.probe.may_log(now.instant) {
            let group = &*beat.group;
            tracing::info!(group, "group uses the consumer protocol now");
        }
        Ok(reply)
    }

    fn upgrade(&self, config: &ConsumerConfig, group: &Group) -> Result<Upgrade, ConsumerRefused> {
        let id = &group.id;
        let refuse = |why: &str| Err(ConsumerRefused::no_upgrade(id, why));
        if !config.may_upgrade {
            return refuse("online upgrade is disabled");
        }
        if !group.is_consumers() {
            return refuse("the group does not use the consumer embedded protocol");
        }
        if group.members.len() > config.members_max {
            return refuse("the group size exceeds the consumer group maximum size");
        }
        // Before its first generation a group has no protocol; Kafka fails with this error too.
        let members = group.old_members().ok_or(GroupError::Unexpected)?;
        match upgraded(id, group.generation, &members, &self.topics) {
            Err(NoUpgrade::Malformed) => refuse("the embedded consumer protocol is malformed"),
            Err(NoUpgrade::CustomAssignor) => refuse(
                "an unsupported custom assignor is in use. Please refer to the documentation or \
                 switch to a default assignor before re-attempting the upgrade",
            ),
            Ok((new, changes)) => {
                let mut records = vec![Record::Group(id.clone(), None)];
                records.extend(Record::of_consumers(id, changes));
                let session = |member: &OldMember| {
                    let timer = Timer::Session(id.clone(), member.id.clone());
                    (timer, Some(i64::from(member.session_timeout_ms)))
                };
                Ok(Upgrade {
                    group: new,
                    records,
                    sessions: members.iter().map(session).collect(),
                })
            }
        }
    }
}

// === impl GroupMachine: back to the classic protocol ===

impl GroupMachine {
    /// Removes members of a consumer group. Where only members of the classic protocol are left,
    /// the group becomes one of theirs, and rebalances.
    pub(super) fn remove_consumers<R>(
        &mut self,
        id: &Rc<str>,
        leaving: &[Rc<str>],
        reply: R,
        now: Now,
        out: &mut Outcome,
    ) -> Result<R, GroupError> {
        let group = self.consumer(id).ok_or(GroupError::GroupNotFound)?;
        if leaving.is_empty() {
            return Ok(reply);
        }
        let config = self.config.consumer.of_group(id, &self.topics);
        let left = group.left_as_classic(leaving);
        let left =
            left.filter(|left| config.may_downgrade && left.len() <= self.config.members_max);
        let Some(left) = left else {
            let plan = group.without(self.surroundings(&config, now), leaving, reply);
            return self.carry_out(id, Vec::new(), plan, now, out);
        };
        let classic = self.downgraded(group, left, now);
        let removals = Record::of_consumers(id, group.removal());
        let formed = Record::Group(id.clone(), Some(classic.current_value()));
        let removals = removals.filter(|_| !planted!(OldKindStays));
        self.write_together(removals.chain([formed]), out)?;
        if self.probe.may_log(now.instant) {
            tracing::info!(group = &**id, "group uses the classic protocol again");
        }
        self.step(id, now, out, |group, step| {
            group.adopt(&classic);
            group.begin_as_downgraded(step);
        });
        Ok(reply)
    }

    /// The classic group of these members.
    fn downgraded(&self, group: &ConsumerGroup, left: Vec<OldMember>, now: Now) -> Group {
        let member = |old: OldMember| Member {
            id: old.id,
            instance_id: old.instance_id,
            client_id: old.client_id,
            client_host: old.client_host,
            rebalance_timeout_ms: old.rebalance_timeout_ms,
            session_timeout_ms: old.session_timeout_ms,
            protocols: old.protocols,
            assignment: old.assignment,
            joining: None,
            syncing: None,
            is_new: false,
        };
        let members = left.into_iter().map(member).collect();
        let id = group.id.clone();
        Group::formed(id, group.epoch(), members, now.wall_ms, |id, metadata| {
            group.target_as_classic(id, metadata, &self.topics)
        })
    }
}

// === impl GroupMachine: classic members of consumer groups ===

impl GroupMachine {
    /// JoinGroup at a consumer group. `false` where the join is one to a classic group: this is no
    /// consumer group, or an empty one, which has just been removed.
    pub(super) fn join_consumers(
        &mut self,
        token: Token,
        join: &Join,
        now: Now,
        out: &mut Outcome,
    ) -> bool {
        let id = &join.group;
        let Some(group) = self.consumer(id) else {
            return false;
        };
        if group.is_empty() {
            if !join.member_id.is_empty() {
                out.refuse_join(token, &join.member_id, GroupError::UnknownMember);
                return true;
            }
            for record in Record::of_consumers(id, group.removal()) {
                self.write(out, record);
            }
            return false;
        }
        let config = self.config.consumer.of_group(id, &self.topics);
        let plan = group.classic_join(self.surroundings(&config, now), join);
        let joined = match plan {
            Err(refused) => Err(refused),
            Ok(plan) => {
                let carried = self.carry_out(id, Vec::new(), plan, now, out);
                carried.map_err(|error| (error, join.member_id.clone()))
            }
        };
        match joined {
            Ok(joined) => out.join(token, Ok(joined)),
            Err((error, member_id)) => out.refuse_join(token, &member_id, error),
        }
        true
    }

    /// SyncGroup at a consumer group; `false` where it is none.
    pub(super) fn sync_consumers(
        &mut self,
        token: Token,
        sync: &Sync,
        now: Now,
        out: &mut Outcome,
    ) -> bool {
        let Some(group) = self.consumer(&sync.group) else {
            return false;
        };
        let (reply, timers) = group.classic_sync(&self.topics, sync);
        self.set_timers(timers, now);
        out.sync(token, reply);
        true
    }

    /// Heartbeat of a classic member at a consumer group; `None` where it is none.
    pub(super) fn beat_consumers(
        &mut self,
        beat: &Heartbeat,
        now: Now,
    ) -> Option<Result<(), GroupError>> {
        let (reply, timers) = self.consumer(&beat.group)?.classic_heartbeat(beat);
        self.set_timers(timers, now);
        Some(reply)
    }

    /// LeaveGroup at a consumer group; `None` where it is none.
    pub(super) fn leave_consumers(
        &mut self,
        leave: &Leave,
        now: Now,
        out: &mut Outcome,
    ) -> Option<Vec<Result<(), GroupError>>> {
        let group = self.consumer(&leave.group)?;
        let members = leave.members.iter();
        let found: Vec<Result<Rc<str>, GroupError>> = members
            .map(|one| group.leaving(&one.member_id, one.instance_id.as_ref()))
            .collect();
        let mut leaving: Vec<_> = found.iter().flatten().cloned().collect();
        leaving.sort();
        leaving.dedup();
        let removed = self.remove_consumers(&leave.group, &leaving, (), now, out);
        let result = |one: Result<Rc<str>, GroupError>| one.and(removed);
        Some(found.into_iter().map(result).collect())
    }

    /// Sets and cancels deadlines. A `Rejoin` that is running is not extended.
    pub(super) fn set_timers(&mut self, timers: Timers, now: Now) {
        for (timer, length_ms) in timers {
            let is_armed = self.timers.get(&timer).is_some();
            match length_ms {
                None => self.timers.cancel(&timer),
                Some(_) if is_armed && matches!(timer, Timer::Rejoin(..)) => {}
                Some(length) => self.timers.set(timer, now.instant.after_ms(length)),
            }
        }
    }
}
