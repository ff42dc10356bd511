//! Stories about groups that change between the classic and the consumer protocol (KIP-848).

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, ConsumerProtocolSubscription,
    DescribeGroupsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    SyncGroupRequest,
};
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::consumers::{Scene, ask, at_once, beat, but, numbered};
use super::scene::{Topic, topic};
use crate::script::{Story, make, s};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;

/// A classic member.
struct Classic {
    id: StrBytes,
    generation: i32,
}

fn versioned(message: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    message.encode(&mut bytes, 0).expect("version 0 has it all");
    bytes.freeze()
}

fn subscription(topic: &Topic) -> Bytes {
    versioned(&make!(ConsumerProtocolSubscription {
        topics: vec![s(topic.name.as_str())]
    }))
}

fn given(topic: &Topic, partitions: &[i32]) -> Bytes {
    let of = make!(TopicPartition {
        topic: topic.name.clone(),
        partitions: partitions.to_vec(),
    });
    versioned(&make!(ConsumerProtocolAssignment {
        assigned_partitions: vec![of]
    }))
}

fn join(scene: &Scene, id: &StrBytes) -> JoinGroupRequest {
    let protocol = make!(JoinGroupRequestProtocol {
        name: s("range"),
        metadata: subscription(&scene.topic),
    });
    make!(JoinGroupRequest {
        group_id: GroupId(s(&scene.group)),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: id.clone(),
        protocol_type: s("consumer"),
        protocols: vec![protocol],
    })
}

/// A new classic member joins, in the two steps in which members get their ids.
fn joins(story: &mut Story, scene: &Scene, what: &str) -> Classic {
    let required = story.get(9, &join(scene, &s(""))).member_id;
    story.alias(&required, "<member>");
    joins_again(story, scene, what, &required)
}

fn joins_again(story: &mut Story, scene: &Scene, what: &str, id: &StrBytes) -> Classic {
    let what = format!("{}, {what}", numbered(story));
    let answer = story.ask(&what, 9, join(scene, id)).unwrap_or_default();
    Classic {
        id: answer.member_id,
        generation: answer.generation_id,
    }
}

fn syncs(story: &mut Story, scene: &Scene, member: &Classic, gives: &[i32]) {
    let assignment = make!(SyncGroupRequestAssignment {
        member_id: member.id.clone(),
        assignment: given(&scene.topic, gives),
    });
    let request = make!(SyncGroupRequest {
        group_id: GroupId(s(&scene.group)),
        generation_id: member.generation,
        member_id: member.id.clone(),
        protocol_type: Some(s("consumer")),
        protocol_name: Some(s("range")),
        assignments: match gives {
            [] => Vec::new(),
            _ => vec![assignment],
        },
    });
    let what = format!("{}, a member syncs", numbered(story));
    story.ask(&what, 5, request);
}

fn beats(story: &mut Story, scene: &Scene, member: &Classic) {
    let request = make!(HeartbeatRequest {
        group_id: GroupId(s(&scene.group)),
        generation_id: member.generation,
        member_id: member.id.clone(),
    });
    let what = format!("{}, a member beats", numbered(story));
    story.ask(&what, 4, request);
}

fn looks(story: &mut Story, scene: &Scene) {
    let group = || GroupId(s(&scene.group));
    let what = format!("{}, by the new API", numbered(story));
    let request = make!(ConsumerGroupDescribeRequest {
        group_ids: vec![group()]
    });
    story.ask(&what, 1, request);
    let what = format!("{}, by the old API", numbered(story));
    let request = make!(DescribeGroupsRequest {
        groups: vec![group()]
    });
    story.ask(&what, 6, request);
}

/// A member of the consumer protocol joins.
fn consumer(story: &mut Story, scene: &Scene, id: &str) {
    let topics = Some(vec![scene.topic.name.clone()]);
    let request = but!(
        beat(&scene.group, id, 0),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: topics,
        topic_partitions: Some(Vec::new()),
    );
    ask(story, &format!("{id} joins"), 1, request);
}

pub fn group_migration(story: &mut Story) {
    let topic = topic(story, "group", 6, &[]);
    let group = story.name("group");
    at_once(story, &group);
    let scene = Scene {
        group,
        topic,
        version: 1,
    };
    let mut old = joins(story, &scene, "a classic member joins");
    syncs(story, &scene, &old, &[0, 1, 2, 3, 4, 5]);
    consumer(story, &scene, "x");
    looks(story, &scene);
    beats(story, &scene, &old);
    syncs(story, &scene, &old, &[]);
    let id = old.id.clone();
    old = joins_again(story, &scene, "it joins again", &id);
    syncs(story, &scene, &old, &[]);
    beats(story, &scene, &old);
    old = joins_again(story, &scene, "it has given up", &id);
    syncs(story, &scene, &old, &[]);
    beats(story, &scene, &old);
    scene.beat(story, "x", 2, &[]);
    looks(story, &scene);
    // Another classic one, and what a classic member may not do.
    let other = joins(story, &scene, "another joins");
    syncs(story, &scene, &other, &[]);
    let kind = but!(join(&scene, &s("z")), protocol_type: s("connect"));
    story.ask("one of another kind joins", 9, kind);
    let mut stranger = but!(join(&scene, &s("z")), group_instance_id: Some(s("i")));
    stranger.reason = None;
    story.ask("a static one that is unknown joins", 9, stranger);
    let stale = Classic {
        id: id.clone(),
        generation: 1,
    };
    beats(story, &scene, &stale);
    syncs(story, &scene, &stale, &[]);
    let consumers = Classic {
        id: s("x"),
        generation: 2,
    };
    beats(story, &scene, &consumers);
    syncs(story, &scene, &consumers, &[]);
    let leave = make!(LeaveGroupRequest {
        group_id: GroupId(s(&scene.group)),
        members: vec![
            make!(MemberIdentity {
                member_id: other.id.clone()
            }),
            make!(MemberIdentity { member_id: s("z") }),
        ],
    });
    story.ask("one leaves, and one that is none", 5, leave);
    beats(story, &scene, &old);
    // With the last member of the consumer protocol the group is a classic one again.
    scene.short(story, "x", -1);
    looks(story, &scene);
    beats(story, &scene, &old);
    old = joins_again(story, &scene, "the last one joins", &id);
    syncs(story, &scene, &old, &[0, 1, 2, 3, 4, 5]);
    looks(story, &scene);
}

pub fn group_migration_refused(story: &mut Story) {
    let topic = topic(story, "group", 1, &[]);
    let scene = |story: &Story, short: &str| Scene {
        group: story.name(short),
        topic: topic.clone(),
        version: 1,
    };
    let broken = scene(story, "broken");
    joined(story, &broken, "consumer");
    consumer(story, &broken, "x");
    let other = scene(story, "other");
    joined(story, &other, "connect");
    consumer(story, &other, "x");
}

/// A classic member whose metadata is not what consumers say, in a group that is in a rebalance.
fn joined(story: &mut Story, scene: &Scene, kind: &str) {
    let protocol = make!(JoinGroupRequestProtocol {
        name: s("p"),
        metadata: Bytes::from_static(&[0]),
    });
    let mut request = but!(
        join(scene, &s("")),
        protocol_type: s(kind),
        protocols: vec![protocol],
    );
    request.member_id = story.get(9, &request).member_id;
    story.get(9, &request);
}
