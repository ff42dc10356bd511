//! Pure: how far groups are behind: what they have committed beside where the records end. Both
//! are numbers of different shards, put together for the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::metrics::{SampleValue, Snapshot};
use crate::base::{Offset, PartitionIndex};
use crate::coordinator::CommittedOffsets;
use crate::shard::numbers::Named;

/// The label of the sum of what has no series of its own.
const OTHER: &str = "(other)";

/// How far one group is behind in one partition.
struct Lag<'a> {
    records: u64,
    group: &'a Arc<str>,
    topic: &'a Arc<str>,
    partition: PartitionIndex,
    committed: Offset,
}

/// The partitions that any group has committed, each once.
pub fn partitions(committed: &[CommittedOffsets]) -> Vec<Named> {
    let all = committed.iter().flat_map(|one| &one.groups);
    let mut named: Vec<Named> = all
        .flat_map(|group| &group.topics)
        .flat_map(|(topic, offsets)| offsets.iter().map(|(index, _)| (topic.clone(), *index)))
        .collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// Adds lags and committed offsets to a snapshot: up to `series_max` of them, the largest lags
/// first, and the sum of all other lags. `ends` are those of [`partitions`].
pub fn export(
    committed: &[CommittedOffsets],
    ends: &BTreeMap<Named, Offset>,
    series_max: usize,
    to: &mut Snapshot,
) {
    let mut lags = lags(committed, ends);
    let other = lags.split_off(series_max.min(lags.len()));
    for lag in &lags {
        let labels = || {
            vec![
                ("group", lag.group.to_string()),
                ("topic", lag.topic.to_string()),
                ("partition", lag.partition.to_string()),
            ]
        };
        push_lag(labels(), lag.records, to);
        to.push(
            "corelane_group_committed_offset",
            "The offset that a group has committed, for those with the largest lags.",
            labels(),
            SampleValue::Gauge(lag.committed as f64),
        );
    }
    let names = ["group", "topic", "partition"];
    let labels = names.map(|name| (name, OTHER.to_owned())).into();
    push_lag(labels, other.iter().map(|lag| lag.records).sum(), to);
    let left_out: u64 = committed.iter().map(|one| one.left_out).sum();
    to.gauge(
        "corelane_group_committed_partitions",
        "Offsets that groups have committed, each of one group and partition.",
        (lags.len() + other.len()) as f64 + left_out as f64,
    );
    to.gauge(
        "corelane_group_lag_unknown_partitions",
        "Of corelane_group_committed_partitions, those that no lag is told of, since there are \
         too many.",
        left_out as f64,
    );
}

fn push_lag(labels: Vec<(&'static str, String)>, records: u64, to: &mut Snapshot) {
    to.push(
        "corelane_group_lag_records",
        "Records behind the offset that a group has committed, largest first; group \"(other)\" is \
         the sum of all that have no series of their own. Kafka: records-lag of \
         kafka.consumer:type=consumer-fetch-manager-metrics, which only its clients know",
        labels,
        SampleValue::Gauge(records as f64),
    );
}

fn lags<'a>(committed: &'a [CommittedOffsets], ends: &BTreeMap<Named, Offset>) -> Vec<Lag<'a>> {
    let mut lags = Vec::new();
    for group in committed.iter().flat_map(|one| &one.groups) {
        for (topic, offsets) in &group.topics {
            for (partition, committed) in offsets {
                // Of a topic that is gone, or a partition out of service, nothing is known.
                let Some(end) = ends.get(&(topic.clone(), *partition)) else {
                    continue;
                };
                lags.push(Lag {
                    records: u64::try_from(end - committed).unwrap_or(0),
                    group: &group.group,
                    topic,
                    partition: *partition,
                    committed: *committed,
                });
            }
        }
    }
    let place = |lag: &Lag<'_>| (lag.group.clone(), lag.topic.clone(), lag.partition);
    lags.sort_by(|a, b| {
        b.records
            .cmp(&a.records)
            .then_with(|| place(a).cmp(&place(b)))
    });
    lags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::metrics::to_prometheus;
    use crate::coordinator::CommittedOfGroup;

    #[test]
    fn the_largest_lags_are_shown_and_the_rest_is_summed_up() {
        let group = |name: &str, offsets: [Offset; 2]| CommittedOfGroup {
            group: name.into(),
            topics: vec![(
                "t".into(),
                offsets.into_iter().enumerate().map(at).collect(),
            )],
        };
        fn at((index, offset): (usize, Offset)) -> (PartitionIndex, Offset) {
            (index as PartitionIndex, offset)
        }
        let shard = |groups, left_out| CommittedOffsets {
            groups,
            left_out,
            count: 0,
        };
        let committed = [
            shard(vec![group("a", [3, 70])], 0),
            shard(vec![group("b", [1, 90]), group("c", [12, 100])], 5),
        ];
        let named = partitions(&committed);
        assert_eq!(named, [("t".into(), 0), ("t".into(), 1)]);
        // What is committed may be ahead of what ended a moment before.
        let ends = named.into_iter().zip([10, 100]).collect();
        let mut snapshot = Snapshot::default();
        export(&committed, &ends, 2, &mut snapshot);
        let text = to_prometheus(&[snapshot]);
        for line in [
            "lag_records{group=\"a\",topic=\"t\",partition=\"1\"} 30",
            "lag_records{group=\"b\",topic=\"t\",partition=\"1\"} 10",
            "lag_records{group=\"(other)\",topic=\"(other)\",partition=\"(other)\"} 16",
            "committed_offset{group=\"a\",topic=\"t\",partition=\"1\"} 70",
            "committed_partitions 11",
            "lag_unknown_partitions 5",
        ] {
            let line = format!("corelane_group_{line}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        assert_eq!(text.matches("lag_records{").count(), 3);
    }

    #[test]
    fn nothing_is_told_of_a_partition_whose_end_is_not_known() {
        let committed = [CommittedOffsets {
            groups: vec![CommittedOfGroup {
                group: "g".into(),
                topics: vec![("gone".into(), vec![(0, 5)])],
            }],
            ..CommittedOffsets::default()
        }];
        let mut snapshot = Snapshot::default();
        export(&committed, &BTreeMap::new(), 10, &mut snapshot);
        assert!(!to_prometheus(&[snapshot]).contains("gone"));
    }
}
