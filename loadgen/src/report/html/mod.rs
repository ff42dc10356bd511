//! Pure: a run as one HTML page: no script, nothing loaded from elsewhere, light and dark, and
//! as readable on a phone.
//!
//! The page is drawn from what a run leaves behind, its interval log and its JSON, so that it
//! can be drawn again later. What is not in there is left out and, in the list of what a fair
//! statement holds, named as missing.

pub mod chart;
mod fair;
mod sections;
pub mod sweep;

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::report::hlog::Log;
use chart::{Axis, Chart, Line, Look, escape};

const STYLE: &str = include_str!("style.css");

/// Tags of floors begin so.
pub const FLOOR: &str = "floor_";

/// Whether a tag's values are durations; sizes of batches are in the log, too.
pub fn is_time(tag: &str) -> bool {
    !tag.starts_with("batch_")
}

/// The quantiles in tables, by name.
pub const QUANTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("max", 1.0),
];

/// A quantile is shown as reliable with so many samples beyond it.
const BEYOND: f64 = 10.0;

/// Whether enough of so many samples lie beyond a quantile; the maximum is always known.
pub fn is_sure(samples: u64, quantile: f64) -> bool {
    quantile == 1.0 || samples as f64 * (1.0 - quantile) >= BEYOND * 0.999
}

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

/// A duration with a unit, three digits.
pub fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => return format!("{ns:.0} ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", three(value))
}

/// A duration on an axis: 5 ms, not 5.00 ms.
pub fn tick(ns: f64) -> String {
    let text = duration(ns);
    match text.split_once(' ') {
        Some((value, unit)) => format!("{} {unit}", without_zeros(value)),
        None => text,
    }
}

/// Three digits, or all those before the point.
fn three(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 || value == 0.0 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn without_zeros(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, part)) if part.bytes().all(|digit| digit == b'0') => whole,
        _ => text,
    }
}

/// A number with three digits, without zeros behind the point.
pub fn digits(value: f64) -> String {
    without_zeros(&three(value)).to_owned()
}

/// A date and time of day in UTC; `unix_s` are seconds since 1970 (days to dates by the method
/// of Hinnant, "chrono-compatible low-level date algorithms").
pub fn date(unix_s: f64) -> String {
    let seconds = unix_s.max(0.0) as i64;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// A count with its thousands apart.
pub fn count(value: u64) -> String {
    let text = value.to_string();
    let mut apart = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
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
        corelane::base::version::version(),
    )
}

/// The whole report of a run: `told` is its JSON, `log` its interval log.
pub fn report(told: &Value, log: &Log) -> String {
    let title = sections::title(told);
    let mut body = sections::head(told, &title);
    body += &sections::tiles(told, log);
    body += &sections::quantiles(told, log);
    body += &sections::over_time(told, log);
    body += &sections::rates(told, log);
    body += &sections::batches(log);
    body += &sections::brokers(told, log);
    body += &fair::section(told, log);
    body += &sections::facts(told);
    page(&title, &body)
}

/// Names a place on the axis of nines.
pub fn nines(place: f64) -> String {
    match place.round() as u32 {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more as usize - 2)),
    }
}

/// The points of a percentile curve on the axis of nines (0.9 is at 1, 0.99 at 2, …): those that
/// enough samples stand for, and the rest up to the maximum.
pub fn curve(found: &Histogram<u64>) -> [Vec<(f64, f64)>; 2] {
    let total = found.len() as f64;
    let (mut sure, mut faint) = (Vec::new(), Vec::new());
    if found.is_empty() {
        return [sure, faint];
    }
    let last = total.log10().max(0.3);
    let steps = (last / 0.025).ceil() as usize;
    for step in 0..=steps {
        let place = (step as f64 * 0.025).min(last);
        let value = found.value_at_quantile(1.0 - 10f64.powf(-place));
        let point = (place, value.max(1) as f64);
        let beyond = total * 10f64.powf(-place);
        if beyond >= BEYOND * 0.999 || step == 0 {
            sure.push(point);
            faint = vec![point];
        } else {
            faint.push(point);
        }
    }
    faint.push((last, found.max() as f64));
    [sure, faint]
}

