//! Pure: stories of decisions. The words expected here are those of Kafka 4.3.1.

mod configs;
mod moves;
mod features;
mod quotas;
mod topics;

use std::sync::Arc;

use super::*;
use crate::base::NodeId;
use crate::base::config::{BrokerConfig, ConfigFile, Flags, HostFacts, load};
use crate::base::ids::Uuid;
use crate::metadata::controller::request::AssignDirectories;
use crate::metadata::image::Delta;
use crate::metadata::record::{BrokerRegistrationChange, Endpoint};

/// A cluster to decide about.
struct World {
    image: Arc<Image>,
    config: BrokerConfig,
    random: Random,
}

impl World {
    /// A fresh cluster of so many nodes, with these lines in its file of settings.
    fn new(nodes: i32, settings: &str) -> World {
        let file = ConfigFile {
            name: "test",
            text: settings,
        };
        let host = HostFacts::of_cores(2);
        let config = load(Some(file), &Flags::default(), &host).unwrap();
        let image = Image::empty("cluster").into();
        let mut world = World {
            image,
            config,
            random: Random::new([1; 32]),
        };
        world.take(format(&world.config));
        world.start(nodes, 9092);
        world
    }

    /// Registers the nodes as a start on this port does; answers how many records it took.
    fn start(&mut self, nodes: i32, port: u16) -> usize {
        let start = |id: i32| NodeStart {
            id: NodeId(id),
            endpoint: Endpoint {
                name: "PLAINTEXT".into(),
                host: "host".into(),
                port: port + id as u16,
                security_protocol: 0,
            },
            rack: None,
            log_dirs: vec![Uuid::from_u128(id as u128 + 1000)],
        };
        let starts: Vec<_> = (1..=nodes).map(start).collect();
        let offset = self.image.end_offset;
        let records = register_nodes(&self.image, &starts, offset, &mut self.random);
        let count = records.len();
        self.take(records);
        count
    }

