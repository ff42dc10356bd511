//! Drives: counts and latencies per API.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::codes::ErrorCounts;
use super::served::ServedApi;
use crate::base::metrics::{Counter, Histogram, Level, SampleValue, Snapshot};
use crate::base::{ErrorCode, Instant};
use crate::io::turn::{self, Turns, Work};

/// What the server room of one shard counts.
pub struct Probe {
    /// The APIs that are served, by key.
    apis: &'static [ServedApi],
    /// In the order of `apis`.
    latency: Vec<Histogram>,
    /// How often which API (its key) answered which error.
    errors: RefCell<BTreeMap<(i16, ErrorCode), u64>>,
    /// In the order of [`Closing::ALL`].
    closed: [Counter; Closing::ALL.len()],
    /// Bytes of records sent to consumers.
    pub fetched_bytes: Counter,
    /// Connections accepted.
    pub accepted_connections: Counter,
    /// Fetches that wait for more records.
    pub parked_fetches: Level,
}

/// Why the broker closes a connection, or does not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// There are `max.connections`.
    Connections,
    /// Connections at rest take all the memory that they may.
    Memory,
    /// There are `max.connections.per.ip` from its address.
    ConnectionsPerIp,
    /// One more would leave too few descriptors for data files.
    Descriptors,
    /// A length prefix cannot be right.
    Frame,
    /// A request header cannot be read.
    Header,
    /// No API with this key is served.
    UnknownApi,
    /// The API is served, this version is not.
    UnsupportedVersion,
    /// A body is not what its header says.
    Malformed,
    /// A produce request that wants no answer failed.
    NoAnswerWanted,
    /// An answer could not be encoded.
    Unanswerable,
    /// It was silent for `connections.max.idle.ms`.
    Idle,
    /// It left a request half sent.
    HalfSent,
    /// Its client had ended, and requests of it could not be answered in time.
    Ended,
    /// It sends a large request too slowly while others wait for memory.
    SlowSender,
    /// It does not read an answer.
    Unread,
    /// It reads an answer too slowly while others wait for memory.
    SlowReader,
    /// There is no memory for an answer.
    AnswerMemory,
}

// === impl Closing ===

impl Closing {
    /// Every reason, in the order of their declaration.
    pub const ALL: [Closing; 18] = [
        Closing::Connections,
        Closing::Memory,
        Closing::ConnectionsPerIp,
        Closing::Descriptors,
        Closing::Frame,
        Closing::Header,
        Closing::UnknownApi,
        Closing::UnsupportedVersion,
        Closing::Malformed,
        Closing::NoAnswerWanted,
        Closing::Unanswerable,
        Closing::Idle,
        Closing::HalfSent,
        Closing::Ended,
        Closing::SlowSender,
        Closing::Unread,
        Closing::SlowReader,
        Closing::AnswerMemory,
    ];

    /// Its name in metrics and log lines; where a setting is the reason, that.
    pub fn name(self) -> &'static str {
        match self {
            Closing::Connections => "max.connections",
            Closing::Memory => "corelane.shard.memory.bytes",
            Closing::ConnectionsPerIp => "max.connections.per.ip",
            Closing::Descriptors => "descriptors (ulimit -n)",
            Closing::Frame => "malformed frame",
            Closing::Header => "malformed header",
            Closing::UnknownApi => "unknown API",
            Closing::UnsupportedVersion => "unsupported version",
            Closing::Malformed => "malformed body",
            Closing::NoAnswerWanted => "failed acks=0",
            Closing::Unanswerable => "no answer possible",
            Closing::Idle => "connections.max.idle.ms",
            Closing::HalfSent => "half-sent request",
            Closing::Ended => "ended and unanswered",
            Closing::SlowSender => "slow large request",
            Closing::Unread => "unread answer",
            Closing::SlowReader => "slow reader",
            Closing::AnswerMemory => "no memory for the answer",
        }
    }
}

// === impl Probe ===

impl Probe {
    /// Counts of a shard that serves `apis`, which stand in the order of their keys.
    pub fn new(apis: &'static [ServedApi]) -> Probe {
        Probe {
            apis,
            latency: apis.iter().map(|_| Histogram::default()).collect(),
            errors: RefCell::default(),
            closed: Default::default(),
            fetched_bytes: Counter::default(),
            accepted_connections: Counter::default(),
            parked_fetches: Level::default(),
        }
    }

