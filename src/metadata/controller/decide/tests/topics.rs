//! Pure: stories of topics that are created, grown and deleted.

use super::World;
use crate::base::{NodeId, TopicId};
use crate::metadata::controller::decide::*;
use crate::metadata::controller::request::*;

impl World {
    /// Creates topics, or says what would come of it.
    pub(super) fn try_create(
        &mut self,
        validate_only: bool,
        topics: Vec<NewTopic>,
    ) -> Vec<CreateTopicResult> {
        let request = CreateTopics {
            validate_only,
            topics,
        };
        self.decide(|with| create_topics(with, &request))
    }

    pub(super) fn create(&mut self, name: &str, partitions: i32) {
        let results = self.try_create(false, vec![NewTopic::new(name, partitions)]);
        assert!(results[0].result.is_ok(), "{results:?}");
    }

    /// What is said about a topic that is not created.
    fn refused(&mut self, topic: NewTopic) -> (CreateTopicError, String) {
        let results = self.try_create(false, vec![topic]);
        let [result] = results.as_slice() else {
            panic!("{results:?}");
        };
        let error = result.result.clone().unwrap_err();
        (error.clone(), error.to_string())
    }

    fn grow(&mut self, topics: Vec<MorePartitions>) -> Vec<(String, Option<String>)> {
        let request = CreatePartitions {
            validate_only: false,
            topics,
        };
        let results = self.decide(|with| create_partitions(with, &request));
        let text = |(name, result): (String, Result<(), CreatePartitionsError>)| {
            (name, result.err().map(|error| error.to_string()))
        };
        results.into_iter().map(text).collect()
    }
}

fn replicated(replicas: i16) -> NewTopic {
    NewTopic {
        replication_factor: replicas,
        ..NewTopic::new("t", 1)
    }
}

fn with_configs(configs: &[(&str, Option<&str>)]) -> NewTopic {
    let text = |text: &str| text.to_owned();
    let configs = configs
        .iter()
        .map(|(name, value)| (text(name), value.map(text)));
    NewTopic {
        configs: configs.collect(),
        ..NewTopic::new("t", 1)
    }
}

fn assigned(to: &[(i32, &[i32])]) -> NewTopic {
    let nodes = |nodes: &[i32]| nodes.iter().copied().map(NodeId).collect();
    NewTopic {
        assignments: to.iter().map(|(index, on)| (*index, nodes(on))).collect(),
        ..NewTopic::new("t", -1)
    }
}

#[test]
fn a_topic_comes_into_being_with_its_settings() {
    let mut world = World::new(1, "num.partitions=3");
    let mut topic = with_configs(&[("retention.ms", Some("1")), ("retention.ms", Some("2"))]);
    topic.partitions = -1;
    let results = world.try_create(false, vec![topic]);
    let created = results[0].result.clone().unwrap();
    assert_eq!((created.partitions, created.replication_factor), (3, 1));
    let topic = world.image.topics.named("t").unwrap();
    assert_eq!((topic.id, topic.partitions.len()), (created.id, 3));
    assert_eq!(world.image.configs.topic("t")["retention.ms"], "2");
    let partition = &topic.partitions[2];
    assert_eq!((partition.leader, partition.leader_epoch), (NodeId(1), 0));
    let directory = world.image.brokers.get(NodeId(1)).unwrap().log_dirs[0];
    assert_eq!(partition.directories, [directory]);
    assert_eq!((partition.replicas.len(), partition.isr.len()), (1, 1));
}

#[test]
fn what_is_only_checked_leaves_no_trace() {
    let mut world = World::new(1, "");
    let results = world.try_create(true, vec![NewTopic::new("t", 7)]);
    assert_eq!(results[0].result.as_ref().unwrap().partitions, 7);
    assert!(world.image.topics.is_empty());
}

