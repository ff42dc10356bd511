//! Drives: `loadgen omb`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use super::words::{self, Typed};
use crate::options::workload::Workload;

/// Shown below the options.
pub const EXAMPLES: &str = "Examples:
  A workload of OpenMessaging Benchmark as it is; its result goes to result/omb.json:
    loadgen omb workload.yaml --bootstrap localhost:9092 --topic load --out result
  The same for one minute only:
    loadgen omb workload.yaml --bootstrap localhost:9092 --topic load --duration 60 --warmup 5";

/// Which workload.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// A workload file (YAML)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// What is typed behind it.
    #[command(flatten)]
    pub typed: Typed,
}

/// Runs it.
pub fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let at = |error: String| format!("{}: {error}", args.file.display());
    let text = fs::read_to_string(&args.file).map_err(|error| at(error.to_string()))?;
    let workload = Workload::parse(&text).map_err(at)?;
    let made = workload.options(words::known).map_err(at)?;
    for (key, how) in &made.remarks {
        eprintln!("{key}: {how}");
    }
    if args.typed.show {
        let words = made.options.iter().map(|(name, value)| match value {
            Some(value) => format!(" --{name} {value}"),
            None => format!(" --{name}"),
        });
        println!("loadgen run{}", words.collect::<String>());
        return Ok(ExitCode::SUCCESS);
    }
    let mut plan =
        words::plan(&made.options, &args.typed.options).unwrap_or_else(|error| error.exit());
    if plan.outputs.name.is_none() {
        plan.outputs.name = Some(workload.name().to_owned());
    }
    let remarks = made.remarks.iter();
    let remarks = remarks.map(|(key, how)| format!("{key}: {how}"));
    plan.outputs.note.extend(remarks);
    plan.outputs.workload = Some(workload);
    crate::run::run(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_workload() {
        let workload = Workload::parse(include_str!("../../examples/workload.yaml")).unwrap();
        assert!(workload.options(words::known).is_ok());
    }
}
