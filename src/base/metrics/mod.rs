//! Pure: numbers a core keeps about itself, in plain cells: no atomics, no locks, no names
//! until somebody asks.

mod text;

use std::cell::{Cell, RefCell};

use hdrhistogram::Histogram as Hdr;

pub use text::to_prometheus;

/// The largest value a latency histogram tells apart, in microseconds: one minute.
const LATENCY_MAX_US: u64 = 60_000_000;

/// A number that only grows.
#[derive(Default, Debug)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// Counts `more`.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.set(self.0.get().wrapping_add(more));
    }

    /// What has been counted.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A latency distribution in microseconds, right to one part in a hundred; what takes longer
/// than a minute counts as a minute. It takes 20 KB: a third digit would take 140 KB each, which
/// every scrape has to copy on the core that serves requests.
#[derive(Debug)]
pub struct Histogram(RefCell<Hdr<u64>>);

impl Default for Histogram {
    fn default() -> Histogram {
        // The bounds are constants that the crate accepts: a test makes one.
        Histogram(RefCell::new(
            Hdr::new_with_bounds(1, LATENCY_MAX_US, 2).expect("valid bounds"),
        ))
    }
}

impl Histogram {
    /// Counts one value.
    #[inline]
    pub fn record_us(&self, value: u64) {
        self.0
            .borrow_mut()
            .saturating_record(value.clamp(1, LATENCY_MAX_US));
    }

    /// A copy to be sent elsewhere; `None` where nothing was counted yet.
    pub fn copy(&self) -> Option<Hdr<u64>> {
        let histogram = self.0.borrow();
        (!histogram.is_empty()).then(|| histogram.clone())
    }
}

/// One exported number or distribution.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The metric's name, with its unit at the end.
    pub name: &'static str,
    /// What it counts, in a sentence.
    pub help: &'static str,
    /// Names and values that tell it from others of the same name.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: SampleValue,
}

/// The value of a [`Sample`].
#[derive(Clone, Debug)]
pub enum SampleValue {
    /// Grows only.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// A distribution in microseconds.
    LatencyUs(Box<Hdr<u64>>),
}

/// The numbers of one core at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(pub Vec<Sample>);

impl Snapshot {
    /// Adds a counter without labels.
    pub fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.push(name, help, Vec::new(), SampleValue::Counter(value));
    }

    /// Adds a gauge without labels.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.push(name, help, Vec::new(), SampleValue::Gauge(value));
    }

    /// Adds a sample.
    pub fn push(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<(&'static str, String)>,
        value: SampleValue,
    ) {
        self.0.push(Sample {
            name,
            help,
            labels,
            value,
        });
    }

    /// Gives every sample one more label.
    #[must_use]
    pub fn with_label(mut self, name: &'static str, value: &str) -> Snapshot {
        for sample in &mut self.0 {
            sample.labels.push((name, value.to_owned()));
        }
        self
    }
}
