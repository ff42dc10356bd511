//! Pure: a result as OpenMessaging Benchmark writes it, by the names of its class `TestResult`.
//!
//! Latencies mean what they mean there, so that files of both can be put side by side:
//! `publishLatency` counts from the actual send (our service time), the delay until then is
//! `publishDelayLatency`, in microseconds.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::hlog::Log;
use super::run_report::RunReport;
use crate::options::workload::Workload;

/// The period of its statistics, in seconds.
const PERIOD_S: f64 = 10.0;

/// Sums over periods and over all, by the class' field names.
struct Fields {
    told: Map<String, Value>,
}

impl Fields {
    fn latency(
        &mut self,
        field: &str,
        periods: &[Histogram<u64>],
        all: &Histogram<u64>,
        unit_ns: f64,
    ) {
        // The delays are whole microseconds there.
        let scaled = |ns: f64| match unit_ns {
            1e3 => json!((ns / unit_ns) as u64),
            _ => json!(ns / unit_ns),
        };
        let quantiles = [
            ("50pct", 0.5),
            ("75pct", 0.75),
            ("95pct", 0.95),
            ("99pct", 0.99),
            ("999pct", 0.999),
            ("9999pct", 0.9999),
            ("Max", 1.0),
        ];
        let mean = |found: &Histogram<u64>| match found.is_empty() {
            true => json!(0.0),
            false => json!(found.mean() / unit_ns),
        };
        let capital = field[..1].to_uppercase() + &field[1..];
        let each: Vec<Value> = periods.iter().map(mean).collect();
        self.told.insert(format!("{field}Avg"), json!(each));
        self.told
            .insert(format!("aggregated{capital}Avg"), mean(all));
        for (name, quantile) in quantiles {
            let value = |found: &Histogram<u64>| scaled(found.value_at_quantile(quantile) as f64);
            let each: Vec<Value> = periods.iter().map(value).collect();
            self.told.insert(format!("{field}{name}"), json!(each));
            self.told
                .insert(format!("aggregated{capital}{name}"), value(all));
        }
        let steps = all.iter_quantiles(100).map(|step| {
            let place = format!("{:?}", step.quantile_iterated_to() * 100.0);
            (place, scaled(step.value_iterated_to() as f64))
        });
        self.told.insert(
            format!("aggregated{capital}Quantiles"),
            Value::Object(steps.collect()),
        );
    }
}

/// What a result is of, and what it is made from.
struct Source<'a> {
    report: &'a RunReport,
    log: &'a Log,
    workload: Option<&'a Workload>,
}

impl Source<'_> {
    fn setting(&self, name: &str) -> Option<u64> {
        let settings = &self.report.context.settings;
        settings.get(name).and_then(Value::as_u64)
    }

    /// A number of the workload, or else loadgen's own.
    fn number(&self, key: &str, own: Option<u64>) -> u64 {
        let given = self.workload.map(|workload| workload.get(key));
        given.or(own).unwrap_or(0)
    }

    /// 1 where records were consumed, else 0.
    fn consumes(&self) -> u64 {
        u64::from(!self.log.total("e2e").is_empty())
    }

    /// Durations of a tag, period by period.
    fn periods(&self, tag: &str) -> Vec<Histogram<u64>> {
        let count = (self.log.end_s() / PERIOD_S).ceil().max(1.0) as u64;
        let part = |n: u64| {
            self.log
                .between(tag, n as f64 * PERIOD_S, (n + 1) as f64 * PERIOD_S)
        };
        (0..count).map(part).collect()
    }
}

/// The result as OpenMessaging Benchmark writes it; `report` is loadgen's own.
pub fn result(report: &RunReport, log: &Log, workload: Option<&Workload>) -> Value {
    let source = Source {
        report,
        log,
        workload,
    };
    let mut fields = Fields { told: Map::new() };
    shape(&source, &mut fields);
    rates(&source, &mut fields);
    for (field, tag, unit_ns) in [
        ("publishLatency", "produce_service", 1e6),
        ("publishDelayLatency", "lateness", 1e3),
        ("endToEndLatency", "e2e", 1e6),
    ] {
        fields.latency(field, &source.periods(tag), &log.total(tag), unit_ns);
    }
    Value::Object(fields.told)
}

