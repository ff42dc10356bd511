//! What clients ask of a cluster, asked of a broker of it: the controller decides, the broker
//! answers. Kafka's own tools are the clients.

use std::process::Command;

use corelane_testing::quorum::{CLUSTER_ID, Quorum, kafka_program};
use corelane_testing::requests::{PRODUCE, batch, create_topic, produce, read_all};
use corelane_testing::{Broker, Client, until};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, FindCoordinatorRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[("the_controller_decides_for_clients", decides_for_clients)];

/// What a tool of Kafka's says of a broker; it must succeed.
fn tool(broker: &Broker, class: &str, arguments: &[&str]) -> String {
    let mut java = kafka_program(class);
    let output = with_address(&mut java, broker)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{class} {arguments:?}: {said}{errors}\n{}",
        broker.log()
    );
    said
}

fn with_address<'a>(java: &'a mut Command, broker: &Broker) -> &'a mut Command {
    java.args(["--bootstrap-server", &format!("127.0.0.1:{}", broker.port)])
}

fn topics(broker: &Broker, arguments: &[&str]) -> String {
    tool(broker, "org.apache.kafka.tools.TopicCommand", arguments)
}

/// The shard that leads partition 0 of a topic, once it has a leader; asking may create it.
fn leader(broker: &Broker, topic: &'static str) -> u16 {
    let topic = TopicName(StrBytes::from_static_str(topic));
    let wanted = MetadataRequestTopic::default().with_name(Some(topic));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![wanted]))
        .with_allow_auto_topic_creation(true);
    let mut client = broker.client();
    let ask = || {
        let answer = client.call(9, &request);
        let topic = &answer.topics[0];
        let partition = topic
            .partitions
            .iter()
            .find(|one| one.partition_index == 0)?;
        let leads = topic.error_code == 0 && partition.error_code == 0;
        leads.then_some(partition.leader_id.0)
    };
    let node = until(|| format!("no leader; log:\n{}", broker.log()), ask);
    (node - FIRST_NODE) as u16
}

/// Kafka's code for what was not decided in time.
const REQUEST_TIMED_OUT: i16 = 7;

/// The id of the broker's first shard.
const FIRST_NODE: i32 = 11;

/// Writes a record to a topic and reads it back, as its leader has it.
fn writes_and_reads(broker: &Broker, topic: &'static str) {
    writes_and_reads_again(broker, topic, 1);
}

/// As [`writes_and_reads`], where so many records are there then.
fn writes_and_reads_again(broker: &Broker, topic: &'static str, count: usize) {
    let mut client = broker.client_of(leader(broker, topic));
    let send = || {
        let request = produce(topic, 0, -1, batch(&[b"value"]));
        let answer = client.call(PRODUCE, &request);
        (answer.responses[0].partition_responses[0].error_code == 0).then_some(())
    };
    until(
        || format!("{topic} takes no records; log:\n{}", broker.log()),
        send,
    );
    assert_eq!(read_all(&mut client, topic, 0).len(), count);
}

/// Asks for the coordinator of a group until there is one.
fn finds_coordinator(broker: &Broker) {
    let request = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("group"));
    let mut client = broker.client();
    let ask = || (client.call(2, &request).error_code == 0).then_some(());
    until(|| format!("no coordinator; log:\n{}", broker.log()), ask);
}

/// The highest version of an API that a broker tells of.
fn version_of(client: &mut Client, key: i16) -> Option<i16> {
    let answer = client.call(2, &ApiVersionsRequest::default());
    let mut keys = answer.api_keys.iter();
    keys.find(|one| one.api_key == key)
        .map(|one| one.max_version)
}

fn decides_for_clients() {
    let dir = HERE.data_dir();
    let mut quorum = Quorum::start(dir.path(), 1);
    let start = HERE.start(&dir.path().join("data")).shards(2);
    let start = start.in_cluster(FIRST_NODE, &quorum.addresses(), &[]);
    assert!(start.format(CLUSTER_ID, &[]).status.success());
    let broker = start.ready();

    let config = ["--config", "retention.ms=1000000"];
    let created = [
        "--create",
        "--topic",
        "made",
        "--partitions",
        "4",
        "--replication-factor",
        "1",
    ];
    topics(&broker, &[&created[..], &config[..]].concat());
    let said = topics(&broker, &["--describe", "--topic", "made"]);
    assert!(
        said.contains("PartitionCount: 4") && said.contains("retention.ms=1000000"),
        "{said}"
    );
    for node in [FIRST_NODE, FIRST_NODE + 1] {
        assert!(said.contains(&format!("Leader: {node}")), "{said}");
    }
    writes_and_reads(&broker, "made");

    let configs = "kafka.admin.ConfigCommand";
    let of_topic = ["--entity-type", "topics", "--entity-name", "made"];
    let alter = ["--alter", "--add-config", "retention.ms=2000000"];
    tool(&broker, configs, &[&alter[..], &of_topic[..]].concat());
    let described = || {
        let said = tool(
            &broker,
            configs,
            &[&["--describe"][..], &of_topic[..]].concat(),
        );
        said.contains("retention.ms=2000000").then_some(())
    };
    until(|| "the setting is not shown".to_owned(), described);

    // What only a controller answers is told of in a cluster, and relayed.
    assert_eq!(version_of(&mut broker.client(), 55), Some(2));
    let said = tool(
        &broker,
        "org.apache.kafka.tools.MetadataQuorumCommand",
        &["describe", "--status"],
    );
    assert!(
        said.contains(CLUSTER_ID) && said.contains("LeaderId:"),
        "{said}"
    );

    // Its first use creates a topic, and a group's first use the topic of all groups.
    writes_and_reads(&broker, "used");
    finds_coordinator(&broker);
    let said = topics(&broker, &["--list"]);
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["__consumer_offsets", "made", "used"]
    );

    // The levels of its log are the broker's own business.
    let node = FIRST_NODE.to_string();
    let of_loggers = ["--entity-type", "broker-loggers", "--entity-name", &node];
    let alter = ["--alter", "--add-config", "root=INFO"];
    tool(&broker, configs, &[&alter[..], &of_loggers[..]].concat());

    topics(&broker, &["--delete", "--topic", "made"]);
    let gone = || {
        let said = topics(&broker, &["--list"]);
        (!said.contains("made")).then_some(())
    };
    until(|| "the topic is still there".to_owned(), gone);

    // Without a controller what needs one is refused, and records still come and go.
    quorum.kill(0);
    assert_eq!(
        create_topic(&mut broker.client(), "late", 1),
        REQUEST_TIMED_OUT
    );
    writes_and_reads_again(&broker, "used", 2);
}
