//! Drives: `loadgen verify`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::load::Warmup;
use crate::measure::ground::Ground;
use crate::measure::host::{self, Host};
use crate::measure::latency::{Collector, Kind};
use crate::measure::ledger::Findings;
use crate::options::{Format, Plan};
use crate::report::measured::Measured;
use crate::report::output::{self, Names};
use crate::report::run_report::{Context, Seen, to_text};
use crate::report::text::watched;
use crate::run::one_block;

/// Shown below the options.
pub const EXAMPLES: &str = "Examples:
  For a minute, while you kill and restart the broker:
    loadgen verify --bootstrap localhost:9092 --topic proof --create 8 --rate 2000
  The same, with the kill and the restart on a time table:
    loadgen verify --bootstrap localhost:9092 --topic proof --create 8 --rate 2000 \\
      --at '20=kill -9 $(pidof corelane)' --at '25=systemctl start corelane' --out proof
  Without producer ids: records may then come twice, and are still not lost:
    loadgen verify --bootstrap localhost:9092 --topic proof --rate 2000 --plain";

/// The least time to wait for a broker to come back, in seconds.
const DRAIN_LEAST: u64 = 60;

/// The load, and what is to be proven of it.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// The load.
    #[command(flatten)]
    pub plan: Plan,

    /// Without producer ids and sequence numbers: records that are sent again over a new
    /// connection may come twice or late, and are counted as no error
    #[arg(long)]
    pub plain: bool,
}

/// What it writes into its folder.
pub const FILES: &Names = &[("hlog", "verify.hlog"), ("json", "verify.json")];

/// Runs it.
pub fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let mut plan = args.plan;
    if plan.acks == 0 {
        return Err("with --acks 0 nothing is promised that could be verified".into());
    }
    let files = output::prepare(&plan.outputs, FILES)?;
    plan.idempotent = !args.plain && plan.acks == -1;
    plan.warmup = Warmup::Seconds(0);
    plan.drain = plan.drain.max(DRAIN_LEAST);
    // What is read is read after the broker's last restart, from its disk.
    (plan.consume, plan.fanout, plan.no_check) = (false, None, false);
    let ground = Ground::prepare(&plan, true)?;
    let observer = ground.observe(&plan)?;
    let mut load = plan.load();
    load.repeat = true;
    let idempotent = plan.idempotent;
    let mut collector = Collector::new("loadgen verify, nanoseconds");
    let mut report = Measured::new(plan, host::facts(), ground.homes.len());
    one_block(
        &ground,
        &load,
        &mut report,
        &mut collector,
        0,
        &mut None,
        String::new(),
    )?;
    report.interrupted = ground.stop.load(Ordering::Relaxed);
    let observed = observer.finish();
    let log;
    (report.totals, log) = collector.finish()?;
    let found = report.findings.unwrap_or_default();
    let code = verdict(
        &found,
        idempotent,
        report.unanswered,
        report.read_back_failed,
    );
    let seen = output::seen(&observed, report.bytes);
    let watched = watched(&seen.brokers);
    let json = to_text(&Proof {
        context: output::context(&report.plan.outputs, &files),
        seen,
        ..proof(&report, found, idempotent, code)
    })?;
    for (kind, path) in &files {
        match *kind {
            "hlog" => fs::write(path, &log)?,
            _ => fs::write(path, format!("{json}\n"))?,
        }
    }
    match report.plan.outputs.format {
        Format::Json => println!("{json}"),
        _ => print!("{}{watched}", text(&report, &found, idempotent, code)),
    }
    Ok(ExitCode::from(code))
}

/// What was proven, for programs.
#[derive(Serialize)]
struct Proof {
    loadgen: &'static str,
    host: Host,
    idempotent: bool,
    #[serde(flatten)]
    found: Findings,
    unanswered: u64,
    due: u64,
    sent: u64,
    refused: BTreeMap<i16, u64>,
    repeated: BTreeMap<i16, u64>,
    failures: Vec<String>,
    interrupted: bool,
    /// The longest wait for an ack.
    longest_ms: f64,
    /// The exit code.
    exit: u8,
    #[serde(flatten)]
    context: Context,
    #[serde(flatten)]
    seen: Seen,
}

/// The proof, without what was asked for and seen beside it.
fn proof(report: &Measured, found: Findings, idempotent: bool, exit: u8) -> Proof {
    Proof {
        loadgen: corelane_wire::version::version(),
        host: report.host.clone(),
        idempotent,
        found,
        unanswered: report.unanswered,
        due: report.due,
        sent: report.sent,
        refused: report.refused.clone(),
        repeated: report.repeated.clone(),
        failures: report.failures.clone(),
        interrupted: report.interrupted,
        longest_ms: report.totals[&Kind::Produce].max() as f64 / 1e6,
        exit,
        context: Context::default(),
        seen: Seen::default(),
    }
}

/// 0 proven, 3 not proven, 4 disproven.
fn verdict(found: &Findings, idempotent: bool, unanswered: u64, unread: bool) -> u8 {
    let bearable = match idempotent {
        true => *found,
        false => Findings {
            duplicates: 0,
            disordered: 0,
            ..*found
        },
    };
    match bearable.clean() {
        // What could not be read is not lost because of that.
        false
            if unread
                && Findings {
                    lost: 0,
                    ..bearable
                }
                .clean() =>
        {
            3
        }
        false => 4,
        true if unanswered > 0 || unread || found.promised == 0 => 3,
        true => 0,
    }
}

fn text(report: &Measured, found: &Findings, idempotent: bool, code: u8) -> String {
    let mut text = format!(
        "{} records due, {} sent, {} acked, {} without an answer, {} read back\n\
         longest wait for an ack: {:.1} ms\n",
        report.due,
        report.sent,
        found.promised,
        report.unanswered,
        found.seen,
        report.totals[&Kind::Produce].max() as f64 / 1e6,
    );
    for failure in &report.failures {
        text += &format!("  {failure}\n");
    }
    for (code, count) in &report.repeated {
        text += &format!("  {count} batches were sent again after Kafka error code {code}\n");
    }
    for (code, count) in &report.refused {
        text += &format!("  {count} records were refused with Kafka error code {code}\n");
    }
    let may = if idempotent {
        ""
    } else {
        " (allowed: no producer ids)"
    };
    text += &format!(
        "lost           {:>10}\nrepeated       {:>10}{may}\nout of order   {:>10}{may}\n\
         damaged, alien {:>10}\n",
        found.lost, found.duplicates, found.disordered, found.strange,
    );
    text += match code {
        0 => "PROVEN: every acked record is there, whole\n",
        3 => "NOT PROVEN: not everything was answered and read back\n",
        _ => "DISPROVEN: the broker broke its promise\n",
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_what_was_proven() {
        let clean = Findings {
            promised: 9,
            seen: 9,
            ..Findings::default()
        };
        let lost = Findings { lost: 1, ..clean };
        let twice = Findings {
            duplicates: 1,
            ..clean
        };
        assert_eq!(verdict(&clean, true, 0, false), 0);
        assert_eq!(verdict(&clean, true, 1, false), 3);
        assert_eq!(verdict(&Findings::default(), true, 0, false), 3);
        assert_eq!(verdict(&lost, true, 0, false), 4);
        assert_eq!(verdict(&lost, false, 0, false), 4);
        assert_eq!(verdict(&lost, true, 0, true), 3);
        assert_eq!(verdict(&twice, true, 0, true), 4);
        assert_eq!(verdict(&twice, true, 0, false), 4);
        assert_eq!(verdict(&twice, false, 0, false), 0);
    }
}
