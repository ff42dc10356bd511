//! Drives: counts and latencies per API, made from the API table.

use crate::base::Instant;
use crate::base::metrics::{Counter, Histogram, SampleValue, Snapshot};
use crate::server::api::TABLE;

/// What the server room of one shard counts.
pub struct Probe {
    /// In the order of the API table.
    latency: Vec<Histogram>,
    /// Bytes of records sent to consumers.
    pub fetched_bytes: Counter,
    /// Connections that were closed because of what came over them.
    pub refused_connections: Counter,
    /// Connections accepted.
    pub accepted_connections: Counter,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe {
            latency: TABLE.iter().map(|_| Histogram::default()).collect(),
            fetched_bytes: Counter::default(),
            refused_connections: Counter::default(),
            accepted_connections: Counter::default(),
        }
    }
}

impl Probe {
    /// Counts a request of API `key`, from the moment it had arrived whole to the one at which
    /// the kernel had its answer.
    pub fn note(&self, key: i16, from: Instant, to: Instant) {
        if let Ok(at) = TABLE.binary_search_by_key(&key, |row| row.key) {
            self.latency[at].record_us(to.since(from).as_micros() as u64);
        }
    }

    /// Adds all counts to a snapshot.
    pub fn export(&self, to: &mut Snapshot) {
        for (row, latency) in TABLE.iter().zip(&self.latency) {
            let Some(latency) = latency.copy() else {
                continue;
            };
            let labels = vec![("api", row.name.to_owned())];
            let help = "From a whole request to its answer given to the kernel, by API.";
            let value = SampleValue::LatencyUs(Box::new(latency));
            to.push("corelane_request_latency_us", help, labels, value);
        }
        to.counter(
            "corelane_fetched_bytes_total",
            "Bytes of records sent to consumers.",
            self.fetched_bytes.get(),
        );
        to.counter(
            "corelane_connections_accepted_total",
            "Connections accepted.",
            self.accepted_connections.get(),
        );
        to.counter(
            "corelane_connections_refused_total",
            "Connections closed because of what came over them.",
            self.refused_connections.get(),
        );
    }
}
