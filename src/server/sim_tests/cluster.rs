//! Drives: three brokers in one simulated world, with a disk and an address each, and a double of
//! their controller quorum. Producers and readers go on while the seed crashes brokers, cuts them
//! off, and moves leaders; in the end all that was acked must be there, once, on every replica.

mod clients;
mod faults;
mod link;
mod nodes;
mod throttled;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use crate::base::{NodeId, TopicId};
use crate::io::sim::World;
use crate::partition::mutant::{Mutant, plant};
use crate::wire::batch;
use clients::{Client, Writer};
use nodes::Cluster;

const SECOND: Duration = Duration::from_secs(1);
const TOPIC: &str = "orders";
const BROKERS: usize = 3;
const PARTITIONS: i32 = 2;
/// Seeds that are tried to find a planted bug; they were found after 1 to 16.
const FOUND_WITHIN: u64 = 40;

/// The topic's id.
fn topic_id() -> TopicId {
    TopicId(crate::base::ids::Uuid::from_u128(0xAB << 64 | 7))
}

fn node(broker: usize) -> NodeId {
    NodeId(broker as i32 + 1)
}

/// What clients were told, by answers to producers or readers: an offset never takes two values.
#[derive(Default)]
pub struct Truth {
    values: BTreeMap<(i32, i64), Vec<u8>>,
    /// Count of records that were acked.
    acked: usize,
    /// Count of those that readers saw.
    read: usize,
    /// Writers and readers end.
    over: bool,
}

type Told = Rc<RefCell<Truth>>;

// === impl Truth ===

impl Truth {
    fn told(&mut self, partition: i32, offset: i64, value: &[u8], by: &str) {
        let key = (partition, offset);
        let known = self.values.entry(key).or_insert_with(|| value.to_vec());
        let text = String::from_utf8_lossy;
        assert_eq!(
            text(known),
            text(value),
            "partition {partition} at {offset}: what {by} says is not what was said before"
        );
    }
}

/// What a run was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lived {
    fingerprint: u64,
    acked: usize,
    read: usize,
    /// Leader epochs of all partitions.
    terms: i32,
}

/// A run of this seed.
fn story(seed: u64) -> Lived {
    if std::env::var("SIM_TELL").is_ok_and(|it| it == "3") {
        // What the brokers themselves say.
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG);
        let _ = log.without_time().with_writer(std::io::stderr).try_init();
    }
    let world = World::new(seed);
    let cluster = Cluster::new(&world, seed);
    let told = Told::default();
    let lived = Rc::new(Cell::new(None));
    let (telling, result) = (told.clone(), lived.clone());
    world.run(async move {
        cluster.format().await;
        (0..BROKERS).for_each(|broker| cluster.start(broker));
        cluster
            .within("the brokers start", || cluster.all_are_up())
            .await;
        let order = [[0, 1, 2], [1, 2, 0]];
        let replicas = order.map(|it| it.map(node).to_vec());
        cluster.quorum.create_topic(TOPIC, topic_id(), &replicas);
        let writers = clients::start(&cluster, &telling);
        faults::happen(&cluster).await;
        cluster.mend();
        cluster
            .within("the brokers start again", || cluster.all_are_up())
            .await;
        telling.borrow_mut().over = true;
        let at_rest = || writers.iter().all(|writer| writer.is_done());
        cluster.within("what was sent is acked", at_rest).await;
        cluster
            .within("all replicas are in sync", || cluster.all_in_sync())
            .await;
        let terms = (0..PARTITIONS).map(|index| cluster.state(index).leader_epoch);
        result.set(Some(terms.sum()));
        check(&cluster, &telling, &writers).await;
    });
    let told = told.borrow();
    Lived {
        fingerprint: world.fingerprint(),
        acked: told.acked,
        read: told.read,
        terms: lived.get().unwrap_or_default(),
    }
}

