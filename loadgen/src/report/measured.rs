//! Pure: all that was measured in a run, and whether it may be quoted.

use std::collections::BTreeMap;

use crate::measure::floors::Floor;
use crate::measure::host::Host;
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

/// All that was measured in a run.
pub struct Measured {
    /// What was asked for.
    pub plan: Plan,
    /// Facts of the host.
    pub host: Host,
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

impl Measured {
    /// One of nothing yet.
    pub fn new(plan: Plan, host: Host, partitions: usize) -> Measured {
        Measured {
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
    pub(super) fn measured(&self) -> u64 {
        self.totals[&Kind::Late]
            .len()
            .max(self.totals[&Kind::Produce].len())
    }

    /// CPU time of loadgen for each 10⁹ bytes that were acked, warm-up left out in proportion.
    pub fn cpu_per_gb(&self) -> f64 {
        let measured = self.totals[&Kind::Produce].len() as f64 / (self.sent.max(1)) as f64;
        match self.bytes {
            0 => 0.0,
            bytes => self.cpu_s * measured.min(1.0) / (bytes as f64 / 1e9),
        }
    }

    /// Sends later than a tenth of the p99, and that tenth in nanoseconds. The p99 is that of
    /// the acks, or end to end where there are none.
    pub fn late(&self) -> (u64, u64) {
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

    /// With acks=0 the broker promised nothing: records that do not come are no loss. Nor are those
    /// that the broker did not hand out for as long as it was asked.
    fn only_not_proven(&self, found: Findings) -> bool {
        let bearable = self.plan.acks == 0 || self.read_back_failed;
        bearable && Findings { lost: 0, ..found }.clean()
    }
}

#[cfg(test)]
impl Measured {
    /// A run of 10,000 records at 1,000/s whose acks took 1 ms each; `late` of them were 200 µs
    /// late, the others 1 µs.
    pub fn steady(late: u64) -> Measured {
        let plan = Plan::of("--rate 1000 --duration 10").unwrap();
        let mut report = Measured::new(plan, Host::default(), 1);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_thousand_late_sends_is_borne_and_no_more() {
        let fit = Measured::steady(10);
        assert_eq!((fit.unfit(), fit.exit_code()), (Vec::new(), 0));
        let unfit = Measured::steady(11);
        assert_eq!((unfit.unfit().len(), unfit.exit_code()), (1, 3));
        assert_eq!(unfit.report().fit, Some(false));
        assert_eq!(unfit.report().late.unwrap().count, 11);
    }

    #[test]
    fn whatever_is_missing_makes_a_run_unfit() {
        let spoil: [fn(&mut Measured); 5] = [
            |report| report.sent -= 1,
            |report| report.unanswered = 1,
            |report| report.refused = BTreeMap::from([(7, 2)]),
            |report| report.failures.push("it broke".to_owned()),
            |report| report.measured_s = 10.2,
        ];
        for (number, spoil) in spoil.iter().enumerate() {
            let mut report = Measured::steady(0);
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
        let mut report = Measured::steady(0);
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
}
