//! Pure: what each entry of a fair statement says of a run, and what it misses.

use super::Told;
use crate::options::Event;
use crate::report::html::units::{count, digits, duration};
use crate::report::tags::FLOOR;

pub(super) fn open_loop(told: &mut Told<'_>) {
    if told.is_set("max") {
        told.say("a closed loop (--max): each answer lets the next request go, as fast as it goes");
        told.gap("latencies of a closed loop hide what waited; quote its rate only");
        return;
    }
    told.say("send times are fixed ahead; response and service time are both recorded");
    let sends = told.log.total("lateness").len();
    if let Some(late) = told.report.late {
        told.say(format!(
            "{} of {} sends were late by more than {} µs, a tenth of the p99",
            count(late.count),
            count(sends),
            digits(late.limit_us)
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
    let records = told.report.records.as_ref();
    let open = records.map_or(0, |records| records.unanswered);
    if open > 0 {
        told.gap(format!(
            "{} records have no latency: never answered",
            count(open)
        ));
    }
}

pub(super) fn interval(told: &mut Told<'_>) {
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

pub(super) fn percentiles(told: &mut Told<'_>) {
    told.say("one histogram per thread and second, merged; 3 significant digits, in nanoseconds");
    for (tag, name) in [("produce", "acks"), ("e2e", "end to end")] {
        let samples = told.log.total(tag).len();
        if samples > 0 {
            told.say(format!("{} samples of {name}", count(samples)));
        }
    }
    match told.report.context.files.get("hlog").cloned().flatten() {
        Some(path) => told.say(format!("raw log: {path}")),
        None => told.gap("the raw log was not kept (--hlog FILE or --out DIR)"),
    }
}

pub(super) fn durability(told: &mut Told<'_>) {
    told.settings(&["acks"]);
    match told.config("flush.messages") {
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
    match told.shape().and_then(|shape| shape.replication_factor) {
        Some(copies) => told.say(format!("{copies} replica(s) of each partition")),
        None => told.gap("the replication factor is not known"),
    }
    if let Some(device) = &told.report.context.device {
        told.fact("file system", device.file_system.as_ref());
        told.fact("mount options", device.mount_options.as_ref());
        told.fact("device", device.model.as_ref());
        told.fact("write cache", device.write_cache.as_ref());
        told.fact("FUA", device.fua.as_ref());
        told.gap("whether the device has power-loss protection: the kernel does not tell");
    } else {
        told.gap("the broker's device, its write cache and file system (--data-dir DIR, if here)");
    }
}

pub(super) fn records(told: &mut Told<'_>) {
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
    match !told.report.batches.bars.is_empty() {
        true => told.say("batch sizes as sent: see the chart above"),
        false => told.gap("the batch sizes were not counted"),
    }
}

pub(super) fn shape(told: &mut Told<'_>) {
    told.settings(&[
        "producers",
        "threads",
        "topics",
        "consume",
        "consumers",
        "fanout",
    ]);
    match told.report.partitions {
        Some(partitions) => told.say(format!("{partitions} partitions")),
        None => told.gap("the number of partitions"),
    }
    match told.shape().map(|shape| shape.leaders) {
        Some(leaders) => told.say(format!(
            "led by {leaders} broker node(s); each producer has a connection to each it needs"
        )),
        None => told.gap("how many nodes lead the partitions"),
    }
}

pub(super) fn security(told: &mut Told<'_>) {
    match told.is_set("tls") || told.is_set("sasl") {
        true => told.settings(&["tls", "sasl"]),
        false => told.say("plain text, no SASL"),
    }
    told.gap("quotas of the broker were not asked for");
}

pub(super) fn length(told: &mut Told<'_>) {
    if let Some(warmup) = told.report.context.setting("warmup") {
        let unit = if warmup.parse::<u64>().is_ok() {
            " s"
        } else {
            ""
        };
        told.say(format!("warm-up: {warmup}{unit}, left out"));
    }
    let measured = told.report.measured_s;
    match measured {
        Some(measured) => told.say(format!("{} s measured after it", digits(measured))),
        None => told.gap("the measured length"),
    }
    if told.report.interrupted {
        told.gap("interrupted before its end");
    }
    let retention = told.config("retention.ms");
    let retention = retention.and_then(|ms| ms.parse::<f64>().ok());
    let past = retention.filter(|ms| *ms >= 0.0);
    if !past.is_some_and(|ms| measured.unwrap_or(0.0) * 1e3 > ms) {
        told.gap("not past retention: no deletes ran beside this load");
    }
    if measured.unwrap_or(0.0) < 86_400.0 {
        told.gap("no 24-hour run, and not past the device's steady state");
    }
}

pub(super) fn rate(told: &mut Told<'_>) {
    let rate = told.report.rate;
    match (rate.offered, rate.achieved) {
        (Some(offered), Some(achieved)) => told.say(format!(
            "{} records/s offered, {achieved:.1} achieved",
            count(offered)
        )),
        (None, Some(achieved)) => told.say(format!("{achieved:.1} records/s achieved")),
        _ => told.gap("the achieved rate"),
    }
    told.gap("one point of the curve; loadgen sweep draws the curve and finds the knee");
}

pub(super) fn disturbances(told: &mut Told<'_>) {
    let events = &told.report.seen.events;
    for Event { at_s: at, what } in events {
        // The tail around it, from a second before on.
        let tail = told
            .log
            .between("produce", at.floor() - 1.0, at.floor() + 4.0);
        let tail = match tail.is_empty() {
            true => "no acks then".to_owned(),
            false => format!("max {} around it", duration(tail.max() as f64)),
        };
        told.say(format!("at {} s {what} ({tail})", digits(*at)));
    }
    if events.is_empty() {
        told.gap("none in this run: it tells nothing of rolls, catch-up, restarts or cold readers");
    }
}

pub(super) fn machine(told: &mut Told<'_>) {
    let host = told.report.host.clone().unwrap_or_default();
    told.settings(&["cores", "cpus"]);
    match told.shape().and_then(|shape| shape.broker_on_this_host) {
        Some(true) => told.say("the broker is on the same host"),
        Some(false) => told.say("the broker is on another host"),
        None => told.gap("whether the broker is on the same host"),
    }
    told.fact("CPU governor", host.governor.as_ref());
    told.fact("SMT", host.smt.as_ref());
    told.fact("idle states", host.idle_states.as_ref());
    told.fact("NUMA nodes", host.numa_nodes.as_ref());
    if host.hypervisor == Some(true) {
        told.say("a virtual machine: only ratios to its floors travel");
    }
    if told.log.tags().iter().any(|tag| tag.starts_with(FLOOR)) {
        told.say("floors of the host were measured in this run");
    } else {
        told.gap("no floors were measured in this run");
    }
    match &told.report.seen.broker_cpus {
        None => told.gap("which CPUs the broker may use (--broker-pid PID tells)"),
        cpus => told.fact("CPUs of the broker", cpus.as_ref()),
    }
    told.gap("where interrupts are handled");
}

pub(super) fn repetition(told: &mut Told<'_>) {
    told.fact("command", told.report.context.command.as_ref());
    told.fact("loadgen", told.report.loadgen.as_ref());
    match told.report.blocks.len() {
        0 | 1 => told.gap("one run: it has no spread (--blocks N, and loadgen compare)"),
        more => told.say(format!("{more} blocks")),
    }
    match &told.report.seen.topic.topic_configs {
        None => told.gap("the topic's configuration was not read"),
        Some(_) => told.say("the topic's configuration is in the JSON"),
    }
    told.gap("the broker's version, commit and own configuration file");
}
