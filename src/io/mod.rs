//! Drives: the kernel and nothing else; the only room that names the runtime.
//! May use: `base`. Never: knows of Kafka, logs or partitions.

pub mod channel;
pub mod clock;
pub mod cores;
pub mod listener;
pub mod signal;
pub mod stream;
