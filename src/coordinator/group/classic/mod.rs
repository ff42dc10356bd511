//! Pure: one group of the classic protocol (KIP-62, 345, 394): members, generation, state.
//!
//! What lives on disk changes in [`Group::replay`] alone: the newest complete generation with its
//! leader and assignments. Everything else (a rebalance under way, parked requests, members that
//! have not been through a rebalance) is lost with the process, as in Kafka's `ClassicGroup`.

mod join;
mod liveness;
mod member;
mod migration;
mod rebalance;
mod subscription;
mod sync;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use indexmap::IndexMap;

use crate::base::{WallMs, hash};
use crate::coordinator::group::memory;
use crate::coordinator::group::request::{Described, DescribedMember, GroupError, Protocol};
use crate::coordinator::group::step::{Step, Timer};
use crate::coordinator::record::{GroupValue, MemberValue, Record};

pub(in crate::coordinator::group) use member::Member;
use member::Speakers;
pub(in crate::coordinator::group) use rebalance::JoinPhase;

/// Where a group stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::coordinator::group) enum State {
    /// No members; perhaps offsets.
    Empty,
    /// Members are asked to join (again).
    PreparingRebalance,
    /// All have joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// All members have an assignment.
    Stable,
}

/// A classic group.
#[derive(Debug)]
pub(in crate::coordinator::group) struct Group {
    pub id: Rc<str>,
    pub state: State,
    /// When it entered its state; `None` out of an old record.
    pub state_timestamp: Option<WallMs>,
    pub generation: i32,
    pub protocol_type: Option<Rc<str>>,
    protocol: Option<Rc<str>>,
    leader: Option<Rc<str>>,
    /// Their order has no meaning, except that the first becomes leader when the leader goes.
    pub members: IndexMap<Rc<str>, Member>,
    speakers: Speakers,
    /// Member ids by instance id.
    static_members: BTreeMap<Rc<str>, Rc<str>>,
    /// Ids given out that have not come back yet (KIP-394).
    pending_joins: BTreeSet<Rc<str>>,
    /// Members that have not asked for their assignment in this generation.
    pending_syncs: BTreeSet<Rc<str>>,
    /// How many members have a parked join.
    joining_count: usize,
    /// Hashes of the topics that a consumer group consumes, in order; `None` when they cannot be
    /// known. Two topics of one hash would only let the offsets of one live longer.
    subscribed_topics: Option<Box<[u64]>>,
    /// Memory that it takes.
    pub bytes: usize,
    join_phase: JoinPhase,
}

// === impl State ===

impl State {
    /// Kafka's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

// === impl Group ===

impl Group {
    /// A group without members.
    pub fn new(id: Rc<str>, state_timestamp: Option<WallMs>) -> Group {
        Group {
            bytes: memory::GROUP_BYTES + id.len(),
            id,
            state: State::Empty,
            state_timestamp,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: IndexMap::new(),
            speakers: Speakers::default(),
            static_members: BTreeMap::new(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            joining_count: 0,
            subscribed_topics: None,
            join_phase: JoinPhase::default(),
        }
    }

    /// Applies its record.
    pub fn replay(&mut self, value: &GroupValue) {
        self.protocol_type = Some(value.protocol_type.clone()).filter(|kind| !kind.is_empty());
        self.generation = value.generation;
        self.protocol = value.protocol.clone();
        self.leader = value.leader.clone();
        self.state_timestamp = value.state_timestamp;
        let protocol = value.protocol.clone().unwrap_or_default();
        let named: BTreeSet<_> = value
            .members
            .iter()
            .map(|member| &member.member_id)
            .collect();
        self.members.retain(|id, _| named.contains(id));
        for member in &value.members {
            match self.members.get_mut(&member.member_id) {
                Some(known) => known.replay(member, &protocol),
                None => {
                    let new = Member::loaded(member, &protocol);
                    self.members.insert(new.id.clone(), new);
                }
            }
        }
        self.speakers = Speakers::default();
        for member in self.members.values() {
            self.speakers.add(&member.protocols);
        }
        let fixed = self.members.values().filter_map(|member| {
            let instance_id = member.instance_id.clone()?;
            Some((instance_id, member.id.clone()))
        });
        self.static_members = fixed.collect();
        self.joining_count = self
            .members
            .values()
            .filter(|m| m.joining.is_some())
            .count();
        self.state = match self.members.is_empty() {
            true => State::Empty,
            false => State::Stable,
        };
        self.bytes = self.measure();
        self.note_subscriptions();
    }

    /// The memory that it takes, counted anew.
    pub fn measure(&self) -> usize {
        let members = self.members.values().map(Member::bytes);
        let pending = self.pending_joins.iter().map(|id| memory::of_pending(id));
        let fixed = memory::GROUP_BYTES + self.id.len() + self.subscribed_bytes();
        fixed + members.sum::<usize>() + pending.sum::<usize>()
    }

    /// The group's record with `assignment` for each member.
    fn value(&self, mut assignment: impl FnMut(&Member) -> Bytes) -> GroupValue {
        let protocol = self.protocol.as_deref();
        let members = self.members.values();
        GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp: self.state_timestamp,
            members: members.map(|m| m.value(protocol, assignment(m))).collect(),
        }
    }