/// Percentile curves over the nines; the values are in nanoseconds.
pub fn curves(about: &str, all: &[(String, String, Look, &Histogram<u64>)]) -> String {
    let mut lines = Vec::new();
    for (name, colour, look, found) in all {
        let [sure, faint] = curve(found);
        let line = |name: &str, look, points| Line {
            name: name.to_owned(),
            colour: colour.clone(),
            look,
            points,
        };
        lines.push(line(name, *look, sure));
        lines.push(line("", Look::Faint, faint));
    }
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().next().is_none() {
        return String::new();
    }
    // What goes with the curves, such as a lateness of nanoseconds, may leave at the bottom.
    let is_main = |look: Look| matches!(look, Look::Strong | Look::Dashed);
    let main = |line: &&Line| is_main(line.look) || !all.iter().any(|one| is_main(one.2));
    let low = lines.iter().filter(main).flat_map(|line| &line.points);
    let low = low.map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points().map(|point| point.1).fold(0.0, f64::max);
    let right = points().map(|point| point.0).fold(1.0, f64::max);
    let nines_axis = Axis {
        low: 0.0,
        high: right,
        log: false,
        ticks: [(0.0, "0 %".to_owned()), (2f64.log10(), "50 %".to_owned())]
            .into_iter()
            .chain((1..=right.floor() as u32).map(|n| (f64::from(n), nines(f64::from(n)))))
            .collect(),
    };
    Chart {
        about: about.to_owned(),
        x: (nines_axis, "share of samples at or below".to_owned()),
        y: (Axis::logarithmic(low, high, tick), "latency".to_owned()),
        lines,
        marks: Vec::new(),
    }
    .html()
}

/// A table of quantiles; rows are a name, a colour and durations in nanoseconds.
pub fn quantile_table(rows: &[(String, String, &Histogram<u64>)]) -> String {
    let mut html = String::from("<div class=wrap><table class=cards><tr><th></th>");
    for (name, _) in QUANTILES {
        let _ = write!(html, "<th>{name}</th>");
    }
    html += "<th>samples</th></tr>";
    for (name, colour, found) in rows {
        let _ = write!(
            html,
            "<tr><td><i class=dot style=\"--c:{colour}\"></i>{}</td>",
            escape(name)
        );
        for (label, quantile) in QUANTILES {
            let text = match is_sure(found.len(), quantile) {
                true => duration(found.value_at_quantile(quantile) as f64),
                false => "–".to_owned(),
            };
            let _ = write!(html, "<td data-of=\"{label}\">{text}</td>");
        }
        let samples = count(found.len());
        let _ = write!(html, "<td data-of=samples>{samples}</td></tr>");
    }
    html += "</table></div>";
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;

    #[test]
    fn numbers_are_short_and_have_units() {
        assert_eq!(duration(213_400.0), "213 µs");
        assert_eq!(duration(1_320_000.0), "1.32 ms");
        assert_eq!(duration(12.0), "12 ns");
        assert_eq!((duration(5e9), tick(5e9)), ("5.00 s".into(), "5 s".into()));
        assert_eq!(date(0.0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_827_696.5), "2000-02-29 12:34:56 UTC");
        assert_eq!(date(1_798_761_599.0), "2026-12-31 23:59:59 UTC");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(nines(4.0), "99.99 %");
    }

    #[test]
    fn a_curve_is_sure_up_to_ten_samples_beyond_and_ends_at_the_maximum() {
        let mut found = histogram();
        (1..=10_000u64).for_each(|n| found.record(n * 1_000).unwrap());
        let [sure, faint] = curve(&found);
        assert!((sure.last().unwrap().0 - 3.0).abs() < 0.03);
        assert!((faint.last().unwrap().0 - 4.0).abs() < 0.03);
        assert_eq!(faint.last().unwrap().1, found.max() as f64);
        let median = sure.iter().find(|point| point.0 >= 0.301).unwrap();
        assert!((median.1 / 5_000_000.0 - 1.0).abs() < 0.06, "{median:?}");
        assert!(sure.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        assert!(curve(&histogram())[0].is_empty());
    }

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

    #[test]
    fn on_a_phone_each_figure_says_what_it_is() {
        let mut found = histogram();
        found.record_n(1_000_000, 100_000).unwrap();
        let html = quantile_table(&[("produce".to_owned(), "red".to_owned(), &found)]);
        assert!(html.contains("<table class=cards>"));
        assert!(html.contains("<td data-of=\"p99\">1.00 ms</td>"));
        assert!(html.contains("<td data-of=samples>100,000</td>"));
    }
}
