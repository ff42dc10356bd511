//! Pure: the batches of a run's page: how many records and bytes each had.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::units::{count, digits};
use crate::report::hlog::Log;

/// How many records and bytes went into a batch, where the run counted them.
pub fn batches(log: &Log) -> String {
    let mut html = String::new();
    for (tag, unit, name) in [
        ("batch_records", "records", "Records in a batch"),
        ("batch_bytes", "bytes", "Bytes of a batch, as sent"),
    ] {
        let found = log.total(tag);
        if found.is_empty() {
            continue;
        }
        let _ = write!(
            html,
            "<section><h2>{name}</h2><p class=note>{} batches of {} {unit} on average; the share \
             of each size.</p><div class=bars>",
            count(found.len()),
            digits(found.mean())
        );
        let bars = doubling(&found);
        let most = bars.iter().map(|bar| bar.1).max().unwrap_or(1) as f64;
        for (name, value) in bars {
            let _ = write!(
                html,
                "<span>{name}</span><div style=\"width:{:.1}%\"></div><span>{} %</span>",
                value as f64 / most * 100.0,
                digits(value as f64 / found.len() as f64 * 100.0)
            );
        }
        html += "</div></section>";
    }
    html
}

/// Counts of values up to 1, 2, 4, …, from the first that there is to the last.
fn doubling(found: &Histogram<u64>) -> Vec<(String, u64)> {
    let mut bars = Vec::new();
    let mut low = 0;
    for power in 0..63 {
        let high = 1u64 << power;
        let inside = found.count_between(low + 1, high);
        // Values have three digits: do not count those at an edge twice.
        let inside = match low {
            0 => inside,
            _ if found.equivalent(low, low + 1) => inside.saturating_sub(found.count_at(low)),
            _ => inside,
        };
        if inside > 0 || !bars.is_empty() {
            let name = match high - low {
                0 | 1 => count(high),
                _ => format!("{} – {}", count(low + 1), count(high)),
            };
            bars.push((name, inside));
        }
        low = high;
        if high >= found.max() {
            break;
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;

    #[test]
    fn every_batch_is_in_one_bar() {
        let mut found = histogram();
        for value in [
            1, 1, 2, 3, 4, 5, 8, 9, 16, 17, 65_536, 65_600, 131_072, 200_000,
        ] {
            found.record(value).unwrap();
        }
        let bars = doubling(&found);
        assert_eq!(bars.iter().map(|bar| bar.1).sum::<u64>(), found.len());
        let of = |name: &str| bars.iter().find(|bar| bar.0 == name).map(|bar| bar.1);
        assert_eq!(
            (of("1"), of("2"), of("3 – 4"), of("5 – 8")),
            (Some(2), Some(1), Some(2), Some(2))
        );
        assert_eq!(bars.last().unwrap().0, "131,073 – 262,144");
        assert!(doubling(&histogram()).is_empty());
    }
}
