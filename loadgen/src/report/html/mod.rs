//! Pure: a run as one HTML page: no script, nothing loaded from elsewhere, light and dark, and
//! as readable on a phone.
//!
//! The page is drawn from what a run leaves behind, its interval log and its report, so that it
//! can be drawn again later. What is not in there is left out and, in the list of what a fair
//! statement holds, named as missing.

mod batches;
mod brokers;
pub mod chart;
mod curves;
mod facts;
mod fair;
mod head;
mod latency;
mod over_time;
pub mod sweep;
mod units;

use super::hlog::Log;
use super::run_report::RunReport;
use super::tags::FLOOR;
use chart::escape;

pub use curves::curves;
pub use units::{count, date, duration, tick};

const STYLE: &str = include_str!("style.css");

/// What people call a tag, and the colour of its line.
pub fn tag_name(tag: &str) -> (String, String) {
    // What a sweep logs has the rate behind it.
    if let Some((tag, rate)) = tag.split_once('@') {
        let (name, colour) = tag_name(tag);
        return (format!("{name} at {rate}/s"), colour);
    }
    let (name, colour) = match tag {
        "produce" => ("produce ack", "--c1"),
        "e2e" => ("end to end", "--c2"),
        "produce_service" => ("service time", "--c3"),
        "lateness" => ("loadgen's own lateness", "--c4"),
        "" => ("all", "--c1"),
        other => {
            let name = other.strip_prefix(FLOOR).unwrap_or(other);
            let colour = match name {
                name if name.contains("flush") => "--f2",
                name if name.contains("write") => "--f3",
                name if name.contains("jitter") => "--f4",
                name if name.contains("hop") => "--f5",
                _ => "--f1",
            };
            let floor = if other.starts_with(FLOOR) {
                "floor: "
            } else {
                ""
            };
            let name = name
                .replace('_', " ")
                .replace("overwrite flush", "overwrite + flush");
            return (format!("{floor}{name}"), format!("var({colour})"));
        }
    };
    (name.to_owned(), format!("var({colour})"))
}

/// A frame for `body`; `title` is plain text.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>{body}\
         <footer>Drawn by loadgen {}. Quantiles come from merged histograms and are never \
         averaged; latency counts from the time a record was to be sent.</footer>\
         </main></body></html>\n",
        escape(title),
        corelane_wire::version::version(),
    )
}

/// The whole page of a run: `report` is what it wrote of itself, `log` its interval log.
pub fn report(report: &RunReport, log: &Log) -> String {
    let title = head::title(report);
    let mut body = head::head(report, &title);
    body += &head::tiles(report, log);
    body += &latency::quantiles(report, log);
    body += &over_time::over_time(report, log);
    body += &over_time::rates(report, log);
    body += &batches::batches(log);
    body += &brokers::brokers(report, log);
    body += &fair::section(report, log);
    body += &facts::of_run(report);
    page(&title, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A colour as people see it: CIE L*a*b* of an sRGB `#rrggbb`, D65.
    fn lab(hex: &str) -> [f64; 3] {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            match value <= 0.040_45 {
                true => value / 12.92,
                false => ((value + 0.055) / 1.055).powf(2.4),
            }
        };
        let [r, g, b] = [channel(1), channel(3), channel(5)];
        let f = |t: f64| match t > 0.008_856 {
            true => t.cbrt(),
            false => 7.787 * t + 16.0 / 116.0,
        };
        let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.950_47);
        let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn colours_of_one_chart_can_be_told_apart_and_seen() {
        // The light theme, then the dark one.
        for theme in STYLE.split("@media(prefers-color-scheme:dark)") {
            let of = |name: &str| {
                let at = theme.find(&format!("{name}:#"));
                let at = at.unwrap_or_else(|| panic!("{name} has a colour")) + name.len() + 1;
                let end = theme[at..].find([';', '}']).unwrap();
                let hex = &theme[at..at + end];
                let long: String = hex[1..].chars().flat_map(|c| [c, c]).collect();
                lab(&if hex.len() == 4 {
                    format!("#{long}")
                } else {
                    hex.to_owned()
                })
            };
            let apart = |a: &str, b: &str| {
                let squares = of(a).into_iter().zip(of(b)).map(|(a, b)| (a - b).powi(2));
                squares.sum::<f64>().sqrt()
            };
            let curves = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];
            let floors = ["--f1", "--f2", "--f3", "--f4", "--f5"];
            for group in [&curves[..], &floors[..]] {
                for (at, one) in group.iter().enumerate() {
                    assert!(apart(one, "--card") > 40.0, "{one} on its ground");
                    for other in &group[..at] {
                        let far = apart(one, other);
                        assert!(far > 28.0, "{one} and {other}: {far:.0}");
                    }
                }
            }
        }
    }
}
