//! Pure: numbers a core keeps about itself, in plain cells: no atomics, no locks; names are
//! added when they are exported.
//!
//! Names are Prometheus': `corelane_`, what it is, its unit (bytes, seconds), and `_total` where
//! it only grows. Help texts are one sentence, and end with `Kafka: ` and the name of the MBean
//! that answers the same question in Apache Kafka, where there is one.

mod histogram;
mod text;

use std::cell::Cell;

pub use histogram::{BUCKETS_US, Distribution, Histogram};
pub use text::to_prometheus;

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

/// How many of something there are now.
#[derive(Default, Debug)]
pub struct Level(Cell<u64>);

impl Level {
    /// One more.
    #[inline]
    pub fn rise(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// One less.
    #[inline]
    pub fn fall(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.get()
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
    /// A time that only grows, in seconds.
    Seconds(f64),
    /// Goes up and down.
    Gauge(f64),
    /// A distribution of times.
    Latency(Box<Distribution>),
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

    /// Adds a time that only grows, in seconds, without labels.
    pub fn seconds(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.push(name, help, Vec::new(), SampleValue::Seconds(value));
    }

    /// Adds a distribution of times.
    pub fn latency(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<(&'static str, String)>,
        value: Distribution,
    ) {
        self.push(name, help, labels, SampleValue::Latency(Box::new(value)));
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

/// What a counter of a [`counters!`](crate::counters) struct is exported as.
pub struct Exported<P> {
    /// The metric's name.
    pub name: &'static str,
    /// What it counts, in a sentence.
    pub help: &'static str,
    /// What it has counted.
    pub value: fn(&P) -> u64,
}

/// Makes a struct of [`Counter`]s, each with the name and the help text that it is exported
/// with, so that none is counted and never seen; further fields stand behind `and`. `COUNTS`
/// lists what is exported, `export_counts` adds it to a snapshot.
#[macro_export]
macro_rules! counters {
    (
        $(#[$about:meta])*
        pub struct $Name:ident {
            $($field:ident: $metric:literal, $help:literal;)*
        }
        $(and { $($(#[$more_about:meta])* pub $more:ident: $More:ty,)* })?
    ) => {
        $(#[$about])*
        #[derive(Default, Debug)]
        pub struct $Name {
            $(#[doc = $help] pub $field: $crate::base::metrics::Counter,)*
            $($($(#[$more_about])* pub $more: $More,)*)?
        }

        impl $Name {
            /// What its counters are exported as.
            pub const COUNTS: &[$crate::base::metrics::Exported<$Name>] = &[
                $($crate::base::metrics::Exported {
                    name: $metric,
                    help: $help,
                    value: |counts| counts.$field.get(),
                },)*
            ];

            /// Adds its counters to a snapshot; those of several, summed up.
            pub fn export_counts(all: &[&$Name], to: &mut $crate::base::metrics::Snapshot) {
                for count in Self::COUNTS {
                    let total = all.iter().map(|one| (count.value)(one)).sum();
                    to.counter(count.name, count.help, total);
                }
            }
        }
    };
}
