//! Corelane, a Kafka-compatible broker for low-latency pipelines. The rooms stand in the
//! order of their arrows: a room may use those above it in this list, never one below.

#![cfg_attr(not(test), deny(clippy::disallowed_macros, clippy::disallowed_methods))]

pub mod base;
pub use corelane_wire as wire;
pub mod io;
pub mod host;
pub mod log;
pub mod metadata;
pub mod partition;
pub mod coordinator;
pub mod shard;
pub mod server;
pub mod commands;
