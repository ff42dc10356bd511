//! Drives: the command line: a file for each subcommand, with its arguments and what it does.

mod floors;
mod run;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::plan::Plan;

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
#[command(name = "loadgen", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Send records at a constant rate and report latencies.
    ///
    /// Each record is a request of its own (no lingering, no limit on requests in flight).
    /// Ctrl-C ends a run early and still writes the whole report; a second one gives up.
    #[command(after_help = run::EXAMPLES)]
    Run(Box<Plan>),
    /// Measure what this host can do at best, without a broker.
    ///
    /// A round trip on loopback, a direct overwrite of a preallocated file, and the same with a
    /// flush: no broker on this host acks faster than the first, or durably than the sum.
    Floors(floors::Args),
}

impl Command {
    /// Does it; the exit code says how it went.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        match self {
            Command::Run(plan) => run::run(*plan),
            Command::Floors(args) => floors::run(&args),
        }
    }
}
