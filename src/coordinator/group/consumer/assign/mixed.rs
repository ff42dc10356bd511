//! Pure: `UniformAssignor` where members consume different topics
//! (`UniformHeterogeneousAssignmentBuilder`): each keeps what it had, what is free goes to the
//! members with least, and then partitions move from members with most to members with least,
//! topic by topic, until that makes nothing better.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::base::{PartitionIndex, TopicId};

use super::java::compare_topics;
use super::loads::Loads;
use super::{Assignment, Partitions, Spec, remove};

/// How often all topics are gone through.
const ROUNDS_MAX: usize = 16;

/// An assignment as it becomes. Members are known by their numbers.
struct Builder {
    topics: BTreeMap<TopicId, Consumed>,
    assigned: Vec<Partitions>,
    /// How many partitions each member has.
    counts: Vec<usize>,
}

/// A topic that some member consumes.
struct Consumed {
    members: Vec<usize>,
    /// The member that has each of its partitions.
    owners: Vec<Option<usize>>,
}

pub(super) fn assign(
    spec: &Spec<'_>,
    partitions_of: &dyn Fn(TopicId) -> PartitionIndex,
) -> Assignment {
    let mut topics: BTreeMap<TopicId, Consumed> = BTreeMap::new();
    for (member, candidate) in spec.candidates.iter().enumerate() {
        for topic in &candidate.topics {
            let consumed = topics.entry(*topic).or_insert_with(|| Consumed {
                members: Vec::new(),
                owners: vec![None; usize::try_from(partitions_of(*topic)).unwrap_or(0)],
            });
            consumed.members.push(member);
        }
    }
    if topics.is_empty() {
        return Assignment::new();
    }
    let mut builder = Builder {
        topics,
        assigned: Vec::with_capacity(spec.candidates.len()),
        counts: vec![0; spec.candidates.len()],
    };
    builder.keep(spec);
    builder.give_out();
    builder.balance();
    let ids = spec.candidates.iter().map(|it| it.id.clone());
    ids.zip(builder.assigned).collect()
}

impl Builder {
    /// Each member keeps what it had of the topics that it consumes.
    fn keep(&mut self, spec: &Spec<'_>) {
        for (member, candidate) in spec.candidates.iter().enumerate() {
            let mut keeps = Partitions::clone(&candidate.has);
            keeps.retain(|topic, _| candidate.topics.contains(topic));
            for (topic, partitions) in &keeps {
                self.counts[member] += partitions.len();
                let owners = self.topics.get_mut(topic).map(|it| &mut it.owners);
                let Some(owners) = owners else { continue };
                for index in partitions {
                    if let Some(owner) = owners.get_mut(*index as usize) {
                        *owner = Some(member);
                    }
                }
            }
            self.assigned.push(keeps);
        }
    }

    /// Gives partitions that are free to the members with least.
    fn give_out(&mut self) {
        let free_of = |topic: &Consumed| -> Vec<usize> {
            let owners = topic.owners.iter().enumerate();
            owners
                .filter(|(_, owner)| owner.is_none())
                .map(|(index, _)| index)
                .collect()
        };
        for topic in self.sorted(|_| true) {
            let consumed = &self.topics[&topic];
            let free = free_of(consumed);
            let mut loads = Loads::of(&consumed.members, &self.counts);
            for index in free {
                let member = loads.next_least(&self.counts);
                self.give(topic, index, member);
            }
        }
    }

    fn balance(&mut self) {
        let topics = self.sorted(|topic| topic.members.len() >= 2);
        // Index of the topic that changed last: a whole round without a change ends the loop.
        let mut last = None;
        for _ in 0..ROUNDS_MAX {
            for (at, topic) in topics.iter().enumerate() {
                if last == Some(at) {
                    return;
                }
                if self.balance_topic(*topic) || last.is_none() {
                    last = Some(at);
                }
            }
        }
    }

    /// Moves partitions of one topic; whether any was moved.
    fn balance_topic(&mut self, topic: TopicId) -> bool {
        let consumed = &self.topics[&topic];
        let mut loads = Loads::of(&consumed.members, &self.counts);
        if loads.imbalance(&self.counts) <= 1 {
            return false;
        }
        let (partitions, mut owned) = by_owner(&consumed.owners);
        let mut has_moved = false;
        while !loads.is_balanced() {
            let giving = loop {
                let Some(member) = loads.next_most(&self.counts) else {
                    break None;
                };
                match owned.get_mut(&Some(member)) {
                    Some((start, end)) if *start < *end => break Some(end),
                    _ => loads.exclude_most(),
                }
            };
            let Some(end) = giving else { break };
            *end -= 1;
            let index = partitions[*end];
            let taking = loads.next_least(&self.counts);
            if loads.is_balanced() {
                break;
            }
            self.give(topic, index, taking);
            has_moved = true;
        }
        has_moved
    }

    fn give(&mut self, topic: TopicId, index: usize, member: usize) {
        let Some(consumed) = self.topics.get_mut(&topic) else {
            return;
        };
        let partition = index as PartitionIndex;
        if let Some(before) = consumed.owners[index].replace(member) {
            remove(&mut self.assigned[before], topic, partition);
            self.counts[before] -= 1;
        }
        let of_member = self.assigned[member].entry(topic).or_default();
        of_member.insert(partition);
        self.counts[member] += 1;
    }

    /// Those with most partitions for each member first, then those with fewest members.
    fn sorted(&self, wanted: impl Fn(&Consumed) -> bool) -> Vec<TopicId> {
        let load = |it: &Consumed| it.owners.len() as f64 / it.members.len() as f64;
        let compare = |(a, of_a): &(&TopicId, &Consumed), (b, of_b): &(&TopicId, &Consumed)| {
            let by_load = load(of_b).total_cmp(&load(of_a));
            let by_members = || of_a.members.len().cmp(&of_b.members.len());
            by_load
                .then_with(by_members)
                .then_with(|| -> Ordering { compare_topics(**a, **b) })
        };
        let topics = self.topics.iter().filter(|(_, of)| wanted(of));
        let mut topics: Vec<_> = topics.collect();
        topics.sort_by(compare);
        topics.into_iter().map(|(topic, _)| *topic).collect()
    }
}

/// Where the partitions of each owner are, in a list.
type Owned = BTreeMap<Option<usize>, (usize, usize)>;

/// Partitions in the order of their owners, and where those of each are.
fn by_owner(owners: &[Option<usize>]) -> (Vec<usize>, Owned) {
    let mut partitions: Vec<usize> = (0..owners.len()).collect();
    partitions.sort_by_key(|index| owners[*index]);
    let mut owned: Owned = BTreeMap::new();
    for (at, index) in partitions.iter().enumerate() {
        let (_, end) = owned.entry(owners[*index]).or_insert((at, at));
        *end = at + 1;
    }
    (partitions, owned)
}
