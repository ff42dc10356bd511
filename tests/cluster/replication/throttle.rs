//! Drives: how fast replicas catch up that are throttled, by what the brokers count themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use corelane_testing::admin::metric;
use corelane_testing::members::{Cluster, Kind, connect};
use corelane_testing::requests::{PRODUCE, batch, produce};

use super::plan::Plan;
use super::{TWO, finish, load};
use crate::HERE;

/// The cases, which take long: what holds, and what panics when it does not.
pub const LONG: &[(&str, fn())] = &[("replicas_catch_up_as_fast_as_they_are_told", throttled)];

const CONFIGS: &str = "kafka.admin.ConfigCommand";

/// The topic whose replicas move, and how much it has.
const HEAVY: &str = "heavy";
const BYTES: usize = 40_000_000;

/// Bytes a second.
const RATE: u64 = 4_000_000;

/// What a node has counted, looked at again and again.
struct Samples {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Instant, f64)>>,
}

impl Samples {
    fn start(admin: u16, name: &'static str) -> Samples {
        let ends = Arc::new(AtomicBool::new(false));
        let over = ends.clone();
        let thread = thread::spawn(move || {
            let mut samples = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let seen = metric(admin, name);
                samples.extend(seen.map(|bytes| (Instant::now(), bytes)));
                thread::sleep(Duration::from_millis(50));
            }
            samples
        });
        Samples { ends, thread }
    }

    /// The bytes that were counted, and how many a second from the first ones on to the last.
    fn finish(self) -> (f64, f64) {
        self.ends.store(true, Ordering::Relaxed);
        let samples = self.thread.join().unwrap();
        let before = samples[0].1;
        let first = samples.iter().find(|it| it.1 > before);
        let (first_at, first) = *first.expect("something was counted");
        let last = samples.last().unwrap().1;
        let ended = samples.iter().find(|it| it.1 == last).unwrap().0;
        let took = ended.duration_since(first_at).as_secs_f64();
        (last - before, (last - first) / took.max(0.001))
    }
}

/// Fills the topic, which has one partition.
fn fill(cluster: &Cluster) {
    let address = cluster.partition(HEAVY, 0).address.expect("a leader");
    let mut client = connect(address, Duration::from_secs(60)).unwrap();
    let value = vec![b'x'; 500_000];
    for _ in 0..BYTES / value.len() {
        let answer = client.call(PRODUCE, &produce(HEAVY, 0, -1, batch(&[&value])));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
}

/// Waits until the replicas are on these nodes.
fn wait_moved(cluster: &Cluster, replicas: &[i32]) {
    cluster.wait(HEAVY, "moved", |seen| {
        seen[0].replicas == replicas && seen[0].isr.len() == replicas.len()
    });
}

/// Checks that so much went, and about as fast as it was told to.
fn check(side: &str, (bytes, rate): (f64, f64)) {
    println!(
        "  {side}: {:.1} MB at {:.2} MB/s, told {:.1}",
        bytes / 1e6,
        rate / 1e6,
        RATE as f64 / 1e6
    );
    assert!(
        bytes > BYTES as f64 * 0.8,
        "{side}: {bytes} bytes were throttled"
    );
    let told = RATE as f64;
    assert!(
        (told * 0.6..told * 1.4).contains(&rate),
        "{side}: {rate} bytes a second"
    );
}

fn configs(cluster: &Cluster, kind: &str, name: &str, change: &[&str]) -> String {
    let entity = ["--entity-type", kind, "--entity-name", name];
    cluster.tool(CONFIGS, &[&entity, change].concat())
}

fn throttled() {
    let dir = HERE.data_dir();
    let cluster = Cluster::start(&HERE, dir.path(), 1, &[Kind::Corelane; 4], &[]);
    let running = load(&cluster);
    cluster.create(HEAVY, 1, 3, TWO);
    let before = cluster.partition(HEAVY, 0);
    fill(&cluster);
    let leader = before.leader;
    let new = (1..=4).find(|id| !before.replicas.contains(id)).unwrap();
    let gone = *before.replicas.iter().rfind(|id| **id != leader).unwrap();
    let moved = Plan::with(&cluster, HEAVY, gone, new);
    let admin = |id: i32| cluster.members[id as usize - 1].admin().unwrap();

    // As Kafka's tool does it: both sides are told.
    let plan = Plan::new(dir.path(), &[(HEAVY, moved.clone())]);
    running.take_gap_ms();
    let taken = Samples::start(admin(new), "corelane_throttled_replication_in_bytes_total");
    let given = Samples::start(
        admin(leader),
        "corelane_throttled_replication_out_bytes_total",
    );
    plan.begin(&cluster, Some(RATE));
    wait_moved(&cluster, &moved[0]);
    check("by both sides, the follower's", taken.finish());
    check("by both sides, the leader's", given.finish());
    println!("  producers waited, in ms: {}", running.take_gap_ms());
    let said = plan.wait_done(&cluster);
    assert!(said.contains("Clearing broker-level throttles"), "{said}");
    for id in 1..=4 {
        let said = configs(&cluster, "brokers", &id.to_string(), &["--describe"]);
        assert!(!said.contains("throttled.rate"), "{said}");
    }
    let said = configs(&cluster, "topics", HEAVY, &["--describe"]);
    assert!(!said.contains("throttled"), "{said}");

    // The leader alone is told.
    let rate = format!("leader.replication.throttled.rate={RATE}");
    let id = leader.to_string();
    configs(
        &cluster,
        "brokers",
        &id,
        &["--alter", "--add-config", &rate],
    );
    let all = "leader.replication.throttled.replicas=*";
    configs(&cluster, "topics", HEAVY, &["--alter", "--add-config", all]);
    let back = Plan::new(dir.path(), &[(HEAVY, vec![before.replicas.clone()])]);
    let given = Samples::start(
        admin(leader),
        "corelane_throttled_replication_out_bytes_total",
    );
    back.begin(&cluster, None);
    wait_moved(&cluster, &before.replicas);
    check("by the leader alone", given.finish());
    running.wait_acks(20);
    finish("throttled", running, cluster);
}
