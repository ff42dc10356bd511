//! Pure: JoinGroup (KIP-62, KIP-394 member ids, KIP-345 static members, KIP-814 skipping).

use std::rc::Rc;

use crate::base::limits;
use crate::coordinator::group::memory;
use crate::coordinator::group::request::{GroupError, Join};
use crate::coordinator::runtime::Token;

use super::{Group, Member, State, Step, Timer};

/// How long a member that came with a join waits for its first rebalance, in milliseconds
/// (Kafka's `CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`).
pub(super) const NEW_MEMBER_TIMEOUT_MS: i64 = 5 * 60 * 1000;

impl Group {
    /// Handles a join. The answer to `token` comes now, or when the rebalance is over.
    pub fn join(&mut self, step: &mut Step<'_>, token: Token, join: &Join) {
        let no_id = Rc::from("");
        if !self.has_place_for(&join.member_id, step.config.members_max) {
            self.remove(step, &join.member_id, GroupError::GroupFull);
            return step.out.refuse_join(token, &no_id, GroupError::GroupFull);
        }
        if !self.supports(&join.protocol_type, &join.protocols) {
            let error = GroupError::InconsistentProtocol;
            return step.out.refuse_join(token, &join.member_id, error);
        }
        if !self.has_memory_for(step, join) {
            return step
                .out
                .refuse_join(token, &join.member_id, GroupError::NoMemory);
        }
        if join.member_id.is_empty() {
            return self.join_new(step, token, join);
        }
        if self.pending_joins.contains(&join.member_id) {
            if join.instance_id.is_some() {
                return step.out.refuse_join(token, &no_id, GroupError::Unexpected);
            }
            return self.join_first(step, token, join, join.member_id.clone());
        }
        self.join_again(step, token, join);
    }

