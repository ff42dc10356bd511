//! Pure: one group of the consumer protocol (KIP-848): members, epochs, the target assignment and
//! the current one.
//!
//! All lasting state comes from records, and only [`ConsumerGroup::replay`] changes it. A request
//! is decided on the group as it is, and yields a [`Plan`], as in Kafka's `GroupMetadataManager`.

pub mod assign;
mod heartbeat;
#[cfg(test)]
mod invariants;
mod leave;
mod member;
mod classic_members;
mod migration;
mod offsets;
mod protocol;
mod reconcile;
mod regex;
mod replay;
pub mod request;
mod subscription;
mod target;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::{PartitionIndex, TopicId, WallMs};
use crate::coordinator::group::config::ConsumerConfig;
use crate::coordinator::group::memory::{self, Memory};
use crate::coordinator::group::step::Timer;
use crate::coordinator::group::topics::Topics;
use crate::coordinator::record::ConsumerChange;
use crate::coordinator::runtime::Now;

use assign::Partitions;
use member::{Member, MemberState};
use replay::Resolved;
use request::{DescribedConsumer, DescribedConsumerGroup, NamedPartitions};
use subscription::Subscriptions;

pub(super) use leave::Leaving;
pub(super) use member::{AWAY, LEFT};
pub(super) use migration::{NoUpgrade, OldMember, upgraded};
pub(super) use regex::{Found, Refresh, Regexes};

/// How long a group goes without a look at the topics that it consumes, in milliseconds
/// (`METADATA_REFRESH_INTERVAL_MS` of Kafka). Changes of topics make it look at once.
const REFRESH_MS: i64 = i32::MAX as i64;

/// What a request may look at beside the group.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The settings of the group.
    pub config: &'a ConsumerConfig,
    pub topics: &'a Topics,
    pub regexes: &'a Regexes,
    pub memory: &'a dyn Memory,
    pub now: Now,
}

/// Deadlines that are set, so many milliseconds from now, or with `None` cancelled.
pub(super) type Timers = Vec<(Timer, Option<i64>)>;

/// A consumer group.
#[derive(Debug)]
pub(super) struct ConsumerGroup {
    pub id: Rc<str>,
    /// Rises with every reason to assign anew.
    epoch: i32,
    /// Of the topics that it consumes, when the epoch rose last.
    metadata_hash: i64,
    /// The epoch that the target assignment is for, -1 where it is gone, and when it was made.
    target_epoch: i32,
    target_timestamp: WallMs,
    members: BTreeMap<Rc<str>, Member>,
    /// What each member is to have.
    targets: BTreeMap<Rc<str>, Partitions>,
    /// Member ids by instance id.
    static_members: BTreeMap<Rc<str>, Rc<str>>,
    subscriptions: Subscriptions,
    /// The topics that regular expressions stand for.
    resolved: BTreeMap<Rc<str>, Resolved>,
    /// Which partitions some member has, and the member's epoch.
    owners: BTreeMap<TopicId, BTreeMap<PartitionIndex, i32>>,
    /// Whether its log has the topics as Kafka 4.0 listed them.
    lists_topics: bool,
    /// When the topics are looked at next, and the group's epoch when that was set; where the
    /// group's epoch is lower the look is due now. In memory only.
    refresh: Option<(WallMs, i32)>,
    /// Memory that it takes.
    pub bytes: usize,
}

/// The result of a request.
#[derive(Debug)]
pub(super) struct Plan<R> {
    /// The records, in their order.
    pub changes: Vec<ConsumerChange>,
    pub reply: R,
    /// Deadlines to set or to cancel.
    pub timers: Timers,
    /// When the topics are looked at next, see [`ConsumerGroup::refresh`].
    pub refresh: Option<(WallMs, i32)>,
    /// Regular expressions that are to be resolved.
    pub regexes: Option<Refresh>,
    /// Whether it counts as a rebalance in the metrics; that members leave does not.
    pub rebalances: bool,
}

// === impl Plan ===

impl<R> Plan<R> {
    /// The same with another reply.
    pub fn replying<T>(self, reply: T) -> Plan<T> {
        Plan {
            changes: self.changes,
            reply,
            timers: self.timers,
            refresh: self.refresh,
            regexes: self.regexes,
            rebalances: self.rebalances,
        }
    }
}

// === impl ConsumerGroup ===

impl ConsumerGroup {
    /// A group without members.
    pub fn new(id: Rc<str>) -> ConsumerGroup {
        ConsumerGroup {
            bytes: memory::GROUP_BYTES + id.len(),
            id,
            epoch: 1,
            metadata_hash: 0,
            target_epoch: 1,
            target_timestamp: 0,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            static_members: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            resolved: BTreeMap::new(),
            owners: BTreeMap::new(),
            lists_topics: false,
            refresh: None,
        }
    }

