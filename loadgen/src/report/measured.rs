//! Pure: what a run comes to, as a table, as JSON, and whether it may be quoted at all.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::measure::floors::Floor;
use crate::measure::latency::{Kind, Totals, histogram};
use crate::measure::ledger::Findings;
use crate::options::Plan;

/// The code to exit with when what was measured must not be quoted.
pub const UNFIT: u8 = 3;

/// Of all sends, so many may be late by more than [`LATE_PART`] of the p99.
const LATE_SHARE: f64 = 0.001;
/// The part of the reported p99 from which on a send counts as late.
const LATE_PART: f64 = 0.1;
/// The achieved rate may be this part below the offered one.
const RATE_PART: f64 = 0.01;

const QUANTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

/// All that a run came to.
pub struct Report {
    /// What was asked for.
    pub plan: Plan,
    /// Facts of the host.
    pub host: Value,
    /// How many partitions the topic has.
    pub partitions: usize,
    /// The merged histograms of the measured part, in nanoseconds.
    pub totals: Totals,
    /// Seconds that were measured: to the end or to Ctrl-C, and on to the last answer if the
    /// backlog took longer.
    pub measured_s: f64,
    /// Seconds of the schedule in them.
    pub scheduled_s: f64,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// Records that were due, warm-up included.
    pub due: u64,
    /// Records that were sent.
    pub sent: u64,
    /// Records that got no answer.
    pub unanswered: u64,
    /// Records refused, by Kafka error code.
    pub refused: BTreeMap<i16, u64>,
    /// Threads that could not go on, and why.
    pub failures: Vec<String>,
    /// What the check found; for several groups of consumers the sum.
    pub findings: Option<Findings>,
    /// Batches refused for the moment and sent again, by Kafka error code.
    pub repeated: BTreeMap<i16, u64>,
    /// Each block's own figures.
    pub blocks: Vec<BlockFigures>,
    /// What the host did at best: when, and which floors.
    pub floors: Vec<(String, Vec<Floor>)>,
    /// CPU time of loadgen from the first send to the last answer, warm-up included, in seconds.
    pub cpu_s: f64,
    /// Bytes of batches that were acked in the measured part.
    pub bytes: u64,
    /// Whether a warm-up went on until it had to end.
    pub unsteady: bool,
    /// Whether not everything could be read: what is missing may be there all the same.
    pub read_back_failed: bool,
}

/// What one block came to.
pub struct BlockFigures {
    /// When it began, in seconds of the interval log.
    pub from_s: f64,
    /// When its last record was due.
    pub to_s: f64,
    /// Its merged histograms.
    pub totals: Totals,
}

impl Report {
    /// A report of nothing yet.
    pub fn new(plan: Plan, host: Value, partitions: usize) -> Report {
        Report {
            plan,
            host,
            partitions,
            totals: Kind::ALL
                .into_iter()
                .map(|kind| (kind, histogram()))
                .collect(),
            measured_s: 0.0,
            scheduled_s: 0.0,
            interrupted: false,
            due: 0,
            sent: 0,
            unanswered: 0,
            refused: BTreeMap::new(),
            failures: Vec::new(),
            findings: None,
            repeated: BTreeMap::new(),
            blocks: Vec::new(),
            floors: Vec::new(),
            cpu_s: 0.0,
            bytes: 0,
            unsteady: false,
            read_back_failed: false,
        }
    }

    /// Records per second that were answered (acks=0: sent) in the measured part.
    pub fn achieved_rate(&self) -> f64 {
        let kind = if self.plan.acks == 0 {
            Kind::Late
        } else {
            Kind::Produce
        };
        self.totals[&kind].len() as f64 / self.measured_s.max(1e-9)
    }

    /// Records sent in the measured part.
    fn measured(&self) -> u64 {
        self.totals[&Kind::Late]
            .len()
            .max(self.totals[&Kind::Produce].len())
    }

    /// CPU time of loadgen for each 10⁹ bytes that were acked, warm-up left out in proportion.
    fn cpu_per_gb(&self) -> f64 {
        let measured = self.totals[&Kind::Produce].len() as f64 / (self.sent.max(1)) as f64;
        match self.bytes {
            0 => 0.0,
            bytes => self.cpu_s * measured.min(1.0) / (bytes as f64 / 1e9),
        }
    }

    /// Sends later than a tenth of the p99, and that tenth in nanoseconds. The p99 is that of
    /// the acks, or end to end where there are none.
    fn late(&self) -> (u64, u64) {
        let shown = [Kind::Produce, Kind::EndToEnd]
            .into_iter()
            .map(|kind| &self.totals[&kind]);
        let p99 = shown
            .filter(|h| !h.is_empty())
            .map(|h| h.value_at_quantile(0.99))
            .next();
        let limit = (p99.unwrap_or(0) as f64 * LATE_PART) as u64;
        // Values that the histogram cannot tell from the limit count as late.
        (
            self.totals[&Kind::Late].count_between(limit + 1, u64::MAX),
            limit,
        )
    }

