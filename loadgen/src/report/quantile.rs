//! Pure: the quantiles that reports show, how many samples each needs, and their values.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A quantile is relied on with so many samples beyond it.
const BEYOND: f64 = 10.0;

/// A quantile that reports show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantile {
    /// The median.
    P50,
    /// 90 %.
    P90,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
    /// 99.99 %.
    P9999,
    /// The maximum.
    Max,
}

impl Quantile {
    /// All, in order.
    pub const ALL: [Quantile; 6] = [
        Quantile::P50,
        Quantile::P90,
        Quantile::P99,
        Quantile::P999,
        Quantile::P9999,
        Quantile::Max,
    ];

    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Quantile::P50 => "p50",
            Quantile::P90 => "p90",
            Quantile::P99 => "p99",
            Quantile::P999 => "p99.9",
            Quantile::P9999 => "p99.99",
            Quantile::Max => "max",
        }
    }

    /// The share of samples at or below it.
    pub fn part(self) -> f64 {
        match self {
            Quantile::P50 => 0.5,
            Quantile::P90 => 0.9,
            Quantile::P99 => 0.99,
            Quantile::P999 => 0.999,
            Quantile::P9999 => 0.9999,
            Quantile::Max => 1.0,
        }
    }

    /// Whether enough of so many samples lie beyond it; the maximum is always known.
    pub fn is_sure(self, samples: u64) -> bool {
        self == Quantile::Max || is_enough(samples as f64 * (1.0 - self.part()))
    }
}

/// Whether so many samples beyond a quantile are enough to rely on it.
pub fn is_enough(beyond: f64) -> bool {
    beyond >= BEYOND * 0.999
}

/// The quantiles of durations, in microseconds.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    #[serde(rename = "p99.9")]
    pub p999: f64,
    /// 99.99 %.
    #[serde(rename = "p99.99")]
    pub p9999: f64,
    /// The maximum.
    pub max: f64,
    /// How many samples.
    pub count: u64,
}

impl Quantiles {
    /// Those of a histogram of nanoseconds; `None` if it is empty.
    pub fn of(found: &Histogram<u64>) -> Option<Quantiles> {
        let us = |quantile: Quantile| found.value_at_quantile(quantile.part()) as f64 / 1e3;
        (!found.is_empty()).then(|| Quantiles {
            p50: us(Quantile::P50),
            p90: us(Quantile::P90),
            p99: us(Quantile::P99),
            p999: us(Quantile::P999),
            p9999: us(Quantile::P9999),
            max: found.max() as f64 / 1e3,
            count: found.len(),
        })
    }

    /// One of them, in microseconds; `None` if too few samples stand for it.
    pub fn sure(&self, quantile: Quantile) -> Option<f64> {
        let us = match quantile {
            Quantile::P50 => self.p50,
            Quantile::P90 => self.p90,
            Quantile::P99 => self.p99,
            Quantile::P999 => self.p999,
            Quantile::P9999 => self.p9999,
            Quantile::Max => self.max,
        };
        quantile.is_sure(self.count).then_some(us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;

    #[test]
    fn quantiles_are_in_microseconds_and_none_of_nothing() {
        let mut found = histogram();
        (1..=1_000).for_each(|n| found.record(n * 1_000).unwrap());
        let quantiles = Quantiles::of(&found).unwrap();
        assert_eq!((quantiles.max, quantiles.count), (1000.447, 1_000));
        assert_eq!(quantiles.sure(Quantile::P99), Some(990.207));
        assert_eq!(quantiles.sure(Quantile::P999), None);
        assert_eq!(Quantiles::of(&histogram()), None);
    }
}