    /// Kafka's name of its state.
    pub fn state(&self) -> &'static str {
        if self.members.is_empty() {
            return "Empty";
        }
        if self.epoch > self.target_epoch {
            return "Assigning";
        }
        let is_there = |member: &Member| member.is_reconciled_to(self.target_epoch);
        match self.members.values().all(is_there) {
            true => "Stable",
            false => "Reconciling",
        }
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether it has this member.
    pub fn has_member(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    /// The epoch of the member that has a partition, if one has it.
    fn owner_epoch(&self, topic: TopicId, index: PartitionIndex) -> Option<i32> {
        self.owners.get(&topic)?.get(&index).copied()
    }

    fn static_member(&self, instance: &str) -> Option<&Member> {
        self.members.get(self.static_members.get(instance)?)
    }

    /// The target of a member; for a static one, that of the member that has its instance id.
    fn target_of(&self, id: &str, instance: Option<&Rc<str>>) -> Partitions {
        let of = match instance {
            None => self.targets.get(id),
            Some(instance) => {
                let before = self.static_members.get(instance);
                before.and_then(|id| self.targets.get(id))
            }
        };
        of.cloned().unwrap_or_default()
    }

    /// Whether it consumes `topic`.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscriptions.has(topic)
    }

    /// Makes the next heartbeat look at the topics: some of them have changed.
    pub fn request_refresh(&mut self) {
        self.refresh = None;
    }

    /// Sets when the topics are looked at next.
    pub fn set_refresh(&mut self, refresh: (WallMs, i32)) {
        self.refresh = Some(refresh);
    }

    fn is_refresh_due(&self, now: WallMs) -> bool {
        self.refresh
            .is_none_or(|(at, epoch)| now >= at || self.epoch < epoch)
    }

    /// All deadlines that it may have.
    pub fn all_timers(&self) -> Vec<Timer> {
        let timers = self.members.keys().flat_map(|id| self.timers_of(id));
        timers.collect()
    }

    fn timers_of(&self, id: &Rc<str>) -> [Timer; 4] {
        [
            Timer::Session(self.id.clone(), id.clone()),
            Timer::Revocation(self.id.clone(), id.clone()),
            Timer::Rejoin(self.id.clone(), id.clone()),
            Timer::Resync(self.id.clone(), id.clone()),
        ]
    }

    /// The deadlines that its members have once its log is replayed.
    pub fn loaded(&self, session_timeout_ms: i32) -> Timers {
        let mut timers = Vec::new();
        for member in self.members.values() {
            let [session, revocation, ..] = self.timers_of(&member.id);
            timers.push((session, Some(i64::from(session_timeout_ms))));
            if member.state == MemberState::Unrevoked {
                let length = i64::from(member.about.rebalance_timeout_ms);
                timers.push((revocation, Some(length)));
            }
        }
        timers
    }

    /// The group as ConsumerGroupDescribe shows it; the first of `assignors` is the default.
    pub fn describe(&self, topics: &Topics, assignors: &[Rc<str>]) -> DescribedConsumerGroup {
        let nothing = Partitions::new();
        let members = self.members.values().map(|member| {
            let about = &member.about;
            let target = self.targets.get(&member.id).unwrap_or(&nothing);
            DescribedConsumer {
                member_id: member.id.clone(),
                instance_id: about.instance_id.clone(),
                rack: about.rack.clone(),
                epoch: member.epoch,
                client_id: about.client_id.clone(),
                client_host: about.client_host.clone(),
                topics: about.topics.clone(),
                regex: about.regex.clone(),
                assigned: named(&member.held_partitions(), topics),
                target: named(target, topics),
                is_classic: member.is_classic(),
            }
        });
        let preferred = self.subscriptions.preferred_assignor();
        DescribedConsumerGroup {
            state: self.state(),
            epoch: self.epoch,
            target_epoch: self.target_epoch,
            assignor: preferred.or(assignors.first().cloned()).unwrap_or_default(),
            members: members.collect(),
        }
    }

    /// The memory that it takes, counted anew.
    #[cfg(test)]
    pub fn measure(&self) -> usize {
        let members = self.members.values().map(Member::bytes);
        let targets = self.targets.values().map(replay::bytes_of_target);
        let resolved = self.resolved.iter();
        let resolved = resolved.map(|(regex, of)| of.bytes(regex));
        memory::GROUP_BYTES + self.id.len() + members.chain(targets).chain(resolved).sum::<usize>()
    }
}

/// Partitions of topics that exist, with their names.
fn named(partitions: &Partitions, topics: &Topics) -> NamedPartitions {
    let of = partitions.iter().filter_map(|(topic, of)| {
        let name = topics.name_of(*topic)?;
        Some((*topic, name.clone(), of.iter().copied().collect()))
    });
    of.collect()
}
