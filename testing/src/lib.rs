//! What the test programs and benchmarks of this workspace share: the broker as a process, a
//! Kafka client, requests and batches, waiting, seeds, the memory and file systems they run on.
//!
//! A dev-dependency of the broker, which it depends on itself: its unit tests may use what names
//! no type of the broker; builders of the broker's own types stand in `src/`, for tests only.

pub mod admin;
pub mod arguments;
pub mod batches;
pub mod bench;
pub mod cases;
pub mod cgroup;
pub mod checked;
pub mod copied;
pub mod device;
pub mod exposition;
pub mod followed;
pub mod histories;
pub mod journaled;
pub mod members;
pub mod mounts;
pub mod net;
pub mod process;
pub mod quorum;
pub mod requests;

mod broker;
mod client;
mod here;
mod host;
mod seed;
mod start;
mod wait;

pub use broker::Broker;
pub use client::{CLIENT_ID, Client, Outcome, decode, decode_of, frame, frame_of, header, sized};
pub use here::Here;
pub use host::host_facts;
pub use seed::seed;
pub use start::{Start, ports};
pub use wait::{PATIENCE, until, until_so, until_within};
