//! Pure: a comparison as one HTML page.

use std::fmt::Write;

use super::Side;
use super::rows::{Row, rows, tags};
use super::text::rule;
use super::warnings::warnings;
use crate::report::html::chart::{Axis, Chart, Line, Look, escape};
use crate::report::html::{count, curves, duration, page as frame, tag_name, tick};
use crate::report::quantile::Quantile;
use crate::report::tags::FLOOR;

/// Ratios beyond these are drawn at the edge.
const RATIO_MAX: f64 = 4.0;

fn colour(number: usize) -> String {
    format!("var(--c{})", number % 6 + 1)
}

/// The page.
pub fn page(sides: &[Side], seed: u64) -> String {
    let Some((first, others)) = sides.split_first() else {
        return String::new();
    };
    let names: Vec<&str> = others.iter().map(|side| side.name.as_str()).collect();
    let title = format!("{} beside {}", names.join(", "), first.name);
    let mut body = format!(
        "<header><h1>{}</h1><p class=dim>{}</p></header>",
        escape(&title),
        escape(&rule())
    );
    for other in others {
        body += &table(first, other, seed);
    }
    let mut all: Vec<String> = Vec::new();
    for other in others {
        for tag in tags(first, other) {
            if !all.contains(&tag) && !tag.starts_with(FLOOR) {
                all.push(tag);
            }
        }
    }
    for tag in &all {
        body += &overlay(sides, tag);
    }
    frame(&title, &body)
}

/// The steps of a scenario side by side, each with a link to its own report.
pub fn overview(title: &str, about: &str, steps: &[Side]) -> String {
    let mut body = format!(
        "<header><h1>{}</h1><p>{}</p></header><section><h2>Steps</h2><div class=wrap>\
         <table class=cards>\
         <tr><th></th><th>offered</th><th>achieved</th><th>ack p50</th><th>p99</th><th>p99.9</th>\
         <th>max</th><th></th></tr>",
        escape(title),
        escape(about)
    );
    for step in steps {
        let told = step.told.as_ref();
        let rates = told.map(|told| told.rate).unwrap_or_default();
        let rate = |rate: Option<u64>| rate.map_or("–".to_owned(), count);
        let found = step.total("produce");
        let value = |quantile: Quantile| match quantile.is_sure(found.len()) {
            true => duration(found.value_at_quantile(quantile.part()) as f64),
            false => "–".to_owned(),
        };
        let (class, word) = match told.and_then(|told| told.fit) {
            Some(true) => ("good", "fit"),
            Some(false) => ("bad", "unfit"),
            None => ("part", "not judged"),
        };
        let name = escape(&step.name);
        let _ = write!(
            body,
            "<tr><td><a href=\"{name}/report.html\">{name}</a></td><td data-of=offered>{}</td>\
             <td data-of=achieved>{}</td><td data-of=\"ack p50\">{}</td><td data-of=p99>{}</td>\
             <td data-of=p99.9>{}</td><td data-of=max>{}</td>\
             <td><span class=\"badge {class}\">{word}</span></td></tr>",
            rate(rates.offered),
            rate(rates.achieved.map(|rate| rate.round() as u64)),
            value(Quantile::P50),
            value(Quantile::P99),
            value(Quantile::P999),
            duration(found.max() as f64)
        );
    }
    body += "</table></div></section>";
    for tag in ["produce", "e2e"] {
        if steps.iter().any(|step| !step.total(tag).is_empty()) {
            body += &overlay(steps, tag);
        }
    }
    frame(title, &body)
}

/// Where a ratio stands on a scale from a quarter to four times, in percent.
fn place(ratio: f64) -> f64 {
    let part = ratio.clamp(1.0 / RATIO_MAX, RATIO_MAX).ln() / RATIO_MAX.ln();
    (part + 1.0) * 50.0
}

/// A ratio's interval as a bar around no change.
fn bar(row: &Row) -> String {
    let colour = match row.word() {
        "slower" | "less" => "var(--bad)",
        "faster" | "more" => "var(--good)",
        _ => "var(--c6)",
    };
    let mut svg =
        String::from("<svg class=forest viewBox=\"0 0 100 14\" preserveAspectRatio=none>");
    let (from, to) = (place(0.98), place(1.02));
    let _ = write!(
        svg,
        "<rect x={from:.2} width={:.2} y=0 height=14 fill=\"var(--grid)\" />\
         <line x1=50 x2=50 y1=0 y2=14 stroke=\"var(--dim)\" stroke-width=.4 />",
        to - from
    );
    if let Some((low, high)) = row.ratio.interval {
        let (low, high) = (place(low), place(high).max(place(low) + 0.4));
        let _ = write!(
            svg,
            "<rect x={low:.2} width={:.2} y=5 height=4 fill=\"{colour}\" fill-opacity=.45 />",
            high - low
        );
    }
    let at = place(row.ratio.ratio);
    let _ = write!(
        svg,
        "<rect x={:.2} width=1 y=1.5 height=11 fill=\"{colour}\" /></svg>",
        at - 0.5
    );
    svg
}

