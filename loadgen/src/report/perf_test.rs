//! Pure: the last line of Apache Kafka's kafka-producer-perf-test, for scripts that parse it.
//!
//! The form is that of `org.apache.kafka.tools.ProducerPerformance` in Kafka 4.3. It knows whole
//! milliseconds only, rounded down, so that a fast broker's percentiles are 0 ms here; and the
//! latency put into it is ours, from the time a record was to be sent.

use serde_json::Value;

use super::hlog::Log;
use super::run_report::RunReport;

/// The line, without its end.
pub fn line(report: &RunReport, log: &Log) -> String {
    let found = log.total("produce");
    let measured_s = report.measured_s.unwrap_or(0.0).max(1e-9);
    let records = found.len();
    let rate = records as f64 / measured_s;
    // A distribution of sizes is no number.
    let size = report.context.settings.get("size").and_then(Value::as_f64);
    let bytes = size.unwrap_or(0.0) * records as f64;
    let whole_ms = |quantile| found.value_at_quantile(quantile) / 1_000_000;
    format!(
        "{records} records sent, {rate:.6} records/sec ({:.2} MB/sec), {:.2} ms avg latency, \
         {:.2} ms max latency, {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
        bytes / measured_s / 1024.0 / 1024.0,
        if records > 0 { found.mean() / 1e6 } else { 0.0 },
        (found.max() / 1_000_000) as f64,
        whole_ms(0.5),
        whole_ms(0.95),
        whole_ms(0.99),
        whole_ms(0.999),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;
    use crate::report::hlog::Interval;
    use serde_json::json;

    #[test]
    fn the_line_has_the_form_that_scripts_look_for() {
        let mut found = histogram();
        (1..=1_000u64).for_each(|n| found.record(n * 20_000).unwrap());
        let log = Log {
            started_s: None,
            intervals: vec![Interval {
                at_s: 0.0,
                length_s: 1.0,
                tag: "produce".to_owned(),
                found,
            }],
        };
        let told = json!({ "measured_s": 2.0, "settings": { "size": 1048576 } });
        let report = serde_json::from_value(told).unwrap();
        assert_eq!(
            line(&report, &log),
            "1000 records sent, 500.000000 records/sec (500.00 MB/sec), 10.01 ms avg latency, \
             20.00 ms max latency, 10 ms 50th, 19 ms 95th, 19 ms 99th, 19 ms 99.9th."
        );
    }
}
