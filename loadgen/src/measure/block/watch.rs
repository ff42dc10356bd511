//! Drives: the seconds of a block as they pass: when it is steady, measured, over.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::Block;
use crate::measure::latency::{Collector, Interval, SECOND_NS};
use crate::measure::progress::Steadiness;
use crate::measure::worker::{Begin, Shared};

/// A steady load is measured so many seconds after that is known.
const STEADY_LEAD: u64 = 2;

/// The seconds of a block as they pass.
pub(super) struct Watch<'a> {
    block: &'a Block<'a>,
    pub(super) begin: Begin,
    shared: &'a Shared,
    steadiness: Steadiness,
    pub(super) unsteady: bool,
    first: Option<u64>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(block: &'a Block<'a>, begin: Begin, shared: &'a Shared) -> Watch<'a> {
        Watch {
            block,
            begin,
            shared,
            steadiness: Steadiness::default(),
            unsteady: false,
            first: None,
        }
    }

    /// Collects what the threads hand over until all are done.
    pub(super) fn until_over(
        &mut self,
        collector: &mut Collector,
        intervals: &Receiver<Interval>,
    ) -> io::Result<()> {
        let clock = self.block.ground.clock;
        loop {
            let received = intervals.recv_timeout(Duration::from_millis(100));
            let now = clock.now_ns();
            if self.block.ground.stop.load(Ordering::Relaxed) {
                self.shared.stop_ns.fetch_min(now, Ordering::Relaxed);
            }
            let window = &self.begin.window;
            let measured_ns = window.measured_ns();
            if measured_ns != u64::MAX && self.first.is_none() {
                let first = (measured_ns - window.origin_ns) / SECOND_NS;
                collector.measured_from(first, clock.wall(measured_ns));
                self.block
                    .ground
                    .measured_ns
                    .fetch_min(measured_ns, Ordering::Relaxed);
                self.first = Some(first);
            }
            let over = matches!(received, Err(RecvTimeoutError::Disconnected));
            if let Ok(interval) = received {
                collector.add(interval);
            }
            let second = now.saturating_sub(window.origin_ns) / SECOND_NS;
            let mut steady = false;
            let (block, steadiness) = (self.block, &mut self.steadiness);
            collector.close_before(if over { u64::MAX } else { second }, |at, found| {
                block.progress.second(at, found);
                let main = found.histograms.get(&block.progress.main());
                if let Some(main) = main.filter(|_| found.warm) {
                    steady |= steadiness.add(main);
                }
            })?;
            if steady && measured_ns == u64::MAX {
                self.measure_from(second + STEADY_LEAD);
            }
            if over {
                self.block.progress.over();
                return Ok(());
            }
            self.bar(now);
        }
    }

    fn measure_from(&mut self, second: u64) {
        let measure_ns = self.begin.window.origin_ns + second * SECOND_NS;
        let stop_ns = measure_ns + self.block.duration * SECOND_NS;
        self.unsteady = !self.steadiness.agrees();
        self.begin
            .window
            .measure_from_ns
            .store(measure_ns, Ordering::Relaxed);
        self.shared.stop_ns.fetch_min(stop_ns, Ordering::Relaxed);
    }

    fn bar(&self, now: u64) {
        let measured_ns = self.begin.window.measured_ns();
        if measured_ns != u64::MAX {
            let all_ns = measured_ns - self.begin.start_ns + self.block.duration * SECOND_NS;
            let done_ns = now.saturating_sub(self.begin.start_ns);
            self.block
                .progress
                .bar(done_ns as f64 / 1e9, all_ns as f64 / 1e9);
        }
    }

    pub(super) fn began_s(&self, collector: &Collector) -> f64 {
        let zero = collector.first_second();
        self.first
            .map_or(0.0, |first| first.saturating_sub(zero) as f64)
    }
}
