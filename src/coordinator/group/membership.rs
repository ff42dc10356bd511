//! Pure: members join, sync, beat and leave; what their deadlines bring.

use std::rc::Rc;

use super::classic::Group;
use super::step::Timer;
use super::{GroupError, GroupMachine, Heartbeat, Join, Leave, Now, Outcome, Sync, Token, memory};

impl GroupMachine {
    /// JoinGroup. The answer comes through an outcome, of this step or a later one.
    pub fn join(&mut self, token: Token, join: &Join, now: Now, out: &mut Outcome) {
        if self.join_consumers(token, join, now, out) {
            return;
        }
        if !self.groups.contains_key(&join.group) {
            if !join.member_id.is_empty() {
                let error = GroupError::UnknownMember;
                return out.refuse_join(token, &join.member_id, error);
            }
            if self.deletions.contains_key(&join.group) {
                return out.refuse_join(token, &join.member_id, GroupError::Loading);
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

    pub(super) fn create_group(&mut self, id: &Rc<str>, now: Now) {
        self.put_classic(Group::new(id.clone(), Some(now.wall_ms)));
        self.count_memory();
    }

    pub(super) fn has_memory_for_group(&self, id: &str) -> bool {
        self.memory.can_take(memory::GROUP_BYTES + id.len())
    }

    /// SyncGroup. The answer comes through an outcome, of this step or a later one.
    pub fn sync(&mut self, token: Token, sync: Sync, now: Now, out: &mut Outcome) {
        if self.sync_consumers(token, &sync, now, out) {
            return;
        }
        let id = sync.group.clone();
        let known = self.step(&id, now, out, |group, step| group.sync(step, token, sync));
        if known.is_none() {
            out.sync(token, Err(GroupError::UnknownMember));
        }
    }

    /// Whether a group has this member.
    pub fn is_member(&self, group: &str, member_id: &str) -> bool {
        let group = self.groups.get(group);
        group.is_some_and(|group| group.has_member(member_id))
    }

    /// Heartbeat.
    pub fn heartbeat(&mut self, beat: &Heartbeat, now: Now) -> Result<(), GroupError> {
        if let Some(reply) = self.beat_consumers(beat, now) {
            return reply;
        }
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
        if let Some(results) = self.leave_consumers(leave, now, out) {
            return results;
        }
        self.step(&leave.group, now, out, |group, step| {
            group.leave(step, &leave.members)
        })
        .unwrap_or_else(|| vec![Err(GroupError::UnknownMember); leave.members.len()])
    }

    /// Does what is due.
    pub(super) fn expire_timers(&mut self, now: Now, out: &mut Outcome) {
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
                    self.expire_consumer(&id, &member_id, now, out);
                }
                Some(Timer::Revocation(id, member_id)) => {
                    self.expire_revocation(&id, &member_id, now, out);
                }
                Some(Timer::Rejoin(id, member_id) | Timer::Resync(id, member_id)) => {
                    self.expire_classic(&id, &member_id, now, out);
                }
                Some(Timer::Retention) => self.expire_offsets(now, out),
            }
        }
    }
}
