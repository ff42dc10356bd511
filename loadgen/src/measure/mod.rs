//! Drives: the instrument: clients, threads of producers and consumers, histograms, floors, and
//! what the host does meanwhile.
//! May use: `load`, `options`. Never: writes a report, prints anything but progress.

pub mod block;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod consumer;
pub mod floors;
pub mod ground;
pub mod host;
#[cfg(test)]
mod instrument;
pub mod latency;
pub mod ledger;
pub mod link;
pub mod null;
pub mod observe;
pub mod own_cost;
pub mod producer;
pub mod progress;
pub mod sampling;
pub mod topic_facts;
pub mod worker;
