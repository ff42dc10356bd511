//! State that clients leave behind: fetch sessions, members of groups, producers.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use corelane_testing::requests::{PRODUCE, batch, produce};
use corelane_testing::{Client, frame, frame_of};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, JoinGroupRequest, LeaveGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::requests::unknown_partitions;
use super::{DEFAULT_BOUND, LEAST_BOUND, ask};
use crate::Attack;
use crate::arena::{Arena, attackers, join};

pub const ALL: &[Attack] = &[
    attack(
        "fetch sessions of a million partitions each",
        DEFAULT_BOUND,
        |arena| {
            sessions(arena, 8, 1_000_000);
        },
    ),
    attack(
        "fetch sessions of 100,000 partitions each",
        LEAST_BOUND,
        |arena| {
            sessions(arena, 40, 100_000);
        },
    ),
    attack(
        "member ids asked for with client ids of 30 KB",
        LEAST_BOUND,
        |arena| {
            pending_members(arena, if arena.options.full { 40_000 } else { 10_000 });
        },
    ),
    attack(
        "groups of a thousand members with 20 KB each",
        LEAST_BOUND,
        |arena| {
            large_groups(arena, if arena.options.full { 10 } else { 2 });
        },
    ),
    attack("a producer id for each batch", LEAST_BOUND, |arena| {
        producers(
            arena,
            if arena.options.full {
                1_000_000
            } else {
                20_000
            },
        );
    }),
];

const fn attack(name: &'static str, bound_bytes: u64, run: fn(&Arena)) -> Attack {
    Attack {
        name,
        bound_bytes,
        settings: "group.initial.rebalance.delay.ms=0",
        descriptors: None,
        prepare: |_| {},
        run,
    }
}

fn sessions(arena: &Arena, count: usize, partitions: i32) {
    let port = arena.port;
    join(attackers(2, move |thread| {
        for at in 0..count / 2 {
            let topic = format!("unknown-{thread}-{at}");
            // Session id and epoch 0: a session shall be made.
            let request = unknown_partitions(&topic, partitions).with_session_epoch(0);
            ask(&mut Client::connect(port), &frame(7, 1, &request));
        }
    }));
}

fn join_request(group: &str, metadata: Bytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(metadata);
    JoinGroupRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_session_timeout_ms(1_800_000)
        .with_rebalance_timeout_ms(1_800_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol])
}

/// Makes the topic of groups, and its partitions leaders.
fn groups_are_served(client: &mut Client) {
    let request = join_request("first", Bytes::new());
    // The topic of groups is made when a coordinator is first asked for.
    client.call(1, &FindCoordinatorRequest::default());
    for _ in 0..400 {
        // MEMBER_ID_REQUIRED: it is there.
        if client.call(4, &request).error_code == 79 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no group coordinator");
}

fn pending_members(arena: &Arena, count: usize) {
    groups_are_served(&mut arena.client());
    let port = arena.port;
    join(attackers(1, move |_| {
        let mut client = Client::connect(port);
        let client_id = "c".repeat(30_000);
        let request = frame_of(&client_id, 4, 0, &join_request("pending", Bytes::new()));
        for _ in 0..count {
            if !ask(&mut client, &request) {
                client = Client::connect(port);
            }
        }
    }));
}

/// Members join with a version that gives them an id and a place at once, then leave.
fn large_groups(arena: &Arena, groups: usize) {
    groups_are_served(&mut arena.client());
    let port = arena.port;
    join(attackers(groups, move |number| {
        let group = format!("large-{number}");
        let request = frame(3, 1, &join_request(&group, Bytes::from(vec![7; 20_000])));
        let mut clients = Vec::new();
        for _ in 0..1_000 {
            if let Ok(mut client) = Client::try_connect(port)
                && client.stream.write_all(&request).is_ok()
            {
                clients.push(client);
            }
        }
        std::thread::sleep(Duration::from_secs(1));
        // Leaves by a name that is not known are refused; closing is what most clients do.
        let leave = LeaveGroupRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(group)))
            .with_member_id(StrBytes::from_static_str("unknown"));
        ask(&mut Client::connect(port), &frame(0, 1, &leave));
    }));
}

/// One batch from each of many producers, each with an id of its own.
fn producers(arena: &Arena, count: u32) {
    let port = arena.port;
    join(attackers(1, move |_| {
        let mut client = Client::connect(port);
        let plain = batch(&[b"x"]);
        for from in (0..count).step_by(100) {
            let mut pipelined = Vec::new();
            for id in from..from + 100 {
                let batch = of_producer(&plain, 1_000_000 + i64::from(id));
                let request = produce(crate::innocent::TOPIC, 0, -1, batch);
                pipelined.extend(frame(PRODUCE, 1, &request));
            }
            client
                .stream
                .write_all(&pipelined)
                .expect("the broker takes them");
            for _ in 0..100 {
                client.receive().expect("each is answered");
            }
        }
    }));
}

/// The same batch, as the first of an idempotent producer.
fn of_producer(batch: &[u8], id: i64) -> Bytes {
    let mut batch = batch.to_vec();
    batch[43..51].copy_from_slice(&id.to_be_bytes());
    batch[51..53].copy_from_slice(&0i16.to_be_bytes());
    batch[53..57].copy_from_slice(&0i32.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}
