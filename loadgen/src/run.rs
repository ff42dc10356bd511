//! Drives: a whole run: threads, seconds, the report.

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};
use std::{io, thread};

use core_affinity::CoreId;

use crate::client::{self, Clock, Home};
use crate::latency::{Collector, Interval, Kind, Recorder, SECOND_NS};
use crate::observe::Observer;
use crate::plan::Plan;
use crate::producer::Shared;
use crate::report::Report;
use crate::schedule::Schedule;
use crate::{consumer, host, output, producer};

/// Between the last connection and the first record, in nanoseconds.
const LEAD_NS: u64 = 100_000_000;

/// The cores for threads number 0, 1, … of the run.
fn cores(plan: &Plan) -> Result<Vec<CoreId>, Box<dyn Error>> {
    let mut allowed = core_affinity::get_core_ids().unwrap_or_default();
    allowed.reverse();
    if plan.cores.is_empty() {
        return Ok(allowed);
    }
    let find = |wanted: &usize| {
        let found = allowed.iter().find(|core| core.id == *wanted).copied();
        found.ok_or_else(|| format!("CPU {wanted} is not among those that loadgen may use").into())
    };
    plan.cores.iter().map(find).collect()
}

fn stop_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order: the first one sets the flag, the next finds it set.
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

/// Partitions of producer `number`: its own where there are enough, else a shared one.
fn share(homes: &[Home], producers: usize, number: usize) -> Vec<Home> {
    match homes.len() <= producers {
        true => vec![homes[number % homes.len()].clone()],
        false => homes
            .iter()
            .skip(number)
            .step_by(producers)
            .cloned()
            .collect(),
    }
}

/// Makes the load of `plan` and reports what came of it; the exit code says whether it holds.
pub fn run(plan: Plan) -> Result<ExitCode, Box<dyn Error>> {
    let host = host::facts();
    let cores = cores(&plan)?;
    let core = |number: usize| (!cores.is_empty()).then(|| cores[number % cores.len()]);
    plan.outputs.prepare()?;
    let stop = stop_signals()?;
    let homes = client::prepare(&plan.bootstrap, &plan.topic, plan.create)?;
    let producers = plan.producers as usize;
    let clock = Clock::start();
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let run = (since_1970.as_nanos() as u64) ^ u64::from(std::process::id()) << 48;

    // All connections stand before the first record is due; none costs it time.
    let connect_ns = LEAD_NS + u64::from(plan.producers) * 2_000_000;
    let start_ns = clock.now_ns() + connect_ns + if plan.consume { LEAD_NS } else { 0 };
    let measure_ns = start_ns + plan.warmup * SECOND_NS;
    let end_ns = measure_ns + plan.duration * SECOND_NS;
    let schedules: Vec<Schedule> = (0..producers as u64)
        .map(|turn| {
            let (rate, producers) = (plan.rate, u64::from(plan.producers));
            Schedule {
                start_ns,
                end_ns,
                rate,
                producers,
                turn,
            }
        })
        .collect();
    let shared = Shared {
        stop_ns: AtomicU64::new(u64::MAX),
        done: AtomicUsize::new(0),
        promised: AtomicU64::new(0),
    };
    let ready = Barrier::new(producers + usize::from(plan.consume));
    let drain_ns = plan.drain * SECOND_NS;

    let (out, intervals) = channel();
    let recorder = |kinds| Recorder::new(kinds, measure_ns, out.clone());
    let consumer = plan.consume.then(|| {
        let job = consumer::Job {
            homes: homes.clone(),
            topic: plan.topic.clone(),
            run,
            schedules: schedules.clone(),
            clock,
            drain_ns,
            core: core(0),
        };
        (job, recorder(consumer::KINDS))
    });
    let jobs: Vec<_> = (0..producers)
        .map(|number| {
            let job = producer::Job {
                number: number as u32,
                schedule: schedules[number],
                homes: share(&homes, producers, number),
                topic: plan.topic.clone(),
                size: plan.size,
                acks: plan.acks,
                run,
                clock,
                spin_ns: u64::from(plan.spin_us) * 1_000,
                drain_ns,
                core: core(number + usize::from(plan.consume)),
            };
            (job, recorder(producer::KINDS))
        })
        .collect();
    drop(out);

    let observer = Observer::start(
        &plan.outputs,
        &plan.bootstrap,
        &plan.topic,
        clock,
        measure_ns,
    )?;
    let about = format!("loadgen {}, nanoseconds", env!("CARGO_PKG_VERSION"));
    let mut collector = Collector::new(clock.wall(measure_ns), &about)?;
    let (outcomes, consumed) = thread::scope(|scope| {
        let (shared, ready) = (&shared, &ready);
        let connected = move || {
            ready.wait();
        };
        let consumer = consumer.map(|(job, recorder)| {
            scope.spawn(move || consumer::run(&job, shared, recorder, connected))
        });
        let jobs: Vec<_> = jobs
            .into_iter()
            .map(|(job, recorder)| {
                scope.spawn(move || producer::run(&job, shared, recorder, connected))
            })
            .collect();
        watch(
            &plan,
            clock,
            measure_ns,
            &stop,
            shared,
            &mut collector,
            &intervals,
        )?;
        let outcomes = jobs
            .into_iter()
            .map(|job| job.join().map_err(|_| "a producer panicked"));
        let outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
        let consumed = consumer.map(|job| job.join().map_err(|_| "the consumer panicked"));
        Ok::<_, Box<dyn Error>>((outcomes, consumed.transpose()?))
    })?;

    let observed = observer.finish();
    let (totals, log) = collector.finish()?;
    let stop_ns = shared.stop_ns.load(Ordering::Relaxed).min(end_ns);
    let ended_ns = outcomes
        .iter()
        .map(|outcome| outcome.ended_ns)
        .max()
        .unwrap_or(0);
    let since = |ns: u64| ns.saturating_sub(measure_ns) as f64 / SECOND_NS as f64;
    let mut refused = std::collections::BTreeMap::new();
    for (code, count) in outcomes.iter().flat_map(|outcome| &outcome.refused) {
        *refused.entry(*code).or_default() += count;
    }
    let mut failures: Vec<String> = outcomes
        .iter()
        .enumerate()
        .filter_map(|(number, outcome)| {
            Some(format!("producer {number}: {}", outcome.failure.as_ref()?))
        })
        .collect();
    let consumer_failure = consumed
        .as_ref()
        .and_then(|consumed| consumed.failure.as_ref());
    failures.extend(consumer_failure.map(|failure| format!("consumer: {failure}")));
    let promised = outcomes.iter().map(|outcome| &outcome.promised);
    let findings = consumed
        .as_ref()
        .map(|consumed| consumed.ledger.conclude(promised));
    let report = Report {
        host,
        partitions: homes.len(),
        totals,
        measured_s: since(ended_ns.max(stop_ns)),
        scheduled_s: since(stop_ns),
        interrupted: stop.load(Ordering::Relaxed),
        due: outcomes.iter().map(|outcome| outcome.due).sum(),
        sent: outcomes.iter().map(|outcome| outcome.sent).sum(),
        unanswered: outcomes.iter().map(|outcome| outcome.unanswered).sum(),
        refused,
        failures,
        findings,
        plan,
    };
    output::write(&report, &log, &observed)?;
    Ok(ExitCode::from(report.exit_code()))
}

