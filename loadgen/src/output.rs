//! Drives: what a run leaves behind: files, what is printed, and the options that say so.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueEnum};
use serde_json::{Map, Value, json};

use crate::hlog::{Log, percentile_table};
use crate::observe::Observed;
use crate::report::Report;
use crate::{host, html, omb, perf_test};

/// What to write and to watch.
#[derive(Args, Debug, Clone, Default)]
pub struct Outputs {
    /// Write everything into folder DIR: run.hlog, run.json, report.html, a .hgrm for each
    /// histogram, and omb.json, the result as OpenMessaging Benchmark writes it
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,

    /// Write the raw histograms of each second to FILE, for HdrHistogram's tools; in
    /// nanoseconds, with the tags produce, produce_service, e2e, lateness and floor_…
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub hlog: Option<PathBuf>,

    /// Write the figures, all settings and facts of this host to FILE
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,

    /// Write the report as one HTML page to FILE: no script, nothing loaded from elsewhere
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,

    /// Write the result as OpenMessaging Benchmark would to FILE
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub omb_json: Option<PathBuf>,

    /// What to print at the end; perf-test is the last line of kafka-producer-perf-test
    #[arg(long, value_enum, default_value = "table", help_heading = "Output")]
    pub format: Format,

    /// What the report is called
    #[arg(long, value_name = "TEXT", help_heading = "Output")]
    pub name: Option<String>,

    /// A remark for the report, repeatable; N:TEXT goes to point N of its fair statement, such
    /// as "4:the disks have power-loss protection"
    #[arg(long, value_name = "[N:]TEXT", help_heading = "Output")]
    pub note: Vec<String>,

    /// Watch process PID of this host, repeatable: CPU time, memory and context switches each
    /// second. Its end is marked in the report
    #[arg(long, value_name = "PID", help_heading = "Watching")]
    pub broker_pid: Vec<u32>,

    /// Look up the broker's file system and device by its folder DIR on this host
    #[arg(long, value_name = "DIR", help_heading = "Watching")]
    pub data_dir: Option<PathBuf>,

    /// Mark TEXT in the report at second S of the measured part, repeatable
    #[arg(long, value_name = "S=TEXT", value_parser = at_second, help_heading = "Watching")]
    pub event: Vec<Event>,

    /// Run COMMAND (by sh) at second S of the measured part and mark its start and end,
    /// repeatable; for restarts, topic deletion, a cold reader, and what else may disturb
    #[arg(long, value_name = "S=COMMAND", value_parser = at_second, help_heading = "Watching")]
    pub at: Vec<Event>,

    /// Every option with its value, for the report.
    #[arg(skip)]
    pub settings: Value,

    /// What the report says of the scenario that this run is a part of.
    #[arg(skip)]
    pub about: Option<String>,

    /// The OpenMessaging workload that was asked for.
    #[arg(skip)]
    pub workload: Option<omb::Workload>,
}

/// What is printed at the end.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// A table.
    #[default]
    Table,
    /// The JSON report.
    Json,
    /// One line as kafka-producer-perf-test's last.
    PerfTest,
}

/// Something at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Seconds of the measured part.
    pub at_s: f64,
    /// What to mark or to do.
    pub what: String,
}

fn at_second(text: &str) -> Result<Event, String> {
    let wrong = || "such as 30=restart".to_owned();
    let (at, what) = text.split_once('=').ok_or_else(wrong)?;
    let at_s: f64 = at.trim().parse().map_err(|_| wrong())?;
    match at_s >= 0.0 && at_s.is_finite() && !what.is_empty() {
        true => Ok(Event {
            at_s,
            what: what.to_owned(),
        }),
        false => Err(wrong()),
    }
}

