//! Pure: a run's page over time: latencies and rates of each second, and what happened.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::chart::{Axis, Chart, Line, Look, escape};
use super::tag_name;
use super::units::{count, digits, tick};
use crate::report::hlog::Log;
use crate::report::run_report::RunReport;

/// More steps than these in time cannot be told apart on a screen.
const STEPS_MAX: f64 = 300.0;

/// Fewer answers than these in a second after a block are stragglers, and no point of the line.
const LEFTOVER: u64 = 10;

/// The width of a step in time, in seconds.
fn step_s(log: &Log) -> f64 {
    (log.end_s() / STEPS_MAX).ceil().max(1.0)
}

/// What happened, with its place on the axis of seconds.
pub fn marks(report: &RunReport, log: &Log) -> Vec<(f64, String)> {
    let mut marks = Vec::new();
    let blocks = report.spans();
    if blocks.len() > 1 {
        for (number, (from, to)) in blocks.into_iter().enumerate() {
            marks.push((from, format!("block {}", number + 1)));
            marks.push((to, "end".to_owned()));
        }
    }
    let events = report.seen.events.iter();
    marks.extend(events.map(|event| (event.at_s, without_folder(&event.what))));
    marks.retain(|(at, _)| (-1.0..=log.end_s() + 1.0).contains(at));
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    marks
}

/// `begin: /a/b/loadgen read` as `begin: loadgen read`: there is little space beside a mark.
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

/// The axis of seconds, or minutes, of the measured part.
pub fn seconds_axis(log: &Log) -> (Axis, String) {
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

fn is_after_a_block(blocks: &[(f64, f64)], at_s: f64) -> bool {
    let inside = |(from, to): &(f64, f64)| *from - 0.01 <= at_s && at_s < *to - 0.01;
    !blocks.is_empty() && !blocks.iter().any(inside)
}

/// p50, p99 and the maximum of each second.
pub fn over_time(report: &RunReport, log: &Log) -> String {
    let blocks = report.spans();
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
            marks: marks(report, log),
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
pub fn rates(report: &RunReport, log: &Log) -> String {
    let step = step_s(log);
    // Of the last step only a part may have been measured, and nothing between blocks. Of a lone
    // block the backlog that is answered after the last send belongs to the picture.
    let offered_in = report.spans();
    let mut spans = offered_in.clone();
    if let ([(_, to)], Some(measured)) = (&mut spans[..], report.measured_s) {
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
    if let Some(offered) = report.rate.offered.map(|rate| rate as f64) {
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
        marks: marks(report, log),
    };
    format!(
        "<section><h2>Rate</h2><p class=note>A stall shows as a dip, and as a peak when its \
         backlog is answered.</p>{}</section>",
        chart.html()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
