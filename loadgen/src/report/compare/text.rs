//! Pure: a comparison as a table for people, and as JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Side;
use super::bootstrap::CHANGE_MIN;
use super::rows::{Row, rows};
use super::warnings::warnings;
use crate::report::html::tag_name;

/// What the rules are.
pub fn rule() -> String {
    format!(
        "Values are medians over blocks; the interval is a 95 % bootstrap over blocks. A verdict \
         needs an interval without 1 and a change of more than {:.0} %. Of rows that do not \
         differ, up to 1 in 20 will still show a verdict.",
        CHANGE_MIN * 100.0
    )
}

/// The comparison for people.
pub fn text(sides: &[Side], seed: u64) -> String {
    let Some((first, others)) = sides.split_first() else {
        return String::new();
    };
    let mut text = String::new();
    for other in others {
        let _ = writeln!(
            text,
            "A = {} ({} blocks)\nB = {} ({} blocks)\n",
            first.name,
            first.blocks.len(),
            other.name,
            other.blocks.len()
        );
        let mut last = String::new();
        for row in rows(first, other, seed) {
            if row.tag != last {
                let (name, _) = tag_name(&row.tag);
                let _ = writeln!(
                    text,
                    "{name:<34}{:>11}{:>11}{:>8}   {:<16}",
                    "A", "B", "B/A", "95 % interval"
                );
                last.clone_from(&row.tag);
            }
            let interval = row.ratio.interval.map_or("–".to_owned(), |(low, high)| {
                format!("{low:.3} – {high:.3}")
            });
            let _ = writeln!(
                text,
                "  {:<32}{:>11}{:>11}{:>8.3}   {interval:<16}  {}",
                row.name,
                row.show(row.values.0),
                row.show(row.values.1),
                row.ratio.ratio,
                row.word()
            );
        }
        for warning in warnings(first, other) {
            let _ = writeln!(text, "! {warning}");
        }
        text += "\n";
    }
    text += &rule();
    text += "\n";
    text
}

/// The comparison for programs; durations in nanoseconds.
pub fn to_json(sides: &[Side], seed: u64) -> Value {
    let Some((first, others)) = sides.split_first() else {
        return Value::Null;
    };
    let about = |side: &Side| {
        json!({
            "name": side.name, "blocks": side.blocks.len(), "cut_from_one_run": side.cut,
            "unfit": side.unfit,
        })
    };
    json!({
        "loadgen": corelane_wire::version::version(),
        "first": about(first),
        "rule": rule(),
        "seed": seed,
        "others": others.iter().map(|other| json!({
            "side": about(other),
            "rows": rows(first, other, seed).iter().map(row).collect::<Vec<_>>(),
            "warnings": warnings(first, other),
        })).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    json!({
        "tag": row.tag, "figure": row.name,
        "first": row.values.0, "other": row.values.1,
        "ratio": row.ratio.ratio,
        "interval_95": row.ratio.interval.map(|(low, high)| [low, high]),
        "verdict": row.word(),
    })
}