    /// Why the figures must not be quoted; empty if they may.
    pub fn unfit(&self) -> Vec<String> {
        let mut reasons = self.failures.clone();
        let sends = self.totals[&Kind::Late].len() + self.totals[&Kind::Produce].len();
        let (late, limit) = self.late();
        if self.unsteady {
            reasons.push("the load did not become steady in the longest warm-up".to_owned());
        }
        if sends == 0 {
            reasons.push("nothing was sent in the measured part".to_owned());
        } else if limit > 0 && late as f64 > self.totals[&Kind::Late].len() as f64 * LATE_SHARE {
            reasons.push(format!(
                "{:.2} % of the sends were more than {:.1} µs late, a tenth of the p99 \
                 (allowed: 0.1 %): loadgen needs more CPU to itself, or the broker did not take \
                 the records",
                late as f64 * 100.0 / self.totals[&Kind::Late].len() as f64,
                limit as f64 / 1e3,
            ));
        }
        if self.sent < self.due {
            reasons.push(format!(
                "{} records were due and not sent",
                self.due - self.sent
            ));
        }
        if self.unanswered > 0 {
            reasons.push(format!("{} records were never answered", self.unanswered));
        }
        for (code, count) in &self.refused {
            reasons.push(format!(
                "{count} records were refused with Kafka error code {code}"
            ));
        }
        let offered = self.plan.rate.unwrap_or(0) as f64;
        // The last turn may fall just outside a short run, and Poisson processes vary: three
        // standard deviations are allowed for.
        let seconds = self.scheduled_s.max(1e-9);
        let spread = if self.plan.poisson {
            3.0 * (offered / seconds).sqrt()
        } else {
            0.0
        };
        let allowed = offered * (1.0 - RATE_PART) - 1.0 / seconds - spread;
        if self.achieved_rate() < allowed {
            reasons.push(format!(
                "{:.1} records/s were achieved of {offered} offered: this load is past the knee",
                self.achieved_rate(),
            ));
        }
        reasons
    }

    /// The code to exit with.
    pub fn exit_code(&self) -> u8 {
        let clean = self
            .findings
            .is_none_or(|found| found.clean() || self.only_not_proven(found));
        match (clean, self.unfit().is_empty()) {
            (false, _) => 4,
            (true, false) => UNFIT,
            (true, true) => 0,
        }
    }

