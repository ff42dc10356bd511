//! Transactions, whose state has three replicas, over the death of their coordinators, of the
//! leaders of what they write, and of the groups' coordinators.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::copied::{Copier, Copies, Values, committed, differs};
use corelane_testing::members::{Cluster, connect};
use corelane_testing::quorum::kafka_process;
use corelane_testing::until_within;

use super::{Story, TWO, cluster};
use crate::HERE;
use crate::options::kills;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[Story] = &[("transactions_outlive_coordinators", outlive)];

/// What is copied, and the copy.
const SOURCE: &str = "source";
const COPY: &str = "copied";
/// Partitions of both.
const COPIED: i32 = 2;
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a member works between two deaths, and how long it is away.
const WORKS: Duration = Duration::from_secs(5);
const AWAY: Duration = Duration::from_secs(4);

/// Kafka's own producer of numbers, which sends each until it is acked.
struct Producer(Child);

impl Producer {
    fn start(cluster: &Cluster) -> Producer {
        let mut command = kafka_process("org.apache.kafka.tools.VerifiableProducer", &["-Xmx96m"]);
        command
            .args(["--bootstrap-server", &cluster.servers()])
            .args(["--topic", SOURCE, "--throughput", "200", "--acks", "-1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Producer(command.spawn().expect("a JVM starts"))
    }

    fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn outlive() {
    let dir = HERE.data_dir();
    let mut cluster = cluster(dir.path(), 3);
    cluster.create(SOURCE, COPIED, 3, TWO);
    cluster.create(COPY, COPIED, 3, TWO);
    let mut producer = Producer::start(&cluster);
    let copies = Copies {
        brokers: cluster.servers(),
        from: SOURCE.to_owned(),
        to: COPY.to_owned(),
    };
    let copiers = (0..COPIED).map(|index| Copier::new(&copies, index));
    let mut copiers: Vec<Copier> = copiers.collect();
    run_for(&mut copiers, 2 * WORKS);
    let deaths = kills(3);
    for death in 0..deaths {
        // Each in turn: among them leaders of everything that a transaction touches.
        let id = death as i32 % 3 + 1;
        cluster.node(id).kill();
        run_for(&mut copiers, AWAY);
        cluster.node(id).start();
        cluster.node(id).wait_ready();
        run_for(&mut copiers, WORKS);
        cluster.wait_in_sync(SOURCE, 3);
        cluster.wait_in_sync(COPY, 3);
        for partition in 0..COPIED {
            compare(&cluster, partition);
        }
    }
    producer.stop();
    let log = || cluster.last_words();
    let copied = until_within(PATIENCE, log, || {
        copiers.iter_mut().for_each(Copier::keep_running);
        let ends = (0..COPIED).map(|partition| compare(&cluster, partition));
        let ends: Vec<(usize, usize)> = ends.collect();
        let all_there = ends.iter().all(|(copied, source)| copied == source);
        all_there.then(|| ends.iter().map(|(copied, _)| copied).sum::<usize>())
    });
    copiers.iter_mut().for_each(Copier::kill);
    let runs: usize = copiers.iter().map(|copier| copier.runs).sum();
    println!("  {deaths} deaths: {copied} records copied exactly once in {runs} runs of copiers");
    assert!(copied > 100, "hardly a copy");
    cluster.stop();
    cluster.replicas_agree(COPY, COPIED as usize);
}

fn run_for(copiers: &mut [Copier], length: Duration) {
    let until = Instant::now() + length;
    while Instant::now() < until {
        copiers.iter_mut().for_each(Copier::keep_running);
        thread::sleep(Duration::from_millis(50));
    }
}

/// Checks that the copy of a partition is a prefix of it, and how long both are. Where a leader
/// moves meanwhile they are read again.
fn compare(cluster: &Cluster, partition: i32) -> (usize, usize) {
    let log = || cluster.last_words();
    let read = |topic: &str| -> Option<Values> {
        let leader = cluster.partition(topic, partition as usize).leader;
        let member = cluster.members.get(usize::try_from(leader - 1).ok()?)?;
        let mut client = connect(member.address(), Duration::from_secs(10)).ok()?;
        committed(&mut client, topic, partition).ok()
    };
    let copy = until_within(PATIENCE, log, || read(COPY));
    let source = until_within(PATIENCE, log, || read(SOURCE));
    if let Some(how) = differs(&copy, &source) {
        panic!("partition {partition}: {how}\n{}", cluster.last_words());
    }
    (copy.len(), source.len())
}
