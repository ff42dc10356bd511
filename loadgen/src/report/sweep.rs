//! Pure: what a sweep comes to: its rates and the knee, as a table, and as the report that is
//! written to `sweep.json` and read back from there.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::quantile::Quantiles;
use super::run_report::{Context, Floors};
use crate::measure::host::Host;
use crate::measure::latency::Kind;

/// The part of the last rate before the knee at which brokers are well compared, in percent.
const GOOD_PERCENT: u64 = 70;

/// What one rate came to.
#[derive(Clone, Debug)]
pub struct Step {
    /// Records per second that were due.
    pub offered: u64,
    /// What stands behind the @ of its tags in the log.
    pub part: String,
    /// And that were answered.
    pub achieved: f64,
    /// The latency that the knee is looked for in, in nanoseconds.
    pub times: Histogram<u64>,
    /// End to end, in nanoseconds; empty if there was no consumer.
    pub end_to_end: Histogram<u64>,
    /// Why it is past the knee, if it is.
    pub past: Option<String>,
    /// Why its figures must not be quoted.
    pub unfit: Vec<String>,
}

/// A whole sweep.
pub struct Sweep {
    /// In order of rates.
    pub steps: Vec<Step>,
    /// The rule that finds the knee, in words.
    pub rule: String,
    /// The highest rate before the knee.
    pub below: Option<u64>,
    /// The lowest one past it.
    pub knee: Option<u64>,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// The interval log; tags are those of a run with `@` and the rate behind them.
    pub log: Vec<u8>,
    /// The latency that the knee is looked for in.
    pub kind: Kind,
    /// Facts of the host.
    pub host: Host,
    /// What the host did at best, before and after; `None` if that was not measured.
    pub floors: Option<Floors>,
}

/// What a sweep came to, as it is written and read.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SweepReport {
    /// The version of loadgen that made it.
    pub loadgen: Option<String>,
    /// Facts of the host.
    pub host: Option<Host>,
    /// What the host did at best; `None` if that was not measured.
    pub floors_us: Option<Floors>,
    /// The tag of the latency that the knee is looked for in.
    pub latency: Option<String>,
    /// The rule that finds the knee, in words.
    pub rule: Option<String>,
    /// The highest rate before the knee.
    pub below: Option<u64>,
    /// The lowest one past it.
    pub knee: Option<u64>,
    /// A rate at which brokers are well compared.
    pub good: Option<u64>,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// Whether the knee may be quoted.
    pub fit: Option<bool>,
    /// Why it must not be.
    pub unfit: Vec<String>,
    /// In order of rates.
    pub steps: Vec<StepReport>,
    /// The date and time at which the measured part began.
    pub started: Option<String>,
    /// What was asked for.
    #[serde(flatten)]
    pub context: Context,
}

/// What one rate came to, as it is written and read.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct StepReport {
    /// Records per second that were due.
    pub offered: u64,
    /// And that were answered.
    pub achieved: f64,
    /// How many were.
    pub count: u64,
    /// The tag of its latencies in the interval log.
    pub tag: String,
    /// The latency that the knee is looked for in.
    pub latency_us: Option<Quantiles>,
    /// End to end.
    pub e2e_us: Option<Quantiles>,
    /// Why it is past the knee, if it is.
    pub past_knee: Option<String>,
    /// Whether its figures may be quoted.
    pub fit: bool,
    /// Why they must not be.
    pub unfit: Vec<String>,
}

/// A step as a line of the table.
pub fn line(step: &Step) -> String {
    let us = [0.5, 0.99, 0.999, 1.0].map(|q| step.times.value_at_quantile(q) as f64 / 1e3);
    let note = match (&step.past, step.unfit.is_empty()) {
        (Some(why), _) => format!("past the knee: {why}"),
        (None, true) => String::new(),
        (None, false) => "unfit to be quoted".to_owned(),
    };
    let line = format!(
        "{:>10} {:>12.1} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>10}  {note}",
        step.offered,
        step.achieved,
        us[0],
        us[1],
        us[2],
        us[3],
        step.times.len(),
    );
    line.trim_end().to_owned()
}

impl Sweep {
    /// Why the knee must not be quoted, a sentence each: it is found by the first rate's p99, and
    /// by the achieved rates of those before it. What is past the knee may be as it is.
    pub fn unfit(&self) -> Vec<String> {
        let first = self.steps.first().map(|step| step.offered);
        let unfit = self.steps.iter().filter(|step| {
            !step.unfit.is_empty() && (step.past.is_none() || Some(step.offered) == first)
        });
        let sentence = |step: &Step| {
            let what = match Some(step.offered) == first {
                true => "the first rate, which the others are judged by,",
                false => "the rate",
            };
            format!(
                "{what} {}/s is unfit: {}",
                step.offered,
                step.unfit.join("; ")
            )
        };
        unfit.map(sentence).collect()
    }

    /// A rate at which brokers are well compared: a part of the last one before the knee.
    pub fn good(&self) -> Option<u64> {
        let fit = self.unfit().is_empty();
        let below = self.below.filter(|_| self.knee.is_some() && fit);
        below.map(|below| below * GOOD_PERCENT / 100)
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:>10} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
            "offered/s", "achieved/s", "p50 µs", "p99", "p99.9", "max", "count"
        );
        for step in &self.steps {
            text += &format!("{}\n", line(step));
        }
        let good = self.good().map_or(String::new(), |good| {
            format!("; {GOOD_PERCENT} % of the former is {good}")
        });
        text += &match (self.below, self.knee) {
            (Some(below), Some(knee)) => {
                format!("\nknee between {below} and {knee} records/s{good}\n")
            }
            (None, Some(knee)) => format!("\nthe first rate, {knee}, is past the knee already\n"),
            (_, None) => "\nno knee up to the last rate\n".to_owned(),
        };
        if self.interrupted {
            text += "interrupted: the last rate was not measured for its whole duration\n";
        }
        for why in self.unfit() {
            text += &format!("UNFIT, the knee must not be quoted: {why}\n");
        }
        text + &format!("({})\n", self.rule)
    }

    /// The report of it, without what was asked for.
    pub fn report(&self) -> SweepReport {
        SweepReport {
            loadgen: Some(corelane_wire::version::version().to_owned()),
            host: Some(self.host.clone()),
            floors_us: self.floors.clone(),
            latency: Some(self.kind.name().to_owned()),
            rule: Some(self.rule.clone()),
            below: self.below,
            knee: self.knee,
            good: self.good(),
            interrupted: self.interrupted,
            fit: Some(self.unfit().is_empty()),
            unfit: self.unfit(),
            steps: self.steps.iter().map(|step| self.step(step)).collect(),
            ..SweepReport::default()
        }
    }

    fn step(&self, step: &Step) -> StepReport {
        StepReport {
            offered: step.offered,
            achieved: step.achieved,
            count: step.times.len(),
            tag: format!("{}@{}", self.kind.name(), step.part),
            latency_us: Quantiles::of(&step.times),
            e2e_us: Quantiles::of(&step.end_to_end),
            past_knee: step.past.clone(),
            fit: step.unfit.is_empty(),
            unfit: step.unfit.clone(),
        }
    }
}
