//! Topics that come into being because a client asks for them: the answer that waited for it
//! says where they are, racing clients cause one creation, and one client cannot have many made.

use std::sync::{Arc, Barrier};
use std::thread;

use corelane_testing::Client;
use corelane_testing::requests::topic_name;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{FindCoordinatorRequest, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::StrBytes;

use crate::HERE;

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// `limits::AUTO_CREATE_TOPICS_MAX`: what a shard has made at a time.
const AT_ONCE: usize = 1_000;
/// `limits::FIRST_USE_LINES_MAX`, in two windows at the most.
const LINES_MAX: usize = 200;

fn ask(client: &mut Client, names: impl Iterator<Item = String>) -> MetadataResponse {
    let topic = |name: String| MetadataRequestTopic::default().with_name(Some(topic_name(&name)));
    let request = MetadataRequest::default()
        .with_topics(Some(names.map(topic).collect()))
        .with_allow_auto_topic_creation(true);
    client.call(12, &request)
}

#[test]
fn who_asks_for_a_missing_topic_is_told_where_it_is_now() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).shards(2).ready();
    let answer = ask(&mut broker.client(), ["new".to_owned()].into_iter());
    let topic = &answer.topics[0];
    assert_eq!(topic.error_code, 0, "{topic:?}");
    assert!(!topic.topic_id.is_nil());
    let partition = &topic.partitions[0];
    assert_eq!(partition.error_code, 0);
    assert!(
        answer
            .brokers
            .iter()
            .any(|one| one.node_id == partition.leader_id),
        "{answer:?}"
    );
    // What cannot be is not waited for, and is called what it was.
    let names = ["a b", "__share_group_state", "__cluster_metadata"];
    let answer = ask(&mut broker.client(), names.map(str::to_owned).into_iter());
    let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(
        codes,
        [17, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION]
    );
    broker.stop();
}

#[test]
fn clients_that_race_for_a_topic_all_find_it_and_it_is_made_once() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).shards(2).ready();
    for round in 0..4 {
        let start = Arc::new(Barrier::new(32));
        let asking = (0..32).map(|at| {
            let (mut client, start) = (broker.client_of(at % 2), start.clone());
            thread::spawn(move || {
                start.wait();
                ask(&mut client, [format!("race-{round}")].into_iter())
            })
        });
        let asking: Vec<_> = asking.collect();
        for answer in asking.into_iter().map(|thread| thread.join().unwrap()) {
            assert_eq!(answer.topics[0].error_code, 0, "{:?}", answer.topics[0]);
            assert_eq!(answer.topics[0].partitions.len(), 1);
        }
    }
    let log = broker.log();
    assert_eq!(log.matches("created on first use").count(), 4, "{log}");
    assert!(!log.contains("WARN"), "{log}");
    broker.stop();
}

#[test]
fn a_client_that_asks_for_many_missing_topics_gets_some_of_them_at_a_time() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    let mut client = broker.client();
    let names = || (0..3 * AT_ONCE).map(|at| format!("many-{at}"));
    for made in [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE] {
        let answer = ask(&mut client, names());
        let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), made);
        let unknown = codes
            .iter()
            .filter(|code| **code == UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(unknown.count(), 3 * AT_ONCE - made);
    }
    // The log tells of some of them, however many a client asks for.
    let told = broker.log().matches("created on first use").count();
    assert!((1..=LINES_MAX).contains(&told), "{told} lines");
    broker.stop();
}

#[test]
fn the_first_group_of_a_broker_is_told_its_coordinator() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).shards(2).ready();
    let request = FindCoordinatorRequest::default()
        .with_coordinator_keys(vec![StrBytes::from_static_str("first")]);
    let answer = broker.client().call(4, &request);
    let found = &answer.coordinators[0];
    assert_eq!(found.error_code, 0, "{found:?}");
    assert!([broker.port, broker.port + 1].contains(&(found.port as u16)));
    broker.stop();
}
