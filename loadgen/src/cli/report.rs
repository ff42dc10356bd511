//! Drives: `loadgen report`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::report::hlog::Log;
use crate::report::html;
use crate::report::run_report::RunReport;
use crate::report::sweep::SweepReport;

/// Which run.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// The folder that `loadgen run --out` or `loadgen sweep --out` wrote
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// Write the page to FILE [default: report.html or sweep.html in DIR]
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// A remark for the report, repeatable, beside those of the run; N:TEXT goes to point N of
    /// its fair statement
    #[arg(long, value_name = "[N:]TEXT")]
    pub note: Vec<String>,
}

/// Draws the page of a run that is over.
pub fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let read = |name: &str| {
        let path = args.dir.join(name);
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let is_sweep = args.dir.join("sweep.json").exists();
    let (name, page) = match is_sweep {
        true => ("sweep", "sweep.html"),
        false => ("run", "report.html"),
    };
    let log = Log::parse(&read(&format!("{name}.hlog"))?)?;
    let json = read(&format!("{name}.json"))?;
    let drawn = match is_sweep {
        true => {
            let mut report: SweepReport = serde_json::from_slice(&json)?;
            report.context.notes.extend(args.note.iter().cloned());
            html::sweep::page(&report, &log)
        }
        false => {
            let mut report: RunReport = serde_json::from_slice(&json)?;
            report.context.notes.extend(args.note.iter().cloned());
            html::report(&report, &log)
        }
    };
    let path = args.html.clone();
    let path = path.unwrap_or_else(|| args.dir.join(page));
    fs::write(&path, drawn)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}
