//! Pure: `UniformAssignor` where all members consume the same topics
//! (`UniformHomogeneousAssignmentBuilder`): each keeps what it had up to its share, and what is
//! left goes to those that have less.

use crate::base::{PartitionIndex, TopicId};

use super::java::{Table, hash_of_topic, in_order_of_set};
use super::{Assignment, Candidate, Partitions, Spec, remove};

/// What is still to be given out.
struct Shares {
    /// How many partitions each member has at least.
    least: usize,
    /// How many members still get one more than that.
    extra_left: usize,
    /// Partitions that are free, in the order in which they are given out.
    free: Vec<(TopicId, PartitionIndex)>,
}

pub(super) fn assign(
    spec: &Spec<'_>,
    partitions_of: &dyn Fn(TopicId) -> PartitionIndex,
) -> Assignment {
    let candidates = &spec.candidates;
    let topics = topics_in_order(&candidates[0]);
    if topics.is_empty() {
        return Assignment::new();
    }
    let taken = taken(candidates);
    let mut free = Vec::new();
    let mut total = 0;
    for topic in topics {
        let count = partitions_of(topic);
        let of_topic = taken.get(&topic);
        let is_free = |index: &PartitionIndex| of_topic.is_none_or(|of| !of.contains(index));
        free.extend((0..count).filter(is_free).map(|index| (topic, index)));
        total += usize::try_from(count).unwrap_or(0);
    }
    let mut shares = Shares {
        least: total / candidates.len(),
        extra_left: total % candidates.len(),
        free,
    };
    let mut assignment = Assignment::new();
    let mut lacking = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let after = candidates.len() - at;
        let (keeps, lacks) = shares.keep(candidate, after);
        if lacks > 0 {
            lacking.push((candidate.id, lacks));
        }
        assignment.insert(candidate.id.clone(), keeps);
    }
    let mut free = shares.free.into_iter();
    for (id, lacks) in lacking {
        let of_member = assignment.entry(id.clone()).or_default();
        for (topic, index) in free.by_ref().take(lacks) {
            of_member.entry(topic).or_default().insert(index);
        }
    }
    assignment
}

fn topics_in_order(first: &Candidate<'_>) -> Vec<TopicId> {
    let table = Table::made_of(first.named);
    let mut topics: Vec<_> = first.topics.iter().copied().collect();
    topics.sort_by_key(|topic| table.bucket(hash_of_topic(*topic)));
    topics
}

/// All that some member has.
fn taken(candidates: &[Candidate<'_>]) -> Partitions {
    let mut taken = Partitions::new();
    for (topic, partitions) in candidates.iter().flat_map(|it| it.has.iter()) {
        taken.entry(*topic).or_default().extend(partitions);
    }
    taken
}

impl Shares {
    /// What a member keeps, and how many partitions it lacks then. It and those behind it are
    /// `after` members.
    fn keep(&mut self, candidate: &Candidate<'_>, after: usize) -> (Partitions, usize) {
        let mut has_extra = self.extra_left > 0;
        let mut share = self.least + usize::from(has_extra);
        let mut keeps = Partitions::clone(&candidate.has);
        let table = Table::grown_to(candidate.has.len());
        let mut topics: Vec<_> = candidate.has.iter().collect();
        topics.sort_by_key(|(topic, _)| table.bucket(hash_of_topic(**topic)));
        for (topic, partitions) in topics {
            if !candidate.topics.contains(topic) {
                keeps.remove(topic);
                continue;
            }
            if partitions.len() <= share {
                share -= partitions.len();
                continue;
            }
            for index in in_order_of_set(partitions.iter().copied()) {
                if share > 0 {
                    share -= 1;
                } else {
                    remove(&mut keeps, *topic, index);
                    self.free.push((*topic, index));
                }
            }
        }
        // The extra partition is left to another member, as long as enough of them follow.
        if share > 0 && has_extra && after > self.extra_left {
            share -= 1;
            has_extra = false;
        }
        self.extra_left -= usize::from(has_extra);
        (keeps, share)
    }
}