/// Has each replica lead in its turn and reads its whole log, which must be the same, and hold what
/// was told.
async fn check(cluster: &Cluster, told: &Told, writers: &[Rc<Writer>]) {
    for index in 0..PARTITIONS {
        let truth = told.borrow().values.clone();
        let of_it = truth
            .iter()
            .filter(|((partition, _), _)| *partition == index);
        let last = of_it.clone().map(|((_, offset), _)| offset + 1).max();
        let mut first: Option<Vec<u8>> = None;
        for broker in 0..BROKERS {
            let leader = cluster.state(index).leader;
            if leader != node(broker) {
                let moved = || cluster.move_leader(index, broker);
                cluster.within("a replica comes to lead", moved).await;
            }
            let mut client = Client::new(cluster);
            let upto = last.unwrap_or_default();
            let log = client.whole_log(index, node(broker), upto).await;
            let values = clients::values(&log);
            for ((_, offset), value) in of_it.clone() {
                assert_eq!(
                    values.get(offset),
                    Some(value),
                    "seed {}: partition {index} at {offset} of broker {broker}",
                    cluster.seed
                );
            }
            writers
                .iter()
                .for_each(|writer| writer.check(index, &values));
            match &first {
                Some(first) => assert_same(index, first, &log),
                None => first = Some(log),
            }
            cluster
                .within("all are in sync again", || cluster.all_in_sync())
                .await;
        }
    }
}

/// Two replicas of a partition are the same, byte for byte.
fn assert_same(index: i32, one: &[u8], other: &[u8]) {
    if one == other {
        return;
    }
    let told = |log: &[u8]| {
        let batches = batch::batches(log).flatten();
        let told = batches.map(|it| {
            let (from, to) = (it.base_offset(), it.last_offset());
            (from, to, it.leader_epoch(), it.producer_id(), it.crc())
        });
        told.collect::<Vec<_>>()
    };
    let (one, other) = (told(one), told(other));
    let at = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let near = |log: &[(i64, i64, i32, i64, u32)]| log[at.saturating_sub(2)..].to_vec();
    panic!(
        "the logs of partition {index} differ behind {at} batches of {} and {}: {:?} and {:?}",
        one.len(),
        other.len(),
        near(&one).first_chunk::<4>(),
        near(&other).first_chunk::<4>()
    );
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn what_a_cluster_has_acked_is_there_once_on_every_replica() {
    let first = number("SIM_SEED", 0);
    for seed in first..first + number("SIM_RUNS", 8) {
        let lived = catch_unwind(AssertUnwindSafe(|| story(seed)));
        let lived = lived.unwrap_or_else(|_| panic!("SIM_SEED={seed} finds something"));
        if std::env::var("SIM_TELL").is_ok() {
            eprintln!("seed {seed}: {lived:?}");
        }
        assert!(lived.acked > 0 && lived.read > 0, "seed {seed}: {lived:?}");
    }
}

#[test]
fn one_seed_gives_one_run_of_a_cluster() {
    assert_eq!(story(3), story(3));
}

/// How many seeds it takes to find a planted bug.
fn found_after(bug: Mutant) -> Option<u64> {
    plant(Some(bug));
    let first = number("SIM_SEED", 0);
    let mut seeds = first..first + number("SIM_RUNS", FOUND_WITHIN);
    let found = seeds.position(|seed| catch_unwind(AssertUnwindSafe(|| story(seed))).is_err());
    plant(None);
    found.map(|at| at as u64 + 1)
}

#[test]
fn planted_bugs_of_replication_are_found() {
    let bugs = [
        Mutant::OneForgotten,
        Mutant::EpochForgotten,
        Mutant::AckedAlone,
        Mutant::AskedBeforeStored,
        Mutant::EndedTenureAcks,
    ];
    let found = bugs.map(|bug| (bug, found_after(bug)));
    eprintln!("found after seeds: {found:?}");
    assert!(found.iter().all(|(_, after)| after.is_some()), "{found:?}");
}