    /// Writes `value` and applies it, unless it is too large for the log.
    fn write(&mut self, step: &mut Step<'_>, value: GroupValue) -> Result<(), GroupError> {
        let fits = |bytes: usize| {
            if bytes > step.config.record_bytes_max {
                if step.may_log() {
                    tracing::warn!(group = &*self.id, bytes, "the group's record is too large");
                }
                return Err(GroupError::RecordTooLarge);
            }
            Ok(())
        };
        // One that is far too large is not encoded first: that would take long.
        let of_clients = |member: &MemberValue| member.subscription.len() + member.assignment.len();
        fits(value.members.iter().map(of_clients).sum())?;
        let record = Record::Group(self.id.clone(), Some(value));
        let encoded = record.encode().ok_or(GroupError::Unexpected)?;
        fits(encoded.size_bytes())?;
        step.out.records.push(encoded);
        if let Record::Group(_, Some(value)) = &record {
            self.replay(value);
        }
        Ok(())
    }

    /// Writes the record of a group that has no members yet.
    pub fn write_created(&mut self, step: &mut Step<'_>) {
        let value = self.value(|_| Bytes::new());
        // It is too large only where no record at all fits: the group is then in memory only.
        let _ = self.write(step, value);
    }

    /// The log is replayed: gives its members a session from now on.
    pub fn loaded(&mut self, step: &mut Step<'_>) {
        for member in self.members.values() {
            self.renew_session(step, member);
        }
        let members = self.members.len();
        if members > step.config.members_max {
            self.prepare_rebalance(
                step,
                "the loaded group has more than group.max.size members",
            );
        }
    }

    /// All deadlines that it may have.
    pub fn all_timers(&self) -> Vec<Timer> {
        let ids = self.members.keys().chain(&self.pending_joins);
        let sessions = ids.map(|id| Timer::Session(self.id.clone(), id.clone()));
        let phases = [Timer::Join(self.id.clone()), Timer::Sync(self.id.clone())];
        sessions.chain(phases).collect()
    }

    /// Whether it has neither members nor a rebalance under way.
    pub fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    fn enter(&mut self, step: &Step<'_>, state: State) {
        self.state = state;
        self.state_timestamp = Some(step.now.wall_ms);
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// Whether this member may speak for itself, and for `instance_id` if it names one.
    pub fn check_member(
        &self,
        member_id: &str,
        instance_id: Option<&Rc<str>>,
    ) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMember),
                Some(current) if &**current != member_id => {
                    return Err(GroupError::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        match self.members.contains_key(member_id) {
            true => Ok(()),
            false => Err(GroupError::UnknownMember),
        }
    }

    /// Whether a member with these protocols shares one with all others.
    fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let all = self.members.len();
        let all_speak = |protocol: &Protocol| self.speakers.of(&protocol.name) == all;
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(all_speak)
    }

    /// The protocol that most members prefer among those that all of them speak. Between those
    /// with equally many votes Kafka takes the one that its hash table holds first.
    fn select_protocol(&self) -> Option<Rc<str>> {
        let mut votes: BTreeMap<&Rc<str>, usize> = BTreeMap::new();
        let all = self.members.len();
        for member in self.members.values() {
            let names = member.protocols.iter().map(|protocol| &protocol.name);
            let mut names = names.filter(|name| self.speakers.of(name) == all);
            if let Some(name) = names.next() {
                *votes.entry(name).or_default() += 1;
            }
        }
        let count = votes.len();
        let rank = |name: &Rc<str>, votes: usize| (Reverse(votes), hash::java_bucket(name, count));
        let winner = votes
            .into_iter()
            .min_by_key(|(name, votes)| rank(name, *votes));
        winner.map(|(name, _)| name.clone())
    }

    /// The longest rebalance timeout of its members, in milliseconds.
    fn rebalance_timeout_ms(&self) -> i64 {
        let timeouts = self
            .members
            .values()
            .map(|member| member.rebalance_timeout_ms);
        i64::from(timeouts.max().unwrap_or(0).max(0))
    }

    /// The group as DescribeGroups shows it.
    pub fn describe(&self) -> Described {
        let protocol = self
            .protocol
            .as_ref()
            .filter(|_| self.state == State::Stable);
        let members = self.members.values().map(|member| DescribedMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol
                .and_then(|name| member.metadata(name))
                .cloned()
                .unwrap_or_default(),
            assignment: member.assignment.clone(),
        });
        Described {
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.cloned(),
            members: members.collect(),
        }
    }
}
