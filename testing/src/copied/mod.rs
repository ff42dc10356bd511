//! Drives: copies that Kafka's own `TransactionalMessageCopier` makes of a topic, partition by
//! partition, and what a reader of committed records sees of them.

mod committed;
mod copier;

pub use committed::{Committed, Values, committed, committed_after, differs};
pub use copier::{Copier, Copies};
