//! Drives: what other processes cost, looked up in /proc once a second: CPU time, resident
//! memory, context switches.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One look at one process.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, in seconds of the measured part; what was before it is negative.
    pub at_s: f64,
    /// CPU time spent since the process began, in user mode, in seconds.
    pub user_s: f64,
    /// The same in the kernel.
    pub system_s: f64,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Context switches of all its threads that it asked for by waiting.
    pub waited: u64,
    /// Context switches of all its threads that it did not ask for.
    pub preempted: u64,
    /// How many threads it has.
    pub threads: u64,
}

impl Sample {
    fn cpu_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

/// What a process cost; of its CPU time and switches, those of the measured part. `None` where
/// it was not looked at twice in it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct Cost {
    /// Its process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// When it ended, in seconds of the measured part, if it did.
    pub ended_s: Option<f64>,
    /// CPU time, in seconds.
    pub cpu_s: Option<f64>,
    /// How many cores that keeps busy.
    pub cores: Option<f64>,
    /// CPU time for each 10⁹ bytes of records that were sent, in seconds.
    pub cpu_s_per_gb: Option<f64>,
    /// The most resident memory, in bytes.
    pub resident_max: Option<u64>,
    /// Context switches per second that it asked for by waiting.
    pub waits_per_s: Option<f64>,
    /// Context switches per second that it did not ask for.
    pub preemptions_per_s: Option<f64>,
    /// All looks at it, the warm-up's too.
    pub samples: Vec<Sample>,
}

/// A process that is looked at.
pub struct Watched {
    pid: u32,
    name: String,
    root: PathBuf,
    ticks_per_s: f64,
    page_bytes: u64,
    samples: Vec<Sample>,
    ended_s: Option<f64>,
    /// The CPUs that it may use, as the kernel lists them.
    pub cpus: Option<String>,
}

impl Watched {
    /// Watches process `pid`; the error says that there is none.
    pub fn new(pid: u32) -> Result<Watched, String> {
        let root = PathBuf::from(format!("/proc/{pid}"));
        let name = fs::read_to_string(root.join("comm"))
            .map_err(|error| format!("no process {pid} to watch: {error}"))?;
        let status = fs::read_to_string(root.join("status")).unwrap_or_default();
        let cpus = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .map(|cpus| cpus.trim().to_owned());
        Ok(Watched {
            pid,
            name: name.trim().to_owned(),
            root,
            ticks_per_s: rustix::param::clock_ticks_per_second() as f64,
            page_bytes: rustix::param::page_size() as u64,
            samples: Vec::new(),
            ended_s: None,
            cpus,
        })
    }

    /// Looks at it now, at `at_s` seconds of the measured part. Returns what there is to mark in
    /// the report: that it ended.
    pub fn look(&mut self, at_s: f64) -> Option<String> {
        if self.ended_s.is_some() {
            return None;
        }
        match self.sample(at_s) {
            Some(sample) => {
                self.samples.push(sample);
                None
            }
            None => {
                self.ended_s = Some(at_s);
                Some(format!("{} (process {}) ended", self.name, self.pid))
            }
        }
    }

    fn sample(&self, at_s: f64) -> Option<Sample> {
        let stat = fs::read_to_string(self.root.join("stat")).ok()?;
        let mut sample = parse_stat(&stat, at_s, self.ticks_per_s, self.page_bytes)?;
        // Context switches are counted by thread; those of a thread that ends are lost.
        for thread in fs::read_dir(self.root.join("task")).ok()?.flatten() {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            sample.waited += field(&status, "voluntary_ctxt_switches");
            sample.preempted += field(&status, "nonvoluntary_ctxt_switches");
        }
        Some(sample)
    }

