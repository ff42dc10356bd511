//! Drives: `loadgen report`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use crate::report::hlog::Log;
use crate::report::html;

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
    let mut told: Value = serde_json::from_slice(&read(&format!("{name}.json"))?)?;
    if !told["notes"].is_array() {
        told["notes"] = Value::Array(Vec::new());
    }
    if let Some(notes) = told["notes"].as_array_mut() {
        notes.extend(args.note.iter().cloned().map(Value::from));
    }
    let path = args.html.clone();
    let path = path.unwrap_or_else(|| args.dir.join(page));
    let drawn = match is_sweep {
        true => html::sweep::page(&told, &log),
        false => html::report(&told, &log),
    };
    fs::write(&path, drawn)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}
