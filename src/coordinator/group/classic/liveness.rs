//! Pure: heartbeats, members that leave, members that send none in time.

use std::rc::Rc;

use crate::coordinator::group::request::{Commit, GroupError, Heartbeat, Leaving};

use super::{Group, State, Step};

impl Group {
    /// Renews a member's session, and tells it whether to join again.
    pub fn heartbeat(&self, step: &mut Step<'_>, beat: &Heartbeat) -> Result<(), GroupError> {
        self.check_member(&beat.member_id, beat.instance_id.as_ref())?;
        if beat.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.renew_session(step, &self.members[&beat.member_id]);
        match self.state {
            State::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether the commit's sender may commit for this group; it counts as a heartbeat.
    pub fn check_commit(&self, step: &mut Step<'_>, commit: &Commit) -> Result<(), GroupError> {
        if commit.generation < 0 && self.is_empty() {
            // A client that assigns partitions to itself.
            return Ok(());
        }
        let is_transactional = commit.transaction.is_some();
        if commit.generation < 0 && commit.member_id.is_empty() && commit.instance_id.is_none() {
            // Older versions of a transactional commit name no member.
            return match is_transactional {
                true => Ok(()),
                false => Err(GroupError::UnknownMember),
            };
        }
        self.check_member(&commit.member_id, commit.instance_id.as_ref())?;
        if commit.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if is_transactional {
            // It counts whatever the group does, and is no heartbeat.
            return Ok(());
        }
        if self.state == State::CompletingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        self.renew_session(step, &self.members[&commit.member_id]);
        Ok(())
    }

    /// Removes the members that leave. Returns a result for each, in order.
    pub fn leave(
        &mut self,
        step: &mut Step<'_>,
        leaving: &[Leaving],
    ) -> Vec<Result<(), GroupError>> {
        let results: Vec<_> = leaving
            .iter()
            .map(|member| self.leave_one(step, member))
            .collect();
        if results.iter().any(Result::is_ok) {
            match self.state {
                State::Stable | State::CompletingRebalance => {
                    self.prepare_rebalance(step, "members left");
                }
                State::PreparingRebalance => self.complete_if_all_joined(step),
                State::Empty => {}
            }
        }
        results
    }

    fn leave_one(&mut self, step: &mut Step<'_>, leaving: &Leaving) -> Result<(), GroupError> {
        let instance_id = leaving.instance_id.as_ref();
        let member_id = if leaving.member_id.is_empty() {
            let known = instance_id.and_then(|id| self.static_members.get(id));
            known.cloned().ok_or(GroupError::UnknownMember)?
        } else {
            if !self.pending_joins.contains(&leaving.member_id) {
                self.check_member(&leaving.member_id, instance_id)?;
            }
            leaving.member_id.clone()
        };
        let (group, member) = (&*self.id, &*member_id);
        let reason = leaving.reason.as_deref().unwrap_or("no reason given");
        if step.may_log_member() {
            tracing::info!(group, member, reason, "member left");
        }
        self.remove(step, &member_id, GroupError::UnknownMember);
        Ok(())
    }

    /// The session of a member, or of an id that was given out, has run out.
    pub fn expire_session(&mut self, step: &mut Step<'_>, member_id: &Rc<str>) {
        let (group, id) = (&*self.id, &**member_id);
        match self.members.get(member_id) {
            Some(member) if member.is_heard() => return,
            Some(_) => {
                if step.may_log_member() {
                    tracing::info!(group, member = id, "member failed: no heartbeat");
                }
                step.probe.failed_members.add(1);
            }
            None if self.pending_joins.contains(member_id) => {
                if step.may_log_member() {
                    tracing::info!(group, member = id, "member never came back with its id");
                }
            }
            None => return,
        }
        let was_member = self.members.contains_key(member_id);
        self.remove(step, member_id, GroupError::UnknownMember);
        match self.state {
            State::Stable | State::CompletingRebalance if was_member => {
                self.prepare_rebalance(step, "a member's session ran out");
            }
            // Even an initial join phase ends here when no other member is awaited.
            State::PreparingRebalance if self.all_joined() => self.complete_join(step),
            _ => {}
        }
    }
}
