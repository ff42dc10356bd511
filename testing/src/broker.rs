//! Drives: a broker process: its start, its log, its admin pages, its end.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Client, PATIENCE, Start, admin, process, until};

/// How long a request may hold a core at a time in a build with debug assertions, in
/// milliseconds.
const TURN_MAX_MS: f64 = 100.0;

/// A broker process; killed when dropped.
pub struct Broker {
    child: Child,
    /// The first shard's port.
    pub port: u16,
    /// Its data folder.
    pub dir: PathBuf,
    log: PathBuf,
    said: mpsc::Receiver<String>,
    /// The port of its admin pages.
    pub admin: Option<u16>,
}

impl Start {
    /// Starts it and waits until it is ready.
    pub fn ready(&self) -> Broker {
        let broker = self.spawn();
        broker.wait_ready();
        broker
    }

    /// Starts it without waiting for anything.
    pub fn spawn(&self) -> Broker {
        // Beside the folder: the broker makes that one itself.
        let first = self.dir.to_str().and_then(|dirs| dirs.split(',').next());
        let log = Path::new(first.unwrap_or_default()).with_extension("log");
        let sink = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let spawned = self.command().stdout(Stdio::piped()).stderr(sink).spawn();
        Broker::of(spawned.unwrap(), self, log)
    }

    /// Starts it, expecting it to give up: its exit status and what it wrote to stderr.
    pub fn refused(&self) -> (ExitStatus, String) {
        let output = self.command().stdin(Stdio::null()).output().unwrap();
        (
            output.status,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}

impl Broker {
    /// The process that `start` has started, which logs to the file `log`.
    fn of(mut child: Child, start: &Start, log: PathBuf) -> Broker {
        let stdout = child.stdout.take().unwrap();
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = say.send(line);
        });
        Broker {
            child,
            port: start.port,
            dir: start.dir.clone(),
            log,
            said,
            admin: start.admin(),
        }
    }

    /// Waits until it is ready, as its first line of output says.
    pub fn wait_ready(&self) {
        let line = self.said.recv_timeout(PATIENCE).unwrap_or_default();
        assert!(
            line.starts_with("corelane ready"),
            "said {line:?}; log:\n{}",
            self.log()
        );
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log has a line that holds all of these words: that line.
    pub fn wait_log(&self, words: &[&str]) -> String {
        let is_it = |line: &&str| words.iter().all(|word| line.contains(word));
        until(
            || format!("no line with {words:?}:\n{}", self.log()),
            || self.log().lines().find(is_it).map(str::to_owned),
        )
    }

    /// The first line of its log that complains, if any does.
    pub fn complaint(&self) -> Option<String> {
        let is_loud = |line: &&str| line.contains("ERROR") || line.contains("panicked");
        self.log().lines().find(is_loud).map(str::to_owned)
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The status and the text of an admin page.
    pub fn page(&self, path: &str) -> (u16, String) {
        let port = self.admin.expect("a broker with admin pages");
        admin::page(port, path).unwrap()
    }

    /// Waits until an admin page has this status and says this; the whole text.
    pub fn wait_page(&self, path: &str, status: u16, words: &str) -> String {
        let log = || format!("never {status} {words} on {path}; log:\n{}", self.log());
        until(
            || format!("{:?}: {}", self.page(path), log()),
            || {
                let (found, text) = self.page(path);
                (found == status && text.contains(words)).then_some(text)
            },
        )
    }

    /// Waits until it has ended by itself: its exit status.
    pub fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "it goes on; log:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A client of the first shard.
    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// A client of shard `shard`.
    pub fn client_of(&self, shard: u16) -> Client {
        Client::connect(self.port + shard)
    }

    /// Kills it as a power cut of the process would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, without waiting.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
    }

    /// Asks it to stop and waits until it has, cleanly.
    pub fn stop(mut self) {
        self.check_turns();
        self.terminate();
        let status = self.ends();
        assert!(status.success(), "{status}; log:\n{}", self.log());
    }

    /// Checks that no request has held a core for long. Where the machine is busy a turn may
    /// have stood still because its thread did not run: the kernel says for how long that was.
    pub fn check_turns(&self) {
        let Some(page) = self.admin.and_then(admin::metrics) else {
            return;
        };
        let waited_ms = process::threads_waited(self.id()).as_millis() as f64;
        let turns = page.lines().filter(|line| {
            let of = line.strip_prefix("corelane_longest_turn_seconds{");
            let works = ["api=", "work=\"accept\"", "work=\"connection\""];
            of.is_some_and(|of| works.iter().any(|work| of.starts_with(work)))
        });
        for line in turns {
            let turn_s: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(
                turn_s * 1e3 <= TURN_MAX_MS + waited_ms,
                "a turn of {turn_s} s, threads that were ready waited {waited_ms} ms: {line}"
            );
        }
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// CPU time used so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds(self.id())
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// The most memory that was resident at any time, in KiB.
    pub fn peak_resident_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, name: &str) -> u64 {
        let found = process::memory_kib(self.id(), name);
        found.unwrap_or_else(|| panic!("the broker has ended; log:\n{}", self.log()))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
