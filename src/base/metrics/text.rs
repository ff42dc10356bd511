//! Pure: snapshots as the text that Prometheus scrapes (exposition format 0.0.4).
//!
//! Ours, at eighty lines, since these numbers live in plain cells of many cores and arrive as
//! snapshots: no registry of shared atomic cells stands behind them.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Sample, SampleValue, Snapshot};

/// The quantiles exported of a distribution.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];

/// Writes snapshots as text: each name once with its help and type, then its samples.
pub fn to_prometheus(snapshots: &[Snapshot]) -> String {
    let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in snapshots.iter().flat_map(|snapshot| &snapshot.0) {
        by_name.entry(sample.name).or_default().push(sample);
    }
    let mut text = String::new();
    for (name, samples) in by_name {
        let kind = match samples[0].value {
            SampleValue::Counter(_) => "counter",
            SampleValue::Gauge(_) => "gauge",
            SampleValue::LatencyUs(_) => "summary",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "# HELP {name} {}\n# TYPE {name} {kind}",
            samples[0].help
        );
        for sample in samples {
            write_sample(&mut text, sample);
        }
    }
    text
}

fn write_sample(text: &mut String, sample: &Sample) {
    let name = sample.name;
    let labels = |more: Option<(&'static str, String)>| {
        let all = sample.labels.iter().cloned().chain(more);
        let all: Vec<String> = all
            .map(|(key, value)| format!("{key}=\"{}\"", escape(&value)))
            .collect();
        if all.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", all.join(","))
        }
    };
    let _ = match &sample.value {
        SampleValue::Counter(value) => writeln!(text, "{name}{} {value}", labels(None)),
        SampleValue::Gauge(value) => writeln!(text, "{name}{} {value}", labels(None)),
        SampleValue::LatencyUs(histogram) => {
            for quantile in QUANTILES {
                let value = histogram.value_at_quantile(quantile);
                let tag = labels(Some(("quantile", quantile.to_string())));
                let _ = writeln!(text, "{name}{tag} {value}");
            }
            let sum = histogram.mean() * histogram.len() as f64;
            let _ = writeln!(text, "{name}_sum{} {sum:.0}", labels(None));
            writeln!(text, "{name}_count{} {}", labels(None), histogram.len())
        }
    };
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
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
        assert!(latency.copy().is_none());
        latency.record_us(250);
        latency.record_us(u64::MAX);
        let core = |shard: &str| {
            let mut snapshot = Snapshot::default();
            snapshot.counter("requests_total", "Requests.", counter.get());
            let value = SampleValue::LatencyUs(Box::new(latency.copy().expect("two values")));
            snapshot.push(
                "latency_us",
                "Latency.",
                vec![("api", "a\"b".into())],
                value,
            );
            snapshot.with_label("shard", shard)
        };
        let text = to_prometheus(&[core("0"), core("1")]);
        assert_eq!(text.matches("# TYPE requests_total counter").count(), 1);
        assert!(text.contains("requests_total{shard=\"1\"} 3\n"), "{text}");
        assert!(text.contains("latency_us{api=\"a\\\"b\",shard=\"0\",quantile=\"0.5\"} 250\n"));
        assert!(text.contains("latency_us_count{api=\"a\\\"b\",shard=\"0\"} 2\n"));
    }
}
