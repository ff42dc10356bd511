//! Drives: the command line: a file for each subcommand, with its arguments and what it does.

mod compare;
mod floors;
mod omb;
mod plan;
mod read;
mod refused;
mod report;
mod run;
mod sweep;
mod verify;
pub mod words;

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use corelane_wire::pages::{Completions, Man};

use crate::options::{self, Plan};

/// An open-loop load generator for Kafka-compatible brokers, in microseconds.
///
/// Records are sent at times fixed ahead, whatever the broker does, and every latency counts
/// from the time a record was to be sent: a stall of the broker shows at its full size, for
/// every record that it held up. Histograms of all threads are merged, never averaged, and
/// nothing is dropped. loadgen also watches itself: a run in which it did not keep its own
/// times, or did not get an answer for everything, is marked unfit.
///
/// Exit code: 0 all well; 1 it could not run; 2 wrong usage; 3 the run is unfit to be quoted;
/// 4 records were lost, repeated or out of order.
#[derive(Parser, Debug)]
#[command(name = "loadgen", version = corelane_wire::version::version(), max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Send records and report latencies: at a constant rate, a Poisson one, or --max.
    ///
    /// Unless batches are asked for, each record is a request of its own. What was acked is read
    /// back and checked. Ctrl-C ends a run early and still writes the whole report; a second one
    /// gives up.
    #[command(after_help = run::EXAMPLES)]
    Run(Box<Plan>),
    /// Measure what this host can do at best, without a broker.
    ///
    /// A round trip on loopback, a direct overwrite of a preallocated file, and the same with a
    /// flush: no broker on this host acks faster than the first, or durably than the sum.
    Floors(floors::Args),
    /// Find the knee: latencies at higher and higher rates, until the broker cannot keep up.
    #[command(after_help = sweep::EXAMPLES)]
    Sweep(Box<sweep::Args>),
    /// Prove that no acked record is lost, repeated, disordered or damaged, whatever happens to
    /// the broker meanwhile.
    ///
    /// Records are numbered and checksummed. Connections that break are made anew, and batches
    /// sent again with the same sequence numbers; when all is acked, everything is read back.
    /// Exit code: 0 proven; 3 not proven, since not everything was answered or read; 4 disproven.
    #[command(after_help = verify::EXAMPLES)]
    Verify(Box<verify::Args>),
    /// Run a named scenario of several steps, from a TOML file or of those that come along.
    ///
    /// A scenario is made of the options of loadgen run; any that are given here win over it.
    #[command(after_help = plan::EXAMPLES)]
    Plan(plan::Args),
    /// Run a workload file of OpenMessaging Benchmark, as it is.
    ///
    /// Keys that loadgen does not honour to the letter are named before the run and in its
    /// report.
    #[command(after_help = omb::EXAMPLES)]
    Omb(omb::Args),
    /// Say what runs differ by, and how sure that is.
    ///
    /// Each side's quantiles are compared block by block: the ratio has a bootstrap interval
    /// over blocks, and there is a verdict only where that interval excludes no change and the
    /// change is more than 2 %.
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::Args),
    /// Read a topic from its beginning, as fast as it comes: a cold reader to disturb others.
    Read(read::Args),
    /// Draw the HTML report of a run again, from the files that it left.
    Report(report::Args),
    /// Print what a shell needs to complete commands and options: for packages.
    Completions(Completions),
    /// Write the manual pages into a folder: for packages.
    Man(Man),
}

impl Cli {
    /// What this process was called with. Wrong usage ends it.
    pub fn from_command_line() -> Cli {
        Cli::from_words(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// What `words` ask for; the first one is the program's name.
    pub fn from_words<W: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<Cli, clap::Error> {
        let mut command = refused::hide(Cli::command());
        command.build();
        let matches = command.clone().try_get_matches_from(words)?;
        if let Some((name, own)) = matches.subcommand() {
            refused::check(&mut command, name, own)?;
        }
        let mut cli = Cli::from_arg_matches(&matches)?;
        let plan = match &mut cli.command {
            Command::Run(plan) => Some(&mut **plan),
            Command::Sweep(args) => Some(&mut args.plan),
            Command::Verify(args) => Some(&mut args.plan),
            _ => None,
        };
        if let (Some(plan), Some((name, own))) = (plan, matches.subcommand())
            && let Some(command) = command.find_subcommand(name)
        {
            plan.outputs.settings = options::settings(command, own);
        }
        Ok(cli)
    }
}

impl Command {
    /// Does it; the exit code says how it went.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        match self {
            Command::Run(plan) => run::run(*plan),
            Command::Floors(args) => floors::run(&args),
            Command::Sweep(args) => sweep::run(*args),
            Command::Verify(args) => verify::run(*args),
            Command::Compare(args) => compare::run(&args),
            Command::Plan(args) => plan::run(&args),
            Command::Omb(args) => omb::run(&args),
            Command::Read(args) => read::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Completions(wanted) => {
                std::io::stdout().write_all(&wanted.text(refused::hide(Cli::command())))?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Man(wanted) => {
                wanted.write(refused::hide(Cli::command()))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use corelane_wire::pages::shown_commands;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_the_pages_show_is_one() {
        let mut count = 0;
        for page in ["../docs/loadgen.md", "README.md"] {
            let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            for words in shown_commands(&text, "loadgen") {
                count += 1;
                let told = match Cli::from_words(&words) {
                    Err(error) if error.exit_code() != 0 => error.to_string(),
                    _ => continue,
                };
                panic!("{page}: {words:?}: {told}");
            }
        }
        assert!(count >= 7, "{count}");
    }
}
