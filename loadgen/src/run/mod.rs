//! Drives: a whole run: sets up what its blocks share, runs them, writes the report.
//! May use: `load`, `options`, `measure`, `report`. Never: parses a command line.

pub mod sweep;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use crate::load::Load;
use crate::measure::block::{self, Block};
use crate::measure::ground::Ground;
use crate::measure::latency::{Collector, SECOND_NS};
use crate::measure::ledger::Findings;
use crate::measure::{floors, host};
use crate::options::Plan;
use crate::report::measured::{BlockFigures, Measured};
use crate::report::output;

/// How a run ended.
pub struct Ended {
    /// The code to exit with.
    pub code: u8,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
}

/// Makes the load of `plan` and reports what came of it; the exit code says whether it holds.
pub fn run(plan: Plan) -> Result<ExitCode, Box<dyn Error>> {
    run_to_end(plan).map(|ended| ExitCode::from(ended.code))
}

/// The same, for callers that have more to do after it.
pub fn run_to_end(plan: Plan) -> Result<Ended, Box<dyn Error>> {
    let host = host::facts();
    let files = output::prepare(&plan.outputs, output::RUN_FILES)?;
    let ground = Ground::prepare(&plan, false)?;
    let observer = ground.observe(&plan)?;
    let load = plan.load();
    let about = format!("loadgen {}, nanoseconds", corelane_wire::version::version());
    let mut collector = Collector::new(&about);
    let mut report = Measured::new(plan, host, ground.homes.len());
    let mut origin_ns = None;
    floors_round(&ground, &mut report, &mut collector, "before")?;
    for number in 0..report.plan.blocks {
        let label = match report.plan.blocks {
            1 => String::new(),
            all => format!("block {}/{all}  ", number + 1),
        };
        let (collector, origin_ns) = (&mut collector, &mut origin_ns);
        one_block(
            &ground,
            &load,
            &mut report,
            collector,
            number,
            origin_ns,
            label,
        )?;
        if ground.stop.load(Ordering::Relaxed) {
            report.interrupted = true;
            break;
        }
        let last = number + 1 == report.plan.blocks;
        let when = if last {
            "after".into()
        } else {
            format!("after block {}", number + 1)
        };
        floors_round(&ground, &mut report, collector, &when)?;
    }
    let observed = observer.finish();
    let log;
    (report.totals, log) = collector.finish()?;
    output::write(&report, &log, &observed, &files)?;
    Ok(Ended {
        code: report.exit_code(),
        interrupted: report.interrupted,
    })
}

/// Measures what the host does at best, where the plan asks for it; `when` says when that was.
pub fn floors_round(
    ground: &Ground,
    report: &mut Measured,
    collector: &mut Collector,
    when: &str,
) -> io::Result<()> {
    let Some(dir) = &report.plan.floors else {
        return Ok(());
    };
    let size = report.plan.size.max();
    let found = floors::measure(Some(dir), size, floors::COUNT_IN_A_RUN, &ground.cores)?;
    let at = report.blocks.last().map_or(0.0, |block| block.to_s);
    for (name, times) in &found {
        collector.add_floor(at as u64, name, times)?;
    }
    report.floors.push((when.to_owned(), found));
    Ok(())
}

/// Runs block `number` (from 0) and adds what came of it to `report`; `label` stands before each
/// line of progress.
pub fn one_block(
    ground: &Ground,
    load: &Load,
    report: &mut Measured,
    collector: &mut Collector,
    number: u32,
    origin_ns: &mut Option<u64>,
    label: String,
) -> Result<(), Box<dyn Error>> {
    let block = Block::new(ground, &report.plan, load, u64::from(number), label);
    let done = block::run(&block, collector, origin_ns)?;
    let since = |ns: u64| ns.saturating_sub(done.measure_ns) as f64 / SECOND_NS as f64;
    report.measured_s += since(done.ended_ns.max(done.stop_ns));
    report.scheduled_s += since(done.stop_ns);
    report.cpu_s += done.cpu_s;
    report.bytes = done.bytes;
    report.unsteady |= done.unsteady;
    report.read_back_failed |= done.read_back_failed;
    report.blocks.push(BlockFigures {
        from_s: done.from_s,
        to_s: done.from_s + since(done.stop_ns),
        totals: done.totals,
    });
    let mut failures = done.failures;
    for (producer, outcome) in done.outcomes.iter().enumerate() {
        report.due += outcome.due;
        report.sent += outcome.sent;
        report.unanswered += outcome.unanswered;
        add(&mut report.refused, &outcome.refused);
        add(&mut report.repeated, &outcome.repeated);
        if let Some(why) = &outcome.failure {
            let times = outcome.breaks;
            failures.push(format!(
                "producer {producer}: broke off {times} times: {why}"
            ));
        }
    }
    report.failures.append(&mut failures);
    let sent = || done.outcomes.iter().map(|one| (one.made, &one.promised));
    for ledger in &done.ledgers {
        let found = ledger.conclude(sent());
        let all = report.findings.unwrap_or_default();
        report.findings = Some(Findings::plus(all, found));
    }
    Ok(())
}

fn add(sum: &mut BTreeMap<i16, u64>, more: &BTreeMap<i16, u64>) {
    for (code, count) in more {
        *sum.entry(*code).or_default() += count;
    }
}