#[test]
fn one_bad_topic_does_not_keep_the_others_away() {
    let mut world = World::new(1, "");
    world.create("there", 1);
    let asked = [
        "twice",
        "a b",
        "good",
        "twice",
        "there",
        "__cluster_metadata",
    ];
    let topics = asked.iter().map(|name| NewTopic::new(name, 1)).collect();
    let results = world.try_create(false, topics);
    let texts: Vec<_> = results
        .iter()
        .map(|r| {
            (
                r.name.as_str(),
                r.result.as_ref().err().map(|e| e.to_string()),
            )
        })
        .collect();
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(texts[0].0, "a b");
    assert_eq!(texts[1], ("good", None));
    assert_eq!(texts[2], ("there", said("Topic 'there' already exists.")));
    assert_eq!(texts[3], ("twice", said("Duplicate topic name.")));
    let reserved = "Creation of internal topic __cluster_metadata is prohibited.";
    assert_eq!(texts[4], ("__cluster_metadata", said(reserved)));
    assert_eq!(world.image.topics.len(), 2);
}

#[test]
fn names_that_metrics_cannot_tell_apart_collide() {
    let mut world = World::new(1, "");
    world.create("a.b", 1);
    let (error, text) = world.refused(NewTopic::new("a_b", 1));
    assert!(matches!(error, CreateTopicError::Collides { .. }));
    assert_eq!(text, "Topic 'a_b' collides with existing topic: a.b");
    // A collision counts before an illegal name, an existing topic before both.
    world.create("a.b-c", 1);
    assert_eq!(
        world.refused(NewTopic::new("a.b", 1)).1,
        "Topic 'a.b' already exists."
    );
    world.create("ab", 1);
}

#[test]
fn counts_are_refused_in_kafkas_words() {
    let mut world = World::new(1, "");
    let mut text = |topic| world.refused(topic).1;
    let positive = "Number of partitions was set to an invalid non-positive value.";
    assert_eq!(text(NewTopic::new("t", 0)), positive);
    assert_eq!(text(NewTopic::new("t", -2)), positive);
    let factor = "Replication factor must be larger than 0, or -1 to use the default value.";
    assert_eq!(text(replicated(0)), factor);
    assert_eq!(text(replicated(-2)), factor);
    assert_eq!(
        text(replicated(3)),
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 \
         cannot be reached because only 1 broker(s) are registered or some brokers have all \
         their log directories cordoned."
    );
    let many = "Excessively large number of partitions per request.";
    assert_eq!(text(NewTopic::new("t", 10_001)), many);
    assert_eq!(text(NewTopic::new("t", i32::MAX)), many);
    // The topic itself takes a record, too.
    let large = "Unable to perform excessively large batch operation.";
    assert_eq!(text(NewTopic::new("t", 10_000)), large);
    world.create("t", 9_999);
}

#[test]
fn copies_on_one_machine_are_refused_however_many_shards_it_has() {
    let mut world = World::new(3, "");
    let (error, text) = world.refused(replicated(2));
    let placement = PlacementError::OneMachine {
        replicas: 2,
        nodes: 3,
    };
    assert_eq!(
        error,
        CreateTopicError::Placement {
            replicas: 2,
            error: placement
        }
    );
    assert!(text.contains("shards of one machine"), "{text}");
    let (error, _) = world.refused(assigned(&[(0, &[1, 2])]));
    assert_eq!(
        error,
        CreateTopicError::Assignment(AssignmentError::OneMachine)
    );
}

