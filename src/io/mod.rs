//! Drives: the kernel and nothing else; the only room that names the runtime.
//! May use: `base`; `peer` also `wire`. Never: knows of logs or partitions, nor of Kafka, but for
//! the frames of a request to another process.

// Other rooms call this one where they would call these.
#![allow(clippy::disallowed_methods)]

pub mod budget;
pub mod buffer;
pub mod cause;
pub mod channel;
pub mod checks;
pub mod clock;
pub mod cores;
pub mod cpus;
pub mod descriptors;
pub mod disk;
pub mod durable;
mod entropy;
mod entry;
pub mod event;
pub mod file;
pub mod free;
pub mod listener;
pub mod net;
pub mod offload;
pub mod patience;
pub mod peer;
pub mod process;
pub mod runtime;
pub mod semaphore;
pub mod signal;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod stream;
pub mod tree;
pub mod trim;
pub mod turn;
pub mod write_batch;
