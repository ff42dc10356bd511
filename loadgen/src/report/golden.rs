//! Pure: tests that files of earlier runs are read as they are, and drawn as they were.
//!
//! The files in `tests/golden` were written by loadgen before its reports were types: a scenario
//! of two steps, a sweep, and what was printed and drawn of them. `VERSION` stands there for the
//! version that drew them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::compare::{Run, Side, overview, page, text, to_json};
use super::hlog::Log;
use super::measured::Measured;
use super::run_report::{RunReport, to_text};
use super::sweep::SweepReport;
use super::{html, omb, perf_test};
use crate::measure::host;
use crate::measure::ledger::Findings;
use crate::options::Plan;

/// The folders of the two runs.
const RUNS: [&str; 2] = ["01-calm", "02-rush"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn read(name: &str) -> String {
    let path = file(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn log(name: &str) -> Log {
    Log::parse(read(name).as_bytes()).unwrap()
}

/// Compares what was drawn now with a file of before.
fn same(name: &str, drawn: &str) {
    let version = corelane_wire::version::version();
    let (drawn, before) = (drawn.replace(version, "VERSION"), read(name));
    let differs = drawn.bytes().zip(before.bytes()).position(|(a, b)| a != b);
    let at = differs.unwrap_or(drawn.len().min(before.len()));
    let around = |text: &str| {
        let bytes = &text.as_bytes()[at.saturating_sub(80)..text.len().min(at + 80)];
        String::from_utf8_lossy(bytes).into_owned()
    };
    assert!(
        drawn == before,
        "{name} differs at byte {at}:\n  before: {}\n  now:    {}",
        around(&before),
        around(&drawn)
    );
}

fn sides() -> [Side; 2] {
    RUNS.map(|run| {
        let one = Run {
            log: log(&format!("{run}/run.hlog")),
            told: Some(parsed(&format!("{run}/run.json"))),
        };
        Side::new(run.to_owned(), vec![one], None)
    })
}

/// Both as values: serde_json may read the last digit of a number differently from how it wrote it.
fn written_as_read<T: Serialize + DeserializeOwned>(name: &str) {
    let before: Value = parsed(name);
    let now = to_text(&parsed::<T>(name)).unwrap();
    assert_eq!(now, format!("{before:#}"), "{name}");
}

#[test]
fn a_report_is_written_as_it_was_read() {
    for run in RUNS {
        written_as_read::<RunReport>(&format!("{run}/run.json"));
    }
    written_as_read::<SweepReport>("sweep.json");
}

#[test]
fn pages_are_drawn_as_they_were() {
    for run in RUNS {
        let report: RunReport = parsed(&format!("{run}/run.json"));
        let drawn = html::report(&report, &log(&format!("{run}/run.hlog")));
        same(&format!("{run}/report.html"), &drawn);
    }
    let drawn = html::sweep::page(&parsed("sweep.json"), &log("sweep.hlog"));
    same("sweep.html", &drawn);
    let sides = sides();
    same("compare.html", &page(&sides, 1));
    let about = read("about.txt");
    same("index.html", &overview("golden", about.trim_end(), &sides));
}

#[test]
fn what_others_read_is_written_as_it_was() {
    for run in RUNS {
        let report: RunReport = parsed(&format!("{run}/run.json"));
        let log = log(&format!("{run}/run.hlog"));
        let line = format!("{}\n", perf_test::line(&report, &log));
        same(&format!("{run}/perf-test.txt"), &line);
    }
    let (report, log) = (parsed("01-calm/run.json"), log("01-calm/run.hlog"));
    let result = format!("{:#}\n", omb::result(&report, &log, None));
    same("01-calm/omb.json", &result);
    let sides = sides();
    same("compare.txt", &text(&sides, 1));
    same("compare.json", &format!("{:#}\n", to_json(&sides, 1)));
}

/// The names of all fields below `value`, joined with dots.
fn names(value: &Value, above: &str, found: &mut Vec<String>) {
    let Value::Object(all) = value else {
        return;
    };
    for (name, value) in all {
        let name = format!("{above}.{name}");
        // Options and configurations are those of a run, not of the report.
        if !["settings", "topic_configs", "floors_us"].contains(&name.trim_start_matches('.')) {
            names(value, &name, found);
        }
        found.push(name);
    }
}

#[test]
fn a_run_of_today_has_the_fields_of_before() {
    let plan = Plan::of("--rate 50").unwrap();
    let mut measured = Measured::new(plan, host::facts(), 1);
    measured.findings = Some(Findings::default());
    for found in measured.totals.values_mut() {
        found.record(1_000).unwrap();
    }
    let before: Value = parsed("02-rush/run.json");
    let mut report = measured.report();
    // What the tests have no broker for.
    let told: RunReport = parsed("02-rush/run.json");
    report.seen = told.seen;
    report.context = told.context;
    let now = serde_json::to_value(&report).unwrap();
    let (mut before_names, mut now_names) = (Vec::new(), Vec::new());
    names(&before, "", &mut before_names);
    names(&now, "", &mut now_names);
    assert_eq!(now_names, before_names);
}
