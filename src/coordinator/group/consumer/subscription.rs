//! Pure: what the members of a group consume, counted, and what the group as a whole consumes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::{TopicId, hash};
use crate::coordinator::group::topics::Topics;

use super::ConsumerGroup;
use super::member::Member;
use super::replay::Resolved;

/// How many members, or resolved expressions, want something.
type Counts = BTreeMap<Rc<str>, usize>;

/// What the members of a group want.
#[derive(Clone, Default, Debug)]
pub(super) struct Subscriptions {
    /// Members by the names of topics.
    by_name: Counts,
    /// Resolved expressions by the names of topics that they stand for.
    by_regex: Counts,
    /// Members by expression.
    regexes: Counts,
    /// Members by the assignor that they prefer.
    assignors: Counts,
    /// Members that speak the classic protocol.
    pub classic: usize,
    /// How many of these speak each protocol.
    protocols: Counts,
}

/// The topics that a member consumes.
#[derive(Clone, Copy)]
pub(super) struct Consumed<'a> {
    member: &'a Member,
    resolved: Option<&'a Resolved>,
    topics: &'a Topics,
}

fn add(counts: &mut Counts, name: &Rc<str>) {
    *counts.entry(name.clone()).or_default() += 1;
}

fn remove(counts: &mut Counts, name: &Rc<str>) {
    match counts.get_mut(name) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(name)),
    }
}

// === impl Subscriptions ===

impl Subscriptions {
    /// Counts a member as `new` instead of as `old`.
    pub fn change(&mut self, old: Option<&Member>, new: Option<&Member>) {
        if old.map(|it| &it.about) == new.map(|it| &it.about) {
            return;
        }
        if let Some(member) = old {
            self.count(member, remove);
            self.classic -= usize::from(member.is_classic());
        }
        if let Some(member) = new {
            self.count(member, add);
            self.classic += usize::from(member.is_classic());
        }
    }

    fn count(&mut self, member: &Member, count: fn(&mut Counts, &Rc<str>)) {
        for name in &member.about.topics {
            count(&mut self.by_name, name);
        }
        if let Some(regex) = member.regex() {
            count(&mut self.regexes, regex);
        }
        if let Some(assignor) = &member.about.assignor {
            count(&mut self.assignors, assignor);
        }
        for protocol in member.about.classic.iter().flat_map(|it| &it.protocols) {
            count(&mut self.protocols, &protocol.name);
        }
    }

    /// Adds the topics of a resolved expression.
    pub fn add_resolved(&mut self, topics: &BTreeSet<Rc<str>>) {
        topics.iter().for_each(|name| add(&mut self.by_regex, name));
    }

    /// Takes the topics of a resolved expression away.
    pub fn forget_resolved(&mut self, topics: &BTreeSet<Rc<str>>) {
        let by_regex = &mut self.by_regex;
        topics.iter().for_each(|name| remove(by_regex, name));
    }

    /// Whether a topic of this name is consumed.
    pub fn has(&self, topic: &str) -> bool {
        self.by_name.contains_key(topic) || self.by_regex.contains_key(topic)
    }

    /// Whether a classic member with these protocols shares one with all classic members
    /// (`ConsumerGroup.supportsClassicProtocols`).
    pub fn share_protocol<'a>(&self, mut names: impl Iterator<Item = &'a Rc<str>>) -> bool {
        let count = |name: &Rc<str>| self.protocols.get(name).copied().unwrap_or(0);
        names.any(|name| count(name) == self.classic)
    }

    /// How many members subscribe to an expression.
    pub fn members_with(&self, regex: &str) -> usize {
        self.regexes.get(regex).copied().unwrap_or(0)
    }

    /// The expressions that members subscribe to.
    pub fn regexes(&self) -> impl Iterator<Item = &Rc<str>> {
        self.regexes.keys()
    }

    /// The assignor that most members prefer. Between those with equally many Kafka takes the one
    /// that its hash table holds first.
    pub fn preferred_assignor(&self) -> Option<Rc<str>> {
        let all = self.assignors.len();
        let rank =
            |(name, count): &(&Rc<str>, &usize)| (Reverse(**count), hash::java_bucket(name, all));
        let most = self.assignors.iter().min_by_key(rank);
        most.map(|(name, _)| name.clone())
    }

    /// A hash of the topics that are consumed.
    pub fn hash(&self, topics: &Topics) -> i64 {
        let names: BTreeSet<&str> = self
            .by_name
            .keys()
            .chain(self.by_regex.keys())
            .map(|name| &**name)
            .collect();
        topics.hash_of(names.into_iter())
    }

    /// Whether all `members` consume the same topics (`ConsumerGroup.subscriptionType`).
    pub fn is_homogeneous(&self, members: usize) -> bool {
        match self.regexes.values().next() {
            None => {
                let of_all = self.by_name.values().all(|count| *count == members);
                let extra = self.by_regex.keys();
                of_all
                    && extra
                        .into_iter()
                        .all(|name| self.by_name.contains_key(name))
            }
            Some(count) if *count == members => {
                self.by_name.is_empty() && self.by_regex.values().all(|count| *count == 1)
            }
            Some(_) => false,
        }
    }
}

// === impl Consumed ===

impl<'a> Consumed<'a> {
    /// What `member`, as it is about to be, consumes of a group's topics.
    pub fn by(member: &'a Member, group: &'a ConsumerGroup, topics: &'a Topics) -> Consumed<'a> {
        let resolved = member.regex().and_then(|regex| group.resolved.get(regex));
        Consumed {
            member,
            resolved,
            topics,
        }
    }

    /// Whether it consumes a topic.
    pub fn contains(&self, topic: TopicId) -> bool {
        self.topics
            .name_of(topic)
            .is_some_and(|name| self.names(name))
    }

    fn names(&self, name: &str) -> bool {
        let by_name = &self.member.about.topics;
        let is_named = by_name.binary_search_by(|it| (**it).cmp(name)).is_ok();
        is_named || self.resolved.is_some_and(|it| it.topics.contains(name))
    }

    /// Those that exist, and how many there would be with the others.
    pub fn ids(&self) -> (BTreeSet<TopicId>, usize) {
        let resolved = self.resolved.iter().flat_map(|it| &it.topics);
        let names: BTreeSet<_> = self.member.about.topics.iter().chain(resolved).collect();
        let ids = names.iter().filter_map(|name| self.topics.id_of(name));
        (ids.collect(), names.len())
    }
}