/// A kind of file, and its path.
pub type File = (&'static str, PathBuf);

/// What is written into a folder: kinds of files, and their names there.
pub type Names = [(&'static str, &'static str)];

/// What `loadgen run` writes into its folder.
pub const RUN_FILES: &Names = &[
    ("hlog", "run.hlog"),
    ("json", "run.json"),
    ("html", "report.html"),
    ("omb", "omb.json"),
];

impl Outputs {
    /// The files to be written, with the folder's where one is given. They are created: a path
    /// that cannot be is better known before the run.
    pub fn prepare(&self, names: &Names) -> Result<Vec<File>, Box<dyn Error>> {
        if let Some(dir) = &self.out {
            fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        }
        let mut files = Vec::new();
        for (kind, name) in names {
            let given = match *kind {
                "hlog" => &self.hlog,
                "json" => &self.json,
                "html" => &self.html,
                _ => &self.omb_json,
            };
            let in_folder = self.out.as_ref().map(|dir| dir.join(name));
            let both = in_folder.into_iter().chain(given.clone());
            files.extend(both.map(|path| (*kind, path)));
        }
        for (_, path) in &files {
            fs::write(path, "").map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(files)
    }
}

/// Every option of `command` with the value that it got, defaults included.
pub fn settings(command: &Command, matches: &clap::ArgMatches) -> Value {
    let mut all = Map::new();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if ["help", "version"].contains(&id) {
            continue;
        }
        let raw = matches.try_get_raw(id).ok().flatten();
        let values: Vec<Value> = raw
            .into_iter()
            .flatten()
            .map(|value| typed(&value.to_string_lossy()))
            .collect();
        let value = match values.len() {
            0 => Value::Null,
            1 => values.into_iter().next().unwrap_or_default(),
            _ => Value::Array(values),
        };
        all.insert(id.to_owned(), value);
    }
    Value::Object(all)
}

/// A number or a truth value where the text is one.
fn typed(text: &str) -> Value {
    let number = text.parse::<i64>().map(Value::from);
    number
        .or_else(|_| text.parse::<bool>().map(Value::from))
        .unwrap_or_else(|_| Value::from(text))
}

/// The command line as it could be typed again.
pub fn command_line(arguments: impl Iterator<Item = OsString>) -> String {
    let plain = |text: &str| {
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
        !text.is_empty() && text.chars().all(safe)
    };
    let words: Vec<String> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .map(|word| match plain(&word) {
            true => word,
            false => format!("'{}'", word.replace('\'', "'\\''")),
        })
        .collect();
    words.join(" ")
}

/// Writes `files` and prints; `log` is the interval log of the measured part.
pub fn write(
    report: &Report,
    log: &[u8],
    observed: &Observed,
    files: &[File],
) -> Result<(), Box<dyn Error>> {
    let outputs = &report.plan.outputs;
    let mut told = report.json();
    let parsed = Log::parse(log)?;
    add_context(&mut told, outputs, files);
    add_observed(&mut told, observed, report.bytes);
    told["started"] = json!(parsed.started_s.map(html::date));
    for (kind, path) in files {
        match *kind {
            "hlog" => fs::write(path, log)?,
            "json" => fs::write(path, format!("{told:#}\n"))?,
            "html" => fs::write(path, html::report(&told, &parsed))?,
            _ => {
                let result = omb::result(&told, &parsed, outputs.workload.as_ref());
                fs::write(path, format!("{result:#}\n"))?;
            }
        }
    }
    if let Some(dir) = &outputs.out {
        write_tables(dir, &parsed)?;
    }
    match outputs.format {
        Format::Table => print!("{}{}", report.text(), watched(&told)),
        Format::Json => println!("{told:#}"),
        Format::PerfTest => {
            // The table is for people; the line for those who parse it.
            eprint!("{}", report.text());
            println!("{}", perf_test::line(&told, &parsed));
        }
    }
    if let Some(dir) = outputs
        .out
        .as_ref()
        .filter(|_| outputs.format == Format::Table)
    {
        println!("report: {}", dir.join("report.html").display());
    }
    Ok(())
}

/// A `.hgrm` for each tag.
fn write_tables(dir: &Path, log: &Log) -> Result<(), Box<dyn Error>> {
    for tag in log.tags().into_iter().filter(|tag| html::is_time(tag)) {
        // Tags are ours, and nothing but letters and underscores.
        let path = dir.join(format!("{tag}.hgrm"));
        fs::write(path, percentile_table(&log.total(tag)))?;
    }
    Ok(())
}

/// What stands around the figures.
pub fn add_context(told: &mut Value, outputs: &Outputs, files: &[File]) {
    told["name"] = json!(outputs.name);
    told["about"] = json!(outputs.about);
    told["command"] = json!(command_line(std::env::args_os()));
    told["settings"] = outputs.settings.clone();
    told["notes"] = json!(outputs.note);
    told["device"] = json!(outputs.data_dir.as_deref().and_then(host::device));
    let paths = files.iter().map(|(kind, path)| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        ((*kind).to_owned(), json!(name))
    });
    told["files"] = Value::Object(paths.collect());
}