    /// What it cost. `bytes` of records were sent in the measured part.
    pub fn cost(&self, bytes: u64) -> Cost {
        let measured: Vec<&Sample> = self.samples.iter().filter(|one| one.at_s >= 0.0).collect();
        let spent = measured.first().zip(measured.last());
        let spent = spent.filter(|(first, last)| last.at_s > first.at_s);
        let over_s = spent.map(|(first, last)| last.at_s - first.at_s);
        let spent_s = spent.map(|(first, last)| last.cpu_s() - first.cpu_s());
        let per_second = |of: fn(&Sample) -> u64| {
            let all = spent.map(|(first, last)| of(last).saturating_sub(of(first)) as f64);
            all.zip(over_s).map(|(all, over)| all / over)
        };
        let gigabytes = bytes as f64 / 1e9;
        Cost {
            pid: self.pid,
            name: self.name.clone(),
            ended_s: self.ended_s,
            cpu_s: spent_s,
            cores: spent_s.zip(over_s).map(|(spent, over)| spent / over),
            cpu_s_per_gb: spent_s
                .filter(|_| gigabytes > 0.0)
                .map(|spent| spent / gigabytes),
            resident_max: measured.iter().map(|one| one.resident).max(),
            waits_per_s: per_second(|one| one.waited),
            preemptions_per_s: per_second(|one| one.preempted),
            samples: self.samples.clone(),
        }
    }
}

/// The line of `/proc/PID/stat` (proc_pid_stat(5)); the name in it may hold blanks and brackets.
fn parse_stat(stat: &str, at_s: f64, ticks_per_s: f64, page_bytes: u64) -> Option<Sample> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // The first of these is field 3 of the manual page: the state. A dead one has no memory.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    if matches!(fields.first(), Some(&"Z") | Some(&"X")) {
        return None;
    }
    Some(Sample {
        at_s,
        user_s: number(14)? as f64 / ticks_per_s,
        system_s: number(15)? as f64 / ticks_per_s,
        resident: number(24)? * page_bytes,
        waited: 0,
        preempted: 0,
        threads: number(20)?,
    })
}

fn field(status: &str, name: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::{Duration, Instant};

    #[test]
    fn this_process_costs_what_it_burns() {
        let mut watched = Watched::new(std::process::id()).unwrap();
        assert_eq!(watched.look(0.0), None);
        let begun = Instant::now();
        let before = watched.samples[0].cpu_s();
        while watched.samples.last().unwrap().cpu_s() - before < 0.1 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            let until = Instant::now() + Duration::from_millis(20);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            watched.look(begun.elapsed().as_secs_f64());
        }
        let cost = watched.cost(500_000_000);
        let spent = cost.cpu_s.unwrap();
        assert!(spent >= 0.099, "{cost:?}");
        assert!((cost.cpu_s_per_gb.unwrap() - spent * 2.0).abs() < 1e-9);
        assert!(cost.resident_max.unwrap() > 1 << 20);
        assert!(cost.samples[0].threads >= 1);
    }

    #[test]
    fn an_end_is_told_once() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let mut watched = Watched::new(child.id()).unwrap();
        assert_eq!(watched.look(1.0), None);
        child.kill().unwrap();
        child.wait().unwrap();
        let told = watched.look(2.0).unwrap();
        // The name may still be that of before the exec.
        assert!(
            told.ends_with(&format!("(process {}) ended", child.id())),
            "{told}"
        );
        assert_eq!(watched.look(3.0), None);
        assert_eq!(watched.cost(0).ended_s, Some(2.0));
        assert!(Watched::new(child.id()).is_err());
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 9 0 100 4096 3 0";
        let sample = parse_stat(stat, 1.0, 100.0, 4096).unwrap();
        assert_eq!((sample.user_s, sample.system_s), (2.5, 0.5));
        assert_eq!((sample.threads, sample.resident), (9, 12_288));
        assert_eq!(parse_stat("7 (gone) Z 1", 1.0, 100.0, 4096), None);
        assert_eq!(
            field(
                "a:\t3\nnonvoluntary_ctxt_switches:\t5\n",
                "voluntary_ctxt_switches"
            ),
            0
        );
    }
}
