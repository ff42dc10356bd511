//! Pure: members that leave or time out.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::coordinator::record::{ConsumerChange, GroupEpoch};

use super::member::{AWAY, Member, MemberState};
use super::request::{ConsumerHeartbeat, ConsumerRefused};
use super::{ConsumerGroup, Plan, Surroundings};

/// A member that leaves.
#[derive(Debug)]
pub(in crate::coordinator::group) enum Leaving {
    /// For a while: it keeps its place.
    Away(Plan<()>),
    /// For good.
    Gone(Rc<str>),
}

/// The records that remove a member.
pub(super) fn removal(id: &Rc<str>) -> Vec<ConsumerChange> {
    vec![
        ConsumerChange::Current(id.clone(), None),
        ConsumerChange::Target(id.clone(), None),
        ConsumerChange::Member(id.clone(), None),
    ]
}

impl ConsumerGroup {
    /// A heartbeat by which a member leaves.
    pub fn leave(&self, beat: &ConsumerHeartbeat) -> Result<Leaving, ConsumerRefused> {
        let id = &beat.member_id;
        let Some(instance) = &beat.instance_id else {
            let member = self.members.get(id);
            let member = member.ok_or_else(|| ConsumerRefused::unknown_member(id, &self.id))?;
            return Ok(Leaving::Gone(member.id.clone()));
        };
        let member = self.static_member(instance);
        let member = member.ok_or_else(|| ConsumerRefused::unknown_instance(instance))?;
        if member.id != *id {
            let error = ConsumerRefused::fenced_instance(id, instance, &member.id);
            return Err(error);
        }
        Ok(match beat.member_epoch == AWAY {
            true => Leaving::Away(away(member)),
            false => Leaving::Gone(member.id.clone()),
        })
    }

    /// Removes members.
    pub fn without<R>(&self, cx: Surroundings<'_>, ids: &[Rc<str>], reply: R) -> Plan<R> {
        let mut changes = Vec::new();
        let mut subscriptions = self.subscriptions.clone();
        let mut timers = Vec::new();
        let mut regexes = BTreeSet::new();
        for member in ids.iter().filter_map(|id| self.members.get(id)) {
            changes.extend(removal(&member.id));
            subscriptions.change(Some(member), None);
            timers.extend(self.timers_of(&member.id).map(|timer| (timer, None)));
            regexes.extend(member.regex());
        }
        for regex in regexes {
            if subscriptions.members_with(regex) > 0 {
                continue;
            }
            changes.push(ConsumerChange::Regex(regex.clone(), None));
            if let Some(resolved) = self.resolved.get(regex) {
                subscriptions.forget_resolved(&resolved.topics);
            }
        }
        changes.push(ConsumerChange::Epoch(Some(GroupEpoch {
            epoch: self.epoch + 1,
            metadata_hash: subscriptions.hash(cx.topics),
        })));
        Plan {
            changes,
            reply,
            timers,
            refresh: None,
            regexes: None,
            rebalances: false,
        }
    }

    /// Whether a member still has partitions to give up when its deadline is over.
    pub fn must_be_fenced(&self, id: &str) -> bool {
        let member = self.members.get(id);
        let waits =
            |member: &Member| member.state == MemberState::Unrevoked && member.epoch != AWAY;
        member.is_some_and(waits)
    }

    /// The records that remove the whole group.
    pub fn removal(&self) -> Vec<ConsumerChange> {
        let ids = || self.members.keys().cloned();
        let mut changes = Vec::new();
        changes.extend(ids().map(|id| ConsumerChange::Current(id, None)));
        changes.extend(ids().map(|id| ConsumerChange::Target(id, None)));
        changes.push(ConsumerChange::TargetEpoch(None));
        changes.extend(ids().map(|id| ConsumerChange::Member(id, None)));
        let regexes = self.resolved.keys().cloned();
        changes.extend(regexes.map(|regex| ConsumerChange::Regex(regex, None)));
        changes.push(ConsumerChange::PartitionMetadata(false));
        changes.push(ConsumerChange::Epoch(None));
        changes
    }
}

/// A static member leaves for a while: it keeps its place.
fn away(member: &Member) -> Plan<()> {
    let mut away = member.clone();
    away.epoch = AWAY;
    away.revoked.clear();
    for of in away.assigned.values_mut() {
        of.values_mut().for_each(|epoch| *epoch = 0);
    }
    Plan {
        changes: vec![ConsumerChange::Current(away.id.clone(), Some(away.value()))],
        reply: (),
        timers: Vec::new(),
        refresh: None,
        regexes: None,
        rebalances: false,
    }
}
