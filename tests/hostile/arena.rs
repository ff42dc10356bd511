//! A broker under a memory limit, an innocent client, and what an attack needs.

use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use corelane_testing::cgroup::Group;
use corelane_testing::process::own_cpu_seconds;
use corelane_testing::requests::create_topic;
use corelane_testing::{Broker, Client, admin};

use crate::HERE;
use crate::innocent::{self, Innocent, Latencies};
use crate::{Attack, BESIDES_BYTES, Options};

/// For how long the innocent is watched before an attack.
const QUIET: Duration = Duration::from_millis(1_500);
/// For how long it is watched during an attack at the least.
const BESIDE: Duration = Duration::from_millis(1_500);

/// How long the broker has to be done with an attack before the control.
const ENDS_WITHIN: Duration = Duration::from_millis(500);
/// The control's threads compute for their part of each such period.
const BURN: Duration = Duration::from_millis(10);

/// The broker and what surrounds it.
pub struct Arena {
    /// The broker.
    pub broker: Option<Broker>,
    /// The port of its only shard.
    pub port: u16,
    /// The port of its admin pages.
    pub admin: u16,
    /// How this run was asked for.
    pub options: Options,
    name: &'static str,
    settings: PathBuf,
    _group: Option<Group>,
    _dir: tempfile::TempDir,
}

impl Arena {
    /// Starts the broker that `attack` wants.
    pub fn open(attack: &Attack, options: &Options) -> Arena {
        let dir = HERE.data_dir();
        let settings = dir.path().with_extension("properties");
        let bound = attack.bound_bytes;
        let text = format!("corelane.shard.memory.bytes={bound}\n{}\n", attack.settings);
        std::fs::write(&settings, text).unwrap();
        let start = HERE.start(dir.path());
        let (port, admin) = (start.port, start.port + 7);
        let mut start = start
            .arg("--admin-port", &admin.to_string())
            .arg("--config", settings.to_str().unwrap());
        if let Some(most) = attack.descriptors {
            start = start.limit(&format!("--nofile={most}"));
        }
        let broker = start.spawn();
        let group = Group::limited_to(bound + BESIDES_BYTES);
        let group = group.and_then(|group| group.take(broker.id()).map(|()| group));
        if let Err(error) = &group {
            println!("{}: no memory limit by the kernel: {error}", attack.name);
        }
        broker.wait_ready();
        let mut client = Client::connect(port);
        assert_eq!(create_topic(&mut client, innocent::TOPIC, 1), 0);
        Arena {
            broker: Some(broker),
            port,
            admin,
            options: options.clone(),
            name: attack.name,
            settings,
            _group: group.ok(),
            _dir: dir,
        }
    }

    /// A connection to the broker.
    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// How the innocent is served when nothing else happens.
    pub fn quiet(&self) -> Latencies {
        // The first requests of a broker find caches cold and files without space.
        let mut client = self.client();
        for _ in 0..50 {
            innocent::append(&mut client);
        }
        let innocent = Innocent::start(self.port);
        thread::sleep(QUIET);
        innocent.stop()
    }

    /// How it is served while `attack` runs, and how much of the CPUs the attackers took.
    pub fn beside(&mut self, attack: impl FnOnce(&Arena)) -> (Latencies, f64) {
        let (begun, cpu) = (Instant::now(), own_cpu_seconds());
        let innocent = Innocent::start(self.port);
        attack(self);
        let share = (own_cpu_seconds() - cpu) / begun.elapsed().as_secs_f64();
        thread::sleep(BESIDE.saturating_sub(begun.elapsed()));
        (innocent.stop(), share)
    }

    /// How it is served beside threads that take as much of the CPUs as the attackers did, with
    /// the same priority, and ask the broker for nothing: what the machine does to it by itself.
    pub fn beside_control(&self, share: f64) -> Latencies {
        thread::sleep(ENDS_WITHIN);
        let end = Instant::now() + BESIDE;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let each = (share / threads as f64).clamp(0.0, 1.0);
        let burning = attackers(threads, move |_| {
            while Instant::now() < end {
                let begun = Instant::now();
                while begun.elapsed() < BURN.mul_f64(each) {}
                thread::sleep(BURN.mul_f64(1.0 - each));
            }
        });
        let innocent = Innocent::start(self.port);
        join(burning);
        innocent.stop()
    }

    /// The most memory that the broker had resident at any time.
    pub fn peak_bytes(&self) -> u64 {
        self.broker().peak_resident_kib() << 10
    }

    /// The longest turn of the shard so far, as the broker tells.
    pub fn longest_turn_ms(&self) -> Option<f64> {
        let page = page(self.admin, "/metrics");
        let lines = page
            .lines()
            .filter(|line| line.starts_with("corelane_longest_turn_seconds"));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.reduce(f64::max).map(|seconds| seconds * 1e3)
    }

    /// Fails where the broker does not run, serve and say so any more.
    pub fn still_serves(&mut self) {
        let log = self.broker().log();
        assert!(
            self.broker.as_mut().is_some_and(Broker::is_alive),
            "the broker has ended:\n{log}"
        );
        assert!(!log.contains("panicked"), "{log}");
        let mut client = self.client();
        innocent::append(&mut client);
        assert!(
            page(self.admin, "/health").starts_with("HTTP/1.1 200"),
            "{}",
            page(self.admin, "/health")
        );
    }

    /// The end of the broker's log and its numbers about memory, for a verdict that is not good.
    pub fn last_words(&self) -> String {
        let log = self.broker().log();
        let from = log.len().saturating_sub(2_000);
        let metrics = page(self.admin, "/metrics");
        let memory = metrics.lines().filter(|line| {
            line.starts_with("corelane_memory") || line.starts_with("corelane_longest_turn")
        });
        let memory: Vec<&str> = memory.collect();
        format!(
            "{}: …{}\n{}",
            self.name,
            String::from_utf8_lossy(&log.as_bytes()[from..]),
            memory.join("\n")
        )
    }

    /// Stops the broker cleanly.
    pub fn stop(mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop();
        }
    }

    fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("present until it is stopped")
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.settings);
    }
}

/// One admin page, with its status line.
pub fn page(port: u16, path: &str) -> String {
    admin::get(port, path).unwrap_or_else(|error| format!("no answer: {error}"))
}

/// Runs `work` in `count` threads of the lowest priority: attackers have machines of their own,
/// and what they compute must not take the broker's processors from it here.
pub fn attackers(
    count: usize,
    work: impl Fn(usize) + Send + Clone + 'static,
) -> Vec<JoinHandle<()>> {
    let start = |number| {
        let work = work.clone();
        thread::spawn(move || {
            lower_priority();
            work(number);
        })
    };
    (0..count).map(start).collect()
}

/// Waits until all of them are done.
pub fn join(attackers: Vec<JoinHandle<()>>) {
    for attacker in attackers {
        attacker
            .join()
            .expect("an attacker does what it is there for");
    }
}

fn lower_priority() {
    let own = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    if let Some(thread) = own.file_name() {
        // Where it is not installed the innocent's figures are a little worse.
        let _ = Command::new("renice")
            .args(["-n", "19", "-p"])
            .arg(thread)
            .output();
    }
}
