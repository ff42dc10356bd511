//! Pure: the latencies of a run's page: curves with the floors, and the table.

use hdrhistogram::Histogram;

use super::chart::Look;
use super::curves::{curves, quantile_table};
use super::tag_name;
use crate::report::hlog::Log;
use crate::report::run_report::RunReport;
use crate::report::tags::{FLOOR, is_time};

/// The percentile curves with the floors, and the table.
pub fn quantiles(report: &RunReport, log: &Log) -> String {
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
    // Jitter and hops are of a different scale: they would only stretch the axis.
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
        html += match report.floors_us.is_some() {
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
