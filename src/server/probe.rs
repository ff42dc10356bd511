//! Drives: counts and latencies per API, made from the API table.

use std::cell::RefCell;

use crate::base::Instant;
use crate::base::metrics::{Counter, Histogram};
use crate::server::api::TABLE;

/// What the server room of one shard counts.
pub struct Probe {
    apis: Vec<ApiProbe>,
    /// Bytes of records sent to consumers.
    pub fetched_bytes: Counter,
    /// Connections that were closed because of what came over them.
    pub refused_connections: Counter,
    /// Connections accepted.
    pub accepted_connections: Counter,
}

/// What is counted of one API.
pub struct ApiProbe {
    /// The API's key.
    pub key: i16,
    /// The API's name.
    pub name: &'static str,
    /// From the request read whole to its answer given to the kernel, in microseconds.
    pub latency_us: RefCell<Histogram>,
}
