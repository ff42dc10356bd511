//! Pure: all groups of one partition of `__consumer_offsets`.
//!
//! A step takes a request and the time, applies what it decides through [`Machine::replay`] and
//! answers with an [`Outcome`]: records to append, and parked requests to answer once these are
//! durable. What runs it is [`crate::coordinator::runtime`].

/// Whether a test has planted this bug; a plain `false` in all other builds.
macro_rules! planted {
    ($bug:ident) => {{
        #[cfg(test)]
        let planted = crate::coordinator::group::mutant::is_planted(
            crate::coordinator::group::mutant::Mutant::$bug,
        );
        #[cfg(not(test))]
        let planted = false;
        planted
    }};
}

mod administration;
#[cfg(test)]
mod bounds;
mod classic;
mod config;
pub mod consumer;
#[cfg(test)]
mod consumer_bounds;
mod consumer_membership;
mod deletion;
mod error;
mod kind;
mod membership;
mod memory;
mod migration;
#[cfg(test)]
pub mod mutant;
mod offsets;
mod request;
mod step;
#[cfg(test)]
pub mod samples;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::base::timers::Deadlines;
use crate::base::{Instant, ProducerId, TopicId};
use crate::coordinator::probe::Probe;
use crate::coordinator::record::{GroupValue, Record, RecordError};

use classic::Group;
use consumer::{ConsumerGroup, Regexes};
use deletion::{Deletion, GoneTopics};
use kind::AnyGroup;
use offsets::{ExpiryPlace, Offsets};
use step::{Step, Timer};

pub use super::runtime::{InTransaction, Machine, Now, Origin, Token};
pub use config::{BATCH_OVERHEAD_BYTES, ConsumerConfig, GroupConfig};
pub use memory::{Memory, Unbounded};
pub use offsets::{CommittedOfGroup, CommittedOffsets, FetchedTopics, Place, before_all};
pub use request::*;
pub use topics::Topics;

/// The groups of one partition of `__consumer_offsets`, and their offsets.
pub struct GroupMachine {
    config: GroupConfig,
    groups: BTreeMap<Rc<str>, AnyGroup>,
    offsets: Offsets,
    timers: Deadlines<Timer>,
    /// Where the look for expired offsets goes on, while that is under way.
    expiry: ExpiryPlace,
    /// Groups that are being deleted; they are no more among the others.
    deletions: BTreeMap<Rc<str>, Deletion>,
    /// Topics that are gone, in the order in which their offsets are removed.
    gone_topics: VecDeque<GoneTopics>,
    /// The cluster's topics, as of the last change that was followed.
    topics: Topics,
    /// Regular expressions of groups that are being resolved.
    regexes: Regexes,
    probe: Rc<Probe>,
    memory: Box<dyn Memory>,
    /// What all groups take.
    group_bytes: usize,
}

/// A change of the cluster that groups have to follow.
#[derive(Clone, Debug)]
pub struct Change {
    /// The cluster's topics from now on.
    pub topics: Topics,
    /// Names of those that are not as they were.
    pub names: Rc<[Rc<str>]>,
    /// Those that are gone, by name and id.
    pub gone: Rc<[(Rc<str>, TopicId)]>,
    /// Whether there are new ones.
    pub has_new: bool,
}

// === impl GroupMachine ===

impl GroupMachine {
    /// A machine without groups, to be loaded.
    pub fn new(config: GroupConfig) -> GroupMachine {
        GroupMachine {
            config,
            groups: BTreeMap::new(),
            offsets: Offsets::default(),
            timers: Deadlines::default(),
            expiry: ExpiryPlace::default(),
            deletions: BTreeMap::new(),
            gone_topics: VecDeque::new(),
            topics: Topics::default(),
            regexes: Regexes::default(),
            probe: Rc::default(),
            memory: Box::new(Unbounded),
            group_bytes: 0,
        }
    }

    /// The same machine, taking its memory from `memory`.
    #[must_use]
    pub fn within(mut self, memory: Box<dyn Memory>) -> GroupMachine {
        self.memory = memory;
        self
    }

    /// The same machine, in a cluster with these topics.
    #[must_use]
    pub fn in_cluster(mut self, topics: Topics) -> GroupMachine {
        self.regexes.new_topics_version = topics.version();
        self.topics = topics;
        self
    }

    /// The same machine, counting into `probe`.
    #[must_use]
    pub fn counting_into(mut self, probe: Rc<Probe>) -> GroupMachine {
        self.probe = probe;
        self
    }

    /// Counts what groups and offsets take now.
    fn count_memory(&mut self) {
        #[cfg(test)]
        assert_eq!(self.offsets.bytes, self.offsets.measure());
        self.memory.count(self.group_bytes + self.offsets.bytes);
    }

    /// Makes sure that there is a group of this name, of whatever kind.
    fn ensure_group(&mut self, id: &Rc<str>) {
        if !self.groups.contains_key(id) {
            self.put_classic(Group::new(id.clone(), None));
        }
    }

    fn put_classic(&mut self, group: Group) {
        self.group_bytes += group.bytes;
        self.groups
            .insert(group.id.clone(), AnyGroup::Classic(Box::new(group)));
    }

