//! Drives: what a run leaves behind: files, and what is printed.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use super::hlog::{Log, percentile_table};
use super::measured::Measured;
use super::run_report::{Context, Seen, to_text};
use super::tags::is_time;
use super::text::{text, watched};
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
    measured: &Measured,
    log: &[u8],
    observed: &Observed,
    files: &[File],
) -> Result<(), Box<dyn Error>> {
    let outputs = &measured.plan.outputs;
    let parsed = Log::parse(log)?;
    let mut report = measured.report();
    report.context = context(outputs, files);
    report.seen = seen(observed, measured.bytes);
    report.started = parsed.started_s.map(html::date);
    let json = to_text(&report)?;
    for (kind, path) in files {
        match *kind {
            "hlog" => fs::write(path, log)?,
            "json" => fs::write(path, format!("{json}\n"))?,
            "html" => fs::write(path, html::report(&report, &parsed))?,
            _ => {
                let result = omb::result(&report, &parsed, outputs.workload.as_ref());
                fs::write(path, format!("{result:#}\n"))?;
            }
        }
    }
    if let Some(dir) = &outputs.out {
        write_tables(dir, &parsed)?;
    }
    match outputs.format {
        Format::Table => print!("{}{}", text(measured), watched(&report.seen.brokers)),
        Format::Json => println!("{json}"),
        Format::PerfTest => {
            // The table is for people; the line for those who parse it.
            eprint!("{}", text(measured));
            println!("{}", perf_test::line(&report, &parsed));
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
    for tag in log.tags().into_iter().filter(|tag| is_time(tag)) {
        // Tags are ours, and nothing but letters and underscores.
        let path = dir.join(format!("{tag}.hgrm"));
        fs::write(path, percentile_table(&log.total(tag)))?;
    }
    Ok(())
}

/// What was asked for, and which files are written.
pub fn context(outputs: &Outputs, files: &[File]) -> Context {
    let paths = files.iter().map(|(kind, path)| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        ((*kind).to_owned(), name.map(String::from))
    });
    Context {
        name: outputs.name.clone(),
        about: outputs.about.clone(),
        command: Some(command_line(std::env::args_os())),
        settings: outputs.settings.clone(),
        notes: outputs.note.clone(),
        device: outputs.data_dir.as_deref().and_then(host::device),
        files: paths.collect(),
    }
}

/// What was seen beside the load; `bytes` of records were acked meanwhile.
pub fn seen(observed: &Observed, bytes: u64) -> Seen {
    Seen {
        events: observed.events(),
        brokers: observed.costs(bytes),
        broker_cpus: observed.cpus(),
        topic: observed.topic.clone(),
    }
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
