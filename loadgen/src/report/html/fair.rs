//! Pure: the list of what a fair statement of latency holds, filled in from the run.
//!
//! What the run does not tell is named as a gap, so that whoever quotes a figure knows what is
//! left to be said; `--note N:TEXT` says it.

use std::fmt::Write;

use serde_json::Value;

use super::FLOOR;
use super::chart::escape;
use super::sections::{plain, setting};
use super::{count, digits, duration};
use crate::report::hlog::Log;

/// One entry.
#[derive(Debug, Default)]
pub struct Item {
    /// What has to be said.
    pub wanted: &'static str,
    /// What the run says.
    pub said: Vec<String>,
    /// What it does not say.
    pub gaps: Vec<String>,
}

/// Writes entries: what is said, and what is missing.
struct Told<'a> {
    told: &'a Value,
    log: &'a Log,
    item: Item,
}

impl Told<'_> {
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
                let value = setting(self.told, name)?;
                Some(format!("{} {value}", name.replace('_', " ")))
            })
            .collect();
        if !found.is_empty() {
            self.say(found.join(", "));
        }
    }

    /// Says a value, or that it is missing.
    fn fact(&mut self, name: &str, value: &Value) {
        match plain(value) {
            Some(text) => self.say(format!("{name}: {text}")),
            None => self.gap(format!("{name} is not known")),
        }
    }

    fn is_set(&self, name: &str) -> bool {
        setting(self.told, name).is_some_and(|value| value != "false" && value != "0")
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
pub fn items(told: &Value, log: &Log) -> Vec<Item> {
    let mut all = Vec::new();
    for (number, (wanted, fill)) in ITEMS.into_iter().enumerate() {
        let item = Item {
            wanted,
            ..Item::default()
        };
        let mut told = Told { told, log, item };
        fill(&mut told);
        let prefix = format!("{}:", number + 1);
        let notes = told.told["notes"].as_array().into_iter().flatten();
        let notes: Vec<String> = notes
            .filter_map(|note| Some(note.as_str()?.strip_prefix(&prefix)?.trim().to_owned()))
            .collect();
        told.item
            .said
            .extend(notes.into_iter().map(|note| format!("stated: {note}")));
        all.push(told.item);
    }
    all
}

/// The list as a section of the page.
pub fn section(told: &Value, log: &Log) -> String {
    let items = items(told, log);
    let whole = items.iter().filter(|item| item.gaps.is_empty()).count();
    let mut html = format!(
        "<section><h2>A fair statement</h2><p class=note>What has to be said along with a \
         latency, and what this run says of it: {whole} of {} are complete. Gaps are for whoever \
         quotes these figures to fill (<code>--note N:TEXT</code> puts it here).</p>\
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

fn open_loop(told: &mut Told<'_>) {
    if told.is_set("max") {
        told.say("a closed loop (--max): each answer lets the next request go, as fast as it goes");
        told.gap("latencies of a closed loop hide what waited; quote its rate only");
        return;
    }
    told.say("send times are fixed ahead; response and service time are both recorded");
    let late = &told.told["late"];
    let sends = told.log.total("lateness").len();
    if let (Some(late), Some(limit)) = (late["count"].as_u64(), late["limit_us"].as_f64()) {
        told.say(format!(
            "{} of {} sends were late by more than {} µs, a tenth of the p99",
            count(late),
            count(sends),
            digits(limit)
        ));
        let found = told.log.total("lateness");
        told.say(format!(
            "lateness p50 {}, p99 {}, max {}",
            duration(found.value_at_quantile(0.5) as f64),
            duration(found.value_at_quantile(0.99) as f64),
            duration(found.max() as f64)
        ));
    } else {
        told.gap("how many sends were late");
    }
    let open = told.told["records"]["unanswered"].as_u64().unwrap_or(0);
    if open > 0 {
        told.gap(format!(
            "{} records have no latency: never answered",
            count(open)
        ));
    }
}

fn interval(told: &mut Told<'_>) {
    if !told.log.total("produce").is_empty() {
        told.say("produce ack: intended send to the ack read from the socket");
    }
    if told.log.total("e2e").is_empty() {
        told.gap("end to end was not measured");
    } else {
        told.say("end to end: intended send to the fetch answer read from the consumer's socket");
    }
    told.say("one process, one monotonic clock");
}

fn percentiles(told: &mut Told<'_>) {
    told.say("one histogram per thread and second, merged; 3 significant digits, in nanoseconds");
    for (tag, name) in [("produce", "acks"), ("e2e", "end to end")] {
        let samples = told.log.total(tag).len();
        if samples > 0 {
            told.say(format!("{} samples of {name}", count(samples)));
        }
    }
    match plain(&told.told["files"]["hlog"]) {
        Some(path) => told.say(format!("raw log: {path}")),
        None => told.gap("the raw log was not kept (--hlog FILE or --out DIR)"),
    }
}

fn durability(told: &mut Told<'_>) {
    told.settings(&["acks"]);
    let topic = told.told["topic_configs"].clone();
    match plain(&topic["flush.messages"]) {
        Some(every) if every.parse::<i64>() == Ok(i64::MAX) => {
            told.say(
                "the broker says flush.messages is unlimited: an ack does not wait for a flush",
            );
        }
        Some(every) => told.say(format!(
            "the broker says flush.messages={every}: {}",
            match every.as_str() {
                "1" => "flushed before the ack",
                _ => "most acks do not wait for a flush",
            }
        )),
        None => told.gap("the broker did not tell flush.messages"),
    }
    match plain(&told.told["replication_factor"]) {
        Some(copies) => told.say(format!("{copies} replica(s) of each partition")),
        None => told.gap("the replication factor is not known"),
    }
    let device = told.told["device"].clone();
    if device.is_object() {
        for (name, key) in [
            ("file system", "file_system"),
            ("mount options", "mount_options"),
            ("device", "model"),
            ("write cache", "write_cache"),
            ("FUA", "fua"),
        ] {
            told.fact(name, &device[key]);
        }
        told.gap("whether the device has power-loss protection: the kernel does not tell");
    } else {
        told.gap("the broker's device, its write cache and file system (--data-dir DIR, if here)");
    }
}

fn records(told: &mut Told<'_>) {
    told.settings(&[
        "size",
        "keys",
        "compressible",
        "codec",
        "linger_ms",
        "batch_bytes",
        "in_flight",
        "idempotent",
    ]);
    let batches = &told.told["batches"];
    match batches["bars"]
        .as_array()
        .is_some_and(|bars| !bars.is_empty())
    {
        true => told.say("batch sizes as sent: see the chart above"),
        false => told.gap("the batch sizes were not counted"),
    }
}

fn shape(told: &mut Told<'_>) {
    told.settings(&[
        "producers",
        "threads",
        "topics",
        "consume",
        "consumers",
        "fanout",
    ]);
    match plain(&told.told["partitions"]) {
        Some(partitions) => told.say(format!("{partitions} partitions")),
        None => told.gap("the number of partitions"),
    }
    match plain(&told.told["leaders"]) {
        Some(leaders) => told.say(format!(
            "led by {leaders} broker node(s); each producer has a connection to each it needs"
        )),
        None => told.gap("how many nodes lead the partitions"),
    }
}

fn security(told: &mut Told<'_>) {
    match told.is_set("tls") || told.is_set("sasl") {
        true => told.settings(&["tls", "sasl"]),
        false => told.say("plain text, no SASL"),
    }
    told.gap("quotas of the broker were not asked for");
}

fn length(told: &mut Told<'_>) {
    if let Some(warmup) = setting(told.told, "warmup") {
        let unit = if warmup.parse::<u64>().is_ok() {
            " s"
        } else {
            ""
        };
        told.say(format!("warm-up: {warmup}{unit}, left out"));
    }
    let measured = told.told["measured_s"].as_f64();
    match measured {
        Some(measured) => told.say(format!("{} s measured after it", digits(measured))),
        None => told.gap("the measured length"),
    }
    if told.told["interrupted"] == true {
        told.gap("interrupted before its end");
    }
    let retention = plain(&told.told["topic_configs"]["retention.ms"]);
    let retention = retention.and_then(|ms| ms.parse::<f64>().ok());
    let past = retention.filter(|ms| *ms >= 0.0);
    if !past.is_some_and(|ms| measured.unwrap_or(0.0) * 1e3 > ms) {
        told.gap("not past retention: no deletes ran beside this load");
    }
    if measured.unwrap_or(0.0) < 86_400.0 {
        told.gap("no 24-hour run, and not past the device's steady state");
    }
}

fn rate(told: &mut Told<'_>) {
    let rate = &told.told["rate"];
    let achieved = rate["achieved"].as_f64();
    match (rate["offered"].as_f64(), achieved) {
        (Some(offered), Some(achieved)) => told.say(format!(
            "{} records/s offered, {achieved:.1} achieved",
            count(offered as u64)
        )),
        (None, Some(achieved)) => told.say(format!("{achieved:.1} records/s achieved")),
        _ => told.gap("the achieved rate"),
    }
    told.gap("one point of the curve; loadgen sweep draws the curve and finds the knee");
}

fn disturbances(told: &mut Told<'_>) {
    let events = told.told["events"].as_array().cloned().unwrap_or_default();
    for event in &events {
        let (Some(at), Some(what)) = (event["at_s"].as_f64(), plain(&event["what"])) else {
            continue;
        };
        // The tail around it: the two seconds before are the beginning of what it did.
        let tail = told
            .log
            .between("produce", at.floor() - 1.0, at.floor() + 4.0);
        let tail = match tail.is_empty() {
            true => "no acks then".to_owned(),
            false => format!("max {} around it", duration(tail.max() as f64)),
        };
        told.say(format!("at {} s {what} ({tail})", digits(at)));
    }
    if events.is_empty() {
        told.gap("none in this run: it tells nothing of rolls, catch-up, restarts or cold readers");
    }
}

fn machine(told: &mut Told<'_>) {
    let host = told.told["host"].clone();
    told.settings(&["cores", "cpus"]);
    match told.told["broker_on_this_host"].as_bool() {
        Some(true) => told.say("the broker is on the same host"),
        Some(false) => told.say("the broker is on another host"),
        None => told.gap("whether the broker is on the same host"),
    }
    told.fact("CPU governor", &host["governor"]);
    told.fact("SMT", &host["smt"]);
    told.fact("idle states", &host["idle_states"]);
    told.fact("NUMA nodes", &host["numa_nodes"]);
    if host["hypervisor"] == true {
        told.say("a virtual machine: only ratios to its floors travel");
    }
    if told.log.tags().iter().any(|tag| tag.starts_with(FLOOR)) {
        told.say("floors of the host were measured in this run");
    } else {
        told.gap("no floors were measured in this run");
    }
    if plain(&told.told["broker_cpus"]).is_none() {
        told.gap("which CPUs the broker may use (--broker-pid PID tells)");
    } else {
        let cpus = told.told["broker_cpus"].clone();
        told.fact("CPUs of the broker", &cpus);
    }
    told.gap("where interrupts are handled");
}

fn repetition(told: &mut Told<'_>) {
    told.fact("command", &told.told["command"].clone());
    told.fact("loadgen", &told.told["loadgen"].clone());
    let blocks = told.told["blocks"].as_array().map_or(1, Vec::len);
    match blocks {
        0 | 1 => told.gap("one run: it has no spread (--blocks N, and loadgen compare)"),
        more => told.say(format!("{more} blocks")),
    }
    if plain(&told.told["topic_configs"]).is_none() && !told.told["topic_configs"].is_object() {
        told.gap("the topic's configuration was not read");
    } else {
        told.say("the topic's configuration is in the JSON");
    }
    told.gap("the broker's version, commit and own configuration file");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_run_says_little_and_names_what_is_missing() {
        let items = items(&json!({}), &Log::default());
        assert_eq!(items.len(), 12);
        assert!(items.iter().all(|item| !item.gaps.is_empty()));
        let html = section(&json!({}), &Log::default());
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
        let said = items(&told, &Log::default())[3].said.join(" ");
        assert!(said.contains("does not wait for a flush"), "{said}");
    }
}
