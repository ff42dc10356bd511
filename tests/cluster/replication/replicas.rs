//! Drives: all replicas have what was written; who lags is missed, and taken back.

use std::time::{Duration, Instant};

use corelane_testing::members::{Cluster, View, connect};
use corelane_testing::quorum::Quorum;
use corelane_testing::requests::{PRODUCE, batch, produce, read_all};
use corelane_testing::{until_so, until_within};

use super::{PARTITIONS, TOPIC, TWO, are_different, finish, load};
use crate::HERE;
use crate::options::kinds;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[
    ("replicas_have_what_was_written", have_what_was_written),
    (
        "replicas_that_lag_leave_the_isr_and_come_back",
        lag_and_come_back,
    ),
];

/// NOT_ENOUGH_REPLICAS.
const NOT_ENOUGH: i16 = 19;

/// What a producer of one record is told by the leader of partition 0, as the cluster names it.
fn write(cluster: &Cluster, topic: &str, acks: i16, value: &[u8]) -> i16 {
    let address = cluster.partition(topic, 0).address.expect("a leader");
    let mut client = connect(address, Duration::from_secs(20)).unwrap();
    let request = produce(topic, 0, acks, batch(&[value]));
    let answer = client.call(PRODUCE, &request);
    answer.responses[0].partition_responses[0].error_code
}

fn have_what_was_written() {
    let dir = HERE.data_dir();
    let mut cluster = super::cluster(dir.path(), 3);
    let topics = "org.apache.kafka.tools.TopicCommand";
    let create = "--create --topic written --partitions 3 --replication-factor 3 \
                  --config min.insync.replicas=2";
    cluster.tool(topics, &create.split_whitespace().collect::<Vec<_>>());
    cluster.wait_in_sync("written", 3);
    let said = cluster.tool(topics, &["--describe", "--topic", "written"]);
    let lines: Vec<&str> = said
        .lines()
        .filter(|it| it.contains("Partition: "))
        .collect();
    assert_eq!(lines.len(), 3, "{said}");
    for line in lines {
        let field = |name: &str| {
            let rest = line.split(name).nth(1).unwrap_or_default();
            rest.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        for name in ["Replicas: ", "Isr: "] {
            let mut ids: Vec<String> = field(name).split(',').map(str::to_owned).collect();
            ids.sort();
            assert_eq!(ids, ["1", "2", "3"], "{line}");
        }
    }
    let leaders: Vec<i32> = cluster.view("written").iter().map(|it| it.leader).collect();
    assert!(are_different(&leaders), "{leaders:?}");

    for number in 0..100 {
        let value = format!("{number}").repeat(100);
        assert_eq!(
            write(&cluster, "written", -1, value.as_bytes()),
            0,
            "{number}"
        );
    }
    let address = cluster.partition("written", 0).address.unwrap();
    let mut client = connect(address, Duration::from_secs(20)).unwrap();
    let read = read_all(&mut client, "written", 0);
    let values: Vec<Vec<u8>> = read.into_iter().map(|(_, value)| value).collect();
    let expected = (0..100).map(|number: i32| number.to_string().repeat(100).into_bytes());
    assert_eq!(values, expected.collect::<Vec<_>>());

    // The next to lead has them all, too.
    let first = cluster.partition("written", 0).leader;
    cluster.node(first).stop();
    let second = cluster.leader("written", 0, &[first]);
    let address = cluster.node(second).address();
    until_so(
        || format!("node {second} lacks some:\n{}", cluster.last_words()),
        || {
            let client = connect(address, Duration::from_secs(20));
            read_all(&mut client.unwrap(), "written", 0).len() == 100
        },
    );
    cluster.node(first).start();
    cluster.node(first).wait_ready();
    cluster.wait_in_sync("written", 3);
    cluster.stop();
    cluster.replicas_agree("written", 1);
}

/// Longer than the followers below stand still: they are missed for their lag, not fenced.
const SESSION: &str = "broker.session.timeout.ms=20000";

fn lag_and_come_back() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start_with(dir.path(), 1, &[SESSION]);
    let lag = ["replica.lag.time.max.ms=1500"];
    let mut cluster = Cluster::of(&HERE, dir.path(), quorum, &kinds(3), &lag);
    let running = load(&cluster);
    cluster.create("single", 1, 3, TWO);
    running.wait_acks(20);

    let view = cluster.partition("single", 0);
    let leader = view.leader;
    let followers: Vec<i32> = view.isr.into_iter().filter(|id| *id != leader).collect();
    let begun = Instant::now();
    cluster.node(followers[0]).pause();
    let without = |gone: &[i32], seen: &[View]| {
        let mut left = seen.iter().flat_map(|it| &it.isr);
        seen.iter().all(|it| it.leader == leader) && left.all(|id| !gone.contains(id))
    };
    // A follower that has all there is does not lag, however silent it is.
    assert_eq!(write(&cluster, "single", 1, b"one"), 0);
    let gone = &followers[..1];
    cluster.wait("single", "one missed", |seen| without(gone, seen));
    println!(
        "  a follower that lags is missed after {:?}",
        begun.elapsed()
    );
    // Nothing but two in sync is wanted: it goes on.
    assert_eq!(write(&cluster, "single", -1, b"two"), 0);

    cluster.node(followers[1]).pause();
    assert_eq!(write(&cluster, "single", 1, b"alone"), 0);
    cluster.wait("single", "both missed", |seen| without(&followers, seen));
    assert_eq!(write(&cluster, "single", -1, b"refused"), NOT_ENOUGH);
    assert_eq!(write(&cluster, "single", 1, b"leader"), 0);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "fenced: {:?}",
        begun.elapsed()
    );

    for id in &followers {
        cluster.node(*id).resume();
    }
    cluster.wait_in_sync("single", 3);
    cluster.wait_in_sync(TOPIC, 3);
    assert_eq!(write(&cluster, "single", -1, b"three"), 0);
    running.wait_acks(20);
    let address = cluster.partition("single", 0).address.unwrap();
    let values = || {
        let mut client = connect(address, Duration::from_secs(20)).ok()?;
        let read = read_all(&mut client, "single", 0).into_iter();
        Some(read.map(|(_, value)| value).collect::<Vec<_>>())
    };
    let expected = [&b"one"[..], b"two", b"alone", b"leader", b"three"];
    let log = || format!("{:?}", values());
    until_within(Duration::from_secs(20), log, || {
        (values()? == expected).then_some(())
    });
    assert_eq!(cluster.view(TOPIC).len(), PARTITIONS);
    finish("followers that lag", running, cluster);
}
