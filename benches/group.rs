//! What a coordinator costs its core: heartbeats, commits, a whole rebalance, loading a log.
//! The machine alone, without log and network.
//!
//! `cargo bench --bench group`; under `cargo test` it runs small and checks only that it works.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use corelane::base::ids::Uuid;
use corelane::base::{Instant, NodeId, TopicId};
use corelane::coordinator::group::consumer::request::ConsumerHeartbeat;
use corelane::coordinator::group::{
    Commit, CommitPartition, CommitTopic, GroupConfig, GroupMachine, Heartbeat, Join, Machine, Now,
    Origin, Outcome, Protocol, Reply, Sync, Token, Topics,
};
use corelane::coordinator::record::Record;
use corelane::metadata::image::{Delta, Image};
use corelane::metadata::record::{self, MetadataRecord};
use corelane_testing::bench::size;

fn now() -> Now {
    Now {
        instant: Instant(1),
        wall_ms: 1_700_000_000_000,
    }
}

fn report(name: &str, count: usize, begun: Clock) {
    let ns = begun.elapsed().as_secs_f64() * 1e9 / count as f64;
    println!("{name:<34} {ns:>10.0} ns each, {:>12.0} a second", 1e9 / ns);
}

fn join(number: u128) -> Join {
    Join {
        group: "group".into(),
        member_id: "".into(),
        instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        protocol_type: "consumer".into(),
        protocols: ["range", "cooperative-sticky"].map(protocol).to_vec(),
        reason: None,
        member_id_required: false,
        may_skip_assignment: true,
        unique: Uuid::from_u128(number),
    }
}

fn protocol(name: &str) -> Protocol {
    Protocol {
        name: name.into(),
        metadata: Bytes::from_static(b"\0\x01\0\0\0\x01\0\x05topic\xff\xff\xff\xff"),
    }
}

/// A stable group of so many members, and their ids.
fn stable(machine: &mut GroupMachine, members: usize) -> Vec<Rc<str>> {
    let mut out = Outcome::default();
    for number in 0..members {
        machine.join(Token(number as u64), &join(number as u128), now(), &mut out);
    }
    machine.expire(now(), &mut out);
    let joined = out.replies.drain(..).map(|(_, reply)| match reply {
        Reply::Join(reply) => reply.unwrap(),
        Reply::Sync(_) | Reply::Delete(_) => panic!("members have only joined"),
    });
    let joined: Vec<_> = joined.collect();
    assert_eq!(joined.len(), members);
    let leader = joined[0].leader.clone().unwrap();
    let ids: Vec<_> = joined.into_iter().map(|joined| joined.member_id).collect();
    for (number, id) in ids.iter().enumerate() {
        let all = ids
            .iter()
            .map(|id| (id.clone(), Bytes::from_static(b"assignment")));
        let sync = Sync {
            group: "group".into(),
            generation: 1,
            member_id: id.clone(),
            instance_id: None,
            protocol_type: None,
            protocol: None,
            assignments: if *id == leader {
                all.collect()
            } else {
                Vec::new()
            },
        };
        machine.sync(Token((members + number) as u64), sync, now(), &mut out);
    }
    let is_ok = |(_, reply): &(Token, Reply)| matches!(reply, Reply::Sync(Ok(_)));
    assert!(out.replies.iter().all(is_ok));
    ids
}

fn machine() -> GroupMachine {
    GroupMachine::new(GroupConfig {
        initial_rebalance_delay_ms: 0,
        ..GroupConfig::default()
    })
}

fn main() {
    let members = size(10, 1_000);
    let begun = Clock::now();
    let mut groups = machine();
    let ids = stable(&mut groups, members);
    report("rebalance, per member", members, begun);

    let beats: Vec<_> = ids
        .iter()
        .map(|id| Heartbeat {
            group: "group".into(),
            generation: 1,
            member_id: id.clone(),
            instance_id: None,
        })
        .collect();
    let rounds = size(2, 1_000);
    let begun = Clock::now();
    for _ in 0..rounds {
        for beat in &beats {
            groups.heartbeat(beat, now()).unwrap();
        }
    }
    report("heartbeat", rounds * members, begun);

    let partitions = size(10, 100);
    let commits = size(2, 2_000);
    let commit = commit("offsets", "topic".into(), partitions);
    let mut records = Vec::new();
    let begun = Clock::now();
    for _ in 0..commits {
        let mut out = Outcome::default();
        groups.commit(&commit, now(), &mut out).unwrap();
        records.append(&mut out.records);
    }
    report("offset committed", commits * partitions, begun);

    let begun = Clock::now();
    let mut loaded = machine();
    for record in &records {
        let record = Record::decode(Some(&record.key), record.value.as_deref()).unwrap();
        loaded.replay(&record, Origin::NEW);
    }
    report("record loaded", records.len(), begun);
    removal(size(3_000, 500_000));
    for bytes in size(vec![100], vec![1_000, 8_000]) {
        expression(bytes);
    }
    for is_homogeneous in [true, false] {
        assignment(size(10, 1_000), size(100, 10_000), is_homogeneous);
    }
}