/// What was seen beside them; `bytes` of records were acked meanwhile.
pub fn add_observed(told: &mut Value, observed: &Observed, bytes: u64) {
    told["events"] = observed.events_json();
    told["brokers"] = observed.brokers_json(bytes);
    told["broker_cpus"] = json!(observed.cpus());
    if let (Value::Object(told), Value::Object(topic)) = (told, &observed.topic) {
        told.extend(topic.clone());
    }
}

/// What the watched processes cost, for people.
pub fn watched(told: &Value) -> String {
    let mut text = String::new();
    for broker in told["brokers"].as_array().into_iter().flatten() {
        let figure = |name: &str| broker[name].as_f64();
        let _ = write!(
            text,
            "{} ({}): {:.2} CPU s",
            broker["name"].as_str().unwrap_or_default(),
            broker["pid"],
            figure("cpu_s").unwrap_or(0.0)
        );
        if let Some(per_gb) = figure("cpu_s_per_gb") {
            let _ = write!(text, ", {per_gb:.2} CPU s per GB of records");
        }
        if let Some(resident) = figure("resident_max") {
            let _ = write!(text, ", {:.0} MiB resident at most", resident / 1048576.0);
        }
        if let (Some(waits), Some(pushed)) = (figure("waits_per_s"), figure("preemptions_per_s")) {
            let _ = write!(text, ", {waits:.0} waits/s, {pushed:.0} preemptions/s");
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        outputs: Outputs,
    }

    #[test]
    fn every_option_is_told_with_its_default() {
        let words = ["x", "--note", "a", "--note", "b", "--event", "3=a roll"];
        let matches = Only::command().get_matches_from(words);
        let told = settings(&Only::command(), &matches);
        assert_eq!(told["format"], "table");
        assert_eq!(told["note"], json!(["a", "b"]));
        assert_eq!(told["hlog"], Value::Null);
        assert_eq!(told["event"], "3=a roll");
        assert!(told.get("help").is_none() && told.get("settings").is_none());
    }

    #[test]
    fn times_of_events_are_checked() {
        let event = at_second("1.5=a=b").unwrap();
        assert_eq!((event.at_s, event.what.as_str()), (1.5, "a=b"));
        for wrong in ["5", "x=y", "-1=y", "5=", "inf=y"] {
            assert!(at_second(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_command_line_can_be_typed_again() {
        let words = ["loadgen", "--name", "it's $x", "--rate=5", ""];
        let line = command_line(words.into_iter().map(OsString::from));
        assert_eq!(line, r"loadgen --name 'it'\''s $x' --rate=5 ''");
    }

    #[test]
    fn the_folder_gets_all_files_and_own_paths_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = Outputs {
            out: Some(dir.path().join("a/b")),
            json: Some(dir.path().join("own.json")),
            ..Outputs::default()
        };
        assert_eq!(outputs.prepare(RUN_FILES).unwrap().len(), 5);
        assert!(dir.path().join("a/b/report.html").exists());
        assert!(dir.path().join("own.json").exists());
        let wrong = Outputs {
            json: Some(dir.path().join("none/own.json")),
            ..Outputs::default()
        };
        assert!(wrong.prepare(RUN_FILES).is_err());
    }
}
