//! Pure: the list of what a fair statement of latency holds, filled in from the run.
//!
//! What the run does not tell is named as a gap, so that a reader who quotes a figure knows what is
//! left to be said; `--note N:TEXT` says it.

mod entries;

use std::fmt::Write;

use super::chart::escape;
use crate::measure::topic_facts::Shape;
use crate::report::hlog::Log;
use crate::report::run_report::RunReport;
use entries::{
    disturbances, durability, interval, length, machine, open_loop, percentiles, rate, records,
    repetition, security, shape,
};

/// One entry.
#[derive(Debug, Default)]
struct Item {
    /// What has to be said.
    wanted: &'static str,
    /// What the run says.
    said: Vec<String>,
    /// What it does not say.
    gaps: Vec<String>,
}

/// Writes entries: what is said, and what is missing.
struct Told<'a> {
    report: &'a RunReport,
    log: &'a Log,
    item: Item,
}

impl<'a> Told<'a> {
    fn say(&mut self, text: impl Into<String>) {
        self.item.said.push(text.into());
    }

    fn gap(&mut self, text: impl Into<String>) {
        self.item.gaps.push(text.into());
    }

    /// Says the settings of these names that there are.
    fn settings(&mut self, names: &[&str]) {
        let found: Vec<String> = names
            .iter()
            .filter_map(|name| {
                let value = self.report.context.setting(name)?;
                Some(format!("{} {value}", name.replace('_', " ")))
            })
            .collect();
        if !found.is_empty() {
            self.say(found.join(", "));
        }
    }

    /// Says a value, or that it is missing.
    fn fact(&mut self, name: &str, value: Option<&String>) {
        match value {
            Some(text) => self.say(format!("{name}: {text}")),
            None => self.gap(format!("{name} is not known")),
        }
    }

    fn is_set(&self, name: &str) -> bool {
        let value = self.report.context.setting(name);
        value.is_some_and(|value| value != "false" && value != "0")
    }

    /// A configuration of the topic, if the broker told it.
    fn config(&self, name: &str) -> Option<&'a String> {
        let configs = self.report.seen.topic.topic_configs.as_ref()?;
        configs.get(name)?.as_ref()
    }

    /// Copies and leaders of the topic, if the broker told them.
    fn shape(&self) -> Option<&'a Shape> {
        self.report.seen.topic.shape.as_ref()
    }
}

type Fill = fn(&mut Told<'_>);

const ITEMS: [(&str, Fill); 12] = [
    (
        "Open loop, latency from the intended send time, nothing dropped",
        open_loop,
    ),
    ("Which interval, on which clock", interval),
    (
        "Percentiles from merged histograms, samples, raw logs",
        percentiles,
    ),
    ("What an ack means on each system; the device", durability),
    ("Record size, keys, compression, batching", records),
    ("Producers, partitions, topics, consumers", shape),
    ("TLS, SASL, quotas", security),
    ("Warm-up, steady state, how long", length),
    ("Offered and achieved rate; a curve, not a point", rate),
    ("Disturbances, and the tail inside them", disturbances),
    (
        "CPU pinning, governor, idle states; co-location; the client's own cost",
        machine,
    ),
    (
        "Configuration, versions, command line, repetitions",
        repetition,
    ),
];

/// All entries, filled in from a run.
fn items(report: &RunReport, log: &Log) -> Vec<Item> {
    let mut all = Vec::new();
    for (number, (wanted, fill)) in ITEMS.into_iter().enumerate() {
        let item = Item {
            wanted,
            ..Item::default()
        };
        let mut told = Told { report, log, item };
        fill(&mut told);
        let prefix = format!("{}:", number + 1);
        let notes = report.context.notes.iter();
        let notes = notes.filter_map(|note| note.strip_prefix(&prefix));
        let notes = notes.map(|note| format!("stated: {}", note.trim()));
        told.item.said.extend(notes);
        all.push(told.item);
    }
    all
}

/// The list as a section of the page.
pub fn section(report: &RunReport, log: &Log) -> String {
    let items = items(report, log);
    let whole = items.iter().filter(|item| item.gaps.is_empty()).count();
    let mut html = format!(
        "<section><h2>A fair statement</h2><p class=note>What has to be said along with a \
         latency, and what this run says of it: {whole} of {} are complete. Fill the \
         gaps before you quote these figures (<code>--note N:TEXT</code> puts it here).</p>\
         <ol class=fair>",
        items.len()
    );
    for (number, item) in items.iter().enumerate() {
        let (class, word) = match (item.said.is_empty(), item.gaps.is_empty()) {
            (_, true) => ("good", "said"),
            (false, false) => ("part", "in part"),
            (true, false) => ("bad", "missing"),
        };
        let _ = write!(
            html,
            "<li><span class=\"badge {class}\">{word}</span><div><b>{}. {}</b>{}",
            number + 1,
            item.wanted,
            escape(&item.said.join("; "))
        );
        for gap in &item.gaps {
            let _ = write!(html, "<div class=gap>Gap: {}</div>", escape(gap));
        }
        html += "</div></li>";
    }
    html += "</ol></section>";
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_run_says_little_and_names_what_is_missing() {
        let items = items(&RunReport::default(), &Log::default());
        assert_eq!(items.len(), 12);
        assert!(items.iter().all(|item| !item.gaps.is_empty()));
        let html = section(&RunReport::default(), &Log::default());
        assert!(html.contains("0 of 12 are complete"));
    }

    #[test]
    fn what_a_run_tells_is_said_and_a_note_goes_to_its_place() {
        let told = json!({
            "settings": { "acks": "-1", "size": 1024, "max": "false" },
            "topic_configs": { "flush.messages": "1", "retention.ms": "-1" },
            "late": { "count": 3, "limit_us": 21.0 },
            "notes": ["4: the disk has <capacitors>", "no number"],
            "events": [{ "at_s": 3.0, "what": "roll" }],
        });
        let told = serde_json::from_value(told).unwrap();
        let items = items(&told, &Log::default());
        assert!(items[0].gaps.is_empty(), "{:?}", items[0]);
        let durability = items[3].said.join("; ");
        assert!(durability.contains("flush.messages=1: flushed before the ack"));
        assert!(durability.contains("stated: the disk has <capacitors>"));
        assert!(items[9].gaps.is_empty() && items[9].said[0].contains("roll"));
        assert!(section(&told, &Log::default()).contains("&lt;capacitors&gt;"));
    }

    #[test]
    fn unlimited_flush_messages_is_not_called_durable() {
        let told = json!({ "topic_configs": { "flush.messages": i64::MAX.to_string() } });
        let told = serde_json::from_value(told).unwrap();
        let said = items(&told, &Log::default())[3].said.join(" ");
        assert!(said.contains("does not wait for a flush"), "{said}");
    }
}
