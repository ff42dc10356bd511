//! Drives: `loadgen compare`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::report::compare::{Run, Side, page, text, to_json};
use crate::report::hlog::Log;

/// Shown below the options.
pub const EXAMPLES: &str = "Examples:
  Two runs of eight blocks each:
    loadgen compare before after --html compare.html
  Interleaved runs, a log for each block; commas join what belongs to one side:
    loadgen compare a1.hlog,a2.hlog,a3.hlog,a4.hlog,a5.hlog b1.hlog,b2.hlog,b3.hlog,b4.hlog,b5.hlog
    loadgen compare --name ours --name theirs results/ours results/theirs";

/// What to compare.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// The sides, of which the first is what the others are compared with: an interval log, a
    /// folder with logs or with folders of runs, or several of them with commas
    #[arg(value_name = "SIDE", num_args = 2.., required = true)]
    pub sides: Vec<String>,

    /// What a side is called, in order
    #[arg(long, value_name = "TEXT")]
    pub name: Vec<String>,

    /// Cut runs without blocks of their own into blocks of S seconds
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub block_seconds: Option<u32>,

    /// Where the draws of the bootstrap begin
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,

    /// Write all figures to FILE
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write a page with the curves laid over each other to FILE
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Compares and tells.
pub fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let mut sides = Vec::new();
    for (number, given) in args.sides.iter().enumerate() {
        let mut runs = Vec::new();
        for path in given.split(',').filter(|path| !path.is_empty()) {
            runs.extend(read(Path::new(path))?);
        }
        if runs.is_empty() {
            return Err(format!("{given}: no interval log (.hlog) there").into());
        }
        let name = args.name.get(number).unwrap_or(given).clone();
        sides.push(Side::new(name, runs, args.block_seconds.map(f64::from)));
    }
    print!("{}", text(&sides, args.seed));
    if let Some(path) = &args.json {
        fs::write(path, format!("{:#}\n", to_json(&sides, args.seed)))?;
    }
    if let Some(path) = &args.html {
        fs::write(path, page(&sides, args.seed))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The runs of a log, of a folder with logs, or of a folder with folders of runs.
pub fn read(path: &Path) -> Result<Vec<Run>, Box<dyn Error>> {
    if !path.is_dir() {
        return Ok(vec![read_log(path)?]);
    }
    let mut inside: Vec<PathBuf> = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    inside.sort();
    let is_log = |path: &PathBuf| path.extension().is_some_and(|end| end == "hlog");
    let mut logs: Vec<PathBuf> = inside.iter().filter(|path| is_log(path)).cloned().collect();
    if logs.is_empty() {
        let below = inside.iter().map(|folder| folder.join("run.hlog"));
        logs = below.filter(|log| log.is_file()).collect();
    }
    logs.iter().map(|log| read_log(log)).collect()
}

/// A log, with the JSON of the same name beside it.
fn read_log(path: &Path) -> Result<Run, Box<dyn Error>> {
    let at = |error: String| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| at(error.to_string()))?;
    let log = Log::parse(&bytes).map_err(at)?;
    // A log of another tool has none, or one of another kind.
    let told = fs::read(path.with_extension("json")).ok();
    let told = told.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Run { log, told })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_found_in_files_folders_and_folders_of_runs() {
        let empty = "#[Histogram log format version 1.2]\n";
        let dir = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("run.hlog"), empty).unwrap();
        }
        fs::write(dir.path().join("two/run.json"), "{\"fit\":true}").unwrap();
        let runs = read(dir.path()).unwrap();
        assert_eq!(runs.len(), 2);
        assert!(runs[0].told.is_none() && runs[1].told.is_some());
        assert_eq!(read(&dir.path().join("one")).unwrap().len(), 1);
        assert_eq!(read(&dir.path().join("one/run.hlog")).unwrap().len(), 1);
        fs::write(dir.path().join("one/run.hlog"), "nonsense").unwrap();
        assert!(read(&dir.path().join("one")).is_err());
        assert!(read(&dir.path().join("none")).is_err());
    }
}
