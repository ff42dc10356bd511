//! Arguments, logging, exit codes; the broker itself is the library.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use corelane::base::config::BrokerConfig;
use corelane::commands;
use corelane::commands::cli::{Adopt, Check, Cli, Command, Serve};
use corelane::commands::pages::{Completions, Man};
use corelane::host::this;
use corelane::io::runtime::Runtime;
use corelane::io::{checks, signal, trim};
use corelane::server;
use corelane::server::loggers::Loggers;
use tracing_subscriber::EnvFilter;

/// How long `check` measures.
const MEASURE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    signal::block_stop_signals();
    let done = match Cli::parse().command_or_default() {
        Command::Serve(flags) => serve(&flags),
        Command::Check(flags) => check(&flags),
        Command::Adopt(flags) => adopt(&flags),
        Command::Completions(wanted) => completions(&wanted),
        Command::Man(wanted) => man(&wanted),
    };
    done.unwrap_or_else(|error| fail(&*error))
}

fn serve(flags: &Serve) -> Result<ExitCode, Box<dyn Error>> {
    trim::in_small_steps();
    let config = load(flags)?;
    let loggers = start_logging(&config.log_level);
    config
        .notes
        .iter()
        .for_each(|note| tracing::warn!("{note}"));
    server::serve(config, loggers, |ready| {
        println!("corelane ready {ready}");
    })?;
    Ok(ExitCode::SUCCESS)
}

fn check(flags: &Check) -> Result<ExitCode, Box<dyn Error>> {
    let config = load(&flags.serve())?;
    let length = if flags.no_measure {
        Duration::ZERO
    } else {
        MEASURE
    };
    let report = commands::check::check(config, length);
    let text = if flags.json {
        report.json()
    } else {
        report.text()
    };
    // Who pipes it into `head` has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::from(u8::from(!report.can_serve())))
}

fn load(flags: &Serve) -> Result<BrokerConfig, Box<dyn Error>> {
    let text = flags.config.as_deref().map(checks::read_text).transpose()?;
    let host = this::host_facts();
    Ok(flags.load(text.as_deref(), &host, this::formatted_shards)?)
}

fn adopt(flags: &Adopt) -> Result<ExitCode, Box<dyn Error>> {
    let config = load(&flags.serve)?;
    let (from, accepted) = (&flags.from, flags.accepted());
    let runtime = Runtime::ring();
    let (seed, now) = (runtime.random_bytes(), runtime.wall_ms());
    let plan = commands::adopt::plan(from, &accepted, config, seed, now)?;
    print!("{plan}");
    if !flags.yes {
        println!("\nNothing was changed. Do it with --yes.");
        return Ok(ExitCode::SUCCESS);
    }
    let shows = std::io::stderr().is_terminal();
    let done = plan.carry_out(&mut |done, of| {
        if shows {
            let end = if done == of { "\n" } else { "" };
            eprint!("\r{done} of {of} partitions{end}");
        }
    })?;
    println!("\n{done}");
    Ok(ExitCode::SUCCESS)
}

fn completions(wanted: &Completions) -> Result<ExitCode, Box<dyn Error>> {
    std::io::stdout().write_all(&wanted.text(Cli::command()))?;
    Ok(ExitCode::SUCCESS)
}

fn man(wanted: &Man) -> Result<ExitCode, Box<dyn Error>> {
    let written = wanted.write(Cli::command());
    written.map_err(|error| format!("cannot write into {}: {error}", wanted.dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the log; what is returned changes its levels while it runs.
fn start_logging(level: &str) -> Loggers {
    let filter = |directives: &str| EnvFilter::builder().parse_lossy(directives);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // It would tell of a line that cannot be written on standard error, and panic when that
        // fails too: a log on a full disk is no reason to stop serving.
        .log_internal_errors(false)
        .with_filter_reloading();
    let reload = log.reload_handle();
    log.init();
    Loggers::new(level, move |directives| {
        // Fails where there is no log any more.
        let _ = reload.reload(filter(directives));
    })
}

/// One clear sentence and a non-zero exit code.
fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("corelane: {error}");
    ExitCode::FAILURE
}
