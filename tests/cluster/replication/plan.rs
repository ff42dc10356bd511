//! Drives: plans of where replicas shall be, carried out by Kafka's own tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corelane_testing::members::Cluster;
use corelane_testing::until_within;

const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";

/// How long a move may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where the replicas of partitions shall be.
pub struct Plan {
    file: PathBuf,
    /// How many partitions it names.
    count: usize,
}

impl Plan {
    /// The replicas of each partition of some topics, written to a file in `dir`.
    pub fn new(dir: &Path, topics: &[(&str, Vec<Vec<i32>>)]) -> Plan {
        let partitions = topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().zip(0..).map(move |(replicas, index)| {
                format!(r#"{{"topic":"{topic}","partition":{index},"replicas":{replicas:?}}}"#)
            })
        });
        let partitions: Vec<String> = partitions.collect();
        let file = dir.join("plan.json");
        let text = format!(r#"{{"version":1,"partitions":[{}]}}"#, partitions.join(","));
        fs::write(&file, text).unwrap();
        let count = partitions.len();
        Plan { file, count }
    }

    /// The replicas of all partitions of a topic, with one node in the place of another.
    pub fn with(cluster: &Cluster, topic: &str, old: i32, new: i32) -> Vec<Vec<i32>> {
        let seen = cluster.view(topic);
        let replicas = seen.into_iter().map(|it| it.replicas);
        let moved = replicas.map(|mut replicas| {
            replicas
                .iter_mut()
                .filter(|it| **it == old)
                .for_each(|it| *it = new);
            replicas
        });
        moved.collect()
    }

    fn tool(&self, cluster: &Cluster, arguments: &[&str]) -> String {
        let file = ["--reassignment-json-file", self.file.to_str().unwrap()];
        cluster.tool(REASSIGN, &[arguments, &file].concat())
    }

    /// Begins it, no faster than so many bytes a second.
    pub fn begin(&self, cluster: &Cluster, throttle: Option<u64>) {
        let rate = throttle.map(|rate| rate.to_string());
        let throttle = rate.iter().flat_map(|rate| ["--throttle", rate]);
        let arguments: Vec<&str> = ["--execute"].into_iter().chain(throttle).collect();
        let said = self.tool(cluster, &arguments);
        let begun = "Successfully started partition reassignment";
        assert!(said.contains(begun), "{said}");
    }

    /// Waits until the tool says that all of it is done; what it says.
    pub fn wait_done(&self, cluster: &Cluster) -> String {
        let log = || format!("never complete:\n{}", cluster.last_words());
        until_within(PATIENCE, log, || {
            let said = self.tool(cluster, &["--verify"]);
            (said.matches("is completed").count() == self.count).then_some(said)
        })
    }
}