#[test]
fn assignments_are_checked_as_kafka_checks_them() {
    let mut world = World::new(2, "");
    let mut text = |topic| world.refused(topic).1;
    let mut counted = assigned(&[(0, &[1])]);
    counted.partitions = 1;
    assert_eq!(
        text(counted.clone()),
        "A manual partition assignment was specified, but numPartitions was not set to -1."
    );
    counted.replication_factor = 1;
    assert_eq!(
        text(counted),
        "A manual partition assignment was specified, but replication factor was not set to -1."
    );
    assert_eq!(
        text(assigned(&[(0, &[1]), (0, &[2])])),
        "Found multiple manual partition assignments for partition 0"
    );
    assert_eq!(
        text(assigned(&[(0, &[])])),
        "The manual partition assignment includes an empty replica list."
    );
    assert_eq!(
        text(assigned(&[(0, &[99])])),
        "The manual partition assignment includes broker 99, but no such broker is registered."
    );
    assert_eq!(
        text(assigned(&[(0, &[1, 1])])),
        "The manual partition assignment includes the broker 1 more than once."
    );
    assert_eq!(
        text(assigned(&[(0, &[1]), (1, &[1, 2])])),
        "The manual partition assignment includes a partition with 2 replica(s), but this is \
         not consistent with previous partitions, which have 1 replica(s)."
    );
    let gaps = "partitions should be a consecutive 0-based integer sequence";
    assert_eq!(text(assigned(&[(1, &[1])])), gaps);
    assert_eq!(text(assigned(&[(-1, &[1]), (0, &[1])])), gaps);
    let good = assigned(&[(2, &[1]), (1, &[1]), (0, &[2])]);
    assert!(world.try_create(false, vec![good])[0].result.is_ok());
    assert_eq!(world.leaders("t"), [2, 1, 1]);
}

#[test]
fn settings_are_refused_in_kafkas_words() {
    let mut world = World::new(1, "");
    let mut text = |configs| world.refused(with_configs(configs)).1;
    assert_eq!(
        text(&[("retention.ms", None), ("segment.ms", None)]),
        "Null value not supported for topic configs: retention.ms,segment.ms"
    );
    assert_eq!(
        text(&[("nonsense", Some("1"))]),
        "Unknown topic config name: nonsense"
    );
    let long = "x".repeat(32_768);
    assert_eq!(
        text(&[("cleanup.policy", Some(&long))]),
        "The configuration value cannot be added because it exceeds the maximum value size of \
         32767 bytes."
    );
    // Settings are looked at before counts.
    let mut both = with_configs(&[("nonsense", Some("1"))]);
    both.partitions = 0;
    assert_eq!(world.refused(both).1, "Unknown topic config name: nonsense");
}

#[test]
fn leaders_are_even_within_a_topic_and_over_all_of_them() {
    let mut world = World::new(4, "");
    for i in 0..40 {
        world.create(&format!("one-{i}"), 1);
    }
    world.create("odd", 7);
    world.create("even", 8);
    let count = |leaders: &[i32]| [1, 2, 3, 4].map(|n| leaders.iter().filter(|l| **l == n).count());
    let ones: Vec<i32> = (0..40)
        .flat_map(|i| world.leaders(&format!("one-{i}")))
        .collect();
    assert_eq!(count(&ones), [10; 4]);
    let spread = count(&world.leaders("odd"));
    assert!(spread.iter().all(|n| (1..=2).contains(n)), "{spread:?}");
    assert_eq!(count(&world.leaders("even")), [2; 4]);
    // A topic that grows goes on where it ended.
    let more = MorePartitions {
        name: "odd".into(),
        count: 12,
        assignments: None,
    };
    assert_eq!(world.grow(vec![more]), [("odd".into(), None)]);
    assert_eq!(count(&world.leaders("odd")), [3; 4]);
}

#[test]
fn the_same_seed_places_the_same() {
    let place = || {
        let mut world = World::new(3, "");
        world.create("a", 2);
        world.create("b", 2);
        (
            world.leaders("a"),
            world.leaders("b"),
            world.image.topics.named("a").unwrap().id,
        )
    };
    assert_eq!(place(), place());
}