    /// Takes over the record of a classic group.
    fn replay_classic(&mut self, id: &Rc<str>, value: &GroupValue) {
        if self
            .groups
            .get(id)
            .is_none_or(|group| group.classic().is_none())
        {
            // The group used the consumer protocol before: drops what is left of it.
            self.drop_group(id);
            self.put_classic(Group::new(id.clone(), None));
        }
        let group = self.groups.get_mut(id).and_then(AnyGroup::classic_mut);
        if let Some(group) = group {
            let before = group.bytes;
            group.replay(value);
            self.group_bytes = self.group_bytes + group.bytes - before;
        }
    }

    fn forget_group(&mut self, id: &Rc<str>) {
        if self.drop_group(id) && self.offsets.any_of(id) {
            // Part of a change of protocol: an empty group keeps the offsets.
            self.ensure_group(id);
        }
    }

    /// Drops a group and its deadlines, but not its offsets; `false` where there is none.
    fn drop_group(&mut self, id: &str) -> bool {
        let Some(group) = self.groups.remove(id) else {
            return false;
        };
        self.group_bytes -= group.bytes();
        for timer in group.all_timers() {
            self.timers.cancel(&timer);
        }
        true
    }

    fn consumer(&self, id: &str) -> Option<&ConsumerGroup> {
        self.groups.get(id).and_then(AnyGroup::consumer)
    }

    fn write(&mut self, out: &mut Outcome, record: Record) {
        if let Some(encoded) = record.encode() {
            self.replay(&record, Origin::NEW);
            out.records.push(encoded);
        }
    }

    /// Lets `act` work on a classic group, if there is one of that name.
    fn step<T>(
        &mut self,
        id: &str,
        now: Now,
        out: &mut Outcome,
        act: impl FnOnce(&mut Group, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?.classic_mut()?;
        let mut step = Step {
            config: &self.config,
            timers: &mut self.timers,
            probe: &self.probe,
            out,
            memory: &*self.memory,
            now,
        };
        let before = group.bytes;
        let value = act(group, &mut step);
        #[cfg(test)]
        assert_eq!(group.bytes, group.measure(), "what {id} takes");
        if group.bytes != before {
            self.group_bytes = self.group_bytes + group.bytes - before;
            self.count_memory();
        }
        Some(value)
    }
}

impl Machine for GroupMachine {
    const NAME: &'static str = "groups";
    type Record = Record;
    type Request = Request;
    type Reply = Reply;
    type Change = Change;

    fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Record, RecordError> {
        Record::decode(key, value)
    }

    fn replay(&mut self, record: &Record, origin: Origin) {
        match record {
            Record::Offset(key, value) => {
                self.offsets.replay(key, value.as_ref(), origin);
                if value.is_some() {
                    self.ensure_group(&key.group);
                }
            }
            Record::Group(id, Some(value)) => self.replay_classic(id, value),
            Record::Group(id, None) => self.forget_group(id),
            Record::Consumer(record) => self.replay_consumer(record),
            Record::Other(_) => {}
        }
        self.count_memory();
    }

    fn replay_marker(&mut self, producer: ProducerId, committed: bool) {
        self.offsets.replay_marker(producer, committed);
        self.count_memory();
    }

    /// Members have a session from now on.
    fn loaded(&mut self, now: Now, out: &mut Outcome) {
        let retention = now.instant.after_ms(self.config.retention_check_ms);
        self.timers.set(Timer::Retention, retention);
        for id in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.step(&id, now, out, |group, step| group.loaded(step));
            self.consumer_loaded(&id, now);
        }
    }

    fn handle(&mut self, token: Token, request: Request, now: Now, out: &mut Outcome) {
        match request {
            Request::Join(join) => self.join(token, &join, now, out),
            Request::Sync(sync) => self.sync(token, sync, now, out),
            Request::Delete(id) => self.delete(token, &id, out),
        }
    }

    fn follow(&mut self, change: &Self::Change, _: Now, out: &mut Outcome) {
        self.topics = change.topics.clone();
        if change.has_new {
            self.regexes.new_topics_version = self.topics.version();
        }
        if !change.names.is_empty() && !planted!(ChangeUnseen) {
            let groups = self.groups.values_mut().filter_map(AnyGroup::consumer_mut);
            for group in groups {
                if change.names.iter().any(|name| group.is_subscribed_to(name)) {
                    group.request_refresh();
                }
            }
        }
        if !change.gone.is_empty() {
            self.topics_deleted(&change.gone, out);
        }
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    fn expire(&mut self, now: Now, out: &mut Outcome) {
        self.expire_timers(now, out);
    }

    fn has_work(&self) -> bool {
        self.has_removals() || self.regexes.has_work() || self.expiry.is_under_way()
    }

    fn work(&mut self, now: Now, out: &mut Outcome) {
        // Expressions first: members wait for the topics that match.
        if self.regexes.has_work() {
            self.resolve_some(now, out);
        } else if self.has_removals() {
            self.remove_some(out);
        } else {
            self.expire_offsets(now, out);
        }
    }

    fn count(&self) -> usize {
        self.groups.len()
    }
}
