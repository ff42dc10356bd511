//! Drives: `loadgen floors`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::{floors, host, plan, report};

/// What the host can do.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Measure writes in DIR, which should be on the broker's own file system
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,

    /// Bytes of a round trip, and, rounded up to blocks of 4 KiB, of a write
    #[arg(long, value_name = "BYTES", default_value = "1024", value_parser = plan::size)]
    pub size: usize,

    /// How often each is done
    #[arg(long, value_name = "N", default_value = "5000",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub count: u32,

    /// Write the figures and facts of this host to FILE
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Measures and prints them.
pub fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let host = host::facts();
    let found = floors::measure(&args.dir, args.size, args.count)?;
    print!(
        "{}",
        report::table(found.iter().map(|(name, times)| (*name, times)))
    );
    if let Some(path) = &args.json {
        let figures: serde_json::Map<_, _> = found
            .iter()
            .map(|(name, times)| ((*name).to_owned(), report::quantiles(times)))
            .collect();
        let all = json!({
            "loadgen": env!("CARGO_PKG_VERSION"), "host": host, "dir": args.dir,
            "size": args.size, "count": args.count, "floors_us": figures,
        });
        fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
