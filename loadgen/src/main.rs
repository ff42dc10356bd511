//! Drives: the load generator: arguments, exit code. The folders stand in the order of their
//! arrows: each may use those above it in this list, never one below.

mod load;
mod options;
mod measure;
mod report;
mod run;
mod cli;

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
