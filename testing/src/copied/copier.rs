//! Drives: a process of Kafka's `TransactionalMessageCopier`, started again whenever it has ended.

use std::process::{Child, Stdio};

use crate::quorum::kafka_process;

const CLASS: &str = "org.apache.kafka.tools.TransactionalMessageCopier";
/// Records in a transaction.
const SIZE: &str = "40";

/// What is copied where.
#[derive(Clone, Debug)]
pub struct Copies {
    /// Brokers to ask first.
    pub brokers: String,
    /// The topic that is copied.
    pub from: String,
    /// The topic that it is copied to, which has the same partitions.
    pub to: String,
}

/// Copies one partition, always under the same transactional id; some transactions it aborts.
pub struct Copier {
    copies: Copies,
    partition: i32,
    child: Option<Child>,
    /// How often it was started.
    pub runs: usize,
}

impl Copier {
    /// One that does not run yet.
    pub fn new(copies: &Copies, partition: i32) -> Copier {
        Copier {
            copies: copies.clone(),
            partition,
            child: None,
            runs: 0,
        }
    }

    /// Starts it, unless it runs: it ends by itself when it has come to what was the end when it
    /// was started, and gives up where it was fenced.
    pub fn keep_running(&mut self) {
        if let Some(child) = &mut self.child
            && matches!(child.try_wait(), Ok(None))
        {
            return;
        }
        let Copies { brokers, from, to } = &self.copies;
        let mut command = kafka_process(CLASS, &["-Xmx96m"]);
        command
            .args(["--input-topic", from, "--output-topic", to])
            .args(["--input-partition", &self.partition.to_string()])
            .args(["--broker-list", brokers])
            .args(["--consumer-group", "copiers"])
            .args(["--transaction-size", SIZE])
            .args(["--transaction-timeout", "10000"])
            .args(["--transactional-id", &format!("copier-{}", self.partition)])
            .arg("--enable-random-aborts")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().expect("a JVM starts"));
        self.runs += 1;
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.kill();
    }
}
