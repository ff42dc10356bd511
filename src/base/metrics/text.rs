//! Pure: snapshots as the text that Prometheus scrapes (exposition format 0.0.4).
//!
//! Ours, at eighty lines, since these numbers live in plain cells of many cores and arrive as
//! snapshots: no registry of shared atomic cells stands behind them.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::{BUCKETS_US, Distribution, Sample, SampleValue, Snapshot};

/// Writes snapshots as text: each name once with its help and type, then its samples.
pub fn to_prometheus(snapshots: &[Snapshot]) -> String {
    let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in snapshots.iter().flat_map(|snapshot| &snapshot.0) {
        by_name.entry(sample.name).or_default().push(sample);
    }
    let mut text = String::new();
    for (name, samples) in by_name {
        let kind = match samples[0].value {
            SampleValue::Counter(_) | SampleValue::Seconds(_) => "counter",
            SampleValue::Gauge(_) => "gauge",
            SampleValue::Latency(_) => "histogram",
        };
        let help = samples[0].help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for sample in samples {
            let _ = write_sample(&mut text, sample);
        }
    }
    text
}

fn write_sample(text: &mut String, sample: &Sample) -> fmt::Result {
    let (name, labels) = (sample.name, &sample.labels);
    match &sample.value {
        SampleValue::Counter(value) => writeln!(text, "{name}{} {value}", Labels(labels, None)),
        SampleValue::Seconds(value) | SampleValue::Gauge(value) => {
            writeln!(text, "{name}{} {value}", Labels(labels, None))
        }
        SampleValue::Latency(seen) => write_latency(text, name, labels, seen),
    }
}

fn write_latency(
    text: &mut String,
    name: &str,
    labels: &[(&'static str, String)],
    seen: &Distribution,
) -> fmt::Result {
    let bounds = BUCKETS_US.map(seconds).into_iter().map(Some);
    let mut upto = 0;
    for (bound, count) in bounds.chain([None]).zip(seen.counts) {
        upto += count;
        let bound = bound.map_or("+Inf".to_owned(), |bound| bound.to_string());
        let labels = Labels(labels, Some(("le", &bound)));
        writeln!(text, "{name}_bucket{labels} {upto}")?;
    }
    let labels = Labels(labels, None);
    writeln!(text, "{name}_sum{labels} {}", seconds(seen.sum_us))?;
    writeln!(text, "{name}_count{labels} {upto}")
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// Labels in braces, and one more behind them; nothing where there are none.
struct Labels<'a>(
    &'a [(&'static str, String)],
    Option<(&'static str, &'a str)>,
);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.0.iter().map(|(name, value)| (*name, value.as_str()));
        for (at, (name, value)) in labels.chain(self.1).enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            write!(f, "{before}{name}=\"")?;
            for symbol in value.chars() {
                match symbol {
                    '\\' | '"' => write!(f, "\\{symbol}")?,
                    '\n' => f.write_str("\\n")?,
                    _ => f.write_char(symbol)?,
                }
            }
            f.write_char('"')?;
        }
        let any = !self.0.is_empty() || self.1.is_some();
        f.write_str(if any { "}" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counter, Histogram};
    use super::*;

    #[test]
    fn samples_of_several_cores_stand_under_one_name() {
        let counter = Counter::default();
        counter.add(3);
        let latency = Histogram::default();
        latency.record_us(250);
        latency.record_us(11_000_000);
        let core = |shard: &str| {
            let mut snapshot = Snapshot::default();
            snapshot.counter("requests_total", "Requests.", counter.get());
            snapshot.seconds("busy_seconds_total", "A\\B\nC.", 0.25);
            let labels = vec![("api", "a\"b\\\n".into())];
            snapshot.latency("latency_seconds", "Latency.", labels, latency.read());
            snapshot.with_label("shard", shard)
        };
        let text = to_prometheus(&[core("0"), core("1")]);
        assert_eq!(text.matches("# TYPE requests_total counter").count(), 1);
        assert!(text.contains("requests_total{shard=\"1\"} 3\n"), "{text}");
        assert!(text.contains("# HELP busy_seconds_total A\\\\B\\nC.\n"));
        assert!(text.contains("busy_seconds_total{shard=\"0\"} 0.25\n"));
        assert!(text.contains("# TYPE latency_seconds histogram\n"));
        for line in [
            "_bucket{api=\"a\\\"b\\\\\\n\",shard=\"0\",le=\"0.0002\"} 0",
            "_bucket{api=\"a\\\"b\\\\\\n\",shard=\"0\",le=\"0.0005\"} 1",
            "_bucket{api=\"a\\\"b\\\\\\n\",shard=\"0\",le=\"10\"} 1",
            "_bucket{api=\"a\\\"b\\\\\\n\",shard=\"0\",le=\"+Inf\"} 2",
            "_sum{api=\"a\\\"b\\\\\\n\",shard=\"1\"} 11.00025",
            "_count{api=\"a\\\"b\\\\\\n\",shard=\"1\"} 2",
        ] {
            let line = format!("latency_seconds{line}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