    /// Counts a request of API `key` that arrived whole at `from` and whose answer the kernel had
    /// at
    /// `to`.
    pub fn note(&self, key: i16, from: Instant, to: Instant) {
        if let Some(at) = self.place(key) {
            self.latency[at].record_us(to.since(from).as_micros() as u64);
        }
    }

    fn place(&self, key: i16) -> Option<usize> {
        self.apis.binary_search_by_key(&key, |api| api.key).ok()
    }

    /// Counts an error that API `key` answers. There are no more of these counts than APIs times
    /// codes.
    pub fn note_error(&self, key: i16, code: ErrorCode) {
        if code.is_error() {
            *self.errors.borrow_mut().entry((key, code)).or_default() += 1;
        }
    }

    /// Counts the errors of an answer of API `key`.
    pub fn note_errors(&self, key: i16, counts: &ErrorCounts) {
        for (code, count) in counts.iter() {
            *self.errors.borrow_mut().entry((key, code)).or_default() += count;
        }
    }

    /// Counts a connection that is closed, or not taken.
    pub fn note_closing(&self, why: Closing) {
        self.closed[why as usize].add(1);
    }

    /// Adds all counts to a snapshot.
    pub fn export(&self, to: &mut Snapshot) {
        for (api, latency) in self.apis.iter().zip(&self.latency) {
            let seen = latency.read();
            if !seen.is_empty() {
                let labels = vec![("api", api.name.to_owned())];
                to.latency(
                    "corelane_request_latency_seconds",
                    "From a whole request to its answer given to the kernel, by API; the count \
                     is that of requests answered. \
                     Kafka: kafka.network:type=RequestMetrics,name=TotalTimeMs",
                    labels,
                    seen,
                );
            }
        }
        self.export_errors(to);
        self.export_turns(to);
        to.counter(
            "corelane_fetched_bytes_total",
            "Bytes of records sent to consumers. \
             Kafka: kafka.server:type=BrokerTopicMetrics,name=BytesOutPerSec",
            self.fetched_bytes.get(),
        );
        to.gauge(
            "corelane_parked_fetches",
            "Fetches that wait for more records than there are. Kafka: \
             kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize,delayedOperation=Fetch",
            self.parked_fetches.get() as f64,
        );
        to.counter(
            "corelane_connections_accepted_total",
            "Connections accepted. Kafka: kafka.server:type=socket-server-metrics \
             connection-creation-rate",
            self.accepted_connections.get(),
        );
        for (why, count) in Closing::ALL.into_iter().zip(&self.closed) {
            to.push(
                "corelane_connections_refused_total",
                "Connections that the broker closed or did not take, by reason.",
                vec![("reason", why.name().to_owned())],
                SampleValue::Counter(count.get()),
            );
        }
    }

    fn export_errors(&self, to: &mut Snapshot) {
        for ((key, code), count) in &*self.errors.borrow() {
            let api = self.place(*key).map_or("unknown", |at| self.apis[at].name);
            let error = match code.name() {
                "UNLISTED" => code.0.to_string(),
                name => name.to_owned(),
            };
            to.push(
                "corelane_request_errors_total",
                "Errors that clients were answered, by API and code; one for each topic, \
                 partition, group or resource that has one. \
                 Kafka: kafka.network:type=RequestMetrics,name=ErrorsPerSec",
                vec![("api", api.to_owned()), ("error", error)],
                SampleValue::Counter(*count),
            );
        }
    }

    /// The longest turns of this core since it started, by what they were spent on. Turns of
    /// requests are numbered by the place of their API in `apis`.
    fn export_turns(&self, to: &mut Snapshot) {
        let requests = self.apis.iter().enumerate();
        let requests = requests.map(|(at, api)| ("api", api.name, turn::of(Work::request(at))));
        let jobs = turn::of_jobs();
        let jobs = jobs.into_iter().map(|(name, turns)| ("work", name, turns));
        for (label, name, Turns { longest_us, long }) in requests.chain(jobs) {
            if longest_us == 0 {
                continue;
            }
            let labels = || vec![(label, name.to_owned())];
            to.push(
                "corelane_longest_turn_seconds",
                "The longest time since the start for which the core was not free for others, by \
             API or other work.",
                labels(),
                SampleValue::Gauge(longest_us as f64 / 1e6),
            );
            to.push(
                "corelane_long_turns_total",
                "How often the core was not free for others for 5 ms or longer.",
                labels(),
                SampleValue::Counter(long),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_at_their_own_place() {
        for (at, why) in Closing::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, at, "{}", why.name());
        }
    }
}
