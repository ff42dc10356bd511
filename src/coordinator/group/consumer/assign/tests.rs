//! Pure: the assignors have the results of Kafka's own.

use std::collections::BTreeMap;

use super::*;
use crate::base::ids::Uuid;

/// Groups, and what Apache Kafka 4.3.1's assignors made of them.
const KAFKA: &str = include_str!("../../../../../tests/golden/assignors/kafka-4.3.1.txt");

/// A member: its id, its rack, what it is subscribed to and what it has.
type Listed = (Rc<str>, Option<&'static str>, BTreeSet<TopicId>, Partitions);

/// A case of the golden file.
#[derive(Default)]
struct Case {
    assignor: &'static str,
    is_homogeneous: bool,
    topics: Vec<(TopicId, PartitionIndex)>,
    /// Id, instance id, topics, and what the member has.
    members: Vec<Listed>,
    gets: BTreeMap<Rc<str>, Partitions>,
}

impl Case {
    /// Partitions that stand as `0:1,2;3:0`: places of topics, and of their partitions.
    fn partitions(&self, text: &str) -> Partitions {
        let topics = text.split(';').filter(|text| *text != "-");
        let topics = topics.map(|text| {
            let (topic, partitions) = text.split_once(':').unwrap();
            let topic = self.topics[topic.parse::<usize>().unwrap()].0;
            let partitions = partitions.split(',').map(|index| index.parse().unwrap());
            (topic, partitions.collect())
        });
        topics.collect()
    }

    fn line(&mut self, line: &'static str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["case", assignor, kind] => {
                self.assignor = assignor;
                self.is_homogeneous = kind == "same";
            }
            ["topic", id, count] => {
                let id = TopicId(Uuid::from_u128(u128::from_str_radix(id, 16).unwrap()));
                self.topics.push((id, count.parse().unwrap()));
            }
            ["member", id, instance, topics, has] => {
                let topics = topics.split(',').filter(|text| *text != "-");
                let topics = topics.map(|at| self.topics[at.parse::<usize>().unwrap()].0);
                let topics = topics.collect();
                let instance = (instance != "-").then_some(instance);
                let has = self.partitions(has);
                self.members.push((id.into(), instance, topics, has));
            }
            ["gets", id, partitions] => {
                let partitions = self.partitions(partitions);
                self.gets.insert(id.into(), partitions);
            }
            _ => panic!("no such line: {line}"),
        }
    }

    fn assign(&self) -> Assignment {
        let candidates = self.members.iter().map(|(id, instance, topics, has)| {
            let (named, topics) = (topics.len(), topics.clone());
            Candidate {
                id,
                instance: *instance,
                topics,
                named,
                has: Cow::Borrowed(has),
            }
        });
        let spec = Spec::new(
            candidates.collect(),
            self.members.len(),
            self.is_homogeneous,
        );
        let counts: BTreeMap<_, _> = self.topics.iter().copied().collect();
        let assignor = Assignor::named(self.assignor).unwrap();
        let mut assignment = assignor.assign(&spec, &|topic| counts[&topic]);
        for (id, ..) in &self.members {
            assignment.entry(id.clone()).or_default();
        }
        assignment
    }
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in KAFKA.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with("case ") {
            cases.push(Case::default());
        }
        cases.last_mut().unwrap().line(line);
    }
    cases
}

#[test]
fn members_get_what_kafka_gives_them() {
    let cases = cases();
    assert!(cases.len() > 100);
    for (number, case) in cases.iter().enumerate() {
        assert_eq!(case.assign(), case.gets, "case {number}, {}", case.assignor);
    }
}

#[test]
fn a_partition_of_two_members_is_left_to_one() {
    let topic = TopicId(Uuid::from_u128(7));
    let has: Partitions = [(topic, (0..4).collect())].into();
    let ids: [Rc<str>; 2] = ["a".into(), "b".into()];
    for is_homogeneous in [true, false] {
        let candidates = ids.iter().map(|id| Candidate {
            id,
            instance: None,
            topics: [topic].into(),
            named: 1,
            has: Cow::Borrowed(&has),
        });
        let spec = Spec::new(candidates.collect(), 2, is_homogeneous);
        let assignment = Assignor::Uniform.assign(&spec, &|_| 4);
        let all: Vec<_> = assignment.values().flat_map(|of| &of[&topic]).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(all.len(), 4, "{assignment:?}");
    }
}

#[test]
fn ten_thousand_partitions_over_a_thousand_members_are_even() {
    let topics: Vec<_> = (1..=10).map(|id| TopicId(Uuid::from_u128(id))).collect();
    let ids: Vec<Rc<str>> = (0..1_000).map(|id| format!("m{id}").into()).collect();
    let nothing = Partitions::new();
    for is_homogeneous in [true, false] {
        let candidates = ids.iter().map(|id| Candidate {
            id,
            instance: None,
            topics: topics.iter().copied().collect(),
            named: topics.len(),
            has: Cow::Borrowed(&nothing),
        });
        let spec = Spec::new(candidates.collect(), ids.len(), is_homogeneous);
        for assignor in Assignor::ALL {
            let assignment = assignor.assign(&spec, &|_| 1_000);
            let counts = assignment
                .values()
                .map(|of| of.values().map(BTreeSet::len).sum());
            assert!(counts.into_iter().all(|count: usize| count == 10));
        }
    }
}
