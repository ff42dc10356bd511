//! Drives: `loadgen sweep`.

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use crate::plan::Plan;
use crate::sweep::{self, Ramp};

/// Shown below the options.
pub const EXAMPLES: &str = "Examples:
  From 1,000 records/s up, half as many more each time, 10 s for each rate:
    loadgen sweep --bootstrap localhost:9092 --topic load --rate 1000 --duration 10 --warmup 3
  The same with the curve kept:
    loadgen sweep --bootstrap localhost:9092 --topic load --rate 1000 --json curve.json";

/// The load, and how to go up.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// The load; --rate is the first rate.
    #[command(flatten)]
    pub plan: Plan,

    /// Each rate is so many times the one before
    #[arg(long, value_name = "TIMES", default_value = "1.5", help_heading = "Sweep",
        value_parser = more_than_one)]
    pub factor: f64,

    /// No rate is higher
    #[arg(long, value_name = "RATE", default_value = "100000000", help_heading = "Sweep",
        value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub until: u64,

    /// The knee is the first rate of which less than 99 % was achieved, or whose p99 is more
    /// than so many times that of the first rate
    #[arg(long, value_name = "TIMES", default_value = "5", help_heading = "Sweep",
        value_parser = more_than_one)]
    pub knee: f64,

    /// Rates to try between the last one before the knee and the first one past it
    #[arg(long, value_name = "N", default_value = "3", help_heading = "Sweep",
        value_parser = clap::value_parser!(u32).range(0..=20))]
    pub refine: u32,
}

fn more_than_one(text: &str) -> Result<f64, String> {
    let found = text
        .parse::<f64>()
        .ok()
        .filter(|times| *times > 1.0 && *times <= 1e6);
    found.ok_or("a number of more than 1".to_owned())
}

/// Runs it.
pub fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let outputs = &args.plan.outputs;
    if outputs.hlog.is_some() || outputs.html.is_some() || outputs.omb_json.is_some() {
        return Err("a sweep writes --json, or sweep.json into the folder of --out".into());
    }
    let mut paths: Vec<_> = outputs.json.iter().cloned().collect();
    if let Some(dir) = &outputs.out {
        fs::create_dir_all(dir)?;
        paths.push(dir.join("sweep.json"));
    }
    for path in &paths {
        fs::write(path, "")?;
    }
    let ramp = Ramp {
        factor: args.factor,
        most: args.until,
        times: args.knee,
        refine: args.refine,
    };
    let found = sweep::sweep(&args.plan, &ramp)?;
    print!("{}", found.text());
    for path in &paths {
        fs::write(path, format!("{:#}\n", found.json(&outputs.settings)))?;
    }
    Ok(ExitCode::SUCCESS)
}
