//! A real broker process on loopback, real frames. One file per behaviour, not per API.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod ages;
mod auto_create;
mod bad_input;
mod check;
mod deleted;
mod descriptors;
mod delete_topics;
mod folders;
mod health;
mod kill;
mod loggers;
mod metrics;
mod memory;
mod pressure;
mod records;
mod shards;
mod slow;
mod start;
mod turns;
