//! Pure: what the groups of a shard count.

use std::collections::BTreeMap;

use crate::base::limits;
use crate::base::lines::Lines;
use crate::base::metrics::{Counter, SampleValue, Snapshot};
use crate::base::time::Instant;

/// How many groups of each kind are in each state, by their names.
pub type StateCounts = BTreeMap<(&'static str, &'static str), usize>;

/// What the groups of a shard count.
#[derive(Default, Debug)]
pub struct Probe {
    /// Generations that became stable.
    pub rebalances: Counter,
    /// How often the epoch of a consumer group rose since its members or topics changed.
    pub consumer_rebalances: Counter,
    /// Members removed because nothing was heard of them.
    pub failed_members: Counter,
    /// Offsets committed.
    pub committed_offsets: Counter,
    /// Offsets removed because they had expired.
    pub expired_offsets: Counter,
    /// What the log is told of groups.
    pub(super) group_lines: Lines,
    /// What it is told of their members: a large group has many, and one generation at a time.
    pub(super) member_lines: Lines,
}

impl Probe {
    /// Whether the log takes one more line about groups now: clients decide how many there are.
    pub fn may_log(&self, now: Instant) -> bool {
        self.group_lines.may_write(now, limits::GROUP_LINES_MAX)
    }

    /// How many lines the log did not get, once that is to be said.
    pub fn lines_left_out(&self, now: Instant) -> Option<u64> {
        let lines = [&self.group_lines, &self.member_lines];
        let left_out = lines.map(|lines| lines.left_out(now));
        left_out.into_iter().flatten().reduce(|a, b| a + b)
    }

    /// The same as [`Probe::may_log`] for a line about a member.
    pub fn may_log_member(&self, now: Instant) -> bool {
        self.member_lines.may_write(now, limits::GROUP_LINES_MAX)
    }

    /// Adds all counts, and how many groups there are, to a snapshot.
    pub fn export(&self, groups: &StateCounts, to: &mut Snapshot) {
        for ((kind, state), count) in groups {
            to.push(
                "corelane_groups",
                "Groups whose coordinator this shard is, by protocol and state.",
                vec![
                    ("protocol", (*kind).to_owned()),
                    ("state", (*state).to_owned()),
                ],
                SampleValue::Gauge(*count as f64),
            );
        }
        to.counter(
            "corelane_group_rebalances_total",
            "Generations of groups that became stable.",
            self.rebalances.get(),
        );
        to.counter(
            "corelane_consumer_group_rebalances_total",
            "Times that a group of the consumer protocol began to assign anew.",
            self.consumer_rebalances.get(),
        );
        to.counter(
            "corelane_group_failed_members_total",
            "Members removed because nothing was heard of them in time.",
            self.failed_members.get(),
        );
        to.counter(
            "corelane_committed_offsets_total",
            "Offsets committed.",
            self.committed_offsets.get(),
        );
        to.counter(
            "corelane_expired_offsets_total",
            "Offsets removed because they had expired.",
            self.expired_offsets.get(),
        );
    }
}
