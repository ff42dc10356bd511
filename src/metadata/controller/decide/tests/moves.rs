//! Pure: stories of partitions that go from node to node.

use super::World;
use crate::base::NodeId;
use crate::base::ids::Uuid;
use crate::metadata::controller::decide::*;
use crate::metadata::controller::request::*;

impl World {
    fn reassign(&mut self, any_factor: bool, to: &[(&str, i32, Option<&[i32]>)]) -> Vec<String> {
        let one = |(topic, index, nodes): &(&str, i32, Option<&[i32]>)| Reassignment {
            topic: (*topic).into(),
            index: *index,
            replicas: nodes.map(|ids| ids.iter().copied().map(NodeId).collect()),
        };
        let request = Reassign {
            any_factor,
            partitions: to.iter().map(one).collect(),
        };
        let results = self.decide(|with| reassign(with, &request));
        let text = |result: Result<(), ReassignError>| {
            result.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
        };
        results.into_iter().map(text).collect()
    }

    fn ends(&mut self, index: i32, to: i32) -> bool {
        let topic_id = self.image.topics.named("t").unwrap().id;
        let done = EndMove {
            topic_id,
            index,
            to: NodeId(to),
            directory: Uuid::from_u128(500),
        };
        self.decide(|with| end_move(with, &done))
    }

    /// Of partition 0: where it is, where it shall go.
    fn way(&self) -> (i32, Option<i32>) {
        let partition = self.image.topics.partition("t", 0).unwrap().clone();
        let to = is_to_move(&partition).map(|(_, to)| to.0);
        (partition.replicas[0].0, to)
    }
}

#[test]
fn a_partition_goes_once_its_log_is_there() {
    let mut world = World::new(3, "");
    world.create("t", 3);
    let from = world.way().0;
    let [to, third] = match from {
        1 => [2, 3],
        2 => [3, 1],
        _ => [1, 2],
    };
    assert_eq!(world.reassign(true, &[("t", 0, Some(&[to]))]), ["ok"]);
    assert_eq!(world.way(), (from, Some(to)));
    let before = world.image.topics.partition("t", 0).unwrap().clone();
    assert_eq!((before.leader.0, before.leader_epoch), (from, 0));
    assert_eq!(before.removing, [NodeId(from)]);
    // Somewhere else, nowhere, and there again.
    assert_eq!(world.reassign(true, &[("t", 0, Some(&[third]))]), ["ok"]);
    assert_eq!(world.way(), (from, Some(third)));
    assert!(!world.ends(0, to), "it was not to go there any more");
    assert_eq!(world.reassign(true, &[("t", 0, None)]), ["ok"]);
    assert_eq!(world.way(), (from, None));
    assert_eq!(world.reassign(true, &[("t", 0, Some(&[to]))]), ["ok"]);
    assert_eq!(world.reassign(true, &[("t", 0, Some(&[from]))]), ["ok"]);
    assert_eq!(world.way(), (from, None));
    assert_eq!(world.reassign(true, &[("t", 0, Some(&[to]))]), ["ok"]);
    assert!(world.ends(0, to));
    assert_eq!(world.way(), (to, None));
    let after = world.image.topics.partition("t", 0).unwrap().clone();
    assert_eq!((after.leader.0, after.leader_epoch), (to, 1));
    assert_eq!(
        (&after.isr[..], &after.replicas[..]),
        (&[NodeId(to)][..], &[NodeId(to)][..])
    );
    assert_eq!(after.directories, [Uuid::from_u128(500)]);
    assert!(after.adding.is_empty() && after.removing.is_empty());
    assert!(!world.ends(0, to), "it is there");
}

#[test]
fn what_cannot_be_is_told_as_kafka_tells_it() {
    let mut world = World::new(2, "");
    world.create("t", 1);
    let told = world.reassign(
        true,
        &[
            ("x", 0, Some(&[1])),
            ("t", 1, Some(&[1])),
            ("t", 0, None),
            ("t", 0, Some(&[])),
            ("t", 0, Some(&[7])),
            ("t", 0, Some(&[1, 1])),
            ("t", 0, Some(&[1, 2])),
        ],
    );
    assert_eq!(
        told,
        [
            "Unable to find a topic named x.",
            "Unable to find partition t:1.",
            "No partition reassignment is in progress.",
            "The manual partition assignment includes an empty replica list.",
            "The manual partition assignment includes broker 7, but no such broker is registered.",
            "The manual partition assignment includes the broker 1 more than once.",
            "The manual partition assignment includes more than one replica, but the brokers are \
             shards of one machine, where copies are lost together.",
        ]
    );
    let told = world.reassign(false, &[("t", 0, Some(&[1, 2]))]);
    assert_eq!(told, ["The replication factor is changed from 1 to 2"]);
}
