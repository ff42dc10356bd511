//! Drives: Kafka's own tool that reads all replicas and compares them.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use corelane_testing::quorum::kafka_program;
use corelane_testing::until_within;

use super::{PARTITIONS, TOPIC, cluster, finish, load};
use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[("replicas_are_the_same_by_kafkas_verification", verified)];

const VERIFICATION: &str = "org.apache.kafka.tools.ReplicaVerificationTool";

/// How often it reports.
const REPORT_MS: &str = "1000";

/// A tool that runs until it is dropped.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The offset up to which a report says that replicas are the same, and how far the one that is
/// furthest behind lags.
fn report(line: &str) -> Option<(i64, i64)> {
    let number = |word: &str| {
        let rest = line.split(word).nth(1)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some((number(" at offset ")?, number("max lag is ")?))
}

fn verified() {
    let dir = HERE.data_dir();
    let cluster = cluster(dir.path(), 3);
    let running = load(&cluster);
    running.wait_acks(100);
    let said = dir.path().join("verification.out");
    let mut java = kafka_program(VERIFICATION);
    java.args(["--broker-list", &cluster.servers(), "--time", "-2"]);
    java.args(["--topics-include", TOPIC, "--report-interval-ms", REPORT_MS]);
    let errors = File::create(dir.path().join("verification.log")).unwrap();
    java.stdout(File::create(&said).unwrap()).stderr(errors);
    let tool = Tool(java.stdin(Stdio::null()).spawn().unwrap());
    let words = || fs::read_to_string(&said).unwrap_or_default();
    let log = || format!("no reports: {}\n{}", words(), cluster.last_words());
    // While more is written, it comes to have compared what was there.
    let (offset, lag) = until_within(Duration::from_secs(90), log, || {
        let text = words();
        let reports: Vec<_> = text.lines().filter_map(report).collect();
        let among = format!("among {PARTITIONS} partitions");
        let all = text.lines().filter(|it| it.contains(&among)).count();
        let newest = *reports.last().filter(|_| all >= 5)?;
        (newest.0 > 100).then_some(newest)
    });
    drop(tool);
    println!("  the same up to offset {offset}, {lag} behind");
    let text = words();
    let mut lines = text.lines();
    let strange = lines.find(|it| report(it).is_none() && !it.contains("verification process"));
    assert_eq!(strange, None, "{text}");
    finish("verified", running, cluster);
}
