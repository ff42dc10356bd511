//! Drives: what a run leaves behind: files, and what is printed.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::hlog::{Log, percentile_table};
use super::measured::Report;
use super::{html, omb, perf_test};
use crate::measure::host;
use crate::measure::observe::Observed;
use crate::options::{Format, Outputs, command_line};

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

/// The files to be written, with the folder's where one is given. They are created: a path
/// that cannot be is better known before the run.
pub fn prepare(outputs: &Outputs, names: &Names) -> Result<Vec<File>, Box<dyn Error>> {
    if let Some(dir) = &outputs.out {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let mut files = Vec::new();
    for (kind, name) in names {
        let given = match *kind {
            "hlog" => &outputs.hlog,
            "json" => &outputs.json,
            "html" => &outputs.html,
            _ => &outputs.omb_json,
        };
        let in_folder = outputs.out.as_ref().map(|dir| dir.join(name));
        let both = in_folder.into_iter().chain(given.clone());
        files.extend(both.map(|path| (*kind, path)));
    }
    for (_, path) in &files {
        fs::write(path, "").map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(files)
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

    #[test]
    fn the_folder_gets_all_files_and_own_paths_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = Outputs {
            out: Some(dir.path().join("a/b")),
            json: Some(dir.path().join("own.json")),
            ..Outputs::default()
        };
        assert_eq!(prepare(&outputs, RUN_FILES).unwrap().len(), 5);
        assert!(dir.path().join("a/b/report.html").exists());
        assert!(dir.path().join("own.json").exists());
        let wrong = Outputs {
            json: Some(dir.path().join("none/own.json")),
            ..Outputs::default()
        };
        assert!(prepare(&wrong, RUN_FILES).is_err());
    }
}
