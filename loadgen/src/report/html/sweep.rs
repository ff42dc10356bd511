//! Pure: a sweep as one HTML page: latency against rate, up to the knee.

use std::fmt::Write;

use super::chart::{Axis, Chart, Line, Look, escape};
use super::facts::of_sweep;
use super::head::{place, tile};
use super::{count, curves, duration, page as frame, tag_name, tick};
use crate::report::hlog::Log;
use crate::report::quantile::{Quantile, Quantiles};
use crate::report::sweep::{StepReport, SweepReport};
use crate::report::tags::FLOOR;

/// More curves than these cannot be told apart.
const CURVES_MAX: usize = 6;
/// The quantiles that are drawn, with their colours.
const DRAWN: [(Quantile, &str); 3] = [
    (Quantile::P50, "--q1"),
    (Quantile::P99, "--q2"),
    (Quantile::P999, "--q3"),
];

/// The page: `report` is what the sweep wrote of itself, `log` its interval log.
pub fn page(report: &SweepReport, log: &Log) -> String {
    let size = report.context.setting("size").unwrap_or_default();
    let acks = report.context.setting("acks").unwrap_or_default();
    let usual = format!("Latency against rate: {size} bytes, acks={acks}");
    let title = report.context.name.clone().unwrap_or(usual);
    let tag = report.latency.as_deref().unwrap_or("produce");
    let mut body = head(report, &title);
    body += &by_rate(report, log, tag, |step| step.latency_us);
    body += &by_rate(report, log, "e2e", |step| step.e2e_us);
    body += &percentiles(report, log);
    body += &achieved(report);
    body += &table(report);
    body += &of_sweep(report);
    frame(&title, &body)
}

fn rate(value: Option<u64>) -> String {
    value.map_or("none".to_owned(), count)
}

