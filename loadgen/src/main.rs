//! Drives: the load generator: arguments, exit code.

mod cli;
mod client;
mod compare;
mod consumer;
mod floors;
mod hlog;
mod host;
mod html;
mod latency;
#[cfg(test)]
mod null;
mod observe;
mod omb;
mod output;
mod perf_test;
mod plan;
mod producer;
mod report;
mod run;
mod sampling;
mod schedule;
mod topic_facts;
mod verify;

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
