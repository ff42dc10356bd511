//! Drives: a process of Kafka's `TransactionalMessageCopier`, started again whenever it has ended.

use std::process::{Child, Stdio};

use corelane_testing::quorum::kafka_process;

use crate::{IN, OUT};

const CLASS: &str = "org.apache.kafka.tools.TransactionalMessageCopier";
/// Records in a transaction.
const SIZE: &str = "40";

/// Copies one partition, always under the same transactional id.
pub struct Copier {
    port: u16,
    partition: i32,
    child: Option<Child>,
    /// How often it was started.
    pub runs: usize,
}

impl Copier {
    /// One that does not run yet.
    pub fn new(port: u16, partition: i32) -> Copier {
        Copier {
            port,
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
        let brokers = format!("127.0.0.1:{}", self.port);
        let mut command = kafka_process(CLASS, &["-Xmx96m"]);
        command
            .args(["--input-topic", IN, "--output-topic", OUT])
            .args(["--input-partition", &self.partition.to_string()])
            .args(["--broker-list", &brokers])
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
