//! A real broker process on loopback, real frames. One file per behaviour, not per API.

mod admin;
mod ages;
mod auto_create;
mod bad_input;
mod balance;
mod check;
mod clients;
mod deleted;
mod descriptors;
mod dir_moves;
mod delete_topics;
mod folders;
mod health;
mod kill;
mod loggers;
mod metrics;
mod memory;
mod moves;
mod pressure;
mod shards;
mod slow;
mod start;
mod strays;
mod turns;

use corelane_testing::Here;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
