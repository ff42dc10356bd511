//! Pure: SyncGroup: the leader's assignment comes in, is made durable, and is sent to all members.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use crate::coordinator::group::request::{GroupError, Sync, Synced};
use crate::coordinator::runtime::Token;

use super::{Group, State, Step, Timer};

impl Group {
    /// Handles a sync. The answer to `token` comes now, or with the leader's assignment.
    pub fn sync(&mut self, step: &mut Step<'_>, token: Token, sync: Sync) {
        if let Err(error) = self.check_sync(&sync) {
            return step.out.sync(token, Err(error));
        }
        self.note_sync(step, &sync.member_id);
        if self.state == State::Stable {
            let reply = self.synced(self.members[&sync.member_id].assignment.clone());
            return step.out.sync(token, Ok(reply));
        }
        if let Some(member) = self.members.get_mut(&sync.member_id)
            && let Some(given_up) = member.syncing.replace(token)
        {
            let error = GroupError::RebalanceInProgress;
            step.out.sync(given_up, Err(error));
        }
        if self.is_leader(&sync.member_id) {
            self.take_assignments(step, sync.assignments);
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), GroupError> {
        if self.is_empty() {
            return Err(GroupError::UnknownMember);
        }
        self.check_member(&sync.member_id, sync.instance_id.as_ref())?;
        if sync.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if differ(&sync.protocol_type, &self.protocol_type)
            || differ(&sync.protocol, &self.protocol)
        {
            return Err(GroupError::InconsistentProtocol);
        }
        match self.state {
            State::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    fn note_sync(&mut self, step: &mut Step<'_>, member_id: &Rc<str>) {
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            step.timers.cancel(&Timer::Sync(self.id.clone()));
        }
    }

    fn take_assignments(&mut self, step: &mut Step<'_>, assignments: Vec<(Rc<str>, Bytes)>) {
        let assignments: HashMap<_, _> = assignments.into_iter().collect();
        let value = self.value(|member| {
            let assignment = assignments.get(&member.id).cloned();
            assignment.unwrap_or_default()
        });
        if let Err(error) = self.write(step, value) {
            self.reset_assignments(step, error);
            return self.prepare_rebalance(step, "the assignment could not be stored");
        }
        self.state_timestamp = Some(step.now.wall_ms);
        let (group, generation) = (&*self.id, self.generation);
        let members = self.members.len();
        if step.may_log() {
            tracing::info!(group, generation, members, "group is stable");
        }
        step.probe.rebalances.add(1);
        self.answer_syncs(step, Ok(()));
    }

    /// Takes all assignments away; syncs that wait for one are answered with `error`.
    pub(super) fn reset_assignments(&mut self, step: &mut Step<'_>, error: GroupError) {
        for member in self.members.values_mut() {
            self.bytes -= member.assignment.len();
            member.assignment = Bytes::new();
        }
        self.answer_syncs(step, Err(error));
    }

    fn answer_syncs(&mut self, step: &mut Step<'_>, outcome: Result<(), GroupError>) {
        let mut parked = Vec::new();
        for member in self.members.values_mut() {
            if let Some(token) = member.syncing.take() {
                parked.push((token, member.id.clone()));
            }
        }
        for (token, member_id) in parked {
            let member = &self.members[&member_id];
            self.renew_session(step, member);
            let reply = outcome.map(|()| self.synced(member.assignment.clone()));
            step.out.sync(token, reply);
        }
    }

    fn synced(&self, assignment: Bytes) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }

    /// Members that have not asked for their assignment in time are removed.
    pub fn expire_sync(&mut self, step: &mut Step<'_>) {
        let is_formed = matches!(self.state, State::CompletingRebalance | State::Stable);
        if !is_formed || self.pending_syncs.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_syncs) {
            let (group, member) = (&*self.id, &*member_id);
            if step.may_log_member() {
                tracing::info!(group, member, "member failed: it did not sync in time");
            }
            step.probe.failed_members.add(1);
            self.remove(step, &member_id, GroupError::UnknownMember);
        }
        self.prepare_rebalance(step, "members did not sync in time");
    }
}

/// Whether both are known and differ.
fn differ(asked: &Option<Rc<str>>, known: &Option<Rc<str>>) -> bool {
    matches!((asked, known), (Some(asked), Some(known)) if asked != known)
}
