//! Requests that cost much: many entries, many mentions, large answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use corelane_testing::requests::{new_topic, text, topic_name};
use corelane_testing::{Client, frame};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteGroupsRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    FetchRequest, GroupId, MetadataRequest, OffsetCommitRequest,
};

use super::{DEFAULT_BOUND, LEAST_BOUND, ask, for_as_long};
use crate::Attack;
use crate::arena::{Arena, attackers, join, page};

pub const ALL: &[Attack] = &[
    attack("one broker described 4,000 times in a request", |arena| {
        many_at_once(arena, 8, describe_configs(4_000));
    }),
    attack("300,000 unknown topics asked for", |arena| {
        many_at_once(arena, 2, metadata(300_000))
    }),
    attack("1,000,000 unknown partitions fetched", |arena| {
        many_at_once(arena, 2, fetch(1_000_000));
    }),
    attack("1,000,000 groups described", |arena| {
        many_at_once(arena, 2, describe_groups(1_000_000));
    }),
    attack("500,000 offsets committed", |arena| {
        many_at_once(arena, 2, offset_commit(500_000))
    }),
    attack("500,000 groups deleted", |arena| {
        many_at_once(arena, 2, delete_groups(500_000))
    }),
    Attack {
        name: "clients that ask for all topics in a loop",
        bound_bytes: DEFAULT_BOUND,
        settings: "",
        descriptors: None,
        prepare: many_partitions,
        run: ask_for_all_in_a_loop,
    },
    Attack {
        name: "clients that ask for all topics and do not read",
        bound_bytes: LEAST_BOUND,
        settings: "",
        descriptors: None,
        prepare: many_partitions,
        run: ask_for_all_unread,
    },
    Attack {
        name: "requests just below 64 KiB, not read, on many connections",
        bound_bytes: LEAST_BOUND,
        settings: "",
        descriptors: None,
        prepare: |_| {},
        run: small_requests_unread,
    },
];

const fn attack(name: &'static str, run: fn(&Arena)) -> Attack {
    Attack {
        name,
        bound_bytes: DEFAULT_BOUND,
        settings: "",
        descriptors: None,
        prepare: |_| {},
        run,
    }
}

/// Sends `request` from several connections at once, twice from each.
fn many_at_once(arena: &Arena, connections: usize, request: Vec<u8>) {
    let (port, request) = (arena.port, Arc::new(request));
    join(attackers(connections, move |_| {
        for _ in 0..2 {
            // It may be answered, with errors if need be, or have its connection closed.
            ask(&mut Client::connect(port), &request);
        }
    }));
}

fn describe_configs(mentions: usize) -> Vec<u8> {
    let broker = DescribeConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(text("1"))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![broker; mentions])
        .with_include_synonyms(true);
    frame(1, 1, &request)
}

fn metadata(count: usize) -> Vec<u8> {
    let topic = |at| {
        let name = topic_name(&format!("unknown-{at}"));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    let request = MetadataRequest::default()
        .with_topics(Some((0..count).map(topic).collect()))
        .with_allow_auto_topic_creation(false);
    frame(4, 1, &request)
}

/// A fetch without a session of unknown partitions.
fn fetch(partitions: i32) -> Vec<u8> {
    frame(4, 1, &unknown_partitions("unknown", partitions))
}

/// A fetch of partitions `0..partitions` of a topic that there is not.
pub fn unknown_partitions(topic: &str, partitions: i32) -> FetchRequest {
    let partition = |at| {
        FetchPartition::default()
            .with_partition(at)
            .with_partition_max_bytes(1)
    };
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions((0..partitions).map(partition).collect());
    FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic])
}

fn describe_groups(count: usize) -> Vec<u8> {
    let groups = (0..count).map(|at| GroupId(text(format!("g{at}"))));
    frame(
        0,
        1,
        &DescribeGroupsRequest::default().with_groups(groups.collect()),
    )
}

fn delete_groups(count: usize) -> Vec<u8> {
    let groups = (0..count).map(|at| GroupId(text(format!("g{at}"))));
    frame(
        0,
        1,
        &DeleteGroupsRequest::default().with_groups_names(groups.collect()),
    )
}

fn offset_commit(count: i32) -> Vec<u8> {
    let partition = |at| OffsetCommitRequestPartition::default().with_partition_index(at);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("unknown"))
        .with_partitions((0..count).map(partition).collect());
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("hostile")))
        .with_topics(vec![topic]);
    frame(7, 1, &request)
}

fn many_partitions(arena: &Arena) {
    let (topics, partitions) = if arena.options.full {
        (100, 100)
    } else {
        (20, 50)
    };
    let topic = |at| new_topic(&format!("many-{at}"), partitions, &[]);
    for at in 0..topics {
        let request = CreateTopicsRequest::default()
            .with_timeout_ms(60_000)
            .with_topics(vec![topic(at)]);
        assert_eq!(arena.client().call(7, &request).topics[0].error_code, 0);
    }
}

fn all_topics() -> Vec<u8> {
    frame(12, 1, &MetadataRequest::default().with_topics(None))
}

fn ask_for_all_in_a_loop(arena: &Arena) {
    let (port, request) = (arena.port, Arc::new(all_topics()));
    let clients = if arena.options.full { 200 } else { 50 };
    join(attackers(clients, move |_| {
        let mut client = Client::connect(port);
        for_as_long(Duration::from_secs(3), || {
            ask(&mut client, &request);
        });
    }));
}

fn ask_for_all_unread(arena: &Arena) {
    let (port, request) = (arena.port, all_topics());
    let connections = if arena.options.full { 3_000 } else { 500 };
    let clients: Vec<Client> = (0..connections)
        .filter_map(|_| {
            let mut client = Client::try_connect(port).ok()?;
            std::io::Write::write_all(&mut client.stream, &request).ok()?;
            Some(client)
        })
        .collect();
    for_as_long(Duration::from_secs(3), || {
        let begun = std::time::Instant::now();
        let metrics = page(arena.admin, "/metrics");
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(2), "/metrics took {took:?}");
        std::thread::sleep(Duration::from_millis(100));
    });
    drop(clients);
}

/// Each connection sends twenty requests of 60 KB each, and reads no answer.
fn small_requests_unread(arena: &Arena) {
    let port = arena.port;
    let request = metadata(60_000 / 16);
    let mut pipelined = BytesMut::new();
    (0..20).for_each(|_| pipelined.put_slice(&request));
    let pipelined = pipelined.freeze();
    let connections = if arena.options.full { 1_000 } else { 300 };
    let clients: Vec<_> = (0..connections)
        .filter_map(|_| {
            let client = Client::try_connect(port).ok()?;
            let mut stream = client.stream.try_clone().ok()?;
            // What the broker does not read stays here.
            stream
                .set_write_timeout(Some(Duration::from_millis(20)))
                .ok()?;
            let _ = std::io::Write::write_all(&mut stream, &pipelined);
            Some(client)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    drop(clients);
}