/// How long a heartbeat takes that brings an expression of so many bytes.
fn expression(bytes: usize) {
    let mut groups = machine();
    let kinds = [
        "x".repeat(bytes),
        "topic-name|".repeat(bytes / 11),
        "(?i:[a-z]+)".repeat(bytes / 11),
    ];
    for (number, regex) in kinds.into_iter().enumerate() {
        let mut beat = beat(number);
        beat.topics = None;
        beat.regex = Some(regex.into());
        let begun = Clock::now();
        let answer = groups.consumer_heartbeat(&beat, now(), &mut Outcome::default());
        let (us, is_taken) = (begun.elapsed().as_secs_f64() * 1e6, answer.is_ok());
        let name = format!("expression of {bytes} bytes, kind {number}");
        println!("{name:<34} {us:>10.0} us, taken: {is_taken}");
    }
}

/// A member joins; it consumes nothing.
fn beat(number: usize) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: "group".into(),
        member_id: format!("member-{number}").into(),
        member_epoch: 0,
        instance_id: None,
        rack: None,
        rebalance_timeout_ms: Some(300_000),
        topics: Some(Vec::new()),
        regex: None,
        assignor: None,
        owned: Some(Vec::new()),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        must_have_id: true,
        unique: Uuid::from_u128(number as u128),
    }
}

/// So many members of the consumer protocol join a group that consumes ten topics with so many
/// partitions together: how long the last join is, in which all are assigned anew.
fn assignment(members: usize, partitions: usize, is_homogeneous: bool) {
    let mut groups = machine().in_cluster(topics(partitions / 10));
    let mut now = now();
    let mut took = Vec::new();
    for number in 0..members {
        // As long as the interval between two assignments.
        now.wall_ms += 1_000;
        let topics = (0..10).filter(|topic| is_homogeneous || *topic != number % 10);
        let mut beat = beat(number);
        beat.topics = Some(
            topics
                .map(|topic| format!("topic-{topic}").into())
                .collect(),
        );
        let mut out = Outcome::default();
        let begun = Clock::now();
        groups.consumer_heartbeat(&beat, now, &mut out).unwrap();
        took.push(begun.elapsed());
    }
    took.drain(..members - members.div_ceil(10));
    took.sort();
    let name = match is_homogeneous {
        true => "join that assigns anew",
        false => "the same, subscriptions differ",
    };
    let us = |at: usize| took[at].as_secs_f64() * 1e6;
    let (median, longest) = (us(took.len() / 2), us(took.len() - 1));
    println!("{name:<34} {median:>10.0} us, at most {longest:.0} us");
}

/// Ten topics with so many partitions each.
fn topics(partitions: usize) -> Topics {
    let mut delta = Delta::new(&Image::empty("cluster"));
    for number in 0..10 {
        let topic_id = TopicId(Uuid::from_u128(number + 1));
        let topic = record::Topic {
            name: format!("topic-{number}"),
            topic_id,
        };
        delta.replay(&MetadataRecord::Topic(topic)).unwrap();
        for partition in 0..partitions {
            let partition = record::Partition {
                partition_id: partition as i32,
                topic_id,
                replicas: vec![NodeId(1)],
                isr: vec![NodeId(1)],
                removing_replicas: Vec::new(),
                adding_replicas: Vec::new(),
                leader: NodeId(1),
                leader_recovery_state: 0,
                leader_epoch: 0,
                partition_epoch: 0,
                directories: Vec::new(),
                eligible_leader_replicas: None,
                last_known_elr: None,
            };
            delta.replay(&MetadataRecord::Partition(partition)).unwrap();
        }
    }
    Topics::of(Arc::new(delta.apply(1)))
}

/// A client that is no member commits an offset for each of so many partitions.
fn commit(group: &str, topic: Rc<str>, partitions: usize) -> Commit {
    let partition = |partition| CommitPartition {
        partition: partition as i32,
        offset: 7,
        leader_epoch: 0,
        metadata: "".into(),
    };
    Commit {
        names_ids: false,
        group: group.into(),
        generation: -1,
        member_id: "".into(),
        instance_id: None,
        retention_ms: None,
        knows_group_not_found: true,
        transaction: None,
        topics: vec![CommitTopic {
            name: topic,
            id: TopicId(Uuid::from_u128(1)),
            partitions: (0..partitions).map(partition).collect(),
        }],
    }
}

/// Deletes a group of so many offsets, in the steps in which its core does it.
fn removal(offsets: usize) {
    let mut groups = machine();
    for number in 0..offsets / 1_000 {
        let commit = commit("group", format!("topic-{number}").into(), 1_000);
        let mut out = Outcome::default();
        groups.commit(&commit, now(), &mut out).unwrap();
    }
    let begun = Clock::now();
    let mut longest = Duration::ZERO;
    let mut records = 0;
    let mut step = |work: &mut dyn FnMut(&mut Outcome)| {
        let begun = Clock::now();
        let mut out = Outcome::default();
        work(&mut out);
        longest = longest.max(begun.elapsed());
        records += out.records.len();
    };
    step(&mut |out| groups.delete(Token(0), &"group".into(), out));
    while groups.has_work() {
        step(&mut |out| groups.work(now(), out));
    }
    assert_eq!(records, offsets + 1);
    report("offset removed with its group", offsets, begun);
    println!(
        "{:<34} {:>10.0} us",
        "longest step of it",
        longest.as_secs_f64() * 1e6
    );
}
