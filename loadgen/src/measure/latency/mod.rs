//! Pure: histograms of every thread, one set per second, merged and never averaged.

mod collector;
mod recorder;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;

pub use collector::{Collector, Second};
pub use recorder::{Interval, Recorder};

/// One second, in nanoseconds.
pub const SECOND_NS: u64 = 1_000_000_000;

/// What a duration is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// From the intended send time to the ack.
    Produce,
    /// From the actual send to the ack: what a closed loop would have called latency.
    Service,
    /// From the intended send time to the record's arrival at the consumer.
    EndToEnd,
    /// From the intended send time to the moment in which loadgen turned to it.
    Late,
    /// Not a time: records in a batch.
    BatchRecords,
    /// Not a time: bytes of a batch as it travels.
    BatchBytes,
}

impl Kind {
    /// All kinds, in the order of the report.
    pub const ALL: [Kind; 6] = [
        Kind::Produce,
        Kind::Service,
        Kind::EndToEnd,
        Kind::Late,
        Kind::BatchRecords,
        Kind::BatchBytes,
    ];

    /// The latency that stands for a load: of acks where there are any.
    pub fn main_of(acks: i16) -> Kind {
        match acks {
            0 => Kind::Late,
            _ => Kind::Produce,
        }
    }

    /// The tag in logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Produce => "produce",
            Kind::Service => "produce_service",
            Kind::EndToEnd => "e2e",
            Kind::Late => "lateness",
            Kind::BatchRecords => "batch_records",
            Kind::BatchBytes => "batch_bytes",
        }
    }
}

/// A histogram of nanoseconds up to an hour, three significant digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600 * SECOND_NS, 3).expect("the bounds are valid")
}

/// Histograms by what they are of.
pub type Totals = BTreeMap<Kind, Histogram<u64>>;

/// When a block of a run is measured: from when on is not always known at its beginning.
#[derive(Clone, Debug)]
pub struct Window {
    /// Where the seconds of the run are counted from, by the run's clock.
    pub origin_ns: u64,
    /// The beginning of the measured part, a whole number of seconds behind the origin;
    /// `u64::MAX` until that is known.
    pub measure_from_ns: Arc<AtomicU64>,
}

impl Window {
    /// A window whose measured part begins at `measure_from_ns`, from which seconds count.
    pub fn from(measure_from_ns: u64) -> Window {
        Window {
            origin_ns: measure_from_ns,
            measure_from_ns: Arc::new(AtomicU64::new(measure_from_ns)),
        }
    }

    fn second(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.origin_ns) / SECOND_NS
    }

    /// The beginning of the measured part.
    pub fn measured_ns(&self) -> u64 {
        self.measure_from_ns.load(Ordering::Relaxed)
    }
}
