//! Pure: percentile curves over an axis of nines, and the table of their quantiles.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::chart::{Axis, Chart, Line, Look, escape};
use super::units::{count, duration, tick};
use crate::report::quantile::{Quantile, is_enough};

/// Names a place on the axis of nines.
fn nines(place: f64) -> String {
    match place.round() as u32 {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more as usize - 2)),
    }
}

/// The points of a percentile curve on the axis of nines (0.9 is at 1, 0.99 at 2, …): those that
/// enough samples stand for, and the rest up to the maximum.
fn curve(found: &Histogram<u64>) -> [Vec<(f64, f64)>; 2] {
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
        if is_enough(beyond) || step == 0 {
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
    // Curves that only go along, such as a lateness of nanoseconds, may leave the chart at the
    // bottom.
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
    for quantile in Quantile::ALL {
        let _ = write!(html, "<th>{}</th>", quantile.name());
    }
    html += "<th>samples</th></tr>";
    for (name, colour, found) in rows {
        let _ = write!(
            html,
            "<tr><td><i class=dot style=\"--c:{colour}\"></i>{}</td>",
            escape(name)
        );
        for quantile in Quantile::ALL {
            let label = quantile.name();
            let text = match quantile.is_sure(found.len()) {
                true => duration(found.value_at_quantile(quantile.part()) as f64),
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
        assert_eq!(nines(4.0), "99.99 %");
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
