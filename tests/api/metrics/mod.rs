//! What the metrics say of a broker with a topic, a group and some traffic, and that the page is one
//! that Prometheus takes.

mod docs;
mod rules;

use corelane_testing::admin::get;
use corelane_testing::exposition::{Family, parse, sum, value};
use corelane_testing::requests::{FETCH, PRODUCE, batch, create_topic, fetch, produce, topic_name};
use corelane_testing::{Broker, Client, until_so};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    CreateTopicsRequest, DescribeConfigsRequest, GroupId, OffsetCommitRequest, ProduceRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::HERE;

const TOPIC: &str = "orders";
const GROUP: &str = "billing";
const VALUES: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
const NOT_LEADER_OR_FOLLOWER: i16 = 6;

/// A broker of two shards, and its admin port.
fn broker(dir: &std::path::Path) -> (Broker, u16) {
    let start = HERE.start(dir).shards(2);
    let admin = start.port + 7;
    let broker = start.arg("--admin-port", &admin.to_string()).ready();
    (broker, admin)
}

fn page(admin: u16) -> Vec<Family> {
    let answer = get(admin, "/metrics").unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    parse(text).unwrap_or_else(|why| panic!("{why}"))
}

/// A file of the repository.
fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// Produces to the one partition, reads it, and commits what a group has read of it; each request
/// goes to both shards, of which one refuses it. Returns the bytes of the batch.
fn traffic(broker: &Broker) -> usize {
    let mut clients = [broker.client_of(0), broker.client_of(1)];
    assert_eq!(create_topic(&mut clients[0], TOPIC, 1), 0);
    let records = batch(&VALUES);
    let mut codes = Vec::new();
    for client in &mut clients {
        let answer = client.call(PRODUCE, &produce(TOPIC, 0, -1, records.clone()));
        codes.push(answer.responses[0].partition_responses[0].error_code);
        client.call(FETCH, &fetch(TOPIC, 0, 0));
    }
    codes.sort_unstable();
    assert_eq!(codes, [0, NOT_LEADER_OR_FOLLOWER]);
    commit(&mut clients);
    records.len()
}

fn commit(clients: &mut [Client; 2]) {
    let text = StrBytes::from_static_str;
    let coordinator = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(GROUP)]);
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(1);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(GROUP)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    until_so(
        || "no shard commits".to_owned(),
        || {
            clients[0].call(4, &coordinator);
            let codes = clients.each_mut().map(|client| {
                let answer = client.call(8, &commit);
                answer.topics[0].partitions[0].error_code
            });
            codes.contains(&0)
        },
    );
}

#[test]
fn errors_of_an_answer_that_is_encoded_as_it_grows_are_counted_by_code() {
    let dir = HERE.data_dir();
    let (broker, admin) = broker(dir.path());
    let resource = |kind, name| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_static_str(name))
            .with_configuration_keys(None)
    };
    // Two topics that are not there, a broker that is no number, and one that is.
    let asked = vec![
        resource(2, "missing"),
        resource(2, "gone"),
        resource(4, "x"),
        resource(4, ""),
    ];
    let request = DescribeConfigsRequest::default().with_resources(asked);
    let answer = broker.client_of(0).call(4, &request);
    let codes: Vec<i16> = answer.results.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [3, 3, 42, 0]);
    let page = page(admin);
    for (error, count) in [
        ("UNKNOWN_TOPIC_OR_PARTITION", 2.0),
        ("INVALID_REQUEST", 1.0),
    ] {
        let labels = [("api", "DescribeConfigs"), ("error", error)];
        assert_eq!(sum(&page, "corelane_request_errors_total", &labels), count);
    }
    let all = [("api", "DescribeConfigs")];
    assert_eq!(sum(&page, "corelane_request_errors_total", &all), 3.0);
}