fn head(report: &SweepReport, title: &str) -> String {
    let context = &report.context;
    let place = place(report.started.as_ref(), context, report.host.as_ref());
    let mut html = format!(
        "<header><h1>{}</h1><div class=dim>{}</div><p>{}.</p>",
        escape(title),
        escape(&place),
        escape(&sentence(report.rule.as_deref().unwrap_or_default()))
    );
    for note in &context.notes {
        let _ = write!(html, "<div class=dim>Note: {}</div>", escape(note));
    }
    if !report.unfit.is_empty() {
        html += "<div class=reasons><b>Unfit: the knee must not be quoted</b><ul>";
        for why in &report.unfit {
            let _ = write!(html, "<li>{}</li>", escape(&sentence(why)));
        }
        html += "</ul></div>";
    }
    if report.interrupted {
        html += "<div class=reasons>Interrupted: the last rate was not measured for its whole \
                 duration, and the knee may not have been reached.</div>";
    }
    html += "</header><div class=tiles>";
    let name = match report.knee {
        None => "highest rate tried, no knee yet, records/s",
        Some(_) => "highest rate before the knee, records/s",
    };
    html += &tile(name, &rate(report.below));
    html += &tile("first rate past the knee, records/s", &rate(report.knee));
    if report.good.is_some() {
        let name = "70 % of the highest, good to compare at, records/s";
        html += &tile(name, &rate(report.good));
    }
    html + "</div>"
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// An axis of rates.
fn rates(report: &SweepReport) -> Axis {
    let offered = || report.steps.iter().map(|step| step.offered as f64);
    let low = offered().fold(f64::INFINITY, f64::min).min(1e9);
    let high = offered().fold(0.0, f64::max);
    let short = |rate: f64| match rate {
        rate if rate >= 1e6 => format!("{} M", rate / 1e6),
        rate if rate >= 1e4 => format!("{} k", rate / 1e3),
        rate => count(rate as u64),
    };
    Axis::logarithmic(low, high, short)
}

fn marks(report: &SweepReport) -> Vec<(f64, String)> {
    let mark = |at: Option<u64>, name: &str| {
        let at = at?;
        Some((at as f64, format!("{name} {}", count(at))))
    };
    let knee = [
        mark(report.below, "good up to"),
        mark(report.knee, "knee at"),
    ];
    match report.knee.is_none() || report.fit == Some(false) {
        true => Vec::new(),
        false => knee.into_iter().flatten().collect(),
    }
}

/// A quantile in nanoseconds, if enough samples stand for it.
fn quantile(found: Option<Quantiles>, quantile: Quantile) -> Option<f64> {
    Some(found?.sure(quantile)? * 1e3)
}

/// Quantiles over the rates, of what `of` takes from a step; `tag` is what that is called.
fn by_rate(
    report: &SweepReport,
    log: &Log,
    tag: &str,
    of: fn(&StepReport) -> Option<Quantiles>,
) -> String {
    let line = |shown: Quantile, colour: &str| {
        let point = |step: &StepReport| Some((step.offered as f64, quantile(of(step), shown)?));
        Line {
            name: shown.name().to_owned(),
            colour: format!("var({colour})"),
            look: Look::Dots,
            points: report.steps.iter().filter_map(point).collect(),
        }
    };
    let mut lines = floors(report, log);
    let own = lines.len();
    lines.extend(DRAWN.map(|(shown, colour)| line(shown, colour)));
    let values = || lines.iter().flat_map(|line| &line.points);
    if lines[own..].iter().all(|line| line.points.is_empty()) {
        return String::new();
    }
    let low = values().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = values().map(|point| point.1).fold(0.0, f64::max);
    let (name, _) = tag_name(tag);
    let mut html = format!(
        "<section><h2>Latency against rate: {}</h2><p class=note>Both axes in equal ratios. From \
         the knee on a queue grows for as long as the load lasts: latencies there say how long \
         that was, and nothing of the broker.",
        escape(&name)
    );
    html += match own {
        0 => " The floors of this host were not measured: --floors does that.</p>",
        _ => " Dashed: medians of what this host does at best without a broker.</p>",
    };
    html += &Chart {
        about: format!("Latency against rate: {name}"),
        x: (rates(report), "records/s offered".to_owned()),
        y: (Axis::logarithmic(low, high, tick), "latency".to_owned()),
        lines,
        marks: marks(report),
    }
    .html();
    html + "</section>"
}

/// The medians of the floors, from the lowest rate to the highest.
fn floors(report: &SweepReport, log: &Log) -> Vec<Line> {
    let ends = rates(report);
    let median = |word: &str| {
        let found = |tag: &&str| tag.starts_with(FLOOR) && tag.contains(word);
        let tag = log.tags().into_iter().find(found)?;
        Some(log.total(tag).value_at_quantile(0.5) as f64)
    };
    let line = |name: &str, colour: &str, ns: f64| Line {
        name: name.to_owned(),
        colour: format!("var({colour})"),
        look: Look::Dashed,
        points: vec![(ends.low, ns), (ends.high, ns)],
    };
    let trip = median("loopback");
    let both = trip.zip(median("flush")).map(|(trip, flush)| trip + flush);
    [
        trip.map(|ns| line("loopback round trip", "--f1", ns)),
        both.map(|ns| line("round trip + write + flush", "--f5", ns)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Percentile curves of some rates.
fn percentiles(report: &SweepReport, log: &Log) -> String {
    let good = report.steps.iter().filter(|step| step.past_knee.is_none());
    let all: Vec<(u64, &str)> = good.map(|step| (step.offered, step.tag.as_str())).collect();
    // The lowest, the highest, and what is between them at even distances.
    let shown = all.len().min(CURVES_MAX);
    let pick = |n: usize| all[n * (all.len() - 1) / (shown - 1).max(1)];
    let found: Vec<_> = (0..shown)
        .map(|n| (n, pick(n)))
        .map(|(n, (rate, tag))| (n, rate, log.total(tag)))
        .collect();
    let drawn: Vec<_> = found
        .iter()
        .map(|(n, rate, found)| {
            let colour = format!("var(--c{})", n + 1);
            (format!("{}/s", count(*rate)), colour, Look::Plain, found)
        })
        .collect();
    let curves = curves("Latency by percentile, of rates before the knee", &drawn);
    if curves.is_empty() {
        return String::new();
    }
    format!(
        "<section><h2>Latency by percentile, before the knee</h2><p class=note>Further right is \
         rarer. Dotted: fewer than ten samples beyond, up to the maximum.</p>{curves}</section>"
    )
}

fn achieved(report: &SweepReport) -> String {
    let line = |name: &str, colour: &str, look, of: fn(&StepReport) -> f64| Line {
        name: name.to_owned(),
        colour: format!("var({colour})"),
        look,
        points: report
            .steps
            .iter()
            .map(|step| (step.offered as f64, of(step)))
            .collect(),
    };
    let lines = vec![
        line("offered", "--c6", Look::Dashed, |step| step.offered as f64),
        line("achieved", "--c1", Look::Dots, |step| step.achieved),
    ];
    let values = || lines.iter().flat_map(|line| &line.points);
    let low = values().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = values().map(|point| point.1).fold(0.0, f64::max);
    let name = |rate: f64| count(rate as u64);
    let chart = Chart {
        about: "Offered and achieved rate".to_owned(),
        x: (rates(report), "records/s offered".to_owned()),
        y: (
            Axis::logarithmic(low.max(1.0), high, name),
            "records/s".to_owned(),
        ),
        lines,
        marks: marks(report),
    };
    format!(
        "<section><h2>Rate</h2><p class=note>Achieved: acked in the measured part and until the \
         last answer came.</p>{}</section>",
        chart.html()
    )
}

fn table(report: &SweepReport) -> String {
    let mut html =
        "<section><h2>Every rate</h2><div class=wrap><table class=cards><tr><th>offered</th>\
                    <th>achieved</th><th>p50</th><th>p99</th><th>p99.9</th><th>max</th>\
                    <th>samples</th><th></th></tr>"
            .to_owned();
    for step in &report.steps {
        let time = |shown| quantile(step.latency_us, shown).map_or("–".to_owned(), duration);
        let (class, word) = match (step.past_knee.is_none(), step.fit) {
            (false, _) => ("part", "past the knee"),
            (true, true) => ("good", "fit"),
            (true, false) => ("bad", "unfit"),
        };
        let why = step.past_knee.iter().chain(&step.unfit);
        let why: Vec<&str> = why.map(String::as_str).collect();
        let _ = write!(
            html,
            "<tr><td>{}<span class=phone> /s offered</span></td><td data-of=achieved>{}</td>\
             <td data-of=p50>{}</td><td data-of=p99>{}</td><td data-of=p99.9>{}</td>\
             <td data-of=max>{}</td><td data-of=samples>{}</td><td><span class=\"badge {class}\" title=\"{}\">{word}</span></td></tr>",
            count(step.offered),
            count(step.achieved.round() as u64),
            time(Quantile::P50),
            time(Quantile::P99),
            time(Quantile::P999),
            time(Quantile::Max),
            count(step.count),
            escape(&why.join("; ")),
        );
    }
    html + "</table></div></section>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;
    use crate::report::hlog::Interval;
    use serde_json::json;

    #[test]
    fn the_page_has_curves_and_marks_the_knee() {
        let rates = [1_000u64, 2_000, 4_000];
        let step = |rate: &u64| {
            let us = json!({ "p50": 100.0, "p90": 200.0, "p99": 300.0, "p99.9": 700.0,
                "p99.99": 800.0, "max": 900.0, "count": 2_000 });
            let past = (*rate == 4_000).then_some("p99 is <6> x that of the first rate");
            json!({ "tag": format!("produce@{rate}"), "offered": rate, "achieved": rate, "count": 9, "latency_us": us,
                    "e2e_us": null, "past_knee": past, "fit": true, "unfit": [] })
        };
        let told = json!({ "steps": rates.iter().map(step).collect::<Vec<_>>(), "below": 2_000,
            "knee": 4_000, "good": 1_400, "rule": "the rule", "latency": "produce",
            "settings": { "size": 100, "acks": -1 }, "name": "<b>" });
        let report: SweepReport = serde_json::from_value(told).unwrap();
        let interval = |tag: &str, ns: u64| {
            let mut found = histogram();
            found.record_n(ns, 100).unwrap();
            Interval {
                at_s: 0.0,
                length_s: 1.0,
                tag: tag.to_owned(),
                found,
            }
        };
        let mut intervals: Vec<_> = rates
            .iter()
            .map(|rate| interval(&format!("produce@{rate}"), rate * 100))
            .collect();
        intervals.push(interval("floor_loopback_round_trip", 20_000));
        intervals.push(interval("floor_direct_overwrite_flush", 60_000));
        let log = Log {
            started_s: None,
            intervals,
        };
        let html = page(&report, &log);
        for wanted in [
            "knee at 4,000",
            "good up to 2,000",
            ">1,400<",
            "round trip + write + flush",
            "2,000/s",
            "The rule.",
            "past the knee",
            "&lt;6&gt;",
            "<td data-of=p99>300 µs</td><td data-of=p99.9>–</td><td data-of=max>900 µs</td>",
        ] {
            assert!(html.contains(wanted), "{wanted}");
        }
        assert!(!html.contains("<b></h1>") && !html.contains("NaN") && !html.contains("inf"));
        assert!(!html.contains("4,000/s"), "no percentiles of a queue");
        assert_eq!(html.matches("<h2>Latency against rate").count(), 1);
        assert!(!html.contains("Unfit"));
        let mut unfit = report.clone();
        unfit.fit = Some(false);
        unfit.unfit = vec!["the first rate 1000/s is unfit: <why>".to_owned()];
        let html = page(&unfit, &log);
        assert!(html.contains("Unfit: the knee must not be quoted"));
        assert!(html.contains("The first rate 1000/s is unfit: &lt;why&gt;"));
        assert!(!html.contains("knee at") && !html.contains("good up to"));
    }
}
