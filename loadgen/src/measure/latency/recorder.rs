//! Pure: one thread's end: records durations, and hands its histograms over second by second.

use std::sync::mpsc::{Receiver, Sender, channel};

use hdrhistogram::Histogram;

use super::{Kind, SECOND_NS, Window, histogram};

pub(super) type Histograms = Vec<(Kind, Histogram<u64>)>;

/// One thread's histograms of one second.
pub struct Interval {
    /// Seconds from the clock's zero of the run to its beginning.
    pub(super) second: u64,
    /// Whether it is a part of the warm-up.
    pub(super) warm: bool,
    /// Bytes of values that were acked.
    pub(super) bytes: u64,
    pub(super) histograms: Histograms,
    /// Returns the histograms to their thread once they are merged.
    pub(super) back: Sender<Histograms>,
}

/// A thread's end: records, and hands its histograms over as each second ends. The histograms
/// come back to be used again, so that no memory is asked for in the middle of a run.
pub struct Recorder {
    window: Window,
    current: Interval,
    ends_ns: u64,
    out: Sender<Interval>,
    spare: Receiver<Histograms>,
    kinds: &'static [Kind],
}

impl Recorder {
    /// A recorder of `kinds`. What was to be sent in the warm-up is kept apart, and left out
    /// where it ends in the measured part.
    pub fn new(kinds: &'static [Kind], window: Window, out: Sender<Interval>) -> Recorder {
        let (back, spare) = channel();
        // The first interval's histograms are not back yet when the second begins.
        let _ = back.send(fresh(kinds));
        let current = Interval {
            second: 0,
            warm: window.origin_ns < window.measured_ns(),
            bytes: 0,
            histograms: fresh(kinds),
            back,
        };
        let ends_ns = window.origin_ns + SECOND_NS;
        Recorder {
            window,
            current,
            ends_ns,
            out,
            spare,
            kinds,
        }
    }

    /// The same, of which the first thing is intended for `start_ns`: what lies before is no
    /// second in which nothing was answered.
    pub fn starting(mut self, start_ns: u64) -> Recorder {
        let second = self.window.second(start_ns);
        let begins_ns = self.window.origin_ns + second * SECOND_NS;
        self.current.second = second;
        self.current.warm = begins_ns < self.window.measured_ns();
        self.ends_ns = begins_ns + SECOND_NS;
        self
    }

    /// Records that a thing intended for `intended_ns` took `taken_ns`.
    pub fn record(&mut self, kind: Kind, intended_ns: u64, taken_ns: u64) {
        self.record_n(kind, intended_ns, taken_ns, 1);
    }

    /// Whether what is intended for `intended_ns` counts in the current second.
    pub fn counts(&self, intended_ns: u64) -> bool {
        self.current.warm || intended_ns >= self.window.measured_ns()
    }

    /// Records the same for `count` things.
    pub fn record_n(&mut self, kind: Kind, intended_ns: u64, taken_ns: u64, count: u64) {
        if !self.counts(intended_ns) {
            return;
        }
        let mut own = self.current.histograms.iter_mut();
        if let Some((_, histogram)) = own.find(|(own, _)| *own == kind) {
            // Zero cannot be told from one nanosecond in a histogram.
            histogram.saturating_record_n(taken_ns.max(1), count);
        }
    }

    /// Counts bytes of values that were acked.
    pub fn add_bytes(&mut self, intended_ns: u64, bytes: u64) {
        if self.counts(intended_ns) {
            self.current.bytes += bytes;
        }
    }

    /// Hands the histograms over if their second is over at `now_ns`.
    pub fn tick(&mut self, now_ns: u64) {
        if now_ns < self.ends_ns {
            return;
        }
        let second = self.window.second(now_ns);
        let begins_ns = self.window.origin_ns + second * SECOND_NS;
        self.ends_ns = begins_ns + SECOND_NS;
        let histograms = self.spare.try_recv().unwrap_or_else(|_| fresh(self.kinds));
        let next = Interval {
            second,
            warm: begins_ns < self.window.measured_ns(),
            bytes: 0,
            histograms,
            back: self.current.back.clone(),
        };
        // The collector ends first only when the run fails; the figures are dropped then.
        let _ = self.out.send(std::mem::replace(&mut self.current, next));
    }

    /// Hands over the histograms of the last second.
    pub fn finish(self) {
        let _ = self.out.send(self.current);
    }
}

fn fresh(kinds: &[Kind]) -> Histograms {
    kinds.iter().map(|kind| (*kind, histogram())).collect()
}
