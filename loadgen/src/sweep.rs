//! Drives: the rate against latency, up to the knee.

use std::error::Error;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::host;
use crate::latency::{Collector, Kind};
use crate::plan::Plan;
use crate::report::Report;
use crate::run::{Ground, main_kind, one_block};

/// The achieved rate may be this part below the offered one, before the knee.
const RATE_PART: f64 = 0.01;

/// How to go up.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    /// Each rate is so many times the one before.
    pub factor: f64,
    /// No rate is higher.
    pub most: u64,
    /// The knee is where the p99 is more than so many times that of the first rate.
    pub times: f64,
    /// Rates tried between the last one before the knee and the first one past it.
    pub refine: u32,
}

/// What one rate came to.
#[derive(Clone, Debug)]
pub struct Step {
    /// Records per second that were due.
    pub offered: u64,
    /// And that were answered.
    pub achieved: f64,
    /// p50, p99, p99.9 and the maximum, in nanoseconds.
    pub quantiles_ns: [u64; 4],
    /// Samples.
    pub count: u64,
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
    host: Value,
}

/// Why a step is past the knee, if it is; `low_p99_ns` is that of the first rate.
fn past(step: &Step, low_p99_ns: u64, ramp: &Ramp) -> Option<String> {
    let [_, p99, ..] = step.quantiles_ns;
    if step.count == 0 {
        return Some("nothing was answered".to_owned());
    }
    if step.achieved < step.offered as f64 * (1.0 - RATE_PART) {
        let percent = step.achieved * 100.0 / step.offered as f64;
        return Some(format!("{percent:.1} % of the offered rate"));
    }
    let times = p99 as f64 / low_p99_ns.max(1) as f64;
    (times > ramp.times).then(|| format!("p99 is {times:.1} x that of the first rate"))
}

/// Goes up from the rate of `plan`, each for its warm-up and duration.
pub fn sweep(plan: &Plan, ramp: &Ramp) -> Result<Sweep, Box<dyn Error>> {
    let first = plan
        .rate
        .ok_or("a sweep begins at a --rate; --max has none")?;
    let ground = Ground::prepare(plan, false)?;
    let mut found = Sweep {
        steps: Vec::new(),
        rule: format!(
            "the knee is the first rate of which less than 99 % was achieved, or whose p99 is \
             more than {} x that of the first rate",
            ramp.times
        ),
        below: None,
        knee: None,
        host: host::facts(),
    };
    let mut rate = first;
    while found.knee.is_none() && rate <= ramp.most {
        found.add(&ground, plan, ramp, rate)?;
        if ground.stop.load(Ordering::Relaxed) {
            return Ok(found);
        }
        rate = ((rate as f64 * ramp.factor).ceil() as u64).max(rate + 1);
    }
    for _ in 0..ramp.refine {
        let (Some(below), Some(knee)) = (found.below, found.knee) else {
            break;
        };
        let middle = (below as f64 * knee as f64).sqrt() as u64;
        if middle <= below || middle >= knee || ground.stop.load(Ordering::Relaxed) {
            break;
        }
        found.add(&ground, plan, ramp, middle)?;
    }
    found.steps.sort_by_key(|step| step.offered);
    Ok(found)
}

impl Sweep {
    fn add(
        &mut self,
        ground: &Ground,
        plan: &Plan,
        ramp: &Ramp,
        rate: u64,
    ) -> Result<(), Box<dyn Error>> {
        let mut plan = plan.clone();
        plan.rate = Some(rate);
        let (load, kind) = (plan.load(), main_kind(plan.acks));
        let mut collector = Collector::new("a sweep");
        let mut report = Report::new(plan, Value::Null, ground.homes.len());
        let number = self.steps.len() as u32;
        let label = format!("{rate}/s  ");
        one_block(
            ground,
            &load,
            &mut report,
            &mut collector,
            number,
            &mut None,
            label,
        )?;
        (report.totals, _) = collector.finish()?;
        let times = &report.totals[&kind];
        let mut step = Step {
            offered: rate,
            achieved: report.achieved_rate(),
            quantiles_ns: [0.5, 0.99, 0.999, 1.0].map(|q| times.value_at_quantile(q)),
            count: times.len(),
            past: None,
            unfit: report.unfit(),
        };
        let low = self.steps.first().unwrap_or(&step).quantiles_ns[1];
        step.past = past(&step, low, ramp);
        match step.past {
            Some(_) => self.knee = Some(self.knee.map_or(rate, |knee| knee.min(rate))),
            None => self.below = Some(self.below.map_or(rate, |below| below.max(rate))),
        }
        eprintln!("{}", self.line(&step));
        self.steps.push(step);
        Ok(())
    }

    fn line(&self, step: &Step) -> String {
        let us = step.quantiles_ns.map(|ns| ns as f64 / 1e3);
        let note = match (&step.past, step.unfit.is_empty()) {
            (Some(why), _) => format!("past the knee: {why}"),
            (None, true) => String::new(),
            (None, false) => "unfit to be quoted".to_owned(),
        };
        let line = format!(
            "{:>10} {:>12.1} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>10}  {note}",
            step.offered, step.achieved, us[0], us[1], us[2], us[3], step.count,
        );
        line.trim_end().to_owned()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:>10} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
            "offered/s", "achieved/s", "p50 µs", "p99", "p99.9", "max", "count"
        );
        for step in &self.steps {
            text += &format!("{}\n", self.line(step));
        }
        text += &match (self.below, self.knee) {
            (Some(below), Some(knee)) => format!(
                "\nknee between {below} and {knee} records/s; 70 % of the former is {}\n",
                below * 7 / 10
            ),
            (None, Some(knee)) => format!("\nthe first rate, {knee}, is past the knee already\n"),
            (_, None) => "\nno knee up to the last rate\n".to_owned(),
        };
        text + &format!("({})\n", self.rule)
    }

    /// For programs; times are in microseconds.
    pub fn json(&self, settings: &Value) -> Value {
        let steps = self.steps.iter().map(|step| {
            let us = step.quantiles_ns.map(|ns| ns as f64 / 1e3);
            json!({
                "offered": step.offered, "achieved": step.achieved, "count": step.count,
                "latency_us": { "p50": us[0], "p99": us[1], "p99.9": us[2], "max": us[3] },
                "past_knee": step.past, "fit": step.unfit.is_empty(), "unfit": step.unfit,
            })
        });
        json!({
            "loadgen": env!("CARGO_PKG_VERSION"), "host": self.host, "settings": settings,
            "latency": Kind::Produce.name(), "rule": self.rule, "below": self.below,
            "knee": self.knee, "steps": steps.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_where_its_rule_says() {
        let ramp = Ramp {
            factor: 1.5,
            most: 1_000,
            times: 4.0,
            refine: 0,
        };
        let step = |offered, achieved, p99| Step {
            offered,
            achieved,
            quantiles_ns: [100, p99, 2 * p99, 3 * p99],
            count: 10,
            past: None,
            unfit: Vec::new(),
        };
        assert_eq!(past(&step(1_000, 991.0, 399), 100, &ramp), None);
        assert!(
            past(&step(1_000, 989.0, 100), 100, &ramp)
                .unwrap()
                .contains("98.9 %")
        );
        assert!(
            past(&step(1_000, 1_000.0, 401), 100, &ramp)
                .unwrap()
                .contains("4.0 x")
        );
        let mut nothing = step(1_000, 0.0, 0);
        nothing.count = 0;
        assert!(past(&nothing, 100, &ramp).is_some());
    }
}
