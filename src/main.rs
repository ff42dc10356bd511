//! Arguments, logging, exit codes; the broker itself is the library.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use corelane::cli::{Cli, Command};
use corelane::io::{checks, signal};
use corelane::server;

fn main() -> ExitCode {
    signal::block_stop_signals();
    let Command::Serve(flags) = Cli::parse().command_or_default();
    let text = match flags.config.as_deref().map(checks::read_text).transpose() {
        Ok(text) => text,
        Err(error) => return fail(&error),
    };
    let host = checks::host_facts();
    let config = match flags.load(text.as_deref(), &host, checks::formatted_shards) {
        Ok(config) => config,
        Err(error) => return fail(&error),
    };
    start_logging(&config.log_level);
    config
        .notes
        .iter()
        .for_each(|note| tracing::warn!("{note}"));
    let serving = server::serve(config, |ready| {
        println!("corelane ready {ready}");
    });
    match serving {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn start_logging(level: &str) {
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(level);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// One clear sentence and a non-zero exit code.
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("corelane: {error}");
    ExitCode::FAILURE
}
