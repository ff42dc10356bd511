//! Drives: `loadgen sweep`.

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use crate::options::{Format, Plan};
use crate::report::hlog::Log;
use crate::report::measured::UNFIT;
use crate::report::output::Names;
use crate::report::run_report::to_text;
use crate::report::{html, output};
use crate::run::sweep::{self, Ramp};

/// Shown below the options.
pub const EXAMPLES: &str = "Examples:
  From 1,000 records/s up, half as many more each time, 10 s for each rate:
    loadgen sweep --bootstrap localhost:9092 --topic load --rate 1000 --duration 10 --warmup 3
  The same with the curve drawn, beside what the host does at best, and all figures kept:
    loadgen sweep --bootstrap localhost:9092 --topic load --rate 1000 \\
      --floors ./corelane-data --out curve";

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

/// What it writes into its folder.
pub const FILES: &Names = &[
    ("hlog", "sweep.hlog"),
    ("json", "sweep.json"),
    ("html", "sweep.html"),
];

/// Runs it.
pub fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let outputs = &args.plan.outputs;
    let files = output::prepare(outputs, FILES)?;
    let ramp = Ramp {
        factor: args.factor,
        most: args.until,
        times: args.knee,
        refine: args.refine,
    };
    let found = sweep::sweep(&args.plan, &ramp)?;
    let log = Log::parse(&found.log)?;
    let mut report = found.report();
    report.context = output::context(outputs, &files);
    report.started = log.started_s.map(html::date);
    let json = to_text(&report)?;
    for (kind, path) in &files {
        match *kind {
            "hlog" => fs::write(path, &found.log)?,
            "json" => fs::write(path, format!("{json}\n"))?,
            _ => fs::write(path, html::sweep::page(&report, &log))?,
        }
    }
    match outputs.format {
        Format::Json => println!("{json}"),
        _ => print!("{}", found.text()),
    }
    Ok(match found.unfit().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(UNFIT),
    })
}
