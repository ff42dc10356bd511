//! Drives: the rate against latency, up to the knee.

use std::error::Error;
use std::sync::atomic::Ordering;

use super::{floors_round, one_block};
use crate::measure::ground::Ground;
use crate::measure::host::{self, Host};
use crate::measure::latency::{Collector, Kind};
use crate::options::Plan;
use crate::report::measured::Measured;
use crate::report::sweep::{Step, Sweep, line};

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

/// Why a step is past the knee, if it is; `low_p99_ns` is that of the first rate.
fn past(step: &Step, low_p99_ns: u64, ramp: &Ramp) -> Option<String> {
    if step.times.is_empty() {
        return Some("nothing was answered".to_owned());
    }
    if step.achieved < step.offered as f64 * (1.0 - RATE_PART) {
        let percent = step.achieved * 100.0 / step.offered as f64;
        return Some(format!("{percent:.1} % of the offered rate"));
    }
    let times = step.times.value_at_quantile(0.99) as f64 / low_p99_ns.max(1) as f64;
    (times > ramp.times).then(|| format!("p99 is {times:.1} x that of the first rate"))
}

/// Goes up from the rate of `plan`, each for its warm-up and duration.
pub fn sweep(plan: &Plan, ramp: &Ramp) -> Result<Sweep, Box<dyn Error>> {
    let first = plan.rate.ok_or("a sweep begins at a --rate")?;
    let ground = Ground::prepare(plan, false)?;
    let about = format!("loadgen {}, nanoseconds", corelane_wire::version::version());
    let mut climb = Climb {
        ground: &ground,
        plan,
        ramp,
        collector: Collector::new(&about),
        origin_ns: None,
        blocks: 0,
        found: Sweep {
            steps: Vec::new(),
            rule: format!(
                "the knee is the first rate of which less than 99 % was achieved, or whose p99 \
                 is more than {} x that of the first rate; it is measured twice and the better \
                 time counts, so that no hiccup passes for a knee",
                ramp.times
            ),
            below: None,
            knee: None,
            interrupted: false,
            log: Vec::new(),
            kind: Kind::main_of(plan.acks),
            host: host::facts(),
            floors: None,
        },
    };
    let mut whole = Measured::new(plan.clone(), Host::default(), ground.homes.len());
    floors_round(&ground, &mut whole, &mut climb.collector, "before")?;
    climb.up(first)?;
    if !climb.stopped() {
        floors_round(&ground, &mut whole, &mut climb.collector, "after")?;
    }
    let mut found = climb.found;
    found.floors = whole.floors();
    found.interrupted = ground.stop.load(Ordering::Relaxed);
    found.steps.sort_by_key(|step| step.offered);
    (_, found.log) = climb.collector.finish()?;
    Ok(found)
}

/// A sweep on its way.
struct Climb<'a> {
    ground: &'a Ground,
    plan: &'a Plan,
    ramp: &'a Ramp,
    collector: Collector,
    origin_ns: Option<u64>,
    /// Blocks that were measured: each has a mark of its own in its records.
    blocks: u32,
    found: Sweep,
}

impl Climb<'_> {
    /// All rates from `first` on, and those between the last good one and the knee.
    fn up(&mut self, first: u64) -> Result<(), Box<dyn Error>> {
        let mut rate = first;
        while self.found.knee.is_none() && rate <= self.ramp.most && !self.stopped() {
            self.step(rate)?;
            rate = ((rate as f64 * self.ramp.factor).ceil() as u64).max(rate + 1);
        }
        for _ in 0..self.ramp.refine {
            let (Some(below), Some(knee)) = (self.found.below, self.found.knee) else {
                break;
            };
            let middle = (below as f64 * knee as f64).sqrt() as u64;
            if middle <= below || middle >= knee || self.stopped() {
                break;
            }
            self.step(middle)?;
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.ground.stop.load(Ordering::Relaxed)
    }

    /// One rate; a second time if it is past the knee.
    fn step(&mut self, rate: u64) -> Result<(), Box<dyn Error>> {
        let mut step = self.measure(rate, rate.to_string())?;
        if step.past.is_some() && !self.stopped() {
            let again = self.measure(rate, format!("{rate}-again"))?;
            if again.past.is_none() {
                step = again;
            }
        }
        let found = &mut self.found;
        match step.past {
            Some(_) => found.knee = Some(found.knee.map_or(rate, |knee| knee.min(rate))),
            None => found.below = Some(found.below.map_or(rate, |below| below.max(rate))),
        }
        found.steps.push(step);
        Ok(())
    }

    /// One rate, logged with `part` behind the tags.
    fn measure(&mut self, rate: u64, part: String) -> Result<Step, Box<dyn Error>> {
        let mut plan = self.plan.clone();
        plan.rate = Some(rate);
        let load = plan.load();
        self.collector.part(part.clone());
        let mut report = Measured::new(plan, Host::default(), self.ground.homes.len());
        self.blocks += 1;
        one_block(
            self.ground,
            &load,
            &mut report,
            &mut self.collector,
            self.blocks,
            &mut self.origin_ns,
            format!("{rate}/s  "),
        )?;
        if let Some(block) = report.blocks.pop() {
            report.totals = block.totals;
        }
        let mut step = Step {
            offered: rate,
            part,
            achieved: report.achieved_rate(),
            unfit: report.unfit(),
            times: report.totals[&self.found.kind].clone(),
            end_to_end: report.totals[&Kind::EndToEnd].clone(),
            past: None,
        };
        let low = &self.found.steps.first().unwrap_or(&step).times;
        step.past = past(&step, low.value_at_quantile(0.99), self.ramp);
        eprintln!("{}", line(&step));
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;

    #[test]
    fn the_knee_is_where_its_rule_says() {
        let ramp = Ramp {
            factor: 1.5,
            most: 1_000,
            times: 4.0,
            refine: 0,
        };
        let step = |offered, achieved, p99| {
            let mut times = histogram();
            times.record_n(p99, 10).unwrap();
            Step {
                offered,
                part: String::new(),
                achieved,
                times,
                end_to_end: histogram(),
                past: None,
                unfit: Vec::new(),
            }
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
        let mut found = Sweep {
            steps: vec![
                step(1_000, 1_000.0, 100),
                step(2_000, 2_000.0, 100),
                step(3_000, 9.0, 1),
            ],
            rule: String::new(),
            below: Some(2_000),
            knee: Some(3_000),
            interrupted: false,
            log: Vec::new(),
            kind: Kind::Produce,
            host: Host::default(),
            floors: None,
        };
        // Past the knee nothing is fit, and need not be.
        found.steps[2].past = Some("0.3 % of the offered rate".to_owned());
        found.steps[2].unfit = vec!["records were sent late".to_owned()];
        assert_eq!((found.unfit(), found.good()), (Vec::new(), Some(1_400)));
        found.steps[0].unfit = vec!["records were sent late".to_owned()];
        assert!(
            found.unfit()[0].starts_with("the first rate, which the others are judged by, 1000/s")
        );
        assert_eq!(found.good(), None);
        assert!(
            found
                .text()
                .contains("UNFIT, the knee must not be quoted: the first rate")
        );
        assert_eq!(found.report().fit, Some(false));
        let mut nothing = step(1_000, 0.0, 1);
        nothing.times.reset();
        assert!(past(&nothing, 100, &ramp).is_some());
    }
}