#[test]
fn metrics_count_what_happens() {
    let dir = HERE.data_dir();
    let (broker, admin) = broker(dir.path());
    let before = page(admin);
    assert_eq!(sum(&before, "corelane_topics", &[]), 0.0);
    let bytes = traffic(&broker) as f64;
    let page = page(admin);
    let one = |name: &str, labels: &[(&str, &str)]| {
        value(&page, name, labels).unwrap_or_else(|| panic!("no {name} with {labels:?}"))
    };
    let all = |name: &str, labels: &[(&str, &str)]| sum(&page, name, labels);

    let topic = [("topic", TOPIC)];
    let records = VALUES.len() as f64;
    assert_eq!(all("corelane_topic_produced_bytes_total", &topic), bytes);
    assert_eq!(
        all("corelane_topic_produced_records_total", &topic),
        records
    );
    assert_eq!(all("corelane_topic_fetched_bytes_total", &topic), bytes);
    assert_eq!(all("corelane_topic_log_bytes", &topic), bytes);
    assert_eq!(all("corelane_topic_partitions", &topic), 1.0);
    assert_eq!(all("corelane_fetched_bytes_total", &[]), bytes);
    for (total, by_topic) in [
        (
            "corelane_produced_bytes_total",
            "corelane_topic_produced_bytes_total",
        ),
        (
            "corelane_produced_records_total",
            "corelane_topic_produced_records_total",
        ),
    ] {
        assert_eq!(all(total, &[]), all(by_topic, &[]), "sums stay true");
    }

    let group = [("group", GROUP), ("topic", TOPIC), ("partition", "0")];
    assert_eq!(one("corelane_group_committed_offset", &group), 1.0);
    assert_eq!(one("corelane_group_lag_records", &group), records - 1.0);
    assert_eq!(all("corelane_group_committed_partitions", &[]), 1.0);

    let refused = [("api", "Produce"), ("error", "NOT_LEADER_OR_FOLLOWER")];
    assert_eq!(all("corelane_request_errors_total", &refused), 1.0);
    let produced = [("api", "Produce")];
    assert_eq!(
        all("corelane_request_latency_seconds_count", &produced),
        2.0
    );
    assert!(all("corelane_log_flushes_total", &[]) >= 1.0);
    assert!(all("corelane_log_flush_latency_seconds_count", &[]) >= 1.0);
    assert!(all("corelane_log_write_latency_seconds_sum", &[]) > 0.0);

    assert_eq!(one("corelane_topics", &[]), 2.0);
    let partitions = one("corelane_cluster_partitions", &[]);
    assert!(partitions > 1.0);
    assert_eq!(
        all("corelane_partitions", &[("state", "serving")]),
        partitions
    );
    assert_eq!(one("corelane_offline_partitions", &[]), 0.0);
    assert_eq!(one("corelane_active_controller", &[]), 1.0);
    assert_eq!(all("corelane_start_unclean_log_dirs", &[]), 0.0);
    assert!(all("corelane_shard_busy_seconds_total", &[]) > 0.0);

    let (free, total) = (
        one("corelane_disk_free_bytes", &[]),
        one("corelane_disk_total_bytes", &[]),
    );
    assert!(0.0 < free && free <= total, "{free} of {total}");
    assert!(one("process_open_fds", &[]) < one("process_max_fds", &[]));
    assert!(one("process_resident_memory_bytes", &[]) > 1e6);
    broker.stop();
}

#[test]
fn a_start_says_that_the_stop_before_it_was_not_clean() {
    // Half a second after the traffic nothing is left to check, and a busy machine may need that.
    for _ in 0..10 {
        let dir = HERE.data_dir();
        let (killed, _) = broker(dir.path());
        traffic(&killed);
        killed.kill();
        let (broker, admin) = broker(dir.path());
        let page = page(admin);
        assert!(sum(&page, "corelane_start_unclean_log_dirs", &[]) >= 1.0);
        assert!(sum(&page, "corelane_log_opened_total", &[]) >= 1.0);
        assert!(sum(&page, "corelane_start_recovery_seconds", &[]) > 0.0);
        broker.stop();
        if sum(&page, "corelane_log_recovered_bytes_total", &[]) > 0.0 {
            return;
        }
    }
    panic!("no start has checked a log");
}

#[test]
fn series_and_turns_of_a_scrape_are_bounded_with_many_topics() {
    const TOPICS: usize = 600;
    const BUSY: usize = 130;
    const SERIES_MAX: usize = 100;
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
    let admin = start.port + 7;
    let broker = start.arg("--admin-port", &admin.to_string()).ready();
    let mut client = broker.client();
    let name = |at: usize| format!("t-{at}");
    let topics = (0..TOPICS).map(|at| {
        CreatableTopic::default()
            .with_name(topic_name(&name(at)))
            .with_num_partitions(2)
            .with_replication_factor(1)
    });
    let create = CreateTopicsRequest::default()
        .with_timeout_ms(30_000)
        .with_topics(topics.collect());
    let created = client.call(7, &create);
    assert!(created.topics.iter().all(|topic| topic.error_code == 0));
    let records = batch(&VALUES);
    let busy = (0..BUSY).flat_map(|at| produce(&name(at), 0, -1, records.clone()).topic_data);
    let produced = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(busy.collect());
    client.call(PRODUCE, &produced);

    let total = (BUSY * VALUES.len()) as f64;
    for _ in 0..3 {
        let page = page(admin);
        let family = "corelane_topic_produced_records_total";
        let found = page.iter().find(|one| one.name == family);
        let found = found.expect("topics have series");
        assert_eq!(found.samples.len(), SERIES_MAX + 1);
        assert_eq!(sum(&page, family, &[]), total);
        let partitions = sum(&page, "corelane_topic_partitions", &[]);
        assert_eq!(partitions, (2 * TOPICS) as f64);
    }
    let page = page(admin);
    let turn = value(
        &page,
        "corelane_longest_turn_seconds",
        &[("work", "metrics")],
    );
    // A few milliseconds in a release build; a busy machine takes turns of its own.
    assert!(turn.is_some_and(|turn| turn < 0.2), "{turn:?} s");
    broker.stop();
}
