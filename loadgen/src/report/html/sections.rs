//! Pure: the parts of a run's page.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::Value;

use super::chart::{Axis, Chart, Line, Look, escape};
use super::{
    FLOOR, QUANTILES, count, curves, digits, duration, is_sure, is_time, quantile_table, tag_name,
    tick,
};
use crate::report::hlog::Log;

/// More steps than these in time cannot be told apart on a screen.
const STEPS_MAX: f64 = 300.0;

/// A setting as text; nothing where it was not given.
pub fn setting(told: &Value, name: &str) -> Option<String> {
    plain(&told["settings"][name])
}

/// A JSON value as people write it.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().filter_map(plain).collect();
            Some(all.join(", "))
        }
        other => Some(other.to_string()),
    }
}

/// What the run is called.
pub fn title(told: &Value) -> String {
    if let Some(name) = plain(&told["name"]) {
        return name;
    }
    let offered = told["rate"]["offered"].as_f64();
    let rate = offered.map_or("As fast as it goes".to_owned(), |rate| {
        format!("{} records/s", count(rate as u64))
    });
    let size = setting(told, "size").map_or(String::new(), |size| format!(" of {size} bytes"));
    let acks = setting(told, "acks").map_or(String::new(), |acks| format!(", acks={acks}"));
    format!("{rate}{size}{acks}")
}

