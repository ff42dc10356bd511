//! Drives: `loadgen plan`.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::words;
use crate::compare::{Side, overview};
use crate::run::Ended;
use crate::scenario::{SHIPPED, Scenario, fill_in};

/// Shown below the options.
pub const EXAMPLES: &str = "Examples:
  What there is:
    loadgen plan --list
  Run one; a folder for each step, and an overview in result/index.html:
    loadgen plan burst --bootstrap localhost:9092 --out result
  The same, at ten times the pace in every step:
    loadgen plan burst --bootstrap localhost:9092 --rate 5000
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

    /// Print the scenario, as a file to begin with
    #[arg(long)]
    pub show: bool,

    /// Options of loadgen run, for every step; they win over the scenario's. --bootstrap is
    /// needed
    #[arg(
        value_name = "OPTION",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub options: Vec<String>,
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
    let scenario = Scenario::parse(&text, words::known).map_err(|why| format!("{given}: {why}"))?;
    if args.show {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    // All steps are looked at before the first one runs.
    let program = std::env::current_exe()?;
    let mut plans = Vec::new();
    for step in &scenario.steps {
        let mut plan =
            words::plan(&step.options, &args.options).unwrap_or_else(|error| error.exit());
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

fn list() -> Result<ExitCode, Box<dyn Error>> {
    for (name, text) in SHIPPED {
        let scenario = Scenario::parse(text, words::known)?;
        // Whoever reads only the first lines has closed the pipe: that is no error.
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
