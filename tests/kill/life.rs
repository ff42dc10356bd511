//! One data folder: start, load, kill, start, audit, again and again, to a clean stop.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::checked::audit::Depth;
use corelane_testing::checked::load::Load;
use corelane_testing::checked::{Clock, Tick};
use corelane_testing::{Broker, Start};
use fastrand::Rng;

use crate::HERE;

/// How often everything is read, not only what is new.
const WHOLE_EVERY: u64 = 8;

/// How long a load lasts at most.
const LOAD_MAX: Duration = Duration::from_millis(1_500);

/// What to do.
pub struct Life {
    pub dir: PathBuf,
    pub flush_messages: u64,
    pub kills: u64,
    pub seed: u64,
}

/// What was seen.
#[derive(Default)]
pub struct Outcome {
    pub kills: [u64; 3],
    pub restarts: Vec<Duration>,
    pub promised: u64,
    pub audited: u64,
    pub found_unacked: u64,
    pub missing_unacked: u64,
    /// Records that retention or DeleteRecords took.
    pub gone: u64,
    pub starts_gone_back: u64,
    pub commits: u64,
    pub topics: u64,
    pub failure: Option<String>,
}

/// In the middle of what the broker is killed.
#[derive(Clone, Copy)]
enum Moment {
    Load,
    Start,
    Stop,
}

impl Life {
    /// Kills until it is enough, or something is wrong.
    pub fn live(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let properties = self.dir.with_extension("properties");
        // Old segments go and dirty ones are compacted while it lasts.
        let text = "log.retention.check.interval.ms=150\nlog.cleaner.backoff.ms=100\n";
        std::fs::write(&properties, text).unwrap();
        let start = HERE
            .start(&self.dir)
            .shards(2)
            .arg("--config", properties.to_str().unwrap());
        let load = Load::new(start.port, Arc::new(Clock::default()), self.seed);
        let lived = catch_unwind(AssertUnwindSafe(|| {
            self.rounds(&start, &load, &mut outcome)
        }));
        outcome.failure = match lived {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(panic) => Some(
                panic
                    .downcast_ref::<String>()
                    .cloned()
                    .unwrap_or_else(|| "a panic; see above".to_owned()),
            ),
        };
        let ledger = load
            .ledger
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        outcome.promised = ledger.promised_count();
        outcome.audited = ledger.audited_records;
        outcome.found_unacked = ledger.found_unacked;
        outcome.missing_unacked = ledger.missing_unacked;
        outcome.gone = ledger.places.iter().map(|place| place.start as u64).sum();
        outcome.starts_gone_back = ledger.starts_gone_back;
        let commits = ledger.commits.iter();
        outcome.commits = commits.map(|(_, it)| it.acked.len() as u64).sum();
        let topics = ledger.topics.values();
        outcome.topics = topics.filter(|it| it.created.is_some()).count() as u64;
        outcome
    }

    fn rounds(&self, start: &Start, load: &Load, outcome: &mut Outcome) -> Result<(), String> {
        let mut random = Rng::with_seed(self.seed);
        let mut broker = start.ready();
        let created = load.create(self.flush_messages);
        created.map_err(|error| error.to_string())?;
        for round in 1..=self.kills {
            let at = |error: String| format!("after kill {round}: {error}");
            let moment = match random.u64(..8) {
                0 => Moment::Start,
                1 => Moment::Stop,
                _ => Moment::Load,
            };
            outcome.kills[moment as usize] += 1;
            kill(broker, moment, load, start, &mut random).map_err(at)?;
            let begun = Instant::now();
            broker = start.ready();
            outcome.restarts.push(begun.elapsed());
            let depth = match round % WHOLE_EVERY {
                0 => Depth::Whole,
                _ => Depth::New,
            };
            let audited = load.audit(depth, Tick::MAX, true);
            audited.map_err(|error| at(error.to_string()))?;
            quiet(&broker).map_err(at)?;
        }
        let last = |depth| {
            let audited = load.audit(depth, Tick::MAX, true);
            audited.map_err(|error| format!("at the end: {error}"))
        };
        last(Depth::Whole)?;
        broker.stop();
        broker = start.ready();
        last(Depth::Whole)?;
        quiet(&broker)?;
        broker.stop();
        Ok(())
    }
}

/// Kills the broker in the middle of something.
fn kill(
    mut broker: Broker,
    moment: Moment,
    load: &Load,
    start: &Start,
    random: &mut Rng,
) -> Result<(), String> {
    let acks = || load.ledger.lock().unwrap().acks;
    let running = load.start();
    // After so many acks, however slow the machine is, and not at one of them.
    let (wanted, begun) = (acks() + random.u64(..250), Instant::now());
    while acks() < wanted && begun.elapsed() < LOAD_MAX {
        thread::sleep(Duration::from_millis(2));
    }
    thread::sleep(Duration::from_micros(random.u64(..20_000)));
    if matches!(moment, Moment::Stop) {
        broker.terminate();
        thread::sleep(Duration::from_millis(random.u64(..60)));
    } else if !broker.is_alive() {
        return Err(format!("the broker ended by itself:\n{}", broker.log()));
    }
    broker.kill();
    running.stop();
    let refusals = std::mem::take(&mut load.ledger.lock().unwrap().refusals);
    // While it stops it may refuse.
    if let Some(refusal) = refusals.first()
        && !matches!(moment, Moment::Stop)
    {
        return Err(refusal.clone());
    }
    if matches!(moment, Moment::Start) {
        // Once more, while it recovers.
        let recovering = start.spawn();
        thread::sleep(Duration::from_millis(random.u64(..120)));
        recovering.kill();
    }
    Ok(())
}

/// A kill is nothing that a broker complains of.
fn quiet(broker: &Broker) -> Result<(), String> {
    match broker.complaint() {
        Some(line) => Err(format!("the broker logged: {line}")),
        None => Ok(()),
    }
}

impl Outcome {
    /// Adds what was seen in another life.
    pub fn add(&mut self, other: &Outcome) {
        for (sum, more) in self.kills.iter_mut().zip(other.kills) {
            *sum += more;
        }
        self.restarts.extend(&other.restarts);
        self.promised += other.promised;
        self.audited += other.audited;
        self.found_unacked += other.found_unacked;
        self.missing_unacked += other.missing_unacked;
        self.gone += other.gone;
        self.starts_gone_back += other.starts_gone_back;
        self.commits += other.commits;
        self.topics += other.topics;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [load, start, stop] = self.kills;
        let mut restarts = self.restarts.clone();
        restarts.sort();
        let at = |share: f64| {
            let at = (restarts.len() as f64 * share) as usize;
            let found = restarts.get(at.min(restarts.len().saturating_sub(1)));
            found.map_or(0, |time| time.as_millis())
        };
        write!(
            f,
            "kills: {load} under load, {start} there and again while starting, {stop} while \
             stopping; records: {} promised, {} of {} others there, {} deleted (back {} times); \
             {} commits; {} topics; restart: p50 {} ms, p99 {} ms, max {} ms",
            self.promised,
            self.found_unacked,
            self.found_unacked + self.missing_unacked,
            self.gone,
            self.starts_gone_back,
            self.commits,
            self.topics,
            at(0.5),
            at(0.99),
            at(1.0)
        )
    }
}