/// What was asked for.
fn shape(source: &Source<'_>, fields: &mut Fields) {
    let name = source.workload.map(|workload| workload.name().to_owned());
    let name = name.or_else(|| source.report.context.name.clone());
    let name = name.unwrap_or_else(|| "loadgen".to_owned());
    let consumers = source.setting("consumers").or(Some(source.consumes()));
    let topics = source.setting("topics").or(Some(1));
    let number = |key: &str, own: Option<u64>| json!(source.number(key, own));
    for (field, value) in [
        ("workload", json!(name)),
        ("driver", json!("Kafka")),
        ("messageSize", number("messageSize", source.setting("size"))),
        ("topics", number("topics", topics)),
        (
            "partitions",
            number("partitionsPerTopic", source.report.partitions),
        ),
        (
            "producersPerTopic",
            number("producersPerTopic", source.setting("producers")),
        ),
        (
            "consumersPerTopic",
            number("consumerPerSubscription", consumers),
        ),
    ] {
        fields.told.insert(field.to_owned(), value);
    }
}

/// Rates and the backlog, period by period.
fn rates(source: &Source<'_>, fields: &mut Fields) {
    let end_s = source.log.end_s();
    let (acked, seen) = (source.periods("produce"), source.periods("e2e"));
    let length = |n: usize| (end_s - n as f64 * PERIOD_S).clamp(1e-9, PERIOD_S);
    let rates = |found: &[Histogram<u64>]| -> Vec<f64> {
        let each = found.iter().enumerate();
        each.map(|(n, found)| found.len() as f64 / length(n))
            .collect()
    };
    let groups = source.number("subscriptionsPerTopic", Some(source.consumes()));
    let (mut sent, mut received) = (0, 0);
    let backlog: Vec<u64> = acked
        .iter()
        .zip(&seen)
        .map(|(acked, seen)| {
            sent += acked.len() * groups;
            received += seen.len();
            sent.saturating_sub(received)
        })
        .collect();
    let records = source.report.records.iter();
    let refused: u64 = records.flat_map(|all| all.refused.values()).sum();
    // When a record was refused is not kept: the rate is that of the whole run.
    let errors = refused as f64 / end_s.max(1.0);
    for (field, value) in [
        ("publishRate", json!(rates(&acked))),
        ("consumeRate", json!(rates(&seen))),
        ("publishErrorRate", json!(vec![errors; acked.len()])),
        ("backlog", json!(backlog)),
    ] {
        fields.told.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;
    use crate::report::hlog::Interval;

    const FILE: &str = "
name: two topics, four readers
topics: 2
partitionsPerTopic: 8
messageSize: 1024
subscriptionsPerTopic: 2
consumerPerSubscription: 1
producersPerTopic: 3
producerRate: 5000
testDurationMinutes: 2
";

    #[test]
    fn the_result_has_all_fields_in_its_units() {
        let interval = |at_s: f64, tag: &str, ns: u64| {
            let mut found = histogram();
            found.record_n(ns, 100).unwrap();
            Interval {
                at_s,
                length_s: 1.0,
                tag: tag.to_owned(),
                found,
            }
        };
        let intervals = (0..15).flat_map(|second| {
            let at = f64::from(second);
            [
                interval(at, "produce", 2_000_000),
                interval(at, "produce_service", 1_500_000),
                interval(at, "lateness", 7_000),
                interval(at, "e2e", 3_000_000),
            ]
        });
        let log = Log {
            started_s: None,
            intervals: intervals.collect(),
        };
        let workload = Workload::parse(FILE).unwrap();
        let told = json!({ "records": { "refused": { "7": 30 } } });
        let report = serde_json::from_value(told).unwrap();
        let result = result(&report, &log, Some(&workload));
        assert_eq!(result["publishRate"], json!([100.0, 100.0]));
        assert_eq!(result["publishErrorRate"], json!([2.0, 2.0]));
        let close = |name: &str, wanted: f64| {
            let found = result[name].as_f64().unwrap();
            assert!((found / wanted - 1.0).abs() < 0.002, "{name}: {found}");
        };
        close("aggregatedPublishLatency99pct", 1.5);
        close("aggregatedEndToEndLatencyMax", 3.0);
        close("aggregatedPublishDelayLatency50pct", 7.0);
        assert!(result["aggregatedPublishDelayLatencyMax"].is_u64());
        assert_eq!(result["endToEndLatency75pct"].as_array().unwrap().len(), 2);
        assert_eq!(result["workload"], "two topics, four readers");
        assert_eq!(result["backlog"], json!([1000, 1500])); // Two groups, one of them read.
        assert!(result["aggregatedPublishLatencyQuantiles"]["100.0"].is_number());
        // 7 of the shape, 4 of rates, and 3 latencies with 8 fields each, all of them twice, and
        // once more all quantiles.
        assert_eq!(result.as_object().unwrap().len(), 7 + 4 + 3 * (8 * 2 + 1));
    }
}