/// Collects what the threads hand over until all are done, with a line for each second.
fn watch(
    plan: &Plan,
    clock: Clock,
    measure_ns: u64,
    stop: &AtomicBool,
    shared: &Shared,
    collector: &mut Collector,
    intervals: &Receiver<Interval>,
) -> io::Result<()> {
    loop {
        let received = intervals.recv_timeout(Duration::from_millis(100));
        if stop.load(Ordering::Relaxed) {
            let _ = shared.stop_ns.compare_exchange(
                u64::MAX,
                clock.now_ns(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        let over = matches!(received, Err(RecvTimeoutError::Disconnected));
        if let Ok(interval) = received {
            collector.add(interval);
        }
        let second = clock.now_ns().saturating_sub(measure_ns) / SECOND_NS;
        let second = if over { u64::MAX } else { second };
        collector.close_before(second, |at, histograms| {
            let kind = if plan.acks == 0 {
                Kind::Late
            } else {
                Kind::Produce
            };
            if let Some(found) = histograms.get(&kind) {
                let us = |quantile| found.value_at_quantile(quantile) as f64 / 1e3;
                eprintln!(
                    "{:>5} s {:>9}/s {:<8} p50 {:>9.1}  p99 {:>9.1}  max {:>9.1} µs",
                    at + 1,
                    found.len(),
                    kind.name(),
                    us(0.5),
                    us(0.99),
                    found.max() as f64 / 1e3,
                );
            }
        })?;
        if over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_a_producer_and_every_producer_one() {
        for (partitions, producers) in [(1, 4), (4, 1), (5, 2), (3, 3), (2, 5)] {
            let homes: Vec<Home> = (0..partitions)
                .map(|partition| Home {
                    partition,
                    address: "h".into(),
                })
                .collect();
            let shares: Vec<_> = (0..producers)
                .map(|n| share(&homes, producers, n))
                .collect();
            assert!(shares.iter().all(|own| !own.is_empty()));
            let mut used: Vec<_> = shares.iter().flatten().map(|home| home.partition).collect();
            used.sort_unstable();
            used.dedup();
            assert_eq!(used.len(), partitions as usize);
        }
    }
}
