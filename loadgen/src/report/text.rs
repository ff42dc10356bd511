//! Pure: what a run came to, as tables for people.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::measured::Measured;
use super::quantile::Quantile;
use crate::measure::latency::Kind;
use crate::measure::sampling::Cost;

/// The report for people.
pub fn text(measured: &Measured) -> String {
    let mut text = head(measured);
    let rows = [
        (Kind::Produce, "produce ack"),
        (Kind::EndToEnd, "end to end"),
        (Kind::Service, "service time"),
        (Kind::Late, "send lateness"),
    ];
    text += &table(rows.map(|(kind, name)| (name, &measured.totals[&kind])));
    text += "\nproduce ack and end to end count from the intended send time; service time \
             from the actual\nsend, and so hides what waited: it is no latency.\n";
    if measured.plan.max {
        text += "There was no schedule: each batch was made when an answer left room for it.\n";
    }
    for (when, found) in &measured.floors {
        let _ = writeln!(text, "\nThis host at best, {when}:");
        text += &table(found.iter().map(|(name, times)| (*name, times)));
    }
    text += &own(measured);
    text += &check(measured);
    match measured.unfit().as_slice() {
        [] => text += "fit: loadgen kept its times and everything was answered\n",
        reasons => {
            text += "UNFIT, do not quote:\n";
            reasons
                .iter()
                .for_each(|reason| text += &format!("  - {reason}\n"));
        }
    }
    text
}

/// What was asked for, and what came of it, in a line.
fn head(measured: &Measured) -> String {
    let plan = &measured.plan;
    let achieved = measured.achieved_rate();
    let offered = match plan.rate {
        Some(rate) => format!("{rate} records/s offered, {achieved:.1} achieved"),
        None => format!("{achieved:.1} records/s, as fast as it went"),
    };
    format!(
        "{offered}, {:.1} MB/s; {} bytes, {} producers, {} partitions, acks={}, {:.1} s \
         measured{}\n\n",
        measured.bytes as f64 / 1e6 / measured.measured_s.max(1e-9),
        plan.size,
        plan.producers,
        measured.partitions,
        plan.acks,
        measured.measured_s,
        if measured.interrupted {
            " (interrupted)"
        } else {
            ""
        },
    )
}

/// What loadgen itself did: batches, CPU time, sends that were late.
fn own(measured: &Measured) -> String {
    let mut text = String::new();
    let batches = &measured.totals[&Kind::BatchBytes];
    if measured.plan.batch_bytes() > 0 && !batches.is_empty() {
        let _ = writeln!(
            text,
            "batches: {}, of {:.1} records and {:.0} bytes on average",
            batches.len(),
            measured.totals[&Kind::BatchRecords].mean(),
            batches.mean(),
        );
    }
    let _ = writeln!(
        text,
        "loadgen's own CPU time: {:.2} s, {:.2} s for each GB acked",
        measured.cpu_s,
        measured.cpu_per_gb(),
    );
    let (late, limit) = measured.late();
    let _ = writeln!(
        text,
        "{late} of {} sends were late by more than {:.1} µs (a tenth of the p99).",
        measured.totals[&Kind::Late].len(),
        limit as f64 / 1e3
    );
    text
}

/// Whether what was acked came back.
fn check(measured: &Measured) -> String {
    let Some(found) = measured.findings else {
        return "check: off\n".to_owned();
    };
    let what = if measured.plan.acks == 0 {
        "sent, none acked"
    } else {
        "acked"
    };
    format!(
        "check: {} {what}, {} seen, {} missing, {} repeated, {} out of order, {} never sent\n",
        found.promised, found.seen, found.lost, found.duplicates, found.disordered, found.strange
    )
}

/// A table of histograms in microseconds. A quantile that too few samples stand for is a dash:
/// it needs ten beyond it.
pub fn table<'a>(rows: impl IntoIterator<Item = (&'a str, &'a Histogram<u64>)>) -> String {
    let mut text = format!("{:<26}", "µs");
    for quantile in Quantile::ALL {
        text += &format!("{:>11}", quantile.name());
    }
    text += &format!("{:>11}\n", "count");
    for (name, found) in rows.into_iter().filter(|(_, found)| !found.is_empty()) {
        text += &format!("{name:<26}");
        for quantile in Quantile::ALL {
            let ns = match quantile {
                Quantile::Max => found.max(),
                other => found.value_at_quantile(other.part()),
            };
            text += &match quantile.is_sure(found.len()) {
                true => format!("{:>11.1}", ns as f64 / 1e3),
                false => format!("{:>11}", "-"),
            };
        }
        text += &format!("{:>11}\n", found.len());
    }
    text
}

/// What the watched processes cost, for people.
pub fn watched(costs: &[Cost]) -> String {
    let mut text = String::new();
    for cost in costs {
        let cpu_s = cost.cpu_s.unwrap_or(0.0);
        let _ = write!(text, "{} ({}): {cpu_s:.2} CPU s", cost.name, cost.pid);
        if let Some(per_gb) = cost.cpu_s_per_gb {
            let _ = write!(text, ", {per_gb:.2} CPU s per GB of records");
        }
        if let Some(resident) = cost.resident_max {
            let mib = resident as f64 / 1048576.0;
            let _ = write!(text, ", {mib:.0} MiB resident at most");
        }
        if let (Some(waits), Some(pushed)) = (cost.waits_per_s, cost.preemptions_per_s) {
            let _ = write!(text, ", {waits:.0} waits/s, {pushed:.0} preemptions/s");
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;

    #[test]
    fn the_table_is_in_microseconds_and_shows_no_quantile_without_samples() {
        let mut found = histogram();
        (1..=1_000).for_each(|n| found.record(n * 1_000).unwrap());
        let text = table([("row", &found), ("nothing", &histogram())]);
        let row: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(text.lines().count(), 2);
        assert_eq!(
            row,
            ["row", "500.2", "900.1", "990.2", "-", "-", "1000.4", "1000"]
        );
    }

    #[test]
    fn whether_figures_may_be_quoted_stands_at_the_end() {
        let fit = text(&Measured::steady(10));
        assert!(fit.contains("\nfit: "), "{fit}");
        let unfit = text(&Measured::steady(11));
        assert!(
            unfit.contains("UNFIT") && unfit.contains("0.11 %"),
            "{unfit}"
        );
    }
}
