//! Pure: `RangeAssignor`: each topic is cut into as many ranges as it has members, by member ids,
//! static members first and by their instance ids. The first ranges are one longer.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::base::{PartitionIndex, TopicId};

use super::java::compare_texts;
use super::{Assignment, Candidate, Partitions, Spec};

/// How far a topic is cut up.
struct Cut {
    partitions: PartitionIndex,
    members: PartitionIndex,
    /// Ranges that are still to be one longer.
    longer_left: PartitionIndex,
    next: PartitionIndex,
}

pub(super) fn assign(
    spec: &Spec<'_>,
    partitions_of: &dyn Fn(TopicId) -> PartitionIndex,
) -> Assignment {
    let mut candidates: Vec<_> = spec.candidates.iter().collect();
    candidates.sort_by(|a, b| compare(a, b));
    let mut cuts: BTreeMap<TopicId, Cut> = BTreeMap::new();
    for topic in candidates.iter().flat_map(|it| &it.topics) {
        let cut = cuts.entry(*topic).or_insert_with(|| Cut {
            partitions: partitions_of(*topic),
            members: 0,
            longer_left: 0,
            next: 0,
        });
        cut.members += 1;
    }
    for cut in cuts.values_mut() {
        cut.longer_left = cut.partitions % cut.members;
    }
    let mut assignment = Assignment::new();
    for candidate in candidates {
        let mut partitions = Partitions::new();
        for topic in &candidate.topics {
            let range = cuts.get_mut(topic).map(Cut::next_range);
            let range = range.filter(|range| !range.is_empty());
            if let Some(range) = range {
                partitions.insert(*topic, range.collect());
            }
        }
        assignment.insert(candidate.id.clone(), partitions);
    }
    assignment
}

fn compare(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    match (a.instance, b.instance) {
        (Some(a), Some(b)) => compare_texts(a, b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => compare_texts(a.id, b.id),
    }
}

impl Cut {
    fn next_range(&mut self) -> std::ops::Range<PartitionIndex> {
        let mut length = self.partitions / self.members;
        if self.longer_left > 0 {
            self.longer_left -= 1;
            length += 1;
        }
        let start = self.next;
        self.next = (start + length).min(self.partitions);
        start..self.next
    }
}
