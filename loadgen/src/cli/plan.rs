//! Drives: `loadgen plan`.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::words::{self, Typed};
use crate::options::scenario::{SHIPPED, Scenario, fill_in};
use crate::report::compare::{Side, overview};
use crate::run::Ended;

/// Shown below the options.
pub const EXAMPLES: &str = "Examples:
  What there is:
    loadgen plan --list
  Run one; a folder for each step, and an overview in result/index.html:
    loadgen plan burst --bootstrap localhost:9092 --out result
  The same, at ten times the pace in every step:
    loadgen plan burst --bootstrap localhost:9092 --rate 5000
  Only to see that it works, a twentieth of the time:
    loadgen plan steady --scale 0.05 --bootstrap localhost:9092 --out tried
  Begin one of your own with it:
    loadgen plan burst --show > mine.toml";

/// Which scenario.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// A scenario that comes with loadgen, or a TOML file
    #[arg(value_name = "NAME|FILE", required_unless_present = "list")]
    pub scenario: Option<String>,

    /// Name the scenarios that come with loadgen
    #[arg(long)]
    pub list: bool,

    /// All times of the scenario so many times as long (0.1 is one): to try it, or to be sure
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = scale)]
    pub scale: f64,

    /// What is typed behind it.
    #[command(flatten)]
    pub typed: Typed,
}

fn scale(text: &str) -> Result<f64, String> {
    let found = text.parse::<f64>().ok();
    let found = found.filter(|times| (0.001..=1_000.0).contains(times));
    found.ok_or("from 0.001 to 1000".to_owned())
}

/// Runs all steps; the exit code is the worst of them.
pub fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let Some(given) = args.scenario.as_ref().filter(|_| !args.list) else {
        return list();
    };
    let text = match SHIPPED.iter().find(|(name, _)| name == given) {
        Some((_, text)) => (*text).to_owned(),
        None => fs::read_to_string(given).map_err(|error| {
            format!("{given} is no scenario of loadgen's (see --list), and no file: {error}")
        })?,
    };
    let at = |why: String| format!("{given}: {why}");
    let mut scenario = Scenario::parse(&text, words::known).map_err(at)?;
    if args.typed.show {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut options = args.typed.options.clone();
    let times = late_scale(&mut options)?.unwrap_or(args.scale);
    scenario.scale(times, words::default_of)?;
    // All steps are looked at before the first one runs.
    let program = std::env::current_exe()?;
    let mut plans = Vec::new();
    for step in &scenario.steps {
        let mut plan = words::plan(&step.options, &options).unwrap_or_else(|error| error.exit());
        for event in &mut plan.outputs.at {
            let program = program.to_string_lossy();
            event.what = fill_in(&event.what, &program, &plan.bootstrap, &plan.topic);
        }
        plans.push(plan);
    }
    let (mut worst, mut folders) = (0, Vec::new());
    let mut base = None;
    let count = plans.len();
    for (number, (mut plan, step)) in plans.into_iter().zip(&scenario.steps).enumerate() {
        eprintln!(
            "=== {}: {} ({} of {count})",
            scenario.name,
            step.name,
            number + 1
        );
        if let Some(out) = plan.outputs.out.take() {
            let folder = out.join(format!("{:02}-{}", number + 1, step.name));
            folders.push(folder.clone());
            plan.outputs.out = Some(folder);
            base = Some(out);
        }
        plan.outputs
            .name
            .get_or_insert(format!("{}: {}", scenario.name, step.name));
        plan.outputs.about = Some(match step.about.is_empty() {
            true => scenario.about.clone(),
            false => format!("{} {}", scenario.about, step.about),
        });
        let Ended { code, interrupted } = crate::run::run_to_end(plan)?;
        worst = worst.max(code);
        if interrupted {
            break;
        }
    }
    if let Some(base) = base {
        let path = write_overview(&base, &scenario, &folders)?;
        println!("overview: {}", path.display());
    }
    Ok(ExitCode::from(worst))
}

/// Takes a --scale out of the options that were typed for `loadgen run`: users type it on either
/// side of the scenario's name.
fn late_scale(options: &mut Vec<String>) -> Result<Option<f64>, String> {
    let is_scale = |word: &String| word == "--scale" || word.starts_with("--scale=");
    let Some(at) = options.iter().position(is_scale) else {
        return Ok(None);
    };
    let word = options.remove(at);
    let value = match word.strip_prefix("--scale=") {
        Some(value) => value.to_owned(),
        None if at < options.len() => options.remove(at),
        None => String::new(),
    };
    scale(&value)
        .map(Some)
        .map_err(|why| format!("--scale: {why}"))
}

fn list() -> Result<ExitCode, Box<dyn Error>> {
    for (name, text) in SHIPPED {
        let scenario = Scenario::parse(text, words::known)?;
        // A reader of the first lines only, such as head, closes the pipe: that is no error.
        let _ = writeln!(io::stdout(), "{name}\n    {}\n", scenario.about);
    }
    Ok(ExitCode::SUCCESS)
}

fn write_overview(
    base: &Path,
    scenario: &Scenario,
    folders: &[PathBuf],
) -> Result<PathBuf, Box<dyn Error>> {
    let mut sides = Vec::new();
    for folder in folders
        .iter()
        .filter(|folder| folder.join("run.hlog").exists())
    {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let runs = super::compare::read(folder)?;
        sides.push(Side::new(name.into_owned(), runs, None));
    }
    let path = base.join("index.html");
    fs::write(&path, overview(&scenario.name, &scenario.about, &sides))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_may_stand_behind_options_of_a_run() {
        let typed = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
        for (line, rest) in [
            ("--rate 5 --scale 0.5 --quiet", "--rate 5 --quiet"),
            ("--scale=0.5 --rate 5", "--rate 5"),
        ] {
            let mut options = typed(line);
            assert_eq!(late_scale(&mut options), Ok(Some(0.5)));
            assert_eq!(options, typed(rest));
        }
        assert_eq!(late_scale(&mut typed("--rate 5")), Ok(None));
        for wrong in ["--rate 5 --scale", "--scale 0", "--scale=x"] {
            assert!(late_scale(&mut typed(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_that_are_shipped_can_be_run() {
        for (name, text) in SHIPPED {
            let scenario = Scenario::parse(text, words::known).unwrap_or_else(|error| {
                panic!("{name}: {error}");
            });
            assert_eq!(scenario.name, name);
            assert!(!scenario.about.is_empty() && !scenario.steps.is_empty());
            let typed = ["--bootstrap", "h:1"].map(str::to_owned);
            for step in &scenario.steps {
                let plan = words::plan(&step.options, &typed);
                assert!(plan.is_ok(), "{name}: {}", plan.unwrap_err());
            }
        }
    }
}
