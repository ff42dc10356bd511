//! Drives: the log on both disks, the machine's and the simulated one.

mod aborts;
mod ages;
mod basics;
mod changed;
mod checkpoints;
mod compaction;
mod corners;
mod crash;
mod cut;
mod damage;
mod faults;
mod finding;
mod follow;
mod handed_over;
mod hot;
mod lifecycle;
mod lookups;
mod memory;
mod opaque;
mod removal;
mod replicated;
mod shortage;
mod states;
mod story;
mod streams;
pub(in crate::log) mod support;
mod work;
