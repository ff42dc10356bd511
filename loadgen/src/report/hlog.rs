//! Pure: reads interval logs back, and writes percentile tables.
//!
//! The log is HdrHistogram's, format version 1.2, which that project's own tools write and read:
//! a line per interval and tag with a compressed histogram in base64.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::measure::latency::histogram;

/// Start times from here on, in seconds, are dates and no distances from the head's.
const DATE_S: f64 = 1e9;

/// What was recorded of one tag in one interval.
#[derive(Clone)]
pub struct Interval {
    /// When it began, in seconds after the log's first interval's whole second.
    pub at_s: f64,
    /// How long it was, in seconds.
    pub length_s: f64,
    /// What the durations are of; empty where the log has no tags.
    pub tag: String,
    /// The durations, in nanoseconds where loadgen wrote the log.
    pub found: Histogram<u64>,
}

/// A whole log.
#[derive(Clone, Default)]
pub struct Log {
    /// The date of second 0, in seconds since 1970, where the head tells it.
    pub started_s: Option<f64>,
    /// All intervals, in the order of the file.
    pub intervals: Vec<Interval>,
}

impl Log {
    /// Reads a log; the error says what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Log, String> {
        let mut log = Log::default();
        let mut deserializer = Deserializer::new();
        for entry in IntervalLogIterator::new(text) {
            let entry = entry.map_err(|_| "not an interval log of HdrHistogram".to_owned())?;
            match entry {
                LogEntry::StartTime(at) | LogEntry::BaseTime(at) => {
                    log.started_s.get_or_insert(at.as_secs_f64());
                }
                LogEntry::Interval(line) => {
                    let broken = |what: &str| format!("a histogram in the log {what}");
                    let bytes = STANDARD
                        .decode(line.encoded_histogram())
                        .map_err(|error| broken(&format!("is not base64: {error}")))?;
                    let found = deserializer
                        .deserialize(&mut bytes.as_slice())
                        .map_err(|error| broken(&format!("cannot be read: {error}")))?;
                    log.intervals.push(Interval {
                        at_s: line.start_timestamp().as_secs_f64(),
                        length_s: line.duration().as_secs_f64(),
                        tag: line
                            .tag()
                            .map_or(String::new(), |tag| tag.as_str().to_owned()),
                        found,
                    });
                }
            }
        }
        log.count_from_start();
        Ok(log)
    }

    /// Other tools write dates into each line.
    fn count_from_start(&mut self) {
        let first = self.intervals.iter().map(|one| one.at_s);
        let first = first.fold(f64::INFINITY, f64::min);
        if first.is_finite() && first > DATE_S {
            self.started_s = Some(first);
            for interval in &mut self.intervals {
                interval.at_s -= first;
            }
        }
    }

    /// The tags, in the order of their first line.
    pub fn tags(&self) -> Vec<&str> {
        let mut tags: Vec<&str> = Vec::new();
        for interval in &self.intervals {
            if !tags.contains(&interval.tag.as_str()) {
                tags.push(&interval.tag);
            }
        }
        tags
    }

    /// All of a tag's durations that were recorded from `from_s` until before `to_s`.
    pub fn between(&self, tag: &str, from_s: f64, to_s: f64) -> Histogram<u64> {
        let inside = |one: &&Interval| one.tag == tag && one.at_s >= from_s && one.at_s < to_s;
        merged(
            self.intervals
                .iter()
                .filter(inside)
                .map(|interval| &interval.found),
        )
    }

    /// All of a tag's durations.
    pub fn total(&self, tag: &str) -> Histogram<u64> {
        self.between(tag, f64::NEG_INFINITY, f64::INFINITY)
    }

    /// A tag's durations in steps of `step_s` seconds, by the step's start; merged, not averaged.
    pub fn steps(&self, tag: &str, step_s: f64) -> Vec<(f64, Histogram<u64>)> {
        let mut steps: BTreeMap<i64, Histogram<u64>> = BTreeMap::new();
        for interval in self.intervals.iter().filter(|one| one.tag == tag) {
            let step = steps.entry((interval.at_s / step_s).floor() as i64);
            add(step.or_insert_with(histogram), &interval.found);
        }
        let steps = steps.into_iter();
        steps
            .map(|(step, found)| (step as f64 * step_s, found))
            .collect()
    }

    /// When the last interval ended, in seconds.
    pub fn end_s(&self) -> f64 {
        let ends = self.intervals.iter().map(|one| one.at_s + one.length_s);
        ends.fold(0.0, f64::max)
    }
}

/// The sum of histograms.
pub fn merged<'a>(parts: impl Iterator<Item = &'a Histogram<u64>>) -> Histogram<u64> {
    let mut sum = histogram();
    parts.for_each(|part| add(&mut sum, part));
    sum
}

fn add(sum: &mut Histogram<u64>, part: &Histogram<u64>) {
    // Durations of more than an hour, in a log of another tool, count as an hour.
    if sum.add(part).is_err() {
        for bar in part.iter_recorded() {
            sum.saturating_record_n(bar.value_iterated_to(), bar.count_at_value());
        }
    }
}

