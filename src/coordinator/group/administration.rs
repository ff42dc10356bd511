//! Pure: groups as tools list and describe them.

use super::classic::Group;
use super::{Described, GroupMachine, Listed};
use crate::coordinator::probe::StateCounts;

impl GroupMachine {
    /// ListGroups: those in one of `states` (any case; none named is all of them). The filter by
    /// type is the caller's: all groups here are classic.
    pub fn list(&self, states: &[String]) -> Vec<Listed> {
        let wanted = |group: &&Group| {
            let is_state = |name: &String| name.trim().eq_ignore_ascii_case(group.state.name());
            states.is_empty() || states.iter().any(is_state)
        };
        let listed = |group: &Group| Listed {
            group: group.id.clone(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            state: group.state.name(),
        };
        self.groups.values().filter(wanted).map(listed).collect()
    }

    /// Adds its groups to those in each state.
    pub fn count_states(&self, counts: &mut StateCounts) {
        for group in self.groups.values() {
            *counts.entry(group.state.name()).or_default() += 1;
        }
    }

    /// DescribeGroups, for one group.
    pub fn describe(&self, group: &str) -> Option<Described> {
        self.groups.get(group).map(Group::describe)
    }
}
