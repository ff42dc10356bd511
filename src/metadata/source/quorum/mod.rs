//! Pure: where the image of a cluster's broker comes from: the metadata log of an Apache Kafka
//! controller quorum, which the process observes.
//! May use: `base`, `wire`, `io`, `metadata::{record, image}`. Never: acts on what is not
//! committed, skips a record that it does not know, or keeps the log: each start fetches the newest
//! snapshot and what follows it.
//!
//! ```text
//! tail, download ← messages ← observer ┐
//! feeder ──────────────────────────────┼← follow ← watch
//! link ────────────────────────────────┘
//! ```

mod download;
mod feeder;
mod follow;
mod link;
mod messages;
mod observer;
mod tail;
mod watch;

pub use feeder::FeedError;
pub use follow::{Following, Stopped, follow};
pub use link::{ApiRanges, Link, LinkError};
pub use messages::{Address, Asker};
pub use observer::{Halt, Leader};
pub use watch::Watch;

use crate::base::TopicId;
use crate::base::ids::Uuid;

/// The name that Kafka has given the metadata log.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// Its id.
const METADATA_TOPIC_ID: TopicId = TopicId(Uuid::from_u128(1));

#[cfg(test)]
pub(crate) mod double;
#[cfg(test)]
mod tests;
