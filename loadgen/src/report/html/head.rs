//! Pure: the top of a run's page: what it is called, whether it may be quoted, its main figures.

use std::fmt::Write;

use super::chart::escape;
use super::tag_name;
use super::units::{count, digits, duration};
use crate::measure::host::Host;
use crate::measure::ledger::Findings;
use crate::report::hlog::Log;
use crate::report::quantile::Quantile;
use crate::report::run_report::{Context, RunReport};
use crate::report::tags::FLOOR;

/// What the run is called.
pub fn title(report: &RunReport) -> String {
    let context = &report.context;
    if let Some(name) = &context.name {
        return name.clone();
    }
    let offered = report.rate.offered;
    let rate = offered.map_or("As fast as it goes".to_owned(), |rate| {
        format!("{} records/s", count(rate))
    });
    let size = context.setting("size");
    let size = size.map_or(String::new(), |size| format!(" of {size} bytes"));
    let acks = context.setting("acks");
    let acks = acks.map_or(String::new(), |acks| format!(", acks={acks}"));
    format!("{rate}{size}{acks}")
}

/// When and where it was: a line of what is known of it.
pub fn place(started: Option<&String>, context: &Context, host: Option<&Host>) -> String {
    let host = host.cloned().unwrap_or_default();
    let parts = [
        started.cloned(),
        context
            .setting("bootstrap")
            .map(|at| format!("broker {at}")),
        context
            .setting("topic")
            .map(|topic| format!("topic {topic}")),
        host.cpu,
        host.kernel.map(|kernel| format!("Linux {kernel}")),
    ];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    known.join(" · ")
}

/// The title, whether it may be quoted, and why not.
pub fn head(report: &RunReport, title: &str) -> String {
    let badge = match report.fit {
        Some(true) => "<span class=\"badge good\">fit to be quoted</span>",
        Some(false) => "<span class=\"badge bad\">unfit: do not quote</span>",
        None => "<span class=\"badge part\">not judged</span>",
    };
    let mut html = format!("<header><h1>{} {badge}</h1>", escape(title));
    let context = &report.context;
    let place = place(report.started.as_ref(), context, report.host.as_ref());
    let _ = write!(html, "<div class=dim>{}</div>", escape(&place));
    if let Some(about) = &context.about {
        let _ = write!(html, "<p>{}</p>", escape(about));
    }
    for note in &context.notes {
        let numbered = note
            .split_once(':')
            .is_some_and(|(n, _)| n.parse::<u8>().is_ok());
        if !numbered {
            let _ = write!(html, "<div class=dim>Note: {}</div>", escape(note));
        }
    }
    if !report.unfit.is_empty() {
        html += "<div class=reasons><b>Why these figures must not be quoted</b><ul>";
        for reason in &report.unfit {
            let _ = write!(html, "<li>{}</li>", escape(reason));
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
pub fn tiles(report: &RunReport, log: &Log) -> String {
    let mut html = String::new();
    let main = ["produce", "e2e"].map(|tag| (tag, log.total(tag)));
    for (tag, found) in main.iter().filter(|(_, found)| !found.is_empty()) {
        let (name, _) = tag_name(tag);
        html += "<div class=\"tiles four\">";
        for quantile in [Quantile::P50, Quantile::P99, Quantile::P999] {
            if quantile.is_sure(found.len()) {
                let value = duration(found.value_at_quantile(quantile.part()) as f64);
                html += &tile(&format!("{name}, {}", quantile.name()), &value);
            }
        }
        html += &tile(&format!("{name}, max"), &duration(found.max() as f64));
        html += "</div>";
    }
    html += "<div class=tiles>";
    if let Some(achieved) = report.rate.achieved {
        let of = report.rate.offered.map_or(String::new(), |offered| {
            format!(" of {} offered", count(offered))
        });
        html += &tile(&format!("records/s{of}"), &count(achieved.round() as u64));
    }
    html += &check_tile(report.check);
    if let Some(added) = added(log) {
        html += &tile("ack p50 over loopback + write + flush", &added);
    }
    for broker in &report.seen.brokers {
        if let Some(cpu) = broker.cpu_s_per_gb {
            html += &tile(
                "broker CPU per GB of records",
                &format!("{} s", digits(cpu)),
            );
        }
        if let Some(resident) = broker.resident_max {
            let mib = digits(resident as f64 / 1048576.0);
            html += &tile("broker memory, most", &format!("{mib} MiB"));
        }
    }
    html += "</div>";
    html
}

fn check_tile(check: Option<Findings>) -> String {
    match check {
        None => tile("loss and order", "not checked"),
        Some(found) if found.clean() => tile(
            "records lost, repeated or out of order",
            &format!("0 of {}", count(found.seen)),
        ),
        Some(found) => tile(
            "lost / repeated / out of order",
            &format!(
                "{} / {} / {}",
                found.lost, found.duplicates, found.disordered
            ),
        ),
    }
}

/// What the broker adds to what the host needs anyway, at the median.
fn added(log: &Log) -> Option<String> {
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
