//! Pure: the report of what was measured: quantiles of the histograms, counts, reasons.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::measured::{BlockFigures, Measured};
use super::quantile::Quantiles;
use super::run_report::{
    Batches, BlockReport, FloorTimes, Floors, Late, Latencies, Rate, Records, Round, RunReport,
    Sizes,
};
use crate::measure::latency::{Kind, Totals, histogram};

impl Measured {
    /// The floors of all rounds merged, by name, and each round's own; `None` if there are none.
    pub fn floors(&self) -> Option<Floors> {
        let mut merged: BTreeMap<&str, Histogram<u64>> = BTreeMap::new();
        for (name, times) in self.floors.iter().flat_map(|(_, found)| found) {
            let sum = merged.entry(name).or_insert_with(histogram);
            sum.add(times).expect("all histograms have the same bounds");
        }
        let rounds = self.floors.iter().map(|(when, found)| Round {
            when: when.clone(),
            floors: floor_times(found.iter().map(|(name, times)| (*name, times))),
        });
        (!self.floors.is_empty()).then(|| Floors {
            all: floor_times(merged.iter().map(|(name, times)| (*name, times))),
            rounds: rounds.collect(),
        })
    }

    /// The report of it, without what was asked for and seen beside it.
    pub fn report(&self) -> RunReport {
        let unfit = self.unfit();
        let (late, limit) = self.late();
        RunReport {
            loadgen: Some(corelane_wire::version::version().to_owned()),
            partitions: Some(self.partitions as u64),
            host: Some(self.host.clone()),
            rate: Rate {
                offered: self.plan.rate,
                achieved: Some(self.achieved_rate()),
                max: self.plan.max,
            },
            bytes: self.bytes,
            cpu_s: self.cpu_s,
            cpu_s_per_gb: self.cpu_per_gb(),
            batches: Batches {
                records: sizes(&self.totals[&Kind::BatchRecords]),
                bytes: sizes(&self.totals[&Kind::BatchBytes]),
                bars: bars(&self.totals[&Kind::BatchRecords]),
            },
            blocks: (1..).zip(&self.blocks).map(block).collect(),
            floors_us: self.floors(),
            measured_s: Some(self.measured_s),
            interrupted: self.interrupted,
            latency_us: latencies(&self.totals),
            late: Some(Late {
                count: late,
                limit_us: limit as f64 / 1e3,
            }),
            records: Some(Records {
                measured: self.measured(),
                due: self.due,
                sent: self.sent,
                unanswered: self.unanswered,
                refused: self.refused.clone(),
            }),
            check: self.findings,
            fit: Some(unfit.is_empty()),
            unfit,
            ..RunReport::default()
        }
    }
}

/// The quantiles of floors by their names.
pub fn floor_times<'a>(found: impl Iterator<Item = (&'a str, &'a Histogram<u64>)>) -> FloorTimes {
    found
        .map(|(name, times)| (name.to_owned(), Quantiles::of(times)))
        .collect()
}

fn block((number, figures): (u32, &BlockFigures)) -> BlockReport {
    BlockReport {
        number,
        from_s: figures.from_s,
        to_s: figures.to_s,
        latency_us: latencies(&figures.totals),
    }
}

fn latencies(totals: &Totals) -> Latencies {
    let of = |kind: Kind| totals.get(&kind).and_then(Quantiles::of);
    Latencies {
        produce: of(Kind::Produce),
        produce_service: of(Kind::Service),
        e2e: of(Kind::EndToEnd),
        lateness: of(Kind::Late),
    }
}

/// How many batches have 1, 2, 3 to 4, 5 to 8, … records.
fn bars(found: &Histogram<u64>) -> Vec<(String, u64)> {
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
            bars.push((name, count));
        }
        (least, most) = (most + 1, most * 2);
    }
    bars
}

/// The quantiles of one histogram that is not of times; `None` if it is empty.
fn sizes(found: &Histogram<u64>) -> Option<Sizes> {
    (!found.is_empty()).then(|| Sizes {
        mean: found.mean(),
        p50: found.value_at_quantile(0.5),
        p99: found.value_at_quantile(0.99),
        max: found.max(),
        count: found.len(),
    })
}
