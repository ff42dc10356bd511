//! Drives: what runs a state machine on a partition of an internal topic, whatever the machine is.
//!
//! [`machine`] says what a machine must be able to do; it is pure. [`queue`], pure as well, holds
//! the records it has made until the log has acked them, and the replies that wait for that.
//! [`driver`] is the only file that waits: it loads a machine from its log, appends, and lets the
//! replies go. [`partitions`] keeps a driver for each partition that is led here.

mod batches;
mod driver;
mod loading;
pub mod machine;
mod partitions;
mod queue;
mod refused;
mod serving;
#[cfg(test)]
pub(super) mod tests;
mod unloadable;

pub use machine::{Factory, InTransaction, Machine, Now, Origin, Outcome, Token, Unavailable};
pub use partitions::Partitions;
pub use refused::NotInTransaction;
