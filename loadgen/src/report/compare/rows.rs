//! Pure: the figures of two sides beside each other, each with its ratio and a verdict.

use fastrand::Rng;
use hdrhistogram::Histogram;

use super::bootstrap::{self, Ratio, Verdict};
use super::{Block, Side};
use crate::report::html::duration;
use crate::report::quantile::Quantile;
use crate::report::tags::{FLOOR, is_time};

/// One figure of two sides.
pub struct Row {
    /// The tag.
    pub tag: String,
    /// The quantile's name, or `records/s`.
    pub name: String,
    /// The median over the first's blocks, and the other's.
    pub values: (f64, f64),
    /// The other's over the first's.
    pub ratio: Ratio,
    /// Whether more is worse.
    pub lower_is_better: bool,
}

impl Row {
    /// The verdict in a word.
    pub fn word(&self) -> &'static str {
        match (self.ratio.verdict(), self.lower_is_better) {
            (Verdict::Higher, true) => "slower",
            (Verdict::Lower, true) => "faster",
            (Verdict::Higher, false) => "more",
            (Verdict::Lower, false) => "less",
            (Verdict::Open, _) => "no verdict",
            (Verdict::TooFew, _) => "too few blocks",
        }
    }

    /// A value of it, for people.
    pub fn show(&self, value: f64) -> String {
        match self.lower_is_better {
            true => duration(value),
            false => format!("{value:.0}"),
        }
    }
}

/// The tags that both have: what was measured first, floors last.
pub fn tags(first: &Side, other: &Side) -> Vec<String> {
    let has = |side: &Side, tag: &str| {
        side.blocks
            .iter()
            .any(|block| block.found.contains_key(tag))
    };
    let order = ["produce", "e2e", "produce_service"];
    let mut tags: Vec<String> = order.iter().map(|tag| (*tag).to_owned()).collect();
    for block in &first.blocks {
        for tag in block.found.keys() {
            if !tags.contains(tag) && tag != "lateness" && is_time(tag) {
                tags.push(tag.clone());
            }
        }
    }
    tags.retain(|tag| has(first, tag) && has(other, tag));
    tags.sort_by_key(|tag| tag.starts_with(FLOOR));
    tags
}

/// All figures of `other` beside `first`.
pub fn rows(first: &Side, other: &Side, seed: u64) -> Vec<Row> {
    let mut random = Rng::with_seed(seed);
    let mut rows = Vec::new();
    for tag in tags(first, other) {
        let of = |side: &Side| -> Vec<Histogram<u64>> {
            let found = side.blocks.iter().map(|block| block.found.get(&tag));
            found.flatten().cloned().collect()
        };
        let (firsts, others) = (of(first), of(other));
        for quantile in Quantile::ALL {
            let sure = |found: &Histogram<u64>| quantile.is_sure(found.len());
            if !firsts.iter().chain(&others).all(sure) {
                continue;
            }
            let values = |found: &[Histogram<u64>]| -> Vec<f64> {
                let value = |one: &Histogram<u64>| one.value_at_quantile(quantile.part()) as f64;
                found.iter().map(value).collect()
            };
            let values = (values(&firsts), values(&others));
            rows.extend(row(&tag, quantile.name(), values, true, &mut random));
        }
        if ["produce", "e2e"].contains(&tag.as_str()) {
            let rate = |side: &Side| -> Vec<f64> {
                let blocks = side.blocks.iter().filter(|block| block.length_s > 0.0);
                let count = |block: &Block| block.found.get(&tag).map_or(0, Histogram::len) as f64;
                blocks.map(|block| count(block) / block.length_s).collect()
            };
            let values = (rate(first), rate(other));
            rows.extend(row(&tag, "records/s", values, false, &mut random));
        }
    }
    rows
}

fn row(
    tag: &str,
    name: &str,
    mut values: (Vec<f64>, Vec<f64>),
    lower_is_better: bool,
    random: &mut Rng,
) -> Option<Row> {
    let ratio = bootstrap::compare(&values.0, &values.1, random)?;
    Some(Row {
        tag: tag.to_owned(),
        name: name.to_owned(),
        values: (
            bootstrap::median(&mut values.0),
            bootstrap::median(&mut values.1),
        ),
        ratio,
        lower_is_better,
    })
}