/// The percentile table that HdrHistogram's plotters read (`.hgrm`), values in microseconds.
pub fn percentile_table(found: &Histogram<u64>) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let us = |ns: u64| ns as f64 / 1e3;
    let mut total = 0;
    for step in found.iter_quantiles(5) {
        total += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let value = us(step.value_iterated_to());
        let _ = write!(text, "{value:>12.3} {quantile:>2.12} {total:>10}");
        let _ = match quantile < 1.0 {
            true => writeln!(text, " {:>14.2}", 1.0 / (1.0 - quantile)),
            false => writeln!(text),
        };
    }
    let _ = writeln!(
        text,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        found.mean() / 1e3,
        found.stdev() / 1e3
    );
    let _ = writeln!(
        text,
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        us(found.max()),
        found.len()
    );
    let _ = writeln!(
        text,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        found.buckets(),
        // As many as two units of the last digit need, rounded up to a power of two.
        (2 * 10u64.pow(u32::from(found.sigfig()))).next_power_of_two()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::{Collector, Kind, Recorder, SECOND_NS, Window};
    use std::sync::mpsc::channel;
    use std::time::{Duration, SystemTime};

    fn sample() -> Vec<u8> {
        let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut collector = Collector::new("a test");
        collector.measured_from(0, started);
        let (out, intervals) = channel();
        let mut recorder = Recorder::new(&[Kind::Produce, Kind::Late], Window::from(0), out);
        for second in 0..5u64 {
            for n in 1..=100 {
                recorder.record(Kind::Produce, 1, (second + 1) * n * 1_000);
            }
            recorder.record(Kind::Late, 1, 7);
            recorder.tick((second + 1) * SECOND_NS);
        }
        recorder.finish();
        intervals
            .into_iter()
            .for_each(|interval| collector.add(interval));
        collector.finish().unwrap().1
    }

    #[test]
    fn a_log_of_ours_is_read_back_by_second_and_in_steps() {
        let log = Log::parse(&sample()).unwrap();
        assert_eq!(log.started_s, Some(1.7e9));
        assert_eq!(log.tags(), [Kind::Produce.name(), Kind::Late.name()]);
        assert_eq!(log.total("produce").len(), 500);
        assert_eq!(log.between("produce", 1.0, 3.0).len(), 200);
        let steps = log.steps("produce", 2.0);
        let shape: Vec<_> = steps.iter().map(|(at, found)| (*at, found.len())).collect();
        assert_eq!(shape, [(0.0, 200), (2.0, 200), (4.0, 100)]);
        assert_eq!(steps[2].1.max() / 10_000, 50);
        assert_eq!(log.end_s(), 5.0);
    }

    #[test]
    fn what_is_no_log_is_told_as_such() {
        assert!(Log::parse(b"Value Percentile\n").is_err());
        let mut log = sample();
        let last = log.len() - 20;
        log[last] = b'!';
        assert!(Log::parse(&log).is_err());
    }

    #[test]
    fn dates_in_each_line_count_from_the_first() {
        let text = String::from_utf8(sample()).unwrap();
        let text: String = text
            .lines()
            .filter(|line| !line.contains("Time"))
            .map(|line| match line.strip_prefix("Tag=produce,") {
                Some(rest) => format!("Tag=produce,{}\n", date(rest)),
                None if line.starts_with("Tag") => String::new(),
                None => format!("{line}\n"),
            })
            .collect();
        let log = Log::parse(text.as_bytes()).unwrap();
        assert_eq!(log.started_s, Some(1.7e9));
        assert_eq!(log.intervals[4].at_s, 4.0);

        fn date(line: &str) -> String {
            let (at, rest) = line.split_once(',').unwrap();
            format!("{:.3},{rest}", at.parse::<f64>().unwrap() + 1.7e9)
        }
    }

    #[test]
    fn the_percentile_table_ends_with_the_maximum() {
        let mut found = histogram();
        (1..=1_000).for_each(|n| found.record(n * 1_000).unwrap());
        let table = percentile_table(&found);
        let rows: Vec<Vec<f64>> = table
            .lines()
            .filter(|line| !line.starts_with('#') && !line.contains('V') && !line.is_empty())
            .map(|line| {
                line.split_whitespace()
                    .map(|n| n.parse().unwrap())
                    .collect()
            })
            .collect();
        assert!(rows.len() > 20 && rows.windows(2).all(|pair| pair[0][1] <= pair[1][1]));
        assert_eq!(rows.last().unwrap()[1..], [1.0, 1000.0]);
        assert!((rows.last().unwrap()[0] - 1000.0).abs() < 1.0);
        let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((median[0] - 500.0).abs() < 1.0 && (median[3] - 2.0).abs() < 0.05);
        assert!(table.contains("Total count    =         1000]"));
    }
}
