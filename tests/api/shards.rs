//! Each shard is a Kafka node: two of them in Metadata, each serving what it leads.

use corelane_testing::Client;
use corelane_testing::requests::{
    FETCH, PRODUCE, batch, create_topic, fetch, produce, read_all, topic_name,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};

use crate::HERE;

const NOT_LEADER_OR_FOLLOWER: i16 = 6;

fn metadata(client: &mut Client, topic: &str) -> MetadataResponse {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
    client.call(
        12,
        &MetadataRequest::default().with_topics(Some(vec![topic])),
    )
}

#[test]
fn two_shards_are_two_nodes_and_each_partition_is_served_by_its_leader_alone() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).shards(2).ready();
    let mut clients = [broker.client_of(0), broker.client_of(1)];
    assert_eq!(create_topic(&mut clients[1], "spread", 4), 0);
    let answer = metadata(&mut clients[0], "spread");
    let mut nodes: Vec<(i32, i32)> = answer
        .brokers
        .iter()
        .map(|broker| (broker.node_id.0, broker.port))
        .collect();
    nodes.sort();
    let port = i32::from(broker.port);
    assert_eq!(nodes, [(1, port), (2, port + 1)]);
    let leaders: Vec<i32> = {
        let mut partitions: Vec<_> = answer.topics[0].partitions.iter().collect();
        partitions.sort_by_key(|partition| partition.partition_index);
        partitions
            .iter()
            .map(|partition| partition.leader_id.0)
            .collect()
    };
    assert_eq!(
        leaders.iter().filter(|leader| **leader == 1).count(),
        2,
        "{leaders:?}"
    );

    for (partition, leader) in leaders.iter().enumerate() {
        let partition = partition as i32;
        let (right, wrong) = ((leader - 1) as usize, (2 - leader) as usize);
        let request = produce("spread", partition, -1, batch(&[b"here"]));
        let answer = clients[wrong].call(PRODUCE, &request);
        let refused = &answer.responses[0].partition_responses[0];
        assert_eq!(refused.error_code, NOT_LEADER_OR_FOLLOWER);
        assert_eq!(refused.current_leader.leader_id.0, *leader);
        let endpoint = &answer.node_endpoints[0];
        assert_eq!(
            (endpoint.node_id.0, endpoint.port),
            (*leader, port + leader - 1)
        );
        let answer = clients[right].call(PRODUCE, &request);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);

        let answer = clients[wrong].call(FETCH, &fetch("spread", partition, 0));
        // This version of Fetch has no field for the right leader, as in Kafka.
        let refused = &answer.responses[0].partitions[0];
        assert_eq!(refused.error_code, NOT_LEADER_OR_FOLLOWER);
        let found = read_all(&mut clients[right], "spread", partition);
        assert_eq!(found, [(0, b"here".to_vec())]);
    }
    broker.stop();
}

#[test]
fn the_number_of_shards_is_fixed_when_the_folder_is_formatted() {
    let dir = HERE.data_dir();
    HERE.start(dir.path()).shards(2).ready().stop();
    let (status, said) = HERE.start(dir.path()).shards(3).refused();
    assert!(!status.success());
    assert!(
        said.contains("2 shard(s)") && said.contains("with 3"),
        "{said}"
    );
    HERE.start(dir.path()).shards(2).ready().stop();
}
