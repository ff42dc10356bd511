//! Stories about leaders and where they lie: ElectLeaders, AlterPartitionReassignments,
//! ListPartitionReassignments, DescribeQuorum. There is one broker, so that nothing ever moves.

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData as QuorumTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, DescribeQuorumRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest,
};

use super::scene::topic;
use crate::script::{Story, keep, make, since, t};
use crate::value::Value;

/// Topics with partitions.
type Places<'a> = &'a [(&'a str, &'a [i32])];

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub fn elect_leaders(story: &mut Story) {
    story.versions(0..=2, |story, v| {
        let one = topic(story, "one", 2, &[]).name.to_string();
        let of = |how: i8, places: Option<Places>| {
            let topic = |(name, partitions): &(&str, &[i32])| {
                make!(TopicPartitions {
                    topic: t(name),
                    partitions: partitions.to_vec(),
                })
            };
            make!(ElectLeadersRequest {
                election_type: since(v, 1, how),
                topic_partitions: places.map(|places| places.iter().map(topic).collect()),
                timeout_ms: 10_000,
            })
        };
        let places: &[(&str, Places)] = &[
            ("a partition", &[(&one, &[0])]),
            ("two partitions", &[(&one, &[1, 0])]),
            ("a partition twice", &[(&one, &[0, 0])]),
            ("an unknown partition", &[(&one, &[0, 7])]),
            ("partition -1", &[(&one, &[-1])]),
            ("an unknown topic", &[("no-such-topic", &[0])]),
            ("an empty topic", &[("", &[0])]),
            ("no partitions of a topic", &[(&one, &[])]),
            ("no topics", &[]),
        ];
        let own = format!("elect_leaders-v{v}");
        for (what, places) in places {
            story.ask(what, v, of(PREFERRED, Some(places)));
            if v >= 1 {
                story.ask(&format!("{what}, unclean"), v, of(UNCLEAN, Some(places)));
            }
        }
        for (what, how) in [("all", PREFERRED), ("all, unclean", UNCLEAN)] {
            if v >= 1 || how == PREFERRED {
                story.ask_and(what, v, of(how, None), |answer| {
                    keep(answer.list("replica_election_results"), "topic", &own);
                });
            }
        }
        if v >= 1 {
            let unknown = of(2, Some(&[(&one, &[0])]));
            story.ask("an unknown kind of election", v, unknown);
        }
    });
}

pub fn list_partition_reassignments(story: &mut Story) {
    let one = topic(story, "one", 2, &[]).name.to_string();
    let places: &[(&str, Option<Places>)] = &[
        ("all", None),
        ("of a topic", Some(&[(&one, &[0, 1])])),
        ("of an unknown partition", Some(&[(&one, &[7])])),
        ("of an unknown topic", Some(&[("no-such-topic", &[0])])),
        ("of no partitions", Some(&[(&one, &[])])),
        ("of no topics", Some(&[])),
    ];
    for (what, places) in places {
        let topic = |(name, partitions): &(&str, &[i32])| {
            make!(ListPartitionReassignmentsTopics {
                name: t(name),
                partition_indexes: partitions.to_vec(),
            })
        };
        let request = make!(ListPartitionReassignmentsRequest {
            timeout_ms: 10_000,
            topics: places.map(|places| places.iter().map(topic).collect()),
        });
        story.ask(what, 0, request);
    }
}

pub fn describe_quorum(story: &mut Story) {
    story.versions(0..=2, |story, v| {
        let of = |places: Places| {
            let partition = |index: &i32| {
                make!(PartitionData {
                    partition_index: *index
                })
            };
            let topic = |(name, partitions): &(&str, &[i32])| {
                make!(QuorumTopic {
                    topic_name: t(name),
                    partitions: partitions.iter().map(partition).collect(),
                })
            };
            make!(DescribeQuorumRequest {
                topics: places.iter().map(topic).collect(),
            })
        };
        let metadata = "__cluster_metadata";
        let places: &[(&str, Places)] = &[
            ("the quorum", &[(metadata, &[0])]),
            ("another partition", &[(metadata, &[1])]),
            ("two partitions", &[(metadata, &[0, 1])]),
            ("no partitions", &[(metadata, &[])]),
            ("another topic", &[("no-such-topic", &[0])]),
            ("two topics", &[(metadata, &[0]), ("no-such-topic", &[0])]),
            ("nothing", &[]),
        ];
        for (what, places) in places {
            story.ask_and(what, v, of(places), |answer| {
                answer.each_field(&mut forget);
            });
        }
    });
}

/// Takes out how long the metadata logs of the two are, and on which listener controllers talk.
fn forget(field: &str, value: &mut Value) {
    let own = [
        "leader_epoch",
        "high_watermark",
        "log_end_offset",
        "listeners",
    ];
    if own.contains(&field) && value.flat(&mut crate::normalise::Numbers::default()) != "-1" {
        *value = Value::atom("<own>");
    }
}

pub fn alter_partition_reassignments(story: &mut Story) {
    /// Partitions with the nodes that they shall be on.
    type To<'a> = &'a [(i32, Option<&'a [i32]>)];
    story.versions(0..=1, |story, v| {
        let one = topic(story, "one", 2, &[]).name.to_string();
        let of = |name: &str, places: To<'_>, any_factor: bool| {
            let partition = |(index, nodes): &(i32, Option<&[i32]>)| {
                make!(ReassignablePartition {
                    partition_index: *index,
                    replicas: nodes.map(|ids| ids.iter().copied().map(BrokerId).collect()),
                })
            };
            let topic = make!(ReassignableTopic {
                name: t(name),
                partitions: places.iter().map(partition).collect(),
            });
            make!(AlterPartitionReassignmentsRequest {
                timeout_ms: 10_000,
                allow_replication_factor_change: any_factor,
                topics: vec![topic],
            })
        };
        let places: &[(&str, &str, To<'_>)] = &[
            ("where it is", &one, &[(0, Some(&[1]))]),
            ("nothing to give up", &one, &[(0, None)]),
            ("an unknown topic", "no-such-topic", &[(0, Some(&[1]))]),
            ("an unknown partition", &one, &[(7, Some(&[1])), (-1, None)]),
            ("no nodes", &one, &[(0, Some(&[]))]),
            ("an unknown node", &one, &[(0, Some(&[9])), (1, Some(&[1]))]),
            ("a node twice", &one, &[(0, Some(&[1, 1]))]),
            ("a partition twice", &one, &[(0, Some(&[1])), (0, None)]),
            ("no partitions", &one, &[]),
        ];
        for (what, name, places) in places {
            story.ask(what, v, of(name, places, v == 0));
        }
        let mut none = of(&one, &[], v == 0);
        none.topics.clear();
        story.ask("no topics", v, none);
    });
}
