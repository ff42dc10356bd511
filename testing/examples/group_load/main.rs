//! Drives: loads on coordinators of groups, by a client that costs little: one thread, a
//! connection for each member. `benches/versus/groups.py` asks for them in lines,
//!
//! `WHAT PROTOCOL PORT COUNT WARM_UP_MS MS`
//!
//! and is answered in lines of JSON. PROTOCOL is `classic` or `consumer`, COUNT how many members
//! there are, and WHAT
//!
//! - `joins`: each joins a group of its own, gets its partition, leaves, and again;
//! - `heartbeats`: all are in one group, and each sends one heartbeat after another;
//! - `commits`: each commits an offset of a group of its own, one after another;
//! - `forms`: all join a new group at once; how long until they have a thousand partitions;
//! - `grows`: the same group; how long until one more has its share.

mod classic;
mod connection;
mod consumer;
mod drive;
mod figures;
mod loads;
mod repeated;
mod role;

use std::io::{BufRead, stdin};

fn main() {
    let mut runs = 0;
    for line in stdin().lock().lines().map_while(Result::ok) {
        runs += 1;
        match loads::run(&line, runs) {
            Ok(figures) => println!("{figures}"),
            Err(error) => {
                eprintln!("{line}: {error}");
                std::process::exit(1);
            }
        }
    }
}
