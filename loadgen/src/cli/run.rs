//! Drives: `loadgen run`.

use std::error::Error;
use std::process::ExitCode;

use crate::options::Plan;

/// Shown below the options.
pub const EXAMPLES: &str = "Examples:
  Durable acks, 1,000 records/s of 1 KiB, one minute after a warm-up of ten seconds:
    loadgen run --bootstrap localhost:9092 --topic load --create 1 --rate 1000
  End to end as well, with the raw histograms and all settings kept:
    loadgen run --bootstrap localhost:9092 --topic load --rate 1000 --consume \\
      --hlog run.hlog --json run.json";

/// Runs it.
pub fn run(plan: Plan) -> Result<ExitCode, Box<dyn Error>> {
    crate::run::run(plan)
}
