//! Drives: what all connections of one shard share.

pub mod answer_memory;
pub mod codes;
pub mod fetch_sessions;
pub mod probe;
pub mod shared_answers;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::base::faults;
use crate::base::lines::Lines;
use crate::base::metrics::Snapshot;
use crate::base::{Instant, WallMs, limits};
use crate::io::budget::{Budget, Reserved, Use};
use crate::io::{clock, descriptors};
use crate::server::api::records::{fetch, produce};
use crate::server::api::transactions::ProducerIds;
use crate::server::connection::Connection;
use crate::server::connection::receive::LargeRooms;
use crate::server::loggers::Loggers;
use crate::server::state::fetch_sessions::{FetchSessions, Memory};
use crate::server::state::probe::{Closing, Probe};
use crate::server::state::shared_answers::SharedAnswers;
use crate::shard::{self, Shard};

/// What all connections of one shard share.
pub struct ServerState {
    /// The shard.
    pub shard: Rc<Shard>,
    /// Incremental fetch sessions.
    pub sessions: RefCell<FetchSessions>,
    /// Counts and latencies per API.
    pub probe: Probe,
    /// Ids for idempotent producers.
    pub producer_ids: ProducerIds,
    /// The levels of the log.
    pub loggers: Arc<Loggers>,
    /// Answers that are the same for all who ask.
    pub shared_answers: SharedAnswers,
    /// Where connections have room for large requests from.
    pub large_rooms: Rc<LargeRooms>,
    closing_lines: Lines,
    connections: RefCell<HashMap<u64, Weak<Connection>>>,
    next_connection: Cell<u64>,
    #[expect(
        clippy::vec_box,
        reason = "each goes to a slot and comes back, unmoved"
    )]
    spare_produce: RefCell<Vec<Box<produce::Pending>>>,
    spare_fetch: RefCell<Vec<fetch::Scratch>>,
}

impl ServerState {
    /// The state of a shard that starts to serve; `seed` starts its fetch session ids.
    pub fn new(shard: Rc<Shard>, loggers: Arc<Loggers>, seed: u32) -> Rc<ServerState> {
        let config = shard.config();
        let slots = (config.fetch.sessions_max / config.shards).max(1);
        Rc::new(ServerState {
            sessions: RefCell::new(FetchSessions::new(
                slots,
                limits::SESSION_EVICT_MS,
                seed,
                Box::new(SessionMemory::of(&shard.budget)),
            )),
            probe: Probe::default(),
            producer_ids: ProducerIds::default(),
            loggers,
            shared_answers: SharedAnswers::default(),
            large_rooms: Rc::default(),
            closing_lines: Lines::default(),
            connections: RefCell::default(),
            next_connection: Cell::new(0),
            spare_produce: RefCell::default(),
            spare_fetch: RefCell::default(),
            shard,
        })
    }

    /// The monotonic clock.
    pub fn now(&self) -> Instant {
        clock::now()
    }

    /// The wall clock.
    pub fn wall_ms(&self) -> WallMs {
        clock::wall_ms()
    }

    /// Enters a connection into the list; the number takes it out again.
    pub fn enter(&self, connection: &Rc<Connection>) -> u64 {
        let number = self.next_connection.get();
        self.next_connection.set(number + 1);
        self.connections
            .borrow_mut()
            .insert(number, Rc::downgrade(connection));
        number
    }

    /// Takes a connection out of the list.
    pub fn leave(&self, number: u64) {
        self.connections.borrow_mut().remove(&number);
    }

    /// Counts a connection that we close, and says so in the log unless that was said too often
    /// lately.
    pub fn log_closing(&self, peer: SocketAddr, why: Option<Closing>, reason: &dyn fmt::Display) {
        why.into_iter().for_each(|why| self.probe.note_closing(why));
        let most = limits::CLOSING_LINES_MAX;
        if self.closing_lines.may_write(self.now(), most) {
            tracing::warn!(%peer, %reason, "closing connection");
        }
    }

    /// Says how many lines the log did not get because there were too many of their kind.
    pub fn log_left_out(&self) {
        let now = self.now();
        if let Some(connections) = self.closing_lines.left_out(now) {
            tracing::warn!(
                connections,
                "closed more connections, without a line for each"
            );
        }
        if let Some(lines) = self.shard.groups.lines_left_out(now) {
            tracing::info!(
                lines,
                "more lines about groups and their members were left out"
            );
        }
        if let Some(lines) = self.shard.auto_create.lines_left_out(now) {
            tracing::warn!(lines, "more lines about topics on first use were left out");
        }
    }

    /// Whether one more connection from this address is allowed, or which limit it breaks.
    pub fn admit(&self, from: IpAddr) -> Result<(), Closing> {
        let network = &self.shard.config().network;
        let connections = self.connections.borrow();
        if connections.len() >= network.connections_max {
            return Err(Closing::Connections);
        }
        // The one that asks is counted by now.
        if descriptors::sockets() > descriptors::sockets_max() {
            return Err(Closing::Descriptors);
        }
        let budget = &self.shard.budget;
        let share = budget.total_bytes() / 16 * limits::CONNECTIONS_SIXTEENTHS;
        if budget.used_by(Use::Connections) + limits::CONNECTION_BYTES > share {
            return Err(Closing::Memory);
        }
        if network.connections_per_ip_max < connections.len() {
            let same = |one: &Weak<Connection>| {
                one.upgrade()
                    .is_some_and(|one| one.session.address.ip() == from)
            };
            let count = connections.values().filter(|one| same(one)).count();
            if count >= network.connections_per_ip_max {
                return Err(Closing::ConnectionsPerIp);
            }
        }
        Ok(())
    }

    /// Everything that this shard counts, gathered in steps.
    pub async fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.probe.export(&mut snapshot);
        self.shard.export(&mut snapshot).await;
        let faults = shard::faults::current(&self.shard, self.wall_ms()).await;
        faults::export(&faults, false, &mut snapshot);
        snapshot.gauge(
            "corelane_connections",
            "Connections open. \
             Kafka: kafka.server:type=socket-server-metrics connection-count",
            self.connection_count() as f64,
        );
        snapshot.gauge(
            "corelane_fetch_sessions",
            "Incremental fetch sessions. \
             Kafka: kafka.server:type=FetchSessionCache,name=NumIncrementalFetchSessions",
            self.sessions.borrow().count() as f64,
        );
        snapshot.with_label("node", &self.shard.node.to_string())
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.connections.borrow().len()
    }

    /// All connections.
    pub fn connections(&self) -> Vec<Rc<Connection>> {
        self.connections
            .borrow()
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// A pending request to fill, with the room of one answered before.
    pub fn spare_produce(&self) -> Box<produce::Pending> {
        self.spare_produce.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps an answered request's room.
    pub fn keep_produce(&self, mut pending: Box<produce::Pending>) {
        pending.clear();
        if pending.capacity() <= limits::SPARE_PARTITIONS_MAX {
            keep(&self.spare_produce, pending);
        }
    }

    /// Lists for a fetch, with the room of one answered before.
    pub fn spare_fetch(&self) -> fetch::Scratch {
        self.spare_fetch.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps the lists of an answered fetch.
    pub fn keep_fetch(&self, mut scratch: fetch::Scratch) {
        scratch.clear();
        if scratch.capacity() <= limits::SPARE_PARTITIONS_MAX {
            keep(&self.spare_fetch, scratch);
        }
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

fn keep<T>(spare: &RefCell<Vec<T>>, value: T) {
    let mut spare = spare.borrow_mut();
    if spare.len() < limits::SPARE_REQUESTS_MAX {
        spare.push(value);
    }
}
