//! A broker of a cluster has several folders of logs: a replica goes from one to another, and the
//! controllers are told of it.

use std::path::Path;
use std::thread;
use std::time::Duration;

use corelane_testing::quorum::{CLUSTER_ID, Quorum};
use corelane_testing::requests::{
    PRODUCE, batch, produce, read_all, text, topic_name, try_create_topic,
};
use corelane_testing::{Broker, until, until_so};
use kafka_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use kafka_protocol::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};

use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[("a_replica_goes_to_another_folder", goes_to_another_folder)];

const NODE: i32 = 11;
const TOPIC: &str = "goes";

fn own(dir: &Path) -> String {
    dir.join("shard-0").display().to_string()
}

/// The folder that has the partition.
fn lies_in(broker: &Broker) -> Vec<String> {
    let request = DescribeLogDirsRequest::default().with_topics(None);
    let answer = broker.client().call(4, &request);
    let is_it = |topic: &str| topic == TOPIC;
    let with = answer.results.iter();
    let with = with.filter(|dir| dir.topics.iter().any(|it| is_it(it.name.as_str())));
    with.map(|dir| dir.log_dir.to_string()).collect()
}

fn goes(broker: &Broker, dir: &str) {
    let topic = AlterReplicaLogDirTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![0]);
    let to = AlterReplicaLogDir::default()
        .with_path(text(dir))
        .with_topics(vec![topic]);
    let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![to]);
    let answer = broker.client().call(2, &request);
    assert_eq!(answer.results[0].partitions[0].error_code, 0);
    until_so(|| broker.log(), || lies_in(broker) == [dir]);
}

fn takes_a_record(broker: &Broker, count: usize) {
    let send = || {
        let request = produce(TOPIC, 0, -1, batch(&[b"value"]));
        let answer = broker.client().call(PRODUCE, &request);
        (answer.responses[0].partition_responses[0].error_code == 0).then_some(())
    };
    until(|| broker.log(), send);
    assert_eq!(read_all(&mut broker.client(), TOPIC, 0).len(), count);
}

fn goes_to_another_folder() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start(dir.path(), 1);
    let dirs = ["one", "two"].map(|name| dir.path().join(name));
    let line = format!("log.dirs={},{}", dirs[0].display(), dirs[1].display());
    let start = HERE.start(&dir.path().join("data"));
    let start = start.in_cluster(NODE, &quorum.addresses(), &[&line]);
    assert!(start.format(CLUSTER_ID, &[]).status.success());
    let broker = start.ready();
    let created = || {
        let created = try_create_topic(&mut broker.client(), TOPIC, 1, &[]);
        created.is_ok_and(|code| code == 0).then_some(())
    };
    until(|| broker.log(), created);
    takes_a_record(&broker, 1);
    let dirs = dirs.map(|dir| own(&dir));
    let from = lies_in(&broker);
    let to = dirs.iter().find(|dir| !from.contains(dir)).expect("two");
    goes(&broker, to);
    takes_a_record(&broker, 2);
    // To and fro: the last of them is what the controllers are told.
    goes(&broker, &from[0]);
    goes(&broker, to);
    takes_a_record(&broker, 3);
    thread::sleep(Duration::from_secs(2));
    broker.kill();
    let broker = start.ready();
    until_so(|| broker.log(), || lies_in(&broker) == [to.as_str()]);
    takes_a_record(&broker, 4);
    assert!(
        !broker.log().contains("had gone to this folder"),
        "the controllers know where it lies: {}",
        broker.log()
    );
    broker.stop();
}
