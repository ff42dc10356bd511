//! docs/metrics.md lists all that the broker exports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use corelane_testing::exposition::Family;

use super::{broker, page, read, traffic};
use crate::HERE;

/// docs/metrics.md as it should be.
fn markdown(page: &[Family]) -> String {
    let mut text = String::from(
        "# Metrics\n\nMade from what a broker exports: `CORELANE_RENEW_DOCS=1 cargo test --test api \
         metrics_md` renews it.\n\n\
         `GET /metrics` on the admin port (`--admin-port`) is what Prometheus scrapes. Each shard is a Kafka node: its series have \
         the label `node`, those without it are of the whole process. Times are in seconds, sizes in bytes. Histograms have the \
         same buckets everywhere, so that they add up over nodes.\n\n\
         The number of series is bounded: per shard the 100 busiest topics, for the process the 500 largest lags; what has no series \
         of its own is in the one that is called `(other)`, so that sums stay true. [`tuning/alerts.yml`](../tuning/alerts.yml) are \
         alert rules to begin with, [`tuning/dashboard.json`](../tuning/dashboard.json) is a dashboard for Grafana.\n\n\
         | metric | type | labels | what | in Kafka |\n| --- | --- | --- | --- | --- |\n",
    );
    for family in page {
        let mut labels = BTreeSet::new();
        for sample in &family.samples {
            labels.extend(sample.labels.keys().filter(|key| *key != "le"));
        }
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let (what, kafka) = match family.help.split_once(" Kafka: ") {
            Some((what, kafka)) => (what, format!("`{kafka}`")),
            None => (family.help.as_str(), String::new()),
        };
        let (name, kind, labels) = (&family.name, &family.kind, labels.join(", "));
        let what = what.replace('|', "\\|");
        let _ = writeln!(text, "| `{name}` | {kind} | {labels} | {what} | {kafka} |");
    }
    text
}

#[test]
fn metrics_md_is_fresh() {
    let dir = HERE.data_dir();
    let (broker, admin) = broker(dir.path());
    traffic(&broker);
    let wanted = markdown(&page(admin));
    broker.stop();
    if std::env::var_os("CORELANE_RENEW_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        std::fs::write(path, &wanted).unwrap();
    }
    let rows = |text: &str| -> BTreeMap<String, String> {
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let name = |line: &str| line.split('`').nth(1).unwrap_or_default().to_owned();
        rows.map(|line| (name(line), line.to_owned())).collect()
    };
    let (found, text) = (rows(&wanted), read("docs/metrics.md"));
    let stale: Vec<&String> = found
        .iter()
        .filter(|(name, row)| rows(&text).get(*name) != Some(row))
        .map(|(name, _)| name)
        .collect();
    assert!(
        text == wanted,
        "docs/metrics.md is stale ({stale:?}): CORELANE_RENEW_DOCS=1 cargo test --test api \
         metrics_md renews it"
    );
}