    /// With acks=0 nobody promised anything: records that do not come are no loss. Nor are those
    /// that the broker did not hand out for as long as it was asked.
    fn only_not_proven(&self, found: Findings) -> bool {
        let bearable = self.plan.acks == 0 || self.read_back_failed;
        bearable && Findings { lost: 0, ..found }.clean()
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let plan = &self.plan;
        let offered = match plan.rate {
            Some(rate) => format!(
                "{rate} records/s offered, {:.1} achieved",
                self.achieved_rate()
            ),
            None => format!("{:.1} records/s, as fast as it went", self.achieved_rate()),
        };
        let mut text = format!(
            "{offered}, {:.1} MB/s; {} bytes, {} producers, {} partitions, acks={}, {:.1} s \
             measured{}\n\n",
            self.bytes as f64 / 1e6 / self.measured_s.max(1e-9),
            plan.size,
            plan.producers,
            self.partitions,
            plan.acks,
            self.measured_s,
            if self.interrupted {
                " (interrupted)"
            } else {
                ""
            },
        );
        let rows = [
            (Kind::Produce, "produce ack"),
            (Kind::EndToEnd, "end to end"),
            (Kind::Service, "service time"),
            (Kind::Late, "send lateness"),
        ];
        text += &table(rows.map(|(kind, name)| (name, &self.totals[&kind])));
        text += "\nproduce ack and end to end count from the intended send time; service time \
                 from the actual\nsend, and so hides what waited: it is no latency.\n";
        if plan.max {
            text += "There was no schedule: each batch was made when an answer left room for it.\n";
        }
        for (when, found) in &self.floors {
            let _ = writeln!(text, "\nThis host at best, {when}:");
            text += &table(found.iter().map(|(name, times)| (*name, times)));
        }
        let batches = &self.totals[&Kind::BatchBytes];
        if plan.batch_bytes() > 0 && !batches.is_empty() {
            let _ = writeln!(
                text,
                "batches: {}, of {:.1} records and {:.0} bytes on average",
                batches.len(),
                self.totals[&Kind::BatchRecords].mean(),
                batches.mean(),
            );
        }
        let _ = writeln!(
            text,
            "loadgen's own CPU time: {:.2} s, {:.2} s for each GB acked",
            self.cpu_s,
            self.cpu_per_gb(),
        );
        let (late, limit) = self.late();
        let _ = writeln!(
            text,
            "{late} of {} sends were late by more than {:.1} µs (a tenth of the p99).",
            self.totals[&Kind::Late].len(),
            limit as f64 / 1e3
        );
        match self.findings {
            Some(found) => {
                let what = if plan.acks == 0 {
                    "sent, none acked"
                } else {
                    "acked"
                };
                let _ = writeln!(
                    text,
                    "check: {} {what}, {} seen, {} missing, {} repeated, {} out of order, {} \
                     never sent",
                    found.promised,
                    found.seen,
                    found.lost,
                    found.duplicates,
                    found.disordered,
                    found.strange
                );
            }
            None => text += "check: off\n",
        }
        match self.unfit().as_slice() {
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

    /// The floors of all rounds merged, by name, and each round's own.
    pub fn floors_json(&self) -> Value {
        let round = |found: &[Floor]| {
            let all = found
                .iter()
                .map(|(name, times)| ((*name).to_owned(), quantiles(times)));
            all.collect::<serde_json::Map<_, _>>()
        };
        let mut merged: BTreeMap<&str, Histogram<u64>> = BTreeMap::new();
        for (name, times) in self.floors.iter().flat_map(|(_, found)| found) {
            let sum = merged.entry(name).or_insert_with(histogram);
            sum.add(times).expect("all histograms have the same bounds");
        }
        let mut all: serde_json::Map<_, _> = merged
            .iter()
            .map(|(name, times)| ((*name).to_owned(), quantiles(times)))
            .collect();
        let rounds = self
            .floors
            .iter()
            .map(|(when, found)| json!({ "when": when, "floors": round(found) }));
        all.insert("rounds".to_owned(), rounds.collect());
        Value::Object(all)
    }

    /// The report for programs; durations are in microseconds.
    pub fn json(&self) -> Value {
        let unfit = self.unfit();
        let (late, limit) = self.late();
        json!({
            "loadgen": corelane::base::version::version(),
            "partitions": self.partitions,
            "host": self.host,
            "rate": { "offered": self.plan.rate, "achieved": self.achieved_rate(), "max": self.plan.max },
            "bytes": self.bytes,
            "cpu_s": self.cpu_s,
            "cpu_s_per_gb": self.cpu_per_gb(),
            "batches": {
                "records": plain(&self.totals[&Kind::BatchRecords]),
                "bytes": plain(&self.totals[&Kind::BatchBytes]),
                "bars": bars(&self.totals[&Kind::BatchRecords]),
            },
            "blocks": self.blocks.iter().enumerate().map(|(at, block)| json!({
                "number": at + 1, "from_s": block.from_s, "to_s": block.to_s,
                "latency_us": figures(&block.totals),
            })).collect::<Vec<_>>(),
            "floors_us": (!self.floors.is_empty()).then(|| self.floors_json()),
            "measured_s": self.measured_s,
            "interrupted": self.interrupted,
            "latency_us": figures(&self.totals),
            "late": { "count": late, "limit_us": limit as f64 / 1e3 },
            "records": {
                "measured": self.measured(), "due": self.due, "sent": self.sent, "unanswered": self.unanswered,
                "refused": self.refused.iter()
                    .map(|(code, count)| (code.to_string(), json!(count)))
                    .collect::<serde_json::Map<_, _>>(),
            },
            "check": self.findings.map(|found| json!({
                "promised": found.promised, "seen": found.seen, "lost": found.lost,
                "duplicates": found.duplicates, "disordered": found.disordered,
                "strange": found.strange,
            })),
            "fit": unfit.is_empty(),
            "unfit": unfit,
        })
    }
}

/// The quantiles of each histogram in microseconds, by tag.
fn figures(totals: &Totals) -> Value {
    let all = totals
        .iter()
        .filter(|(kind, _)| kind.is_time())
        .map(|(kind, found)| (kind.name().to_owned(), quantiles(found)));
    Value::Object(all.collect())
}

/// How many batches have 1, 2, 3 to 4, 5 to 8, … records.
fn bars(found: &Histogram<u64>) -> Value {
    let (mut least, mut most) = (1, 1);
    let mut bars = Vec::new();
    while !found.is_empty() && least <= found.max() {
        let count = found.count_between(least, most);
        let name = if least == most {
            format!("{least}")
        } else {
            format!("{least}–{most}")
        };
        if count > 0 {
            bars.push(json!([name, count]));
        }
        (least, most) = (most + 1, most * 2);
    }
    Value::Array(bars)
}

/// The quantiles of one histogram that is not of times; null if it is empty.
fn plain(found: &Histogram<u64>) -> Value {
    if found.is_empty() {
        return Value::Null;
    }
    let named = |quantile| found.value_at_quantile(quantile);
    json!({
        "mean": found.mean(), "p50": named(0.5), "p99": named(0.99), "max": found.max(),
        "count": found.len(),
    })
}

/// The quantiles of one histogram of nanoseconds, in microseconds; null if it is empty.
pub fn quantiles(found: &Histogram<u64>) -> Value {
    if found.is_empty() {
        return Value::Null;
    }
    let us = |ns: u64| json!(ns as f64 / 1e3);
    let mut map: serde_json::Map<_, _> = QUANTILES
        .iter()
        .map(|(name, quantile)| ((*name).to_owned(), us(found.value_at_quantile(*quantile))))
        .collect();
    map.insert("max".to_owned(), us(found.max()));
    map.insert("count".to_owned(), json!(found.len()));
    Value::Object(map)
}

/// A table of histograms in microseconds. A quantile that too few samples stand for is a dash:
/// it needs ten beyond it.
pub fn table<'a>(rows: impl IntoIterator<Item = (&'a str, &'a Histogram<u64>)>) -> String {
    let mut text = format!("{:<26}", "µs");
    QUANTILES
        .iter()
        .for_each(|(name, _)| text += &format!("{name:>11}"));
    text += &format!("{:>11}{:>11}\n", "max", "count");
    for (name, found) in rows.into_iter().filter(|(_, found)| !found.is_empty()) {
        text += &format!("{name:<26}");
        for (_, quantile) in QUANTILES {
            let beyond = found.len() as f64 * (1.0 - quantile);
            text += &match beyond >= 9.99 {
                true => format!("{:>11.1}", found.value_at_quantile(quantile) as f64 / 1e3),
                false => format!("{:>11}", "-"),
            };
        }
        text += &format!("{:>11.1}{:>11}\n", found.max() as f64 / 1e3, found.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of 10,000 records at 1,000/s whose acks took 1 ms each; `late` of them were 200 µs
    /// late, the others 1 µs.
    fn report(late: u64) -> Report {
        let plan = Plan::of("--rate 1000 --duration 10").unwrap();
        let mut report = Report::new(plan, Value::Null, 1);
        let totals = &mut report.totals;
        for number in 0..10_000 {
            let lateness = if number < late { 200_000 } else { 1_000 };
            totals
                .get_mut(&Kind::Produce)
                .unwrap()
                .record(1_000_000)
                .unwrap();
            totals
                .get_mut(&Kind::Late)
                .unwrap()
                .record(lateness)
                .unwrap();
        }
        (report.measured_s, report.scheduled_s) = (10.0, 10.0);
        (report.due, report.sent) = (10_000, 10_000);
        report
    }

    #[test]
    fn one_in_a_thousand_late_sends_is_borne_and_no_more() {
        let fit = report(10);
        assert_eq!((fit.unfit(), fit.exit_code()), (Vec::new(), 0));
        assert!(fit.text().contains("\nfit: "), "{}", fit.text());
        let unfit = report(11);
        assert_eq!((unfit.unfit().len(), unfit.exit_code()), (1, 3));
        assert!(unfit.text().contains("UNFIT") && unfit.text().contains("0.11 %"));
        assert_eq!(unfit.json()["fit"], json!(false));
        assert_eq!(unfit.json()["late"]["count"], json!(11));
    }

    #[test]
    fn whatever_is_missing_makes_a_run_unfit() {
        let spoil: [fn(&mut Report); 5] = [
            |report| report.sent -= 1,
            |report| report.unanswered = 1,
            |report| report.refused = BTreeMap::from([(7, 2)]),
            |report| report.failures.push("it broke".to_owned()),
            |report| report.measured_s = 10.2,
        ];
        for (number, spoil) in spoil.iter().enumerate() {
            let mut report = report(0);
            spoil(&mut report);
            assert_eq!(
                (report.unfit().len(), report.exit_code()),
                (1, 3),
                "{number}"
            );
        }
    }

    #[test]
    fn loss_is_worse_than_unfitness_but_not_where_nothing_was_promised_or_read() {
        let mut report = report(0);
        report.findings = Some(Findings {
            lost: 1,
            ..Findings::default()
        });
        assert_eq!(report.exit_code(), 4);
        report.read_back_failed = true;
        report.failures.push("a consumer: gave up".to_owned());
        assert_eq!(report.exit_code(), 3);
        report.read_back_failed = false;
        report.failures.clear();
        report.plan.acks = 0;
        assert_eq!(report.exit_code(), 0);
        report.findings = Some(Findings {
            duplicates: 1,
            ..Findings::default()
        });
        assert_eq!(report.exit_code(), 4);
    }

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
        assert_eq!(quantiles(&found)["max"], json!(1000.447));
        assert_eq!(quantiles(&histogram()), Value::Null);
    }
}
