//! Pure: what a block gave.

use std::fmt;
use std::time::Duration;

/// Operations of a block.
#[derive(Debug, Default)]
pub struct Figures {
    /// How long each took that ended in the time that is measured.
    pub took: Vec<Duration>,
    /// The time that is measured.
    pub measured: Duration,
    /// How many operations there were in all, those of the warm-up among them.
    pub all: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.took.clone();
        sorted.sort();
        let us = |part: f64| {
            let last = sorted.len().saturating_sub(1);
            let at = (part * last as f64).round() as usize;
            sorted.get(at).map_or(0.0, |it| it.as_secs_f64() * 1e6)
        };
        let rate = sorted.len() as f64 / self.measured.as_secs_f64();
        write!(
            out,
            "{{\"rate\": {rate:.1}, \"p50\": {:.1}, \"p99\": {:.1}, \"max\": {:.1}, \"all\": {}}}",
            us(0.5),
            us(0.99),
            us(1.0),
            self.all
        )
    }
}
