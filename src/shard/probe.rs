//! Drives: what a shard counts about itself.

use crate::base::metrics::{Counter, Snapshot};
use crate::io::runtime::Runtime;

/// What a shard counts about itself.
#[derive(Default)]
pub struct Probe {
    /// Bytes of records that were handed to another core. Nothing can do that: no message of
    /// the mesh holds records. It is exported so that it can be checked.
    pub mesh_record_bytes: Counter,
    /// How long the start took to open the logs, in microseconds.
    pub opening_us: Counter,
    /// Producers that were forgotten before their time: see `shard/producers.rs`.
    pub forgotten_producers: Counter,
}

impl Probe {
    /// Adds all counts to a snapshot.
    pub fn export(&self, runtime: &Runtime, to: &mut Snapshot) {
        to.counter(
            "corelane_mesh_record_bytes_total",
            "Bytes of records that crossed to another core.",
            self.mesh_record_bytes.get(),
        );
        to.counter(
            "corelane_forgotten_producers_total",
            "Idempotent producers forgotten before producer.id.expiration.ms, since there were too many.",
            self.forgotten_producers.get(),
        );
        to.gauge(
            "corelane_start_recovery_seconds",
            "How long the last start took to open this node's logs, recovery included.",
            self.opening_us.get() as f64 / 1e6,
        );
        to.seconds(
            "corelane_shard_busy_seconds_total",
            "Time for which this node's core was at work, waiting and spinning left out: its \
             rate is the busy share. Kafka: \
             kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent is the \
             other way round",
            runtime.busy().as_secs_f64(),
        );
        to.counter(
            "corelane_ring_entries_total",
            "System calls by which this node's core gave the kernel its I/O and took what was done; sleeps are among them.",
            runtime.ring_enters(),
        );
    }
}
