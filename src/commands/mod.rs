//! Drives: what the program does when it is called: its commands, and the line that names them.
//! May use: everything. Never: is used by a room.

// What a command says goes to standard output.
#![allow(clippy::disallowed_macros)]

pub mod adopt;
pub mod check;
pub mod cli;
mod format;
pub mod pages;
mod serve;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;

use crate::base::config::BrokerConfig;
use crate::host::this;
use crate::io::runtime::Runtime;
use crate::io::{checks, trim};
use crate::metadata::controller::{IDENTITY_FILE, shard_dir};
use cli::{Adopt, Check, Cli, Command, Serve};
use pages::{Completions, Man};

/// How long `check` measures.
const MEASURE: Duration = Duration::from_secs(2);

/// Does what the command line asks for; the error is one sentence for the user.
pub fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Serve(flags) => {
            trim::in_small_steps();
            serve::run(load(&flags)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Format(flags) => format::run(&flags, load(&flags.serve())?),
        Command::Check(flags) => check(&flags),
        Command::Adopt(flags) => adopt(&flags),
        Command::Completions(wanted) => completions(&wanted),
        Command::Man(wanted) => man(&wanted),
    }
}

fn check(flags: &Check) -> Result<ExitCode, Box<dyn Error>> {
    let config = load(&flags.serve())?;
    let length = if flags.no_measure {
        Duration::ZERO
    } else {
        MEASURE
    };
    let report = check::check(config, length);
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
    Ok(flags.load(text.as_deref(), &host, formatted_shards)?)
}

/// How many shards the data folder `dir` was formatted with, as far as their folders tell.
fn formatted_shards(dir: &Path) -> Option<usize> {
    let has = |index: &usize| shard_dir(dir, *index).join(IDENTITY_FILE).is_file();
    Some((0..).take_while(has).count()).filter(|count| *count > 0)
}

fn adopt(flags: &Adopt) -> Result<ExitCode, Box<dyn Error>> {
    let config = load(&flags.serve)?;
    let (from, accepted) = (&flags.from, flags.accepted());
    let runtime = Runtime::ring();
    let (seed, now) = (runtime.random_bytes(), runtime.wall_ms());
    let plan = adopt::plan(from, &accepted, config, seed, now)?;
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