#[test]
fn growth_is_refused_in_kafkas_words() {
    let mut world = World::new(1, "");
    world.create("t", 3);
    let more = |name: &str, count, assignments: Option<&[&[i32]]>| {
        let nodes = |nodes: &&[i32]| nodes.iter().copied().map(NodeId).collect();
        let assignments = assignments.map(|lists| lists.iter().map(nodes).collect());
        MorePartitions {
            name: name.into(),
            count,
            assignments,
        }
    };
    let mut text = |name, count, assignments| {
        world.grow(vec![more(name, count, assignments)])[0]
            .1
            .clone()
            .unwrap()
    };
    assert_eq!(text("t", 3, None), "Topic already has 3 partition(s).");
    let fewer = "The topic t currently has 3 partition(s); -1 would not be an increase.";
    assert_eq!(text("t", -1, None), fewer);
    assert_eq!(
        text("t", 5, Some(&[&[1]])),
        "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified."
    );
    assert_eq!(
        text("t", 4, Some(&[&[9]])),
        "The manual partition assignment includes broker 9, but no such broker is registered."
    );
    let both = world.grow(vec![
        more("t", 4, None),
        more("t", 5, None),
        more("nowhere", 1, None),
        more("t2", 1, None),
    ]);
    assert_eq!(both[0], ("t".into(), Some("Duplicate topic name.".into())));
    assert_eq!(both.len(), 3);
    for count in [10_004, 20_000, i32::MAX] {
        let request = CreatePartitions {
            validate_only: true,
            topics: vec![more("t", count, None)],
        };
        let results = world.decide(|with| create_partitions(with, &request));
        assert_eq!(results[0].1, Err(CreatePartitionsError::TooLarge));
    }
    assert_eq!(world.leaders("t").len(), 3);
}

#[test]
fn topics_go_by_name_and_by_id_and_their_settings_with_them() {
    let mut world = World::new(1, "");
    let topic = with_configs(&[("retention.ms", Some("1"))]);
    world.try_create(
        false,
        vec![topic, NewTopic::new("u", 1), NewTopic::new("v", 1)],
    );
    let id = |world: &World, name: &str| world.image.topics.named(name).unwrap().id;
    let by_id = |id| TopicRef { name: None, id };
    let by_name = |name: &str| TopicRef {
        name: Some(name.into()),
        id: TopicId::ZERO,
    };
    let (t, u, v) = (id(&world, "t"), id(&world, "u"), id(&world, "v"));
    let strange = TopicId(crate::base::ids::Uuid::from_u128(7));
    let asked = [
        by_id(TopicId::ZERO),
        TopicRef {
            name: Some("t".into()),
            id: t,
        },
        by_name("u"),
        by_id(u),
        by_id(v),
        by_id(v),
        by_name("nowhere"),
        by_id(strange),
        by_name("x"),
        by_name("x"),
        by_name("t"),
    ];
    let results = world.decide(|with| delete_topics(with, &asked));
    let texts: Vec<_> = results
        .iter()
        .map(|r| {
            (
                r.name.as_deref(),
                r.id,
                r.result.err().map(|e| e.to_string()),
            )
        })
        .collect();
    let said = |text: &str| Some(text.to_owned());
    let nil = TopicId::ZERO;
    let expected = [
        (None, nil, said("Neither topic name nor id were specified.")),
        (
            Some("t"),
            t,
            said("You may not specify both topic name and topic id."),
        ),
        (Some("x"), nil, said("Duplicate topic name.")),
        (None, v, said("Duplicate topic id.")),
        (
            None,
            strange,
            said("This server does not host this topic ID."),
        ),
        (
            Some("nowhere"),
            nil,
            said("This server does not host this topic-partition."),
        ),
        (
            Some("u"),
            u,
            said("The provided topic name maps to an ID that was already supplied."),
        ),
        (Some("t"), t, None),
    ];
    assert_eq!(texts.len(), expected.len());
    for case in &expected {
        assert!(texts.contains(case), "{case:?} not in {texts:?}");
    }
    assert!(world.image.topics.named("t").is_none());
    assert!(world.image.configs.topic("t").is_empty());
    assert_eq!(world.image.topics.len(), 2);
    // A name is free again once its topic is gone; the id is another.
    world.create("t", 1);
    assert_ne!(id(&world, "t"), t);
}
