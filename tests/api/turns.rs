//! Requests that cost much: their answers are bounded, and they do not hold the core.

use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane::wire::batch::{BatchBuilder, Codec, NewRecord};
use corelane_testing::admin::metric;
use corelane_testing::batches::{TIME_MS, compressed};
use corelane_testing::requests::{PRODUCE, create_topic, produce, text};
use corelane_testing::{Broker, Client};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ApiVersionsRequest, DescribeConfigsRequest, DescribeGroupsRequest, FetchRequest,
    FindCoordinatorRequest, GroupId, JoinGroupRequest, ListOffsetsRequest, MetadataRequest,
    OffsetCommitRequest, ProduceRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::HERE;

/// Kinds of resources, as Kafka numbers them.
const BROKER: i8 = 4;
const INVALID_REQUEST: i16 = 42;

fn resource(kind: i8, name: &str) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(None)
}

fn describe(resources: Vec<DescribeConfigsResource>) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default()
        .with_resources(resources)
        .with_include_synonyms(true)
}

/// A broker with admin pages, whose memory is at its least.
fn small_broker(dir: &std::path::Path) -> (Broker, u16) {
    let start = HERE.start(dir);
    let file = dir.with_extension("properties");
    let settings = "corelane.shard.memory.bytes=67108864\nauto.create.topics.enable=false\n";
    std::fs::write(&file, settings).unwrap();
    let start = start.arg("--config", file.to_str().unwrap());
    let broker = start.ready();
    let admin = broker.admin.unwrap();
    (broker, admin)
}

#[test]
fn a_broker_that_is_named_often_is_described_once() {
    let dir = HERE.data_dir();
    let (broker, _) = small_broker(dir.path());
    let mut client = broker.client();
    let once = client.call(1, &describe(vec![resource(BROKER, "1")]));
    let mut often = vec![resource(BROKER, "1"); 4_000];
    // Another choice of settings is another question.
    let one = resource(BROKER, "1").with_configuration_keys(Some(vec![text("node.id")]));
    often.push(one);
    let often = client.call(1, &describe(often));
    assert_eq!(often.results.len(), 2);
    assert_eq!(often.results[0], once.results[0]);
    assert_eq!(often.results[1].configs.len(), 1);
    broker.stop();
}

#[test]
fn an_answer_about_settings_has_a_bound_and_says_so() {
    let dir = HERE.data_dir();
    let (broker, _) = small_broker(dir.path());
    let mut client = broker.client();
    // "1", "01", "001" and so on are all the number of this broker.
    let names = (1..=600).map(|digits| resource(BROKER, &format!("{:0>digits$}", 1)));
    client.send(1, &describe(names.collect())).unwrap();
    let answer = client.receive().unwrap();
    // An eighth of the shard's memory, and the one that went beyond it.
    assert!(
        answer.len() < (8 << 20) + (1 << 20),
        "{} bytes",
        answer.len()
    );
    assert!(answer.len() > 4 << 20, "{} bytes", answer.len());
    let mut body = answer.slice(4..);
    let answer = <kafka_protocol::messages::DescribeConfigsResponse as
        kafka_protocol::protocol::Decodable>::decode(&mut body, 1).unwrap();
    assert_eq!(answer.results.len(), 600);
    let (first, last) = (&answer.results[0], &answer.results[599]);
    assert_eq!((first.error_code, last.error_code), (0, INVALID_REQUEST));
    let told = last.error_message.as_ref().unwrap();
    assert!(told.contains("describe fewer resources"), "{told}");
    broker.stop();
}

#[test]
fn metadata_of_all_topics_is_the_same_for_all_and_follows_the_cluster() {
    let dir = HERE.data_dir();
    let (broker, _) = small_broker(dir.path());
    let mut clients = [broker.client(), broker.client()];
    let names = |client: &mut Client, version: i16| -> Vec<String> {
        let answer = client.call(version, &MetadataRequest::default().with_topics(None));
        assert_eq!(answer.brokers.len(), 1);
        let names = answer
            .topics
            .iter()
            .map(|topic| topic.name.as_ref().unwrap());
        names.map(|name| name.to_string()).collect()
    };
    for round in 0..3 {
        let topic = format!("topic-{round}");
        assert_eq!(create_topic(&mut clients[0], &topic, 2), 0);
        for client in &mut clients {
            for version in [4, 9, 12, 9] {
                let names = names(client, version);
                assert_eq!(names.len(), round + 1, "version {version}");
                assert!(names.contains(&topic));
            }
        }
    }
    // What one asks for besides is not told to others.
    let request = MetadataRequest::default().with_topics(None);
    let with = request
        .clone()
        .with_include_topic_authorized_operations(true);
    let operations = |answer: &kafka_protocol::messages::MetadataResponse| {
        answer.topics[0].topic_authorized_operations
    };
    assert_ne!(operations(&clients[0].call(9, &with)), i32::MIN);
    assert_eq!(operations(&clients[1].call(9, &request)), i32::MIN);
    broker.stop();
}

