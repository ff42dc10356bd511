//! Drives: the load generator: arguments, exit code.

mod block;
mod cli;
mod client;
mod cluster;
mod compare;
mod consumer;
mod floors;
mod frame;
mod hlog;
mod host;
mod html;
#[cfg(test)]
mod instrument;
mod latency;
mod link;
mod load;
mod null;
mod observe;
mod omb;
mod output;
mod own_cost;
mod perf_test;
mod plan;
mod producer;
mod progress;
mod report;
mod run;
mod sampling;
mod scenario;
mod schedule;
mod sweep;
mod topic_facts;
mod verify;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::Cli::from_command_line()
        .command
        .run()
        .unwrap_or_else(|error| {
            eprintln!("loadgen: {error}");
            ExitCode::from(1)
        })
}
