//! Drives: the seconds of a run as they pass: a line for each, a bar, the end of the warm-up.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use hdrhistogram::Histogram;

use crate::measure::latency::{Kind, Second};

/// Seconds that have to agree before a load is steady, and how well, in p50 and p99.
const AGREE_SECONDS: usize = 10;
const AGREE_P50: f64 = 0.02;
const AGREE_P99: f64 = 0.10;
/// The warm-up lasts at least and at most so many seconds.
const STEADY_FROM: u64 = 30;
const STEADY_UNTIL: u64 = 300;
/// Width of the bar.
const BAR: usize = 40;

/// Whether a load has become steady.
#[derive(Default, Debug)]
pub struct Steadiness {
    last: VecDeque<(u64, u64)>,
    seconds: u64,
}

impl Steadiness {
    /// Adds the next second; returns whether the warm-up may end.
    pub fn add(&mut self, found: &Histogram<u64>) -> bool {
        self.seconds += 1;
        let quantile = |q| found.value_at_quantile(q);
        self.last.push_back((quantile(0.5), quantile(0.99)));
        if self.last.len() > AGREE_SECONDS {
            self.last.pop_front();
        }
        self.seconds >= STEADY_UNTIL || self.seconds >= STEADY_FROM && self.agrees()
    }

    /// Whether the last seconds agree: if not, the warm-up ended because it took too long.
    pub fn agrees(&self) -> bool {
        let within = |values: &mut dyn Iterator<Item = u64>, part: f64| {
            let (least, most) = values.fold((u64::MAX, 0), |(l, m), v| (l.min(v), m.max(v)));
            most as f64 <= least as f64 * (1.0 + part)
        };
        self.last.len() == AGREE_SECONDS
            && within(&mut self.last.iter().map(|pair| pair.0), AGREE_P50)
            && within(&mut self.last.iter().map(|pair| pair.1), AGREE_P99)
    }
}

/// What people see while it runs; it goes to stderr.
pub struct Progress {
    quiet: bool,
    terminal: bool,
    main: Kind,
    label: String,
}

impl Progress {
    /// `main` is the latency to show; `label` stands before each line.
    pub fn new(quiet: bool, main: Kind, label: String) -> Progress {
        Progress {
            quiet,
            terminal: io::stderr().is_terminal(),
            main,
            label,
        }
    }

    /// The latency that is shown.
    pub fn main(&self) -> Kind {
        self.main
    }

    /// Shows a second that is over.
    pub fn second(&self, at: u64, second: &Second) {
        if self.quiet {
            return;
        }
        let mut line = String::new();
        let _ = match second.warm {
            true => write!(line, "{}warm-up  ", self.label),
            false => write!(line, "{}{:>5} s  ", self.label, at + 1),
        };
        match second.histograms.get(&self.main) {
            Some(found) => {
                let us = |quantile| found.value_at_quantile(quantile) as f64 / 1e3;
                let _ = write!(
                    line,
                    "{:>9}/s {:>8.1} MB/s  {:<8} p50 {:>9.1}  p99 {:>9.1}  max {:>9.1} µs",
                    found.len(),
                    second.bytes as f64 / 1e6,
                    self.main.name(),
                    us(0.5),
                    us(0.99),
                    found.max() as f64 / 1e3,
                );
            }
            None => line += "nothing was answered",
        }
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(io::stderr(), "{clear}{line}");
    }

    /// Redraws the bar, on a terminal: `done_s` of `all_s` seconds.
    pub fn bar(&self, done_s: f64, all_s: f64) {
        if self.quiet || !self.terminal {
            return;
        }
        let part = (done_s / all_s.max(1e-9)).clamp(0.0, 1.0);
        let full = (part * BAR as f64) as usize;
        let _ = write!(
            io::stderr(),
            "\r\x1b[K{}[{}{}] {:>3.0} %  {:.0} of {:.0} s",
            self.label,
            "█".repeat(full),
            "·".repeat(BAR - full),
            part * 100.0,
            done_s.min(all_s),
            all_s,
        );
    }

    /// Takes the bar away.
    pub fn over(&self) {
        if !self.quiet && self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;

    #[test]
    fn a_load_is_steady_when_ten_seconds_agree() {
        let second = |p50: u64, p99: u64| {
            let mut found = histogram();
            found.record_n(p50, 98).unwrap();
            found.record_n(p99, 2).unwrap();
            found
        };
        let mut steady = Steadiness::default();
        for at in 0..25 {
            assert!(!steady.add(&second(100_000 - at * 1_000, 300_000)));
        }
        // The tenth that agrees comes after 35 seconds.
        let ends: Vec<bool> = (0..10)
            .map(|_| steady.add(&second(70_000, 310_000)))
            .collect();
        assert_eq!(ends.iter().position(|end| *end), Some(9));
        assert!(
            !steady.add(&second(70_000, 350_000)),
            "p99 is off by more than 10 %"
        );
        assert!(!steady.agrees());
        let mut never = Steadiness::default();
        let ends = (0..300).position(|at| never.add(&second(1_000 + 500 * (at % 2), 9_000)));
        assert_eq!(ends, Some(299));
    }
}
