//! Pure: groups as tools list and describe them.

use super::consumer::request::{ConsumerRefused, DescribedConsumerGroup};
use super::kind::AnyGroup;
use super::{Described, GroupMachine, Listed};
use crate::coordinator::probe::StateCounts;

impl GroupMachine {
    /// ListGroups: those in one of `states` and of one of `kinds` (any case; none named is all of
    /// them).
    pub fn list(&self, states: &[String], kinds: &[String]) -> Vec<Listed> {
        let is_one = |names: &[String], own: &str| {
            let is_own = |name: &String| name.trim().eq_ignore_ascii_case(own);
            names.is_empty() || names.iter().any(is_own)
        };
        let wanted = |group: &&AnyGroup| {
            is_one(kinds, group.kind()) && (states.is_empty() || is_one(states, group.state()))
        };
        let listed = |group: &AnyGroup| Listed {
            group: group.id().clone(),
            protocol_type: group.protocol_type(),
            state: group.state(),
            kind: group.kind(),
        };
        self.groups.values().filter(wanted).map(listed).collect()
    }

    /// Adds its groups to those in each state.
    pub fn count_states(&self, counts: &mut StateCounts) {
        for group in self.groups.values() {
            *counts.entry((group.kind(), group.state())).or_default() += 1;
        }
    }

    /// DescribeGroups, for one group; `None` for a consumer group too. Kafka answers both with the
    /// same error, and another text.
    pub fn describe(&self, group: &str) -> Option<Described> {
        Some(self.groups.get(group)?.classic()?.describe())
    }

    /// Whether there is a group of this name, of whatever kind.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// ConsumerGroupDescribe, for one group.
    pub fn describe_consumer(
        &self,
        group: &str,
    ) -> Result<DescribedConsumerGroup, ConsumerRefused> {
        match self.groups.get(group) {
            None => Err(ConsumerRefused::not_found(group)),
            Some(AnyGroup::Classic(_)) => Err(ConsumerRefused::other_kind(group)),
            Some(AnyGroup::Consumer(group)) => {
                Ok(group.describe(&self.topics, &self.config.consumer.assignors))
            }
        }
    }
}