/// The title, whether it may be quoted, and why not.
pub fn head(told: &Value, title: &str) -> String {
    let fit = told["fit"].as_bool();
    let badge = match fit {
        Some(true) => "<span class=\"badge good\">fit to be quoted</span>",
        Some(false) => "<span class=\"badge bad\">unfit: do not quote</span>",
        None => "<span class=\"badge part\">not judged</span>",
    };
    let mut html = format!("<header><h1>{} {badge}</h1>", escape(title));
    let host = &told["host"];
    let about: Vec<String> = [
        plain(&told["started"]),
        setting(told, "bootstrap").map(|at| format!("broker {at}")),
        setting(told, "topic").map(|topic| format!("topic {topic}")),
        plain(&host["cpu"]),
        plain(&host["kernel"]).map(|kernel| format!("Linux {kernel}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let _ = write!(html, "<div class=dim>{}</div>", escape(&about.join(" · ")));
    if let Some(about) = plain(&told["about"]) {
        let _ = write!(html, "<p>{}</p>", escape(&about));
    }
    let notes = told["notes"].as_array().into_iter().flatten();
    for note in notes.filter_map(Value::as_str) {
        let numbered = note
            .split_once(':')
            .is_some_and(|(n, _)| n.parse::<u8>().is_ok());
        if !numbered {
            let _ = write!(html, "<div class=dim>Note: {}</div>", escape(note));
        }
    }
    let reasons = told["unfit"].as_array();
    if let Some(reasons) = reasons.filter(|reasons| !reasons.is_empty()) {
        html += "<div class=reasons><b>Why these figures must not be quoted</b><ul>";
        for reason in reasons {
            let reason = plain(reason).unwrap_or_default();
            let _ = write!(html, "<li>{}</li>", escape(&reason));
        }
        html += "</ul></div>";
    }
    html += "</header>";
    html
}

/// A figure with its name.
pub fn tile(name: &str, value: &str) -> String {
    format!(
        "<div class=tile><span>{}</span><b>{}</b></div>",
        escape(name),
        escape(value)
    )
}

/// The figures that people look for first.
pub fn tiles(told: &Value, log: &Log) -> String {
    let mut html = String::new();
    let main = ["produce", "e2e"].map(|tag| (tag, log.total(tag)));
    for (tag, found) in main.iter().filter(|(_, found)| !found.is_empty()) {
        let (name, _) = tag_name(tag);
        html += "<div class=\"tiles four\">";
        for (quantile, part) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            if found.len() as f64 * (1.0 - part) >= 9.99 {
                let value = duration(found.value_at_quantile(part) as f64);
                html += &tile(&format!("{name}, {quantile}"), &value);
            }
        }
        html += &tile(&format!("{name}, max"), &duration(found.max() as f64));
        html += "</div>";
    }
    html += "<div class=tiles>";
    let rate = &told["rate"];
    if let Some(achieved) = rate["achieved"].as_f64() {
        let offered = rate["offered"].as_f64();
        let of = offered.map_or(String::new(), |offered| {
            format!(" of {} offered", count(offered as u64))
        });
        html += &tile(&format!("records/s{of}"), &count(achieved.round() as u64));
    }
    html += &check_tile(told);
    if let Some(added) = added(log) {
        html += &tile("ack p50 over loopback + write + flush", &added);
    }
    for broker in told["brokers"].as_array().into_iter().flatten() {
        if let Some(cpu) = broker["cpu_s_per_gb"].as_f64() {
            html += &tile(
                "broker CPU per GB of records",
                &format!("{} s", digits(cpu)),
            );
        }
        if let Some(resident) = broker["resident_max"].as_f64() {
            html += &tile(
                "broker memory, most",
                &format!("{} MiB", digits(resident / 1048576.0)),
            );
        }
    }
    html += "</div>";
    html
}

fn check_tile(told: &Value) -> String {
    let check = &told["check"];
    let sum: Option<u64> = ["lost", "duplicates", "disordered", "strange"]
        .iter()
        .map(|name| check[*name].as_u64())
        .sum();
    match sum {
        Some(0) => tile(
            "records lost, repeated or out of order",
            &format!("0 of {}", count(check["seen"].as_u64().unwrap_or(0))),
        ),
        Some(_) => {
            let of = |name: &str| check[name].as_u64().unwrap_or(0);
            let text = format!(
                "{} / {} / {}",
                of("lost"),
                of("duplicates"),
                of("disordered")
            );
            let name = match check["unread"] == true {
                true => "not all could be read: missing / repeated / out of order",
                false => "lost / repeated / out of order",
            };
            tile(name, &text)
        }
        None => tile("loss and order", "not checked"),
    }
}

/// What the broker adds to what the host needs anyway, at the median.
pub fn added(log: &Log) -> Option<String> {
    let median = |tag: &str| {
        let found = log.total(tag);
        (!found.is_empty()).then(|| found.value_at_quantile(0.5) as f64)
    };
    let floor = |word: &str| {
        let tags = log.tags();
        let tag = tags
            .into_iter()
            .find(|tag| tag.starts_with(FLOOR) && tag.contains(word))?;
        median(tag)
    };
    let floors = floor("loopback").or_else(|| floor("round"))? + floor("flush")?;
    let added = median("produce")? - floors;
    Some(match added < 0.0 {
        true => format!("−{}", duration(-added)),
        false => format!("+{}", duration(added)),
    })
}

/// The percentile curves with the floors, and the table.
pub fn quantiles(told: &Value, log: &Log) -> String {
    let tags = log.tags();
    let floors = tags.iter().filter(|tag| tag.starts_with(FLOOR));
    let others = ["lateness", "produce_service", "e2e", "produce"];
    let order: Vec<&str> = floors
        .copied()
        .chain(others.into_iter().filter(|tag| tags.contains(tag)))
        .chain(
            tags.iter()
                .copied()
                .filter(|tag| is_time(tag) && !tag.starts_with(FLOOR) && !others.contains(tag)),
        )
        .collect();
    let totals: Vec<(&str, Histogram<u64>)> =
        order.iter().map(|tag| (*tag, log.total(tag))).collect();
    let totals: Vec<_> = totals
        .iter()
        .filter(|(_, found)| !found.is_empty())
        .collect();
    if totals.is_empty() {
        return "<section><h2>Latency</h2><p>Nothing was recorded.</p></section>".to_owned();
    }
    let look = |tag: &str| match tag {
        "produce" | "e2e" | "" => Look::Strong,
        "produce_service" | "lateness" => Look::Plain,
        _ => Look::Dashed,
    };
    // The others are of a different kind: they would only stretch the axis.
    let comparable = |tag: &str| {
        let apart = ["jitter", "hop"].iter().any(|word| tag.contains(word));
        !(tag.starts_with(FLOOR) && apart)
    };
    let drawn: Vec<_> = totals
        .iter()
        .filter(|(tag, _)| comparable(tag))
        .map(|(tag, found)| {
            let (name, colour) = tag_name(tag);
            (name, colour, look(tag), found)
        })
        .collect();
    let mut html = String::from(
        "<section><h2>Latency by percentile</h2><p class=note>Further right is rarer. Dotted: \
         fewer than ten samples beyond, up to the maximum. Service time counts from the actual \
         send and so hides what waited.",
    );
    if !order.iter().any(|tag| tag.starts_with(FLOOR)) {
        html += match told["floors_us"].is_object() {
            true => " Floors of this host were measured apart: see the settings below.",
            false => " The floors of this host were not measured in this run.",
        };
    }
    html += "</p>";
    html += &curves("Latency by percentile, in nines", &drawn);
    let rows: Vec<_> = totals
        .iter()
        .rev()
        .map(|(tag, found)| {
            let (name, colour) = tag_name(tag);
            (name, colour, found)
        })
        .collect();
    html += &quantile_table(&rows);
    html += "</section>";
    html
}

/// The width of a step in time, in seconds.
fn step_s(log: &Log) -> f64 {
    (log.end_s() / STEPS_MAX).ceil().max(1.0)
}

/// When the blocks of the run began and ended.
fn blocks(told: &Value) -> Vec<(f64, f64)> {
    let blocks = told["blocks"].as_array().into_iter().flatten();
    blocks
        .filter_map(|block| Some((block["from_s"].as_f64()?, block["to_s"].as_f64()?)))
        .collect()
}

fn marks(told: &Value, log: &Log) -> Vec<(f64, String)> {
    let mut marks = Vec::new();
    let blocks = blocks(told);
    if blocks.len() > 1 {
        for (number, (from, to)) in blocks.into_iter().enumerate() {
            marks.push((from, format!("block {}", number + 1)));
            marks.push((to, "end".to_owned()));
        }
    }
    let events = told["events"].as_array().into_iter().flatten();
    let events = events.filter_map(|event| {
        let what = plain(&event["what"])?;
        Some((event["at_s"].as_f64()?, without_folder(&what)))
    });
    marks.extend(events);
    marks.retain(|(at, _)| (-1.0..=log.end_s() + 1.0).contains(at));
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    marks
}

/// `begin: /a/b/loadgen read` as `begin: loadgen read`: there is little room beside a mark.
fn without_folder(what: &str) -> String {
    for word in ["begin: ", "end: ", "stopped: "] {
        if let Some(command) = what.strip_prefix(word) {
            let end = command.find(' ').unwrap_or(command.len());
            let from = command[..end].rfind('/').map_or(0, |slash| slash + 1);
            return format!("{word}{}", &command[from..]);
        }
    }
    what.to_owned()
}

fn seconds_axis(log: &Log) -> (Axis, String) {
    let end = log.end_s().max(1.0);
    let name = |at: f64| match end > 600.0 {
        true => digits(at / 60.0),
        false => digits(at),
    };
    let unit = if end > 600.0 { "minutes" } else { "seconds" };
    (
        Axis::linear(0.0, end, 8, name),
        format!("{unit} of the measured part"),
    )
}

/// Of what ends behind its block, fewer than these are a few stragglers and no second.
const LEFTOVER: u64 = 10;

fn is_after_a_block(blocks: &[(f64, f64)], at_s: f64) -> bool {
    let inside = |(from, to): &(f64, f64)| *from - 0.01 <= at_s && at_s < *to - 0.01;
    !blocks.is_empty() && !blocks.iter().any(inside)
}

/// p50, p99 and the maximum of each second.
pub fn over_time(told: &Value, log: &Log) -> String {
    let blocks = blocks(told);
    let mut html = String::new();
    for tag in ["produce", "e2e", ""] {
        let steps = log.steps(tag, step_s(log));
        if steps.is_empty() {
            continue;
        }
        let line = |name: &str, part: f64, colour: &str, look| Line {
            name: name.to_owned(),
            colour: format!("var({colour})"),
            look,
            points: holes(&steps, step_s(log), |at, found| {
                match part < 1.0 && found.len() < LEFTOVER && is_after_a_block(&blocks, at) {
                    true => f64::NAN,
                    false => found.value_at_quantile(part) as f64,
                }
            }),
        };
        let lines = vec![
            line("max", 1.0, "--q3", Look::Plain),
            line("p99", 0.99, "--q2", Look::Plain),
            line("p50", 0.5, "--q1", Look::Strong),
        ];
        let values = || lines.iter().flat_map(|line| &line.points);
        let values = || values().map(|point| point.1).filter(|y| y.is_finite());
        let (low, high) = (
            values().fold(f64::INFINITY, f64::min),
            values().fold(0.0, f64::max),
        );
        let (name, _) = tag_name(tag);
        let per = match step_s(log) {
            step if step > 1.0 => format!("each {step} seconds"),
            _ => "each second".to_owned(),
        };
        let _ = write!(
            html,
            "<section><h2>Latency over time: {}</h2><p class=note>p50, p99 and maximum of {per}; \
             vertical lines are what happened meanwhile.</p>",
            escape(&name)
        );
        html += &Chart {
            about: format!("Latency over time: {name}"),
            x: seconds_axis(log),
            y: (Axis::logarithmic(low, high, tick), "latency".to_owned()),
            lines,
            marks: marks(told, log),
        }
        .html();
        html += "</section>";
    }
    html
}

/// A line through the middle of each step, broken where steps are missing.
fn holes(
    steps: &[(f64, Histogram<u64>)],
    step_s: f64,
    of: impl Fn(f64, &Histogram<u64>) -> f64,
) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut next = None;
    for (at, found) in steps {
        if next.is_some_and(|next: f64| *at > next + step_s / 2.0) {
            points.push((*at, f64::NAN));
        }
        points.push((at + step_s / 2.0, of(*at, found)));
        next = Some(at + step_s);
    }
    points
}

/// Offered and achieved rate.
pub fn rates(told: &Value, log: &Log) -> String {
    let step = step_s(log);
    // Of the last step only a part may have been measured, and nothing between blocks. Of a lone
    // block the backlog that is answered after the last send belongs to the picture.
    let offered_in = blocks(told);
    let mut spans = offered_in.clone();
    if let ([(_, to)], Some(measured)) = (&mut spans[..], told["measured_s"].as_f64()) {
        *to = to.max(measured);
    }
    let whole = |(at, _): &&(f64, Histogram<u64>)| {
        let inside = |span: &(f64, f64)| span.0 - 0.01 <= *at && at + step <= span.1 + 0.01;
        spans.is_empty() || spans.iter().any(inside)
    };
    let mut lines = Vec::new();
    for (tag, name) in [("produce", "acked"), ("e2e", "consumed")] {
        let steps = log.steps(tag, step);
        let steps: Vec<_> = steps.iter().filter(whole).cloned().collect();
        if !steps.is_empty() {
            lines.push(Line {
                name: name.to_owned(),
                colour: tag_name(tag).1,
                look: Look::Plain,
                points: holes(&steps, step, |_, found| found.len() as f64 / step),
            });
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    if let Some(offered) = told["rate"]["offered"].as_f64() {
        lines.push(Line {
            name: "offered".to_owned(),
            colour: "var(--c6)".to_owned(),
            look: Look::Dashed,
            points: match offered_in.is_empty() {
                true => vec![(0.0, offered), (log.end_s(), offered)],
                false => offered_in
                    .iter()
                    .flat_map(|(from, to)| [(*from, offered), (*to, offered), (*to, f64::NAN)])
                    .collect(),
            },
        });
    }
    let values = lines.iter().flat_map(|line| &line.points);
    let high = values
        .map(|point| point.1)
        .filter(|y| y.is_finite())
        .fold(0.0, f64::max);
    let chart = Chart {
        about: "Records per second, offered, acked and consumed".to_owned(),
        x: seconds_axis(log),
        y: (
            Axis::from_zero(high, 4, |rate| count(rate.round() as u64)),
            "records/s".to_owned(),
        ),
        lines,
        marks: marks(told, log),
    };
    format!(
        "<section><h2>Rate</h2><p class=note>A stall shows as a dip, and as a peak when its \
         backlog is answered.</p>{}</section>",
        chart.html()
    )
}

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
        // Values are known to three digits: one that is counted twice at an edge is not.
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

/// CPU and memory of the processes that were watched.
pub fn brokers(told: &Value, log: &Log) -> String {
    let mut html = String::new();
    for broker in told["brokers"].as_array().into_iter().flatten() {
        let samples: Vec<&Value> = broker["samples"].as_array().into_iter().flatten().collect();
        let of = |sample: &Value, name: &str| sample[name].as_f64().unwrap_or(f64::NAN);
        let rate = |name: &str| -> Vec<(f64, f64)> {
            let pairs = samples.windows(2).filter_map(|pair| {
                let over = of(pair[1], "at_s") - of(pair[0], "at_s");
                let middle = of(pair[0], "at_s") + over / 2.0;
                let rate = (of(pair[1], name) - of(pair[0], name)) / over;
                (middle >= 0.0 && over > 0.5).then_some((middle, rate))
            });
            pairs.collect()
        };
        let (user, system) = (rate("user_s"), rate("system_s"));
        if user.is_empty() {
            continue;
        }
        let both: Vec<_> = user
            .iter()
            .zip(&system)
            .map(|(user, system)| (user.0, user.1 + system.1))
            .collect();
        let line = |name: &str, colour: &str, look, points| Line {
            name: name.to_owned(),
            colour: format!("var({colour})"),
            look,
            points,
        };
        let chart = |about: &str, y, unit: &str, lines| Chart {
            about: about.to_owned(),
            x: seconds_axis(log),
            y: (y, unit.to_owned()),
            lines,
            marks: marks(told, log),
        };
        let most = both.iter().map(|point| point.1).fold(0.0, f64::max);
        let cpu = chart(
            "CPU of the broker over time",
            Axis::from_zero(most, 4, digits),
            "cores busy",
            vec![
                line("user + kernel", "--c1", Look::Area, both),
                line("kernel", "--c2", Look::Plain, system),
            ],
        );
        let mib: Vec<_> = samples
            .iter()
            .filter(|sample| of(sample, "at_s") >= 0.0)
            .map(|sample| (of(sample, "at_s"), of(sample, "resident") / 1048576.0))
            .collect();
        let most = mib.iter().map(|point| point.1).fold(0.0, f64::max);
        let memory = chart(
            "Resident memory of the broker over time",
            Axis::from_zero(most, 4, digits),
            "MiB resident",
            vec![line("resident", "--c3", Look::Area, mib)],
        );
        let name = plain(&broker["name"]).unwrap_or_default();
        let pid = plain(&broker["pid"]).unwrap_or_default();
        let figure = |name: &str, unit: &str| {
            let value = broker[name].as_f64();
            value.map_or(String::new(), |value| {
                format!(" · {} {unit}", digits(value))
            })
        };
        let _ = write!(
            html,
            "<section><h2>{} (process {pid})</h2><p class=note>{} CPU seconds in the measured \
             part{}{}{}{}</p><div>{}</div><div>{}</div></section>",
            escape(&name),
            digits(broker["cpu_s"].as_f64().unwrap_or(0.0)),
            figure("cores", "cores busy on average"),
            figure("cpu_s_per_gb", "CPU seconds per GB of records sent"),
            figure("waits_per_s", "waits per second"),
            figure("preemptions_per_s", "preemptions per second"),
            cpu.html(),
            memory.html(),
        );
    }
    html
}

/// Settings and facts of the host.
pub fn facts(told: &Value) -> String {
    let mut html = String::new();
    if let Some(command) = plain(&told["command"]) {
        let _ = write!(
            html,
            "<section><h2>The command</h2><pre>{}</pre></section>",
            escape(&command)
        );
    }
    for (key, name) in [
        ("settings", "Every setting"),
        ("host", "The host"),
        ("records", "Records"),
        ("check", "The check"),
    ] {
        let Some(all) = told[key].as_object().filter(|all| !all.is_empty()) else {
            continue;
        };
        let _ = write!(
            html,
            "<section><details><summary>{name}</summary><table class=facts>"
        );
        for (name, value) in all {
            let text = plain(value).unwrap_or_else(|| "not set, or not known".to_owned());
            let _ = write!(
                html,
                "<tr><td>{}</td><td>{}</td></tr>",
                escape(&name.replace('_', " ")),
                escape(&text)
            );
        }
        html += "</table></details></section>";
    }
    html + &floors(&told["floors_us"])
}

/// The floors of each round, and of all rounds together.
fn floors(told: &Value) -> String {
    let rounds = told["rounds"].as_array().into_iter().flatten();
    let rounds = rounds.filter_map(|round| Some((plain(&round["when"])?, &round["floors"])));
    let all = [("all rounds together".to_owned(), told)];
    let mut html = String::new();
    for (when, found) in rounds.chain(all) {
        let Some(found) = found.as_object() else {
            continue;
        };
        let _ = write!(html, "<tr><th>{}</th>", escape(&when));
        for (name, _) in QUANTILES {
            let _ = write!(html, "<th>{name}</th>");
        }
        html += "<th>samples</th></tr>";
        for (name, found) in found.iter().filter(|(_, found)| found["count"].is_u64()) {
            let samples = found["count"].as_u64().unwrap_or(0);
            let _ = write!(html, "<tr><td>{}</td>", escape(name));
            for (quantile, part) in QUANTILES {
                let us = found[quantile].as_f64().filter(|_| is_sure(samples, part));
                let text = us.map_or("–".to_owned(), |us| duration(us * 1e3));
                let _ = write!(html, "<td>{text}</td>");
            }
            let _ = write!(html, "<td>{}</td></tr>", count(samples));
        }
    }
    match html.is_empty() {
        true => html,
        false => format!(
            "<section><details><summary>Floors of this host, round by round</summary>\
             <div class=wrap><table>{html}</table></div></details></section>"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;

    #[test]
    fn stragglers_behind_a_block_are_told_from_its_seconds() {
        let blocks = [(0.0, 3.0), (12.0, 15.0)];
        let after: Vec<bool> = [0.0, 2.0, 3.0, 11.0, 12.0, 14.0, 15.0]
            .map(|at| is_after_a_block(&blocks, at))
            .into();
        assert_eq!(after, [false, false, true, true, false, false, true]);
        assert!(!is_after_a_block(&[], 5.0));
    }

    #[test]
    fn floors_are_a_table_of_rounds() {
        let one = serde_json::json!({ "p50": 48.1, "p99": 90.0, "max": 100.0, "count": 100 });
        let told = serde_json::json!({
            "loopback round trip": one,
            "rounds": [{ "when": "before", "floors": { "loopback round trip": one } }],
        });
        let html = floors(&told);
        assert_eq!(html.matches("<td>48.1 µs</td>").count(), 2);
        assert!(html.contains("<th>before</th>") && !html.contains("90.0 µs"));
        assert_eq!(floors(&Value::Null), "");
    }

    #[test]
    fn a_mark_names_a_command_without_its_folder() {
        for (what, shown) in [
            (
                "begin: /usr/bin/loadgen read /a/b",
                "begin: loadgen read /a/b",
            ),
            ("end: sleep 5", "end: sleep 5"),
            (
                "failed (exit status: 1): /x/y",
                "failed (exit status: 1): /x/y",
            ),
            ("a/b roll", "a/b roll"),
        ] {
            assert_eq!(without_folder(what), shown);
        }
    }

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
