//! Pure: the axes of a chart, with round values named.

/// One of an axis' two ends and the places named between them.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The value at the left or the bottom.
    pub low: f64,
    /// The value at the right or the top.
    pub high: f64,
    /// Whether equal ratios, not equal differences, are equally far apart.
    pub log: bool,
    /// Values with their names.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From `low` to `high` with round values named; `name` writes one.
    pub fn linear(low: f64, high: f64, count: usize, name: impl Fn(f64) -> String) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        let step = nice_step((high - low) / count as f64);
        let mut ticks = Vec::new();
        let mut at = (low / step).ceil() * step;
        while at <= high + step * 1e-6 {
            ticks.push((at, name(at)));
            at += step;
        }
        Axis {
            low,
            high,
            log: false,
            ticks,
        }
    }

    /// From zero to a round value above `high`.
    pub fn from_zero(high: f64, count: usize, name: impl Fn(f64) -> String) -> Axis {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = nice_step(high * 1.05 / count as f64);
        let top = (high * 1.05 / step).ceil() * step;
        Axis::linear(0.0, top, count, name)
    }

    /// From a 1, 2 or 5 below `low` to one above `high`, in equal ratios.
    pub fn logarithmic(low: f64, high: f64, name: impl Fn(f64) -> String) -> Axis {
        let low = low.max(1e-9);
        let high = high.max(low * 1.5);
        let ladder: Vec<f64> = (-9..20)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
            .collect();
        let below = ladder.iter().rfind(|step| **step <= low).copied();
        let above = ladder.iter().find(|step| **step >= high).copied();
        let (low, high) = (below.unwrap_or(low), above.unwrap_or(high));
        let mut ticks: Vec<f64> = ladder
            .into_iter()
            .filter(|step| (low..=high).contains(step))
            .collect();
        if ticks.len() > 9 {
            // Whole powers of ten are enough for the eye.
            ticks.retain(|tick| (tick.log10() - tick.log10().round()).abs() < 1e-6);
        }
        let ticks = ticks.into_iter().map(|tick| (tick, name(tick))).collect();
        Axis {
            low,
            high,
            log: true,
            ticks,
        }
    }

    /// Where a value stands, from 0 to 1.
    pub(super) fn part(&self, value: f64) -> f64 {
        let part = match self.log {
            true => {
                let span = self.high.ln() - self.low.ln();
                (value.max(self.low).ln() - self.low.ln()) / span
            }
            false => (value - self.low) / (self.high - self.low),
        };
        part.clamp(0.0, 1.0)
    }
}

fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter();
    let step = step
        .map(|digit| digit * power)
        .find(|step| *step >= rough * 0.999);
    step.unwrap_or(rough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_name_round_values_and_hold_what_they_were_made_for() {
        let axis = Axis::logarithmic(37.0, 1_234.0, |v| format!("{v}"));
        assert_eq!((axis.low, axis.high), (20.0, 2_000.0));
        let ticks: Vec<f64> = axis.ticks.iter().map(|tick| tick.0).collect();
        assert!(ticks.iter().all(|tick| (20.0..=2_000.0).contains(tick)));
        assert_eq!(ticks.len(), 7);
        assert!((axis.part(200.0) - 0.5).abs() < 1e-9);
        let many = Axis::logarithmic(1.0, 1e7, |v| format!("{v}"));
        assert_eq!(many.ticks.len(), 8);
        let flat = Axis::from_zero(970.0, 4, |v| format!("{v}"));
        assert!(flat.high >= 970.0 && flat.ticks.len() <= 6);
        assert_eq!(flat.ticks[0].0, 0.0);
        assert!(Axis::from_zero(0.0, 4, |_| String::new()).high > 0.0);
    }
}