/// Sends each request on a connection of its own while another asks for little, again and again:
/// how long the little took at worst, and quietly.
fn beside(broker: &Broker, attack: impl Fn(&mut Client) + Sync) -> (Duration, Duration) {
    let mut innocent = broker.client();
    let mut ask = || {
        let begun = Instant::now();
        innocent.call(0, &ApiVersionsRequest::default());
        begun.elapsed()
    };
    let quiet = (0..200).map(|_| ask()).max().unwrap();
    let mut attacker = broker.client();
    let worst = std::thread::scope(|scope| {
        let attacking = scope.spawn(|| attack(&mut attacker));
        let mut worst = Duration::ZERO;
        while !attacking.is_finished() {
            worst = worst.max(ask());
        }
        worst
    });
    (worst, quiet)
}

#[test]
fn large_requests_do_not_hold_the_core() {
    const COUNT: usize = 40_000;
    let dir = HERE.data_dir();
    let (broker, admin) = small_broker(dir.path());
    assert_eq!(create_topic(&mut broker.client(), "here", 1), 0);
    let names = || (0..COUNT).map(|at| text(format!("nothing-{at}")));
    let topics =
        names().map(|name| MetadataRequestTopic::default().with_name(Some(TopicName(name))));
    let metadata = MetadataRequest::default().with_topics(Some(topics.collect()));
    let groups = DescribeGroupsRequest::default().with_groups(names().map(GroupId).collect());
    let commit = |name| {
        OffsetCommitRequestTopic::default()
            .with_name(TopicName(name))
            .with_partitions(vec![OffsetCommitRequestPartition::default()])
    };
    let commit = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_topics(names().map(commit).collect());
    let indexes = || 0..COUNT as i32;
    let wanted = indexes().map(|at| FetchPartition::default().with_partition(at));
    let wanted = FetchTopic::default()
        .with_topic(TopicName(text("here")))
        .with_partitions(wanted.collect());
    let fetch = FetchRequest::default()
        .with_max_wait_ms(0)
        .with_topics(vec![wanted]);
    let offsets = indexes().map(|at| ListOffsetsPartition::default().with_partition_index(at));
    let offsets = ListOffsetsTopic::default()
        .with_name(TopicName(text("here")))
        .with_partitions(offsets.collect());
    let offsets = ListOffsetsRequest::default().with_topics(vec![offsets]);
    let sent = indexes().map(|at| PartitionProduceData::default().with_index(at));
    let sent = TopicProduceData::default()
        .with_name(TopicName(text("there")))
        .with_partition_data(sent.collect());
    let unknown = ProduceRequest::default()
        .with_acks(1)
        .with_topic_data(vec![sent]);
    let (worst, quiet) = beside(&broker, |attacker| {
        assert_eq!(attacker.call(9, &metadata).topics.len(), COUNT);
        assert_eq!(attacker.call(5, &groups).groups.len(), COUNT);
        assert_eq!(attacker.call(7, &commit).topics.len(), COUNT);
        assert_eq!(
            attacker.call(4, &fetch).responses[0].partitions.len(),
            COUNT
        );
        assert_eq!(attacker.call(5, &offsets).topics[0].partitions.len(), COUNT);
        let produced = attacker.call(8, &unknown);
        assert_eq!(produced.responses[0].partition_responses.len(), COUNT);
    });
    // Each of them held the core for most of a second (in a debug build). A busy machine takes
    // turns of its own.
    let limit = Duration::from_millis(300).max(quiet * 10);
    assert!(worst < limit, "{worst:?} beside, {quiet:?} alone");
    for api in [
        "Metadata",
        "DescribeGroups",
        "OffsetCommit",
        "Fetch",
        "Produce",
    ] {
        let turn = metric(
            admin,
            &format!("corelane_longest_turn_seconds{{api=\"{api}\""),
        );
        assert!(turn.is_some_and(|turn| turn > 0.0), "{api}: {turn:?}");
    }
    let held = metric(admin, "corelane_memory_bytes{use=\"answers\"");
    assert_eq!(held, Some(0.0), "all answers are sent");
    // Looks at how long the longest turn was.
    broker.stop();
}

