//! Stories about how connections end: what was received whole before that is done and answered.

use bytes::Bytes;
use corelane_testing::Outcome;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, LeaveGroupRequest, OffsetFetchRequest, ProduceRequest,
};

use super::offsets::{by, commit};
use super::scene::{self, Topic, member, topic};
use crate::batch::batch;
use crate::client::{PATIENCE, frame, header, sized};
use crate::script::{Story, make, s, t};

/// What the client does once it has sent everything.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// It waits for answers.
    Waits,
    /// It ends its side, and waits for answers.
    EndsItsSide,
}

/// Sends all frames in one piece and tells which answers come and how the connection ends.
fn pieces(story: &mut Story, what: &str, frames: &[Bytes], then: Then) {
    let mut client = story.connect();
    client.send_raw(&frames.concat());
    if then == Then::EndsItsSide {
        client.end_sending();
    }
    let mut ids = Vec::new();
    let end = loop {
        match client.receive_within(PATIENCE) {
            Outcome::Answer(body) => {
                ids.push(i32::from_be_bytes([body[0], body[1], body[2], body[3]]));
            }
            Outcome::Closed => break "closed",
            Outcome::Silent => break "left open",
            Outcome::Garbled(_) => break "garbled",
        }
    };
    story.tell(
        &format!("{what}: correlation ids of the answers"),
        &format!("{ids:?}, then {end}"),
    );
}

/// Notes all offsets that a group has committed.
fn committed(story: &mut Story, what: &str, group: &str) {
    let group = make!(OffsetFetchRequestGroup {
        group_id: kafka_protocol::messages::GroupId(s(group)),
        topics: None,
    });
    let request = make!(OffsetFetchRequest {
        groups: vec![group]
    });
    story.ask(&format!("{what}: what was committed"), 8, request);
}

/// Five commits of one group, numbered from 1, each of a higher offset.
fn commits(group: &str, topic: &Topic) -> Vec<Bytes> {
    let one = |id: i32| {
        frame(
            8,
            id,
            &commit(8, group, &[(&topic.name, &[(0, id.into())])]),
        )
    };
    (1..=5).map(one).collect()
}

fn produces(topic: &Topic, acks: i16) -> impl Fn(i32) -> Bytes + '_ {
    move |id| {
        let records = Some(batch(&["a", "b"]).bytes());
        frame::<ProduceRequest>(9, id, &scene::produce(9, topic, acks, vec![(0, records)]))
    }
}

/// What a client sends that nothing answers, each behind good requests.
fn bad(story: &Story, topic: &Topic) -> Vec<(&'static str, Bytes)> {
    let nowhere = Topic {
        name: t(story.name("nowhere")),
        ..topic.clone()
    };
    let mut unknown = bytes::BytesMut::new();
    let unknown_header = header(999, 0, 9);
    kafka_protocol::protocol::Encodable::encode(&unknown_header, &mut unknown, 1).expect("header");
    let metadata = sized(b"\0\x03\0\x01\0\0\0\x09\xff\xff\x7f\xff\xff\xff");
    vec![
        ("an unknown API", sized(&unknown)),
        ("a malformed body", metadata),
        (
            "a length of two billion",
            Bytes::from_static(b"\x77\x35\x94\0"),
        ),
        ("a failing acks=0", produces(&nowhere, 0)(9)),
    ]
}

pub fn endings(story: &mut Story) {
    let one = topic(story, "one", 1, &[]);
    let group = story.name("half-closed");
    let what = "five commits and a half-close";
    pieces(story, what, &commits(&group, &one), Then::EndsItsSide);
    committed(story, what, &group);
    for (number, (bad, frame)) in bad(story, &one).into_iter().enumerate() {
        let group = story.name(&format!("bad-{number}"));
        let what = format!("five commits, then {bad}");
        let frames = [commits(&group, &one), vec![frame]].concat();
        pieces(story, &what, &frames, Then::Waits);
        committed(story, &what, &group);
    }
    let what = "four produces with acks 1 and a half-close";
    let frames: Vec<_> = (1..=4).map(produces(&one, 1)).collect();
    pieces(story, what, &frames, Then::EndsItsSide);
    story.ask(
        &format!("{what}: the end of the log"),
        4,
        scene::list(&one.name, &[(0, -1)]),
    );
    let what = "a fetch that waits, then a half-close";
    let mut waits = scene::fetch(4, &one, &[(0, 8)]);
    (waits.max_wait_ms, waits.min_bytes) = (300, 1);
    pieces(story, what, &[frame(4, 1, &waits)], Then::EndsItsSide);
    leaves_and_closes(story, &one);
}

/// A consumer that ends: it commits, leaves and closes without waiting for an answer.
fn leaves_and_closes(story: &mut Story, topic: &Topic) {
    let name = story.name("left");
    let member = member(story, &name, "");
    let leaving = make!(MemberIdentity {
        member_id: member.id.clone()
    });
    let leave = make!(LeaveGroupRequest {
        group_id: member.group.clone(),
        members: vec![leaving],
    });
    let last = by(8, &member, &[(&topic.name, &[(0, 77)])]);
    let mut client = story.connect();
    client.send_raw(&[frame(8, 1, &last), frame(4, 2, &leave)].concat());
    drop(client);
    let describe = make!(DescribeGroupsRequest {
        groups: vec![member.group.clone()]
    });
    story.wait_until("the member has left", |story| {
        &*story.get(5, &describe).groups[0].group_state == "Empty"
    });
    story.ask("commit, leave and close: the group", 5, describe);
    committed(story, "commit, leave and close", &name);
}
