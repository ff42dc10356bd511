//! Pure: the options that say what a run writes, prints and watches.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, ValueEnum};
use serde_json::{Map, Value};

use super::event::Event;
use super::values;
use super::workload::Workload;

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
    #[arg(long, value_name = "S=TEXT", value_parser = values::at_second, help_heading = "Watching")]
    pub event: Vec<Event>,

    /// Run COMMAND (by sh) at second S of the measured part and mark its start and end,
    /// repeatable; for restarts, topic deletion, a cold reader, and what else may disturb
    #[arg(long, value_name = "S=COMMAND", value_parser = values::at_second, help_heading = "Watching")]
    pub at: Vec<Event>,

    /// Every option with its value, for the report.
    #[arg(skip)]
    pub settings: Map<String, Value>,

    /// What the report says of the scenario that this run is a part of.
    #[arg(skip)]
    pub about: Option<String>,

    /// The OpenMessaging workload that was asked for.
    #[arg(skip)]
    pub workload: Option<Workload>,
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

/// Every option of `command` with the value that it got, defaults included.
pub fn settings(command: &Command, matches: &clap::ArgMatches) -> Map<String, Value> {
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
    all
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use serde_json::json;

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
        let event = values::at_second("1.5=a=b").unwrap();
        assert_eq!((event.at_s, event.what.as_str()), (1.5, "a=b"));
        for wrong in ["5", "x=y", "-1=y", "5=", "inf=y"] {
            assert!(values::at_second(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_command_line_can_be_typed_again() {
        let words = ["loadgen", "--name", "it's $x", "--rate=5", ""];
        let line = command_line(words.into_iter().map(OsString::from));
        assert_eq!(line, r"loadgen --name 'it'\''s $x' --rate=5 ''");
    }
}