    fn has_place_for(&self, member_id: &str, members_max: usize) -> bool {
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                let member = self.members.get(member_id);
                member.is_some_and(|member| member.joining.is_some())
                    || self.joining_count < members_max
            }
            State::CompletingRebalance | State::Stable => {
                self.members.contains_key(member_id) || self.members.len() < members_max
            }
        }
    }

    /// Whether there is memory for what the join adds to the group.
    fn has_memory_for(&self, step: &Step<'_>, join: &Join) -> bool {
        let more = match self.members.get(&join.member_id) {
            Some(member) => memory::of_protocols(&join.protocols)
                .saturating_sub(memory::of_protocols(&member.protocols)),
            None => Member::new(join.member_id.clone(), join).bytes(),
        };
        more == 0 || step.memory.can_take(more)
    }

    /// A join without a member id.
    fn join_new(&mut self, step: &mut Step<'_>, token: Token, join: &Join) {
        let client_id = memory::prefix(&join.client_id, limits::CLIENT_ID_BYTES_MAX);
        let prefix = join.instance_id.as_ref().unwrap_or(&client_id);
        let member_id: Rc<str> = format!("{prefix}-{}", join.unique).into();
        if let Some(instance_id) = &join.instance_id {
            return match self.static_members.get(instance_id).cloned() {
                Some(old_id) => self.replace_static(step, token, join, &old_id, member_id),
                None => self.join_first(step, token, join, member_id),
            };
        }
        if !join.member_id_required {
            return self.join_first(step, token, join, member_id);
        }
        let session = Timer::Session(self.id.clone(), member_id.clone());
        let length_ms = i64::from(join.session_timeout_ms).min(limits::PENDING_MEMBER_MAX_MS);
        step.timers
            .set(session, step.now.instant.after_ms(length_ms));
        let error = GroupError::MemberIdRequired;
        step.out.refuse_join(token, &member_id, error);
        self.bytes += memory::of_pending(&member_id);
        self.pending_joins.insert(member_id);
    }

    fn join_first(&mut self, step: &mut Step<'_>, token: Token, join: &Join, id: Rc<str>) {
        let reason = format!("member {id} joins; {}", reason(join));
        self.add(step, Member::new(id, join), token, &join.protocol_type);
        self.rebalance_or_complete(step, &reason);
    }

    /// A join of a client that says it is a member.
    fn join_again(&mut self, step: &mut Step<'_>, token: Token, join: &Join) {
        let member_id = &join.member_id;
        if let Err(error) = self.check_member(member_id, join.instance_id.as_ref()) {
            return step.out.refuse_join(token, member_id, error);
        }
        let unchanged = self.members[member_id].protocols == join.protocols;
        let (rebalance, tell_members) = match self.state {
            State::PreparingRebalance => (true, false),
            // A member that joins again unchanged has missed the answer.
            State::CompletingRebalance => (!unchanged, self.is_leader(member_id)),
            // The leader asks for a rebalance by joining again; others have missed the answer.
            State::Stable => (self.is_leader(member_id) || !unchanged, false),
            State::Empty => {
                let error = GroupError::UnknownMember;
                return step.out.refuse_join(token, member_id, error);
            }
        };
        if !rebalance {
            let reply = self.joined(member_id, tell_members);
            return step.out.join(token, Ok(reply));
        }
        self.update(step, token, join, member_id);
        let reason = format!("member {member_id} joins again; {}", reason(join));
        self.rebalance_or_complete(step, &reason);
    }

    /// Updates a member by what its join says, and parks the join.
    fn update(&mut self, step: &mut Step<'_>, token: Token, join: &Join, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            self.bytes -= memory::of_protocols(&member.protocols);
            self.bytes += memory::of_protocols(&join.protocols);
            self.speakers.remove(&member.protocols);
            self.speakers.add(&join.protocols);
            member.protocols = join.protocols.clone();
            member.rebalance_timeout_ms = join.rebalance_timeout_ms;
            member.session_timeout_ms = join.session_timeout_ms;
        }
        self.park_join(step, member_id, token);
    }

    /// A static member has come back without its member id: it gets a new id and keeps its place.
    fn replace_static(
        &mut self,
        step: &mut Step<'_>,
        token: Token,
        join: &Join,
        old_id: &Rc<str>,
        new_id: Rc<str>,
    ) {
        let old_leader = self.leader.clone();
        self.rename_static(step, old_id, &new_id);
        self.update(step, token, join, &new_id);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol => {
                self.keep_generation(step, token, join, old_leader, &new_id);
            }
            State::Stable | State::CompletingRebalance => {
                let reason = format!("static member {new_id} is back; {}", reason(join));
                self.prepare_rebalance(step, &reason);
            }
            State::PreparingRebalance => self.complete_if_all_joined(step),
            // An empty group has no static members.
            State::Empty => {}
        }
    }

    /// Gives the static member `old_id` the id `new_id`. A request that still waits under the old
    /// id is answered as fenced.
    fn rename_static(&mut self, step: &mut Step<'_>, old_id: &Rc<str>, new_id: &Rc<str>) {
        let Some((index, _, mut member)) = self.members.swap_remove_full(old_id) else {
            return;
        };
        let instance_id = member.instance_id.clone().unwrap_or_default();
        let (group, instance) = (&*self.id, &*instance_id);
        if step.may_log_member() {
            tracing::info!(
                group,
                instance,
                member = &**new_id,
                "static member replaced"
            );
        }
        if let Some(joining) = member.joining.take() {
            self.joining_count -= 1;
            let error = GroupError::FencedInstanceId;
            step.out.refuse_join(joining, old_id, error);
        }
        if let Some(syncing) = member.syncing.take() {
            let error = GroupError::FencedInstanceId;
            step.out.sync(syncing, Err(error));
        }
        step.timers
            .cancel(&Timer::Session(self.id.clone(), old_id.clone()));
        if self.pending_syncs.remove(old_id) {
            self.pending_syncs.insert(new_id.clone());
        }
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        self.bytes -= member.bytes();
        member.id = new_id.clone();
        self.bytes += member.bytes();
        self.static_members.insert(instance_id, new_id.clone());
        self.renew_session(step, &member);
        let (last, _) = self.members.insert_full(new_id.clone(), member);
        self.members.swap_indices(index, last);
    }

    /// Keeps the generation; only the member's id changes.
    fn keep_generation(
        &mut self,
        step: &mut Step<'_>,
        token: Token,
        join: &Join,
        old_leader: Option<Rc<str>>,
        new_id: &Rc<str>,
    ) {
        if let Some(member) = self.members.get_mut(new_id) {
            member.joining = None;
            self.joining_count -= 1;
        }
        let value = self.value(|member| member.assignment.clone());
        if let Err(error) = self.write(step, value) {
            return step.out.refuse_join(token, &Rc::from(""), error);
        }
        let leads = self.is_leader(new_id);
        let mut reply = self.joined(new_id, leads && join.may_skip_assignment);
        if join.may_skip_assignment {
            reply.skip_assignment = leads;
        } else {
            // An older client that is told it is the leader would assign anew.
            reply.leader = old_leader;
        }
        step.out.join(token, Ok(reply));
    }
}

fn reason(join: &Join) -> &str {
    match join.reason.as_deref() {
        None | Some("") => "no reason given",
        Some(reason) => reason,
    }
}
