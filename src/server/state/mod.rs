//! Drives: what all connections of one shard share.
//! May use: the rooms to the left of `server`. Never: knows an API's handler or a connection.

pub mod answer_memory;
pub mod codes;
pub mod fetch_sessions;
pub mod probe;
pub mod served;
pub mod shared_answers;
pub mod telemetry;

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::faults;
use crate::base::lines::Lines;
use crate::base::metrics::Snapshot;
use crate::base::{Instant, WallMs, limits};
use crate::io::budget::{Budget, Reserved, Use};
use crate::server::loggers::Loggers;
use crate::shard::{self, Shard};
use fetch_sessions::{FetchSessions, Memory};
use probe::{Closing, Probe};
use served::ServedApi;
use shared_answers::SharedAnswers;
use telemetry::Telemetry;

/// What all connections of one shard share.
pub struct ServerState {
    /// The shard.
    pub shard: Rc<Shard>,
    /// Incremental fetch sessions.
    pub sessions: RefCell<FetchSessions>,
    /// The APIs that are served, by key.
    pub apis: &'static [ServedApi],
    /// Whether this is a broker of a cluster: what its controller decides is forwarded to it.
    pub is_in_cluster: bool,
    /// Counts and latencies per API.
    pub probe: Probe,
    /// The levels of the log.
    pub loggers: Arc<Loggers>,
    /// What clients are asked for of their metrics, and what they have pushed.
    pub telemetry: RefCell<Telemetry>,
    /// Answers that are the same for all clients.
    pub shared_answers: SharedAnswers,
    closing_lines: Lines,
}

impl ServerState {
    /// The state of a shard that starts to serve `apis`; `seed` starts its fetch session ids.
    pub fn new(
        shard: Rc<Shard>,
        loggers: Arc<Loggers>,
        apis: &'static [ServedApi],
        seed: u32,
    ) -> Rc<ServerState> {
        let config = shard.config();
        let slots = (config.fetch.sessions_max / config.shards).max(1);
        Rc::new(ServerState {
            sessions: RefCell::new(FetchSessions::new(
                slots,
                limits::SESSION_EVICT_MS,
                seed,
                Box::new(SessionMemory::of(&shard.budget)),
            )),
            is_in_cluster: config.cluster.is_some(),
            probe: Probe::new(apis),
            apis,
            loggers,
            telemetry: RefCell::default(),
            shared_answers: SharedAnswers::default(),
            closing_lines: Lines::default(),
            shard,
        })
    }

    /// The monotonic clock.
    pub fn now(&self) -> Instant {
        self.shard.runtime().now()
    }

    /// The wall clock.
    pub fn wall_ms(&self) -> WallMs {
        self.shard.runtime().wall_ms()
    }

    /// Counts a connection that the broker closes, and writes a line to the log unless there were
    /// too many such lines lately.
    pub fn log_closing(&self, peer: SocketAddr, why: Option<Closing>, reason: &dyn fmt::Display) {
        why.into_iter().for_each(|why| self.probe.note_closing(why));
        let most = limits::CLOSING_LINES_MAX;
        if self.closing_lines.may_write(self.now(), most) {
            tracing::warn!(%peer, %reason, "closing connection");
        }
    }

    /// Writes to the log how many lines it did not get because there were too many of their kind.
    pub fn log_left_out(&self) {
        let now = self.now();
        if let Some(connections) = self.closing_lines.left_out(now) {
            tracing::warn!(
                connections,
                "closed more connections, without a line for each"
            );
        }
        if let Some(lines) = self.shard.coordinators.groups.lines_left_out(now) {
            tracing::info!(
                lines,
                "more lines about groups and their members were left out"
            );
        }
        if let Some(lines) = self.shard.auto_create.lines_left_out(now) {
            tracing::warn!(lines, "more lines about topics on first use were left out");
        }
    }

    /// Everything that this shard counts, gathered in steps. It has so many `connections`.
    pub async fn snapshot(&self, connections: usize) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.probe.export(&mut snapshot);
        self.shard.export(&mut snapshot).await;
        let faults = shard::faults::current(&self.shard, self.wall_ms()).await;
        faults::export(&faults, false, &mut snapshot);
        snapshot.gauge(
            "corelane_connections",
            "Connections open. \
             Kafka: kafka.server:type=socket-server-metrics connection-count",
            connections as f64,
        );
        snapshot.gauge(
            "corelane_fetch_sessions",
            "Incremental fetch sessions. \
             Kafka: kafka.server:type=FetchSessionCache,name=NumIncrementalFetchSessions",
            self.sessions.borrow().count() as f64,
        );
        snapshot.gauge(
            "corelane_client_instances",
            "Client instances that are remembered for their metrics (KIP-714). \
             Kafka: kafka.server:type=ClientMetrics ClientMetricsInstanceCount",
            self.telemetry.borrow().count() as f64,
        );
        snapshot.with_label("node", &self.shard.node.to_string())
    }
}

/// The part of a shard's memory that fetch sessions may take.
struct SessionMemory {
    budget: Rc<Budget>,
    held: Reserved,
}

impl SessionMemory {
    fn of(budget: &Rc<Budget>) -> SessionMemory {
        SessionMemory {
            budget: budget.clone(),
            held: budget.hold(Use::Sessions, 0),
        }
    }
}

impl Memory for SessionMemory {
    fn count(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.held.bytes());
        let share = self.budget.total_bytes() / limits::SESSIONS_SHARE;
        let fits = more == 0 || (more <= self.budget.free_bytes() && bytes <= share);
        if fits {
            self.held.resize(bytes);
        }
        fits
    }
}
