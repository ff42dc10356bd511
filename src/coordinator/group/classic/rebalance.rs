//! Pure: the join phase, from the first reason to rebalance to the new generation.

use std::rc::Rc;

use bytes::Bytes;

use crate::coordinator::group::memory;
use crate::coordinator::group::request::{GroupError, JoinRefused, Joined, JoinedMember};
use crate::coordinator::runtime::Token;

use super::{Group, Member, State, Step, Timer};

/// A join phase without a single joined member is tried again no sooner than this, whatever
/// rebalance timeout the members claim.
const RETRY_MIN_MS: i64 = 1_000;
/// Members that a group keeps memory for beyond four times as many as it has.
const SPARE_MEMBERS: usize = 16;

/// How long the join phase under way goes on.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(in crate::coordinator::group) struct JoinPhase {
    /// Whether it began in an empty group, which waits a while for more members (KIP-134).
    initial: bool,
    /// Whether a member joined in the current round, so that another round follows.
    member_added: bool,
    /// Length of the initial wait's current round, in milliseconds.
    round_ms: i64,
    /// How much longer the initial wait may become, in milliseconds.
    remaining_ms: i64,
}

// === impl Group: members come and go ===

impl Group {
    /// Adds `member` with its parked join.
    pub(super) fn add(
        &mut self,
        step: &mut Step<'_>,
        mut member: Member,
        join: Token,
        kind: &Rc<str>,
    ) {
        if self.state == State::PreparingRebalance && self.join_phase.initial {
            self.join_phase.member_added = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(kind.clone());
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        if let Some(instance_id) = &member.instance_id {
            self.static_members
                .insert(instance_id.clone(), member.id.clone());
        }
        self.forget_pending(&member.id);
        self.bytes += member.bytes();
        member.joining = Some(join);
        self.joining_count += 1;
        let (group, id) = (&*self.id, &*member.id);
        if step.may_log_member() {
            tracing::info!(
                group,
                member = id,
                state = self.state.name(),
                "member joined"
            );
        }
        let session = Timer::Session(self.id.clone(), member.id.clone());
        // Until its first rebalance is over, its session is the join itself.
        step.timers.set(
            session,
            step.now
                .instant
                .after_ms(super::join::NEW_MEMBER_TIMEOUT_MS),
        );
        self.speakers.add(&member.protocols);
        self.members.insert(member.id.clone(), member);
    }

    /// Removes a member, or an id that was given out; its parked requests are answered with
    /// `error`.
    pub(super) fn remove(&mut self, step: &mut Step<'_>, member_id: &str, error: GroupError) {
        self.forget_pending(member_id);
        self.pending_syncs.remove(member_id);
        let session = Timer::Session(self.id.clone(), member_id.into());
        step.timers.cancel(&session);
        let Some(mut member) = self.members.swap_remove(member_id) else {
            return;
        };
        self.bytes -= member.bytes();
        if self.members.capacity() > 4 * self.members.len() + SPARE_MEMBERS {
            self.members.shrink_to_fit();
        }
        self.speakers.remove(&member.protocols);
        self.answer_join(step, &mut member, Err((error, Rc::from(""))));
        if let Some(token) = member.syncing.take() {
            step.out.sync(token, Err(error));
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    fn forget_pending(&mut self, member_id: &str) {
        if self.pending_joins.remove(member_id) {
            self.bytes -= memory::of_pending(member_id);
        }
    }

    /// Answers `member`'s parked join, if it has one.
    fn answer_join(
        &mut self,
        step: &mut Step<'_>,
        member: &mut Member,
        reply: Result<Joined, (GroupError, Rc<str>)>,
    ) {
        if let Some(token) = member.joining.take() {
            self.joining_count -= 1;
            let refused = |(error, member_id)| JoinRefused { error, member_id };
            step.out.join(token, reply.map_err(refused));
        }
    }

    /// Parks `token` as the member's join. One that was parked before is answered with an error:
    /// its client has sent a new one.
    pub(super) fn park_join(&mut self, step: &mut Step<'_>, member_id: &str, token: Token) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        match member.joining.replace(token) {
            None => self.joining_count += 1,
            Some(given_up) => {
                let id = member.id.clone();
                step.out
                    .refuse_join(given_up, &id, GroupError::RebalanceInProgress);
            }
        }
    }

    /// Gives the member a session from now on.
    pub(super) fn renew_session(&self, step: &mut Step<'_>, member: &Member) {
        let session = Timer::Session(self.id.clone(), member.id.clone());
        let length = i64::from(member.session_timeout_ms);
        step.timers.set(session, step.now.instant.after_ms(length));
    }

    /// The answer to a member of the generation that was formed last.
    pub(super) fn joined(&self, member_id: &Rc<str>, tell_members: bool) -> Joined {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let tell = |member: &Member| JoinedMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol).cloned().unwrap_or_default(),
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member_id: member_id.clone(),
            skip_assignment: false,
            members: match tell_members {
                true => self.members.values().map(tell).collect(),
                false => Vec::new(),
            },
        }
    }
}

// === impl Group: the join phase ===

impl Group {
    /// Begins a rebalance, or ends the one under way if all members have joined.
    pub(super) fn rebalance_or_complete(&mut self, step: &mut Step<'_>, reason: &str) {
        match self.state {
            State::PreparingRebalance => self.complete_if_all_joined(step),
            _ => self.prepare_rebalance(step, reason),
        }
    }

