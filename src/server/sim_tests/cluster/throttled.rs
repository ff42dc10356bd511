//! Drives: a replica that comes back and catches up with a leader that is told to slow it down.

use std::time::Duration;

use super::clients::Client;
use super::nodes::Cluster;
use super::{BROKERS, SECOND, TOPIC, node, topic_id};
use crate::io::sim::World;
use crate::metadata::image::ResourceKind;
use crate::metadata::record::Config;
use crate::wire::batch::{BatchBuilder, NewRecord};

/// Bytes a second.
const RATE: usize = 1_000_000;
/// What the replica lacks of each partition; a fetch brings 1 MiB of it.
const LACKING_BYTES: usize = 8_000_000;
const LEADER: usize = 0;
const FOLLOWER: usize = 2;

/// Appends so much to a partition.
async fn fill(cluster: &Cluster, partition: i32) {
    let mut client = Client::new(cluster);
    let mut done = 0;
    while done < LACKING_BYTES {
        let mut batch = BatchBuilder::new();
        let value = vec![7; 200_000];
        let now = cluster.runtime.wall_ms();
        batch.push(NewRecord::new(now, None, Some(&value[..])));
        match client.produce(partition, batch.build()).await {
            Some(Ok(_)) => done += value.len(),
            _ => client.look_anew(partition).await,
        }
    }
}

fn set(cluster: &Cluster, kind: ResourceKind, resource: &str, name: &str, value: String) {
    let record = Config {
        resource_type: kind.id(),
        resource_name: resource.to_owned(),
        name: name.to_owned(),
        value: Some(value),
    };
    cluster.quorum.append(&[record.into()]);
    cluster.quorum.commit();
}

async fn slowed_down(cluster: Cluster) {
    cluster.format().await;
    (0..BROKERS).for_each(|broker| cluster.start(broker));
    let up = || cluster.all_are_up();
    cluster.within("the brokers start", up).await;
    let order = [0, 1, 2].map(node).to_vec();
    let quorum = &cluster.quorum;
    quorum.create_topic(TOPIC, topic_id(), &[order.clone(), order]);
    cluster.crash(FOLLOWER);
    let lacks = |index| !cluster.state(index).isr.contains(&node(FOLLOWER));
    cluster
        .within("it is missed", || lacks(0) && lacks(1))
        .await;
    for partition in [0, 1] {
        assert_eq!(cluster.state(partition).leader, node(LEADER));
        fill(&cluster, partition).await;
    }
    // The one partition is throttled, the other of the same fetch is not.
    let leader = node(LEADER).to_string();
    let rate = "leader.replication.throttled.rate";
    set(
        &cluster,
        ResourceKind::Broker,
        &leader,
        rate,
        RATE.to_string(),
    );
    let replicas = "leader.replication.throttled.replicas";
    set(
        &cluster,
        ResourceKind::Topic,
        TOPIC,
        replicas,
        format!("0:{leader}"),
    );
    cluster.runtime.sleep(SECOND).await;
    cluster.start_again(FOLLOWER);
    cluster.within("it is there", up).await;
    let begun = cluster.runtime.now();
    let took = || cluster.runtime.now().since(begun);
    cluster.within("one is in sync", || !lacks(1)).await;
    let first = took();
    cluster.within("the other is in sync", || !lacks(0)).await;
    // A second's worth is saved up, and what the last fetch brings is paid for behind it.
    let due = Duration::from_secs((LACKING_BYTES / RATE - 2) as u64);
    assert!(first < 2 * SECOND, "not throttled: {first:?}");
    assert!(
        took() > due / 2 && took() < due * 3 / 2,
        "throttled: {:?}",
        took()
    );
}

#[test]
fn a_leader_gives_throttled_partitions_no_faster_than_it_is_told() {
    for seed in 0..2 {
        let world = World::new(seed);
        let cluster = Cluster::new(&world, seed);
        world.run(slowed_down(cluster));
    }
}