#[test]
fn many_connections_that_come_at_once_do_not_hold_the_core() {
    const COUNT: usize = 400;
    let dir = HERE.data_dir();
    let (broker, admin) = small_broker(dir.path());
    // The kernel takes them while the core is busy with something else, or asleep.
    let connections: Vec<Client> = (0..COUNT).map(|_| broker.client()).collect();
    for mut connection in connections {
        connection.call(0, &ApiVersionsRequest::default());
    }
    let turn = metric(admin, "corelane_longest_turn_seconds{work=\"accept\"");
    assert!(turn.is_some_and(|turn| turn > 0.0), "{turn:?}");
    broker.stop();
}

#[test]
fn the_assignments_of_a_great_many_strangers_are_passed_over() {
    let dir = HERE.data_dir();
    let (broker, _) = small_broker(dir.path());
    let mut client = broker.client();
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"metadata"));
    let join = JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_session_timeout_ms(60_000)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    // The topic of groups is made when a coordinator is first asked for.
    client.call(1, &FindCoordinatorRequest::default().with_key(text("g")));
    let joined = loop {
        // COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR.
        match client.call(3, &join) {
            answer if [14, 16].contains(&answer.error_code) => {
                std::thread::sleep(Duration::from_millis(50));
            }
            answer => break answer,
        }
    };
    assert_eq!(joined.error_code, 0);
    let assignment = |member_id: StrBytes, bytes: &'static [u8]| {
        SyncGroupRequestAssignment::default()
            .with_member_id(member_id)
            .with_assignment(Bytes::from_static(bytes))
    };
    let mut given: Vec<_> = (0..60_000)
        .map(|at| assignment(text(format!("stranger-{at}")), b"nothing"))
        .collect();
    // The last mention counts.
    given.insert(5, assignment(joined.member_id.clone(), b"first"));
    given.push(assignment(joined.member_id.clone(), b"last"));
    let sync = SyncGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id)
        .with_assignments(given);
    let synced = client.call(1, &sync);
    assert_eq!(
        (synced.error_code, &synced.assignment[..]),
        (0, &b"last"[..])
    );
    broker.stop();
}

#[test]
fn a_request_whose_answer_needs_more_memory_than_there_is_is_refused() {
    let dir = HERE.data_dir();
    let (broker, _) = small_broker(dir.path());
    let mut client = broker.client();
    let groups = vec![GroupId(text("g")); 700_000];
    let request = DescribeGroupsRequest::default().with_groups(groups);
    assert!(client.try_call(5, &request).is_err());
    let log = broker.log();
    assert!(log.contains("corelane.shard.memory.bytes"), "{log}");
    // Others are served.
    broker.client().call(0, &ApiVersionsRequest::default());
    broker.stop();
}

#[test]
fn batches_that_unpack_to_megabytes_do_not_hold_the_core() {
    let dir = HERE.data_dir();
    let (broker, _) = small_broker(dir.path());
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "packed", 1), 0);
    let value = vec![7; 1 << 20];
    let batch = || {
        let mut builder = BatchBuilder::new();
        for _ in 0..12 {
            builder.push(NewRecord::new(TIME_MS, None, Some(&value)));
        }
        Bytes::from(compressed(builder, Codec::Gzip))
    };
    let good = produce("packed", 0, -1, batch());
    let mut cut = batch().to_vec();
    let end = cut.len() - 20;
    cut[end..].fill(0xff);
    let bad = produce("packed", 0, -1, Bytes::from(cut));
    let (worst, quiet) = beside(&broker, |attacker| {
        for round in 0..4 {
            let answer = attacker.call(PRODUCE, &good);
            let answer = &answer.responses[0].partition_responses[0];
            assert_eq!((answer.error_code, answer.base_offset), (0, round * 12));
            let answer = attacker.call(PRODUCE, &bad);
            assert_ne!(answer.responses[0].partition_responses[0].error_code, 0);
        }
    });
    let limit = Duration::from_millis(300).max(quiet * 10);
    assert!(worst < limit, "{worst:?} beside, {quiet:?} alone");
    broker.stop();
}