fn table(first: &Side, other: &Side, seed: u64) -> String {
    let mut html = format!(
        "<section><h2>{} beside {}</h2><p class=note>{} and {} blocks. Bars: the ratio and its \
         interval, from a quarter at the left to four times at the right; the band in the middle \
         is 2 % about no change.</p>",
        escape(&other.name),
        escape(&first.name),
        other.blocks.len(),
        first.blocks.len()
    );
    let warnings = warnings(first, other);
    if !warnings.is_empty() {
        html += "<div class=reasons><b>Before you believe it</b><ul>";
        for warning in warnings {
            let _ = write!(html, "<li>{}</li>", escape(&warning));
        }
        html += "</ul></div>";
    }
    html += "<div class=wrap><table class=cards>";
    let mut last = String::new();
    for row in rows(first, other, seed) {
        if row.tag != last {
            let (name, _) = tag_name(&row.tag);
            let _ = write!(
                html,
                "<tr><th>{}</th><th>{}</th><th>{}</th><th>ratio</th><th>95 % interval</th>\
                 <th class=forest></th><th>verdict</th></tr>",
                escape(&name),
                escape(&first.name),
                escape(&other.name)
            );
            last.clone_from(&row.tag);
        }
        let interval = row.ratio.interval.map_or("–".to_owned(), |(low, high)| {
            format!("{low:.3} – {high:.3}")
        });
        let class = match row.word() {
            "faster" | "more" => "better",
            "slower" | "less" => "worse",
            _ => "dim",
        };
        let _ = write!(
            html,
            "<tr><td>{}</td><td data-of=\"{}\">{}</td><td data-of=\"{}\">{}</td>\
             <td data-of=ratio>{:.3}</td><td data-of=\"95 % interval\">{interval}</td>\
             <td class=forest>{}</td><td class={class}>{}</td></tr>",
            row.name,
            escape(&first.name),
            row.show(row.values.0),
            escape(&other.name),
            row.show(row.values.1),
            row.ratio.ratio,
            bar(&row),
            row.word()
        );
    }
    html += "</table></div></section>";
    html
}

/// The curves of all sides, and a quantile of each block.
fn overlay(sides: &[Side], tag: &str) -> String {
    let (name, _) = tag_name(tag);
    let totals: Vec<_> = sides.iter().map(|side| side.total(tag)).collect();
    let drawn: Vec<_> = sides
        .iter()
        .zip(&totals)
        .enumerate()
        .rev()
        .filter(|(_, (_, found))| !found.is_empty())
        .map(|(number, (side, found))| (side.name.clone(), colour(number), Look::Strong, found))
        .collect();
    let mut html = format!(
        "<section><h2>{}</h2><p class=note>All blocks of a side merged. Dotted: fewer than ten \
         samples beyond, up to the maximum.</p>{}",
        escape(&name),
        curves(&format!("{name} by percentile"), &drawn)
    );
    if sides.iter().all(|side| side.blocks.len() < 2) {
        return html + "</section>";
    }
    let lines: Vec<Line> = sides
        .iter()
        .enumerate()
        .rev()
        .map(|(number, side)| Line {
            name: format!("{}, p99", side.name),
            colour: colour(number),
            look: Look::Plain,
            points: side
                .blocks
                .iter()
                .enumerate()
                .filter_map(|(number, block)| {
                    let found = block.found.get(tag)?;
                    Some((number as f64 + 1.0, found.value_at_quantile(0.99) as f64))
                })
                .collect(),
        })
        .collect();
    let values = || lines.iter().flat_map(|line| &line.points);
    let most = values().map(|point| point.0).fold(2.0, f64::max);
    let (low, high) = (
        values().map(|point| point.1).fold(f64::INFINITY, f64::min),
        values().map(|point| point.1).fold(0.0, f64::max),
    );
    html += "<p class=note>p99 of each block: how much they differ among themselves is what the \
             intervals are made of.</p>";
    html += &Chart {
        about: format!("p99 of each block: {name}"),
        x: (
            Axis::linear(1.0, most, 8, |n| match n.fract() == 0.0 {
                true => format!("{n}"),
                false => String::new(),
            }),
            "block".to_owned(),
        ),
        y: (Axis::logarithmic(low, high, tick), "p99".to_owned()),
        lines,
        marks: Vec::new(),
    }
    .html();
    html += "</section>";
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;
    use crate::report::compare::Run;
    use crate::report::hlog::{Interval, Log};

    #[test]
    fn the_page_shows_all_sides_and_no_name_breaks_out() {
        let side = |name: &str, ns: u64| {
            let runs = (0..6).map(|n| {
                let mut found = histogram();
                (0..1_000).for_each(|k| found.record(ns + n * 10 + k).unwrap());
                let intervals = vec![Interval {
                    at_s: 0.0,
                    length_s: 1.0,
                    tag: "produce".to_owned(),
                    found,
                }];
                let log = Log {
                    started_s: None,
                    intervals,
                };
                Run { log, told: None }
            });
            Side::new(name.to_owned(), runs.collect(), None)
        };
        let sides = [
            side("one", 100_000),
            side("<two>", 200_000),
            side("three", 100_000),
        ];
        let html = page(&sides, 1);
        assert!(html.contains("class=worse>slower"));
        assert!(html.contains("&lt;two&gt;") && !html.contains("<two>"));
        assert_eq!(html.matches("<h2>produce ack</h2>").count(), 1);
        assert!((place(1.0) - 50.0).abs() < 1e-9 && place(100.0) == 100.0);
    }
}
