//! Arguments and exit codes; what is done stands in the library.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use corelane::commands;
use corelane::commands::cli::Cli;
use corelane::io::signal;

fn main() -> ExitCode {
    signal::block_stop_signals();
    let done = commands::run(Cli::parse().command_or_default());
    done.unwrap_or_else(|error| fail(&*error))
}

/// One clear sentence and a non-zero exit code.
fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("corelane: {error}");
    ExitCode::FAILURE
}
