//! Pure: the assignors of Kafka's coordinator (KIP-848): which member is to have which partition.
//! Each has Kafka's result for the same group, so that a group that moves between Kafka and this
//! broker keeps what it has.

mod java;
mod loads;
mod mixed;
mod range;
mod uniform;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::{PartitionIndex, TopicId, hash};

/// Partitions by topic.
pub type Partitions = BTreeMap<TopicId, BTreeSet<PartitionIndex>>;

/// What each member is to have; one that is not named is to have nothing.
pub(super) type Assignment = BTreeMap<Rc<str>, Partitions>;

/// A way to assign partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Assignor {
    /// As many for each member as possible, and as few moves: `UniformAssignor` of Kafka.
    Uniform,
    /// A range of each topic's partitions for each of its members: `RangeAssignor` of Kafka.
    Range,
}

/// A member that partitions are assigned to.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub id: &'a Rc<str>,
    pub instance: Option<&'a str>,
    /// The topics that it consumes, as far as they exist.
    pub topics: BTreeSet<TopicId>,
    /// How many it names, those that do not exist included.
    pub named: usize,
    /// What it was to have so far. No partition is among those of two members.
    pub has: Cow<'a, Partitions>,
}

/// A group that partitions are assigned to.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    candidates: Vec<Candidate<'a>>,
    /// Whether all members consume the same topics.
    is_homogeneous: bool,
}

// === impl Assignor ===

impl Assignor {
    /// All of them, the default first.
    pub const ALL: [Assignor; 2] = [Assignor::Uniform, Assignor::Range];

    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Assignor> {
        Assignor::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Assigns. `partitions_of` tells how many partitions a topic that exists has.
    pub(super) fn assign(
        self,
        spec: &Spec<'_>,
        partitions_of: &dyn Fn(TopicId) -> PartitionIndex,
    ) -> Assignment {
        if spec.candidates.is_empty() {
            return Assignment::new();
        }
        match (self, spec.is_homogeneous) {
            (Assignor::Range, _) => range::assign(spec, partitions_of),
            (Assignor::Uniform, true) => uniform::assign(spec, partitions_of),
            (Assignor::Uniform, false) => mixed::assign(spec, partitions_of),
        }
    }
}

// === impl Spec ===

impl<'a> Spec<'a> {
    /// A group of these members. `most` is the largest size that Kafka's table of members has
    /// reached: it decides their order.
    pub fn new(mut candidates: Vec<Candidate<'a>>, most: usize, is_homogeneous: bool) -> Spec<'a> {
        candidates.sort_by_cached_key(|it| hash::java_bucket(it.id, most));
        let mut spec = Spec {
            candidates,
            is_homogeneous,
        };
        spec.forget_doubles();
        spec
    }

    /// Removes double owners, which exist only where a crash lost part of an assignment.
    fn forget_doubles(&mut self) {
        let mut seen = Partitions::new();
        for candidate in &mut self.candidates {
            let mut doubles = Vec::new();
            for (topic, partitions) in candidate.has.iter() {
                let seen = seen.entry(*topic).or_default();
                let again = partitions.iter().filter(|index| !seen.insert(**index));
                doubles.extend(again.map(|index| (*topic, *index)));
            }
            for (topic, index) in doubles {
                remove(candidate.has.to_mut(), topic, index);
            }
        }
    }
}

/// Takes a partition out, and its topic with the last one.
fn remove(from: &mut Partitions, topic: TopicId, index: PartitionIndex) {
    if let Some(partitions) = from.get_mut(&topic) {
        partitions.remove(&index);
        if partitions.is_empty() {
            from.remove(&topic);
        }
    }
}

#[cfg(test)]
mod tests;
