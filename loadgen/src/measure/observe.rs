//! Drives: what happens beside a run: processes that are watched, events that are marked,
//! commands that are run at a time, and what the broker says of the topic.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::measure::clock::Clock;
use crate::measure::latency::SECOND_NS;
use crate::measure::sampling::{Cost, Watched};
use crate::measure::topic_facts::{self, TopicFacts};
use crate::options::{Event, Outputs};

/// How often marks and commands that are due are looked for.
const LOOK: Duration = Duration::from_millis(20);

/// What was seen.
#[derive(Default)]
pub struct Observed {
    watched: Vec<Watched>,
    events: Vec<Event>,
    /// What the broker says of the topic.
    pub topic: TopicFacts,
}

impl Observed {
    /// The events in order of time.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events.clone();
        events.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        events
    }

    /// What the processes cost; `bytes` of records were sent in the measured part.
    pub fn costs(&self, bytes: u64) -> Vec<Cost> {
        self.watched.iter().map(|one| one.cost(bytes)).collect()
    }

    /// The CPUs that the first of them may use.
    pub fn cpus(&self) -> Option<String> {
        self.watched.first().and_then(|one| one.cpus.clone())
    }
}

/// A thread that watches until it is told to stop.
pub struct Observer {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Observed>,
}

impl Observer {
    /// Begins to watch; `measure_ns` is the beginning of the measured part by `clock`, `u64::MAX`
    /// until that is known. The error names a process that does not exist.
    pub fn start(
        outputs: &Outputs,
        bootstrap: &str,
        topic: &str,
        clock: Clock,
        measure_ns: Arc<AtomicU64>,
    ) -> Result<Observer, String> {
        let watched = outputs.broker_pid.iter().map(|pid| Watched::new(*pid));
        let mut job = Job {
            clock,
            measure_ns,
            observed: Observed {
                watched: watched.collect::<Result<_, _>>()?,
                events: Vec::new(),
                topic: topic_facts::ask(bootstrap, topic),
            },
            marks: outputs.event.clone(),
            commands: outputs.at.clone(),
            running: Vec::new(),
        };
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let thread = thread::spawn(move || {
            let mut next_s = f64::NEG_INFINITY;
            while !until.load(Ordering::Relaxed) {
                job.step(&mut next_s);
                thread::sleep(LOOK);
            }
            job.finish()
        });
        Ok(Observer { over, thread })
    }

    /// Stops watching.
    pub fn finish(self) -> Observed {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

struct Job {
    clock: Clock,
    measure_ns: Arc<AtomicU64>,
    observed: Observed,
    marks: Vec<Event>,
    commands: Vec<Event>,
    running: Vec<(String, Child)>,
}

impl Job {
    /// Seconds of the measured part; `None` until its beginning is known.
    fn now_s(&self) -> Option<f64> {
        let measure_ns = self.measure_ns.load(Ordering::Relaxed);
        let known = measure_ns != u64::MAX;
        known.then(|| (self.clock.now_ns() as f64 - measure_ns as f64) / SECOND_NS as f64)
    }

    fn mark(&mut self, at_s: f64, what: String) {
        self.observed.events.push(Event { at_s, what });
    }

    fn look(&mut self, now_s: f64) {
        let ended: Vec<String> = self
            .observed
            .watched
            .iter_mut()
            .filter_map(|one| one.look(now_s))
            .collect();
        ended.into_iter().for_each(|what| self.mark(now_s, what));
    }

    fn step(&mut self, next_s: &mut f64) {
        let Some(now_s) = self.now_s() else {
            return;
        };
        if now_s >= *next_s {
            self.look(now_s);
            *next_s = now_s.floor() + 1.0;
        }
        let due = |event: &mut Event| event.at_s <= now_s;
        let marks: Vec<Event> = self.marks.extract_if(.., due).collect();
        self.observed.events.extend(marks);
        let commands: Vec<Event> = self.commands.extract_if(.., due).collect();
        for Event { what, .. } in commands {
            // Its output would mix with the lines of progress.
            let started = Command::new("sh")
                .args(["-c", &what])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn();
            match started {
                Ok(child) => {
                    self.mark(now_s, format!("begin: {what}"));
                    self.running.push((what, child));
                }
                Err(error) => self.mark(now_s, format!("failed: {what}: {error}")),
            }
        }
        let mut ended = Vec::new();
        self.running
            .retain_mut(|(what, child)| match child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) if status.success() => {
                    ended.push(format!("end: {what}"));
                    false
                }
                Ok(Some(status)) => {
                    ended.push(format!("failed ({status}): {what}"));
                    false
                }
                Err(_) => false,
            });
        ended.into_iter().for_each(|what| self.mark(now_s, what));
    }

    fn finish(mut self) -> Observed {
        let now_s = self.now_s().unwrap_or(0.0);
        self.look(now_s);
        for (what, mut child) in std::mem::take(&mut self.running) {
            // It was meant to disturb this run, which is over. It may have ended by itself just
            // now.
            let _ = child.kill();
            let _ = child.wait();
            self.mark(now_s, format!("stopped: {what}"));
        }
        self.observed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_done_and_marked_and_what_is_not_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("done");
        let at = |at_s: f64, what: &str| Event {
            at_s,
            what: what.to_owned(),
        };
        let outputs = Outputs {
            broker_pid: vec![std::process::id()],
            event: vec![at(0.0, "a roll"), at(1e6, "never")],
            at: vec![
                at(0.0, &format!("echo x > {}", file.display())),
                at(0.0, "exit 3"),
                at(0.0, "sleep 60"),
            ],
            ..Outputs::default()
        };
        let clock = Clock::start();
        let observer = Observer::start(
            &outputs,
            "127.0.0.1:1",
            "t",
            clock,
            Arc::new(AtomicU64::new(clock.now_ns())),
        );
        let observer = observer.unwrap();
        for _ in 0..500 {
            if file.exists() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(300));
        let observed = observer.finish();
        assert!(file.exists());
        let events = observed.events();
        let told: Vec<&str> = events.iter().map(|event| event.what.as_str()).collect();
        let has = |text: &str| told.iter().any(|what| what.starts_with(text));
        assert!(has("a roll") && !has("never"), "{told:?}");
        assert!(has("begin: echo") && has("end: echo"), "{told:?}");
        assert!(has("failed (exit status: 3): exit 3"), "{told:?}");
        assert!(has("stopped: sleep 60"), "{told:?}");
        assert_eq!(observed.costs(0).len(), 1);
        assert_eq!(observed.topic, TopicFacts::default()); // No broker is at that port.
        assert!(observed.cpus().is_some());
    }

    #[test]
    fn a_process_that_is_not_there_is_told_before_the_run() {
        let outputs = Outputs {
            broker_pid: vec![u32::MAX / 2],
            ..Outputs::default()
        };
        let clock = Clock::start();
        assert!(
            Observer::start(
                &outputs,
                "127.0.0.1:1",
                "t",
                clock,
                Arc::new(AtomicU64::new(0))
            )
            .is_err()
        );
    }
}