    fn decide<T>(&mut self, decide: impl FnOnce(&mut Deciding<'_>) -> Decision<T>) -> T {
        let mut deciding = Deciding {
            image: &self.image,
            config: &self.config,
            random: &mut self.random,
        };
        let decision = decide(&mut deciding);
        self.take(decision.records);
        decision.answer
    }

    /// Applies records after a trip through their bytes.
    fn take(&mut self, records: Vec<MetadataRecord>) {
        let mut delta = Delta::new(&self.image);
        for record in &records {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            delta
                .replay(&MetadataRecord::decode(&bytes).unwrap())
                .unwrap();
        }
        let end_offset = self.image.end_offset + records.len() as i64;
        self.image = delta.apply(end_offset).into();
    }

    fn leaders(&self, topic: &str) -> Vec<i32> {
        let topic = self.image.topics.named(topic).unwrap();
        topic
            .partitions
            .iter()
            .map(|partition| partition.leader.0)
            .collect()
    }
}

#[test]
fn a_new_cluster_has_its_features_and_its_nodes() {
    let mut world = World::new(2, "");
    let image = &world.image;
    let features: Vec<_> = image
        .features
        .iter()
        .map(|(name, l)| (name.as_str(), *l))
        .collect();
    assert_eq!(
        features,
        [
            ("eligible.leader.replicas.version", 1),
            ("group.version", 1),
            ("metadata.version", 30),
            ("transaction.version", 2)
        ]
    );
    assert_eq!(image.configs.all_brokers()["min.insync.replicas"], "1");
    let epochs: Vec<_> = image
        .brokers
        .alive()
        .map(|broker| (broker.id.0, broker.epoch))
        .collect();
    assert_eq!(epochs, [(1, 5), (2, 6)]);
    // Who starts as before needs no records, who moves needs one each.
    assert_eq!(world.start(2, 9092), 0);
    assert_eq!(world.start(2, 9192), 2);
    let endpoint = world
        .image
        .brokers
        .get(NodeId(2))
        .unwrap()
        .endpoint("PLAINTEXT")
        .cloned();
    assert_eq!(endpoint.unwrap().port, 9194);
    let world = World::new(1, "min.insync.replicas=2");
    assert_eq!(
        world.image.configs.all_brokers()["min.insync.replicas"],
        "2"
    );
}

#[test]
fn a_cluster_of_an_earlier_build_gets_what_it_lacks_once() {
    let mut world = World::new(1, "");
    assert_eq!(catch_up(&world.image), []);
    let mut earlier = Image::clone(&world.image);
    Arc::make_mut(&mut earlier.features).remove("transaction.version");
    world.image = earlier.into();
    world.take(catch_up(&world.image));
    assert_eq!(world.image.features["transaction.version"], 2);
    assert_eq!(catch_up(&world.image), []);
}

#[test]
fn producer_ids_are_handed_out_in_blocks_until_there_are_none() {
    let mut world = World::new(2, "");
    let mut ask = |node| world.decide(|with| allocate_producer_ids(with, NodeId(node)));
    assert_eq!(ask(1), Some(0..1000));
    assert_eq!(ask(2), Some(1000..2000));
    let mut image = Image::clone(&world.image);
    image.next_producer_id = i64::MAX - 999;
    world.image = image.into();
    assert_eq!(
        world.decide(|with| allocate_producer_ids(with, NodeId(1))),
        None
    );
    assert_eq!(world.image.next_producer_id, i64::MAX - 999);
}

#[test]
fn a_node_that_may_have_lost_records_begins_new_terms() {
    let mut world = World::new(2, "");
    world.create("a", 4);
    world.create("b", 1);
    let led = world
        .leaders("a")
        .iter()
        .chain(&world.leaders("b"))
        .filter(|id| **id == 2)
        .count();
    assert_eq!(world.decide(|with| renew_leaders(with, NodeId(2))), led);
    for topic in ["a", "b"] {
        for partition in &world.image.topics.named(topic).unwrap().partitions {
            let renewed = i32::from(partition.leader == NodeId(2));
            assert_eq!(
                (partition.leader_epoch, partition.partition_epoch),
                (renewed, renewed)
            );
        }
    }
}

#[test]
fn a_failed_directory_takes_the_leaders_of_its_partitions_and_no_others() {
    let mut world = World::new(2, "");
    world.create("a", 4);
    let directory =
        |world: &World, node| world.image.brokers.get(NodeId(node)).unwrap().log_dirs[0];
    let (own, other) = (directory(&world, 2), directory(&world, 1));
    assert_eq!(
        world.decide(|with| fail_directories(with, NodeId(2), &[other])),
        0
    );
    assert_eq!(
        world.decide(|with| fail_directories(with, NodeId(2), &[own])),
        2
    );
    let before = world.leaders("a");
    assert_eq!(before.iter().filter(|leader| **leader == -1).count(), 2);
    // The answer to a second report of the same is that there is nothing left to do.
    assert_eq!(
        world.decide(|with| fail_directories(with, NodeId(2), &[own])),
        0
    );
    assert_eq!(world.leaders("a"), before);
}

#[test]
fn where_a_replica_lies_is_noted_and_it_leads_again_if_nothing_did() {
    let mut world = World::new(1, "");
    world.create("a", 2);
    let topic_id = world.image.topics.named("a").unwrap().id;
    let broker = world.image.brokers.get(NodeId(1)).unwrap();
    let (own, other) = (broker.log_dirs[0], Uuid::from_u128(1 << 100));
    let change = BrokerRegistrationChange {
        broker_id: NodeId(1),
        broker_epoch: broker.epoch,
        fenced: 0,
        in_controlled_shutdown: 0,
        log_dirs: vec![own, other],
        cordoned_log_dirs: None,
    };
    world.take(vec![change.into()]);
    let asked = |directory, indexes: &[i32]| AssignDirectories {
        node: NodeId(1),
        directory,
        partitions: indexes.iter().map(|index| (topic_id, *index)).collect(),
    };
    let lies = |world: &World| {
        let topic = world.image.topics.named("a").unwrap();
        let partitions = topic.partitions.iter();
        partitions
            .map(|it| {
                (
                    it.directories[0],
                    it.leader.0,
                    it.leader_epoch,
                    it.partition_epoch,
                )
            })
            .collect::<Vec<_>>()
    };
    let before = lies(&world);
    // What is not there does not count, and what lies there already needs no record.
    let taken = world.decide(|with| assign_directories(with, &asked(other, &[0, 7])));
    assert!(taken);
    assert_eq!(lies(&world), [(other, 1, 0, 1), before[1]]);
    assert!(world.decide(|with| assign_directories(with, &asked(other, &[0]))));
    assert_eq!(lies(&world)[0].3, 1);
    let unknown = asked(Uuid::from_u128(1 << 101), &[0]);
    assert!(!world.decide(|with| assign_directories(with, &unknown)));
    assert_eq!(lies(&world)[0].0, other);
    // Its folder had failed before the controller heard that it had left it.
    world.decide(|with| fail_directories(with, NodeId(1), &[own]));
    assert_eq!(lies(&world)[1].1, -1);
    assert!(world.decide(|with| assign_directories(with, &asked(other, &[1]))));
    let (directory, leader, ..) = lies(&world)[1];
    assert_eq!((directory, leader), (other, 1));
}

#[test]
fn a_cluster_that_is_taken_over_keeps_what_it_was() {
    let mut theirs = World::new(1, "");
    theirs.create("a", 3);
    theirs.create("b", 1);
    theirs.decide(|with| renew_leaders(with, NodeId(1)));
    theirs.decide(|with| allocate_producer_ids(with, NodeId(1)));
    let set = |kind: i8, resource: &str, name: &str, value: &str| {
        MetadataRecord::from(crate::metadata::record::Config {
            resource_type: kind,
            resource_name: resource.into(),
            name: name.into(),
            value: Some(value.into()),
        })
    };
    theirs.take(vec![
        set(2, "a", "retention.ms", "5000"),
        set(4, "", "log.retention.ms", "7000"),
        set(4, "", "node.id", "9"),
        set(4, "1", "max.connections", "77"),
        set(4, "3", "max.connections", "78"),
    ]);
    let mut ours = World::new(2, "");
    let adopted = Adopted {
        image: &theirs.image,
        node: NodeId(1),
    };
    let notes = ours.decide(|with| adopt(with, &adopted, &|_, _, _| false));
    assert_eq!(notes.problems, [""; 0]);
    assert_eq!(notes.left_out.len(), 1, "{notes:?}");
    assert!(notes.left_out[0].contains("node.id"), "{notes:?}");
    for name in ["a", "b"] {
        let (before, after) = (&theirs.image.topics, &ours.image.topics);
        let (before, after) = (before.named(name).unwrap(), after.named(name).unwrap());
        assert_eq!(
            (before.id, before.partitions.len()),
            (after.id, after.partitions.len())
        );
        for partition in &after.partitions {
            // It was in term 1.
            assert_eq!((partition.leader_epoch, partition.partition_epoch), (2, 2));
            let broker = ours.image.brokers.get(partition.leader).unwrap();
            assert_eq!(partition.directories, broker.log_dirs);
        }
    }
    let mut leaders = ours.leaders("a");
    leaders.extend(ours.leaders("b"));
    leaders.sort_unstable();
    assert_eq!(leaders, [1, 1, 2, 2]);
    let configs = &ours.image.configs;
    assert_eq!(configs.topic("a")["retention.ms"], "5000");
    assert_eq!(configs.all_brokers()["log.retention.ms"], "7000");
    let of = |name: &str| configs.of(crate::metadata::image::ResourceKind::Broker, name);
    assert_eq!(
        (&of("1")["max.connections"], &of("2")["max.connections"]),
        (&"77".into(), &"77".into())
    );
    assert!(of("3").is_empty());
    assert_eq!(ours.image.next_producer_id, 1000);
    // A setting that cannot be is said, and stands in the way.
    theirs.take(vec![set(2, "b", "remote.storage.enable", "true")]);
    let adopted = Adopted {
        image: &theirs.image,
        node: NodeId(1),
    };
    let mut ours = World::new(1, "");
    let notes = ours.decide(|with| adopt(with, &adopted, &|_, _, _| false));
    assert!(notes.problems[0].contains("topic b"), "{notes:?}");
}

#[test]
fn partitions_go_where_there_are_fewest_or_where_they_are() {
    let mut world = World::new(0, "");
    let dirs: Vec<Uuid> = (1..=3).map(|id| Uuid::from_u128(id + 1000)).collect();
    let start = NodeStart {
        id: NodeId(1),
        endpoint: Endpoint {
            name: "PLAINTEXT".into(),
            host: "host".into(),
            port: 9092,
            security_protocol: 0,
        },
        rack: None,
        log_dirs: dirs.clone(),
    };
    let records = register_nodes(
        &world.image,
        &[start],
        world.image.end_offset,
        &mut world.random,
    );
    world.take(records);
    let held = |world: &World, topic: &str| -> Vec<usize> {
        let topic = world.image.topics.named(topic).unwrap();
        let places = topic.partitions.iter().map(|one| one.directories[0]);
        places
            .map(|id| dirs.iter().position(|one| *one == id).unwrap())
            .collect()
    };
    world.create("a", 4);
    assert_eq!(held(&world, "a"), [0, 1, 2, 0]);
    world.create("b", 4);
    assert_eq!(held(&world, "b"), [1, 2, 0, 1]);
    let mut theirs = World::new(1, "");
    theirs.create("c", 4);
    let adopted = Adopted {
        image: &theirs.image,
        node: NodeId(1),
    };
    // The last two are on the third device already.
    let near = |_: &str, index: i32, id: Uuid| index > 1 && id == dirs[2];
    world.decide(|with| adopt(with, &adopted, &near));
    assert_eq!(held(&world, "c"), [2, 0, 2, 2]);
}