    /// Completes the join phase if no member is missing. The initial one always runs its time.
    pub(super) fn complete_if_all_joined(&mut self, step: &mut Step<'_>) {
        let preparing = self.state == State::PreparingRebalance;
        if preparing && !self.join_phase.initial && self.all_joined() {
            self.complete_join(step);
        }
    }

    pub(super) fn all_joined(&self) -> bool {
        self.joining_count == self.members.len() && self.pending_joins.is_empty()
    }

    pub(super) fn prepare_rebalance(&mut self, step: &mut Step<'_>, reason: &str) {
        if self.state == State::CompletingRebalance {
            self.reset_assignments(step, GroupError::RebalanceInProgress);
        }
        self.pending_syncs.clear();
        step.timers.cancel(&Timer::Sync(self.id.clone()));
        let initial = self.is_empty();
        let delay_ms = i64::from(step.config.initial_rebalance_delay_ms);
        self.join_phase = JoinPhase {
            initial,
            member_added: false,
            round_ms: delay_ms,
            remaining_ms: (self.rebalance_timeout_ms() - delay_ms).max(0),
        };
        let (group, generation) = (&*self.id, self.generation);
        if step.may_log() {
            tracing::info!(group, generation, reason, "preparing to rebalance");
        }
        self.enter(step, State::PreparingRebalance);
        if initial {
            self.arm_join(step, delay_ms);
        } else if self.all_joined() {
            self.complete_join(step);
        } else {
            self.arm_join(step, self.rebalance_timeout_ms());
        }
    }

    fn arm_join(&self, step: &mut Step<'_>, length_ms: i64) {
        let deadline = step.now.instant.after_ms(length_ms);
        step.timers.set(Timer::Join(self.id.clone()), deadline);
    }

    /// The join phase's deadline has come.
    pub fn expire_join(&mut self, step: &mut Step<'_>) {
        if self.state != State::PreparingRebalance {
            return;
        }
        let phase = &mut self.join_phase;
        if phase.initial && phase.member_added && phase.remaining_ms != 0 {
            phase.member_added = false;
            let delay_ms = i64::from(step.config.initial_rebalance_delay_ms);
            let round_ms = delay_ms.min(phase.remaining_ms);
            phase.remaining_ms = (phase.remaining_ms - phase.round_ms).max(0);
            phase.round_ms = round_ms;
            self.arm_join(step, round_ms);
            return;
        }
        self.complete_join(step);
    }

    /// Ends the join phase: members that have not joined are removed (unless static), the others
    /// are the next generation.
    pub(super) fn complete_join(&mut self, step: &mut Step<'_>) {
        step.timers.cancel(&Timer::Join(self.id.clone()));
        let missing = self.members.values();
        let missing = missing.filter(|m| m.joining.is_none() && m.instance_id.is_none());
        let missing: Vec<_> = missing.map(|member| member.id.clone()).collect();
        for member_id in missing {
            let (group, member) = (&*self.id, &*member_id);
            if step.may_log_member() {
                tracing::info!(group, member, "member failed: it did not rejoin in time");
            }
            step.probe.failed_members.add(1);
            self.remove(step, &member_id, GroupError::UnknownMember);
        }
        if self.members.is_empty() {
            return self.form_empty(step);
        }
        if !self.elect_joined_leader() {
            let group = &*self.id;
            if step.may_log() {
                tracing::warn!(
                    group,
                    "no member rejoined in time; the rebalance starts over"
                );
            }
            return self.arm_join(step, self.rebalance_timeout_ms().max(RETRY_MIN_MS));
        }
        self.generation += 1;
        self.protocol = self.select_protocol();
        self.note_subscriptions();
        self.enter(step, State::CompletingRebalance);
        self.pending_syncs = self.members.keys().cloned().collect();
        let (group, generation) = (&*self.id, self.generation);
        let (members, protocol) = (self.members.len(), self.protocol.as_deref());
        if step.may_log() {
            tracing::info!(group, generation, members, protocol, "generation formed");
        }
        for member_id in self.members.keys().cloned().collect::<Vec<_>>() {
            let reply = self.joined(&member_id, self.is_leader(&member_id));
            self.admit(step, &member_id, reply);
        }
        let deadline = step.now.instant.after_ms(self.rebalance_timeout_ms());
        step.timers.set(Timer::Sync(self.id.clone()), deadline);
    }

    fn admit(&mut self, step: &mut Step<'_>, member_id: &Rc<str>, reply: Joined) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        member.is_new = false;
        if let Some(token) = member.joining.take() {
            self.joining_count -= 1;
            step.out.join(token, Ok(reply));
        }
        self.renew_session(step, &self.members[member_id]);
    }

    fn form_empty(&mut self, step: &mut Step<'_>) {
        self.generation += 1;
        self.protocol = None;
        self.leader = None;
        self.enter(step, State::Empty);
        let (group, generation) = (&*self.id, self.generation);
        tracing::info!(group, generation, "group is now empty");
        let value = self.value(|_| Bytes::new());
        if self.write(step, value).is_err() {
            self.note_subscriptions();
        }
    }

    /// Makes sure that the leader is a member that joined; `false` when no member did.
    fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &Member| member.joining.is_some();
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if leader.is_some_and(joined) {
            return true;
        }
        let Some(next) = self.members.values().find(|member| joined(member)) else {
            return false;
        };
        let (group, member) = (&*self.id, &*next.id);
        tracing::info!(
            group,
            member,
            "the leader did not rejoin: a new one is chosen"
        );
        self.leader = Some(next.id.clone());
        true
    }
}
