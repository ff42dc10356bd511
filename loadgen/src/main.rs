//! Drives: the load generator: arguments, exit code.

mod cli;
mod client;
mod consumer;
mod floors;
mod host;
mod latency;
#[cfg(test)]
mod null;
mod plan;
mod producer;
mod report;
mod run;
mod schedule;
mod verify;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Cli::parse().command.run().unwrap_or_else(|error| {
        eprintln!("loadgen: {error}");
        ExitCode::from(1)
    })
}
