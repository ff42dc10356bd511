//! Pure: what runs differ by, with how sure that is.
//!
//! The first side is what the others are compared with. A side is one or more logs; its blocks
//! are what is independent of each other.

pub mod bootstrap;
mod page;

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::hlog::{Log, merged};
use super::html::{FLOOR, QUANTILES, duration, is_time, tag_name};
use bootstrap::{BLOCKS_MIN, CHANGE_MIN, Random, Ratio, Verdict};

pub use page::{overview, page};

/// A log without blocks of its own is cut into so many.
const BLOCKS: f64 = 8.0;

/// A quantile of a block needs so many samples beyond it.
const BEYOND: f64 = 10.0;

/// One log with what its run told of itself, if that is there.
pub struct Run {
    /// The interval log.
    pub log: Log,
    /// The run's JSON.
    pub told: Option<Value>,
}

/// A stretch of time.
#[derive(Clone)]
pub struct Block {
    /// When it began, in seconds since 1970, where known.
    pub began: Option<f64>,
    /// How long it was, in seconds.
    pub length_s: f64,
    /// What was recorded in it, by tag.
    pub found: BTreeMap<String, Histogram<u64>>,
}

/// One of those compared.
pub struct Side {
    /// What it is called.
    pub name: String,
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// Whether blocks were cut from a single run rather than run apart.
    pub cut: bool,
    /// What its first run told of itself.
    pub told: Option<Value>,
    /// How many runs it is of.
    pub runs: usize,
    /// Why runs of it should not be quoted, a reason for each that should not.
    pub unfit: Vec<String>,
}

impl Side {
    /// Blocks of `runs`: those a run names, or each run one, or a lone run cut into pieces of
    /// `block_s` seconds, at least 5 (an eighth of it by default).
    pub fn new(name: String, runs: Vec<Run>, block_s: Option<f64>) -> Side {
        let lone = runs.len() == 1;
        let mut side = Side {
            name,
            blocks: Vec::new(),
            cut: false,
            told: None,
            runs: runs.len(),
            unfit: Vec::new(),
        };
        for run in &runs {
            let end_s = run.log.end_s();
            let told = run.told.as_ref().unwrap_or(&Value::Null);
            let own = told["blocks"].as_array().into_iter().flatten();
            let own: Vec<(f64, f64)> = own
                .filter_map(|block| Some((block["from_s"].as_f64()?, block["to_s"].as_f64()?)))
                .collect();
            let spans = if own.len() > 1 {
                own
            } else if lone || block_s.is_some() {
                side.cut = true;
                let length = block_s.unwrap_or((end_s / BLOCKS).floor()).max(5.0);
                let whole = (end_s / length).floor().max(1.0) as usize;
                let span = |n: usize| (n as f64 * length, (n + 1) as f64 * length);
                (0..whole).map(span).collect()
            } else {
                vec![(0.0, end_s)]
            };
            let whole = spans.len() == 1;
            for (from, to) in spans {
                side.blocks.push(block(&run.log, from, to));
            }
            // The log's last second is only a part of one; the run knows better.
            let measured = told["measured_s"].as_f64().filter(|_| whole);
            if let (Some(block), Some(measured)) = (side.blocks.last_mut(), measured) {
                block.length_s = measured;
            }
            let reasons = told["unfit"].as_array().into_iter().flatten();
            let first = reasons.filter_map(Value::as_str).next();
            side.unfit.extend(first.map(str::to_owned));
        }
        side.told = runs.into_iter().next().and_then(|run| run.told);
        side
    }

    /// All of a tag's durations.
    pub fn total(&self, tag: &str) -> Histogram<u64> {
        merged(self.blocks.iter().filter_map(|block| block.found.get(tag)))
    }

    fn began(&self) -> Option<(f64, f64)> {
        let all: Option<Vec<f64>> = self.blocks.iter().map(|block| block.began).collect();
        let all = all.filter(|all| !all.is_empty())?;
        let first = all.iter().copied().fold(f64::INFINITY, f64::min);
        Some((first, all.into_iter().fold(0.0, f64::max)))
    }
}

fn block(log: &Log, from: f64, to: f64) -> Block {
    let tags = log.tags();
    let found = tags
        .into_iter()
        .map(|tag| (tag.to_owned(), log.between(tag, from, to)))
        .filter(|(_, found)| !found.is_empty());
    Block {
        began: log.started_s.map(|started| started + from),
        length_s: to.min(log.end_s()) - from,
        found: found.collect(),
    }
}

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

    fn json(&self) -> Value {
        json!({
            "tag": self.tag, "figure": self.name,
            "first": self.values.0, "other": self.values.1,
            "ratio": self.ratio.ratio,
            "interval_95": self.ratio.interval.map(|(low, high)| [low, high]),
            "verdict": self.word(),
        })
    }
}

/// The tags that both have: what was measured first, floors last.
fn tags(first: &Side, other: &Side) -> Vec<String> {
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
    let mut random = Random::new(seed);
    let mut rows = Vec::new();
    for tag in tags(first, other) {
        let of = |side: &Side| -> Vec<Histogram<u64>> {
            let found = side.blocks.iter().map(|block| block.found.get(&tag));
            found.flatten().cloned().collect()
        };
        let (firsts, others) = (of(first), of(other));
        for (name, quantile) in QUANTILES {
            let sure = |found: &Histogram<u64>| {
                quantile >= 1.0 || found.len() as f64 * (1.0 - quantile) >= BEYOND * 0.999
            };
            if !firsts.iter().chain(&others).all(sure) {
                continue;
            }
            let values = |found: &[Histogram<u64>]| -> Vec<f64> {
                let value = |one: &Histogram<u64>| one.value_at_quantile(quantile) as f64;
                found.iter().map(value).collect()
            };
            let values = (values(&firsts), values(&others));
            rows.extend(row(&tag, name, values, true, &mut random));
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
    random: &mut Random,
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

/// Options that say where figures go, and not what was measured.
const BESIDE: [&str; 14] = [
    "out",
    "hlog",
    "json",
    "html",
    "omb_json",
    "name",
    "note",
    "format",
    "bootstrap",
    "broker_pid",
    "data_dir",
    "topic",
    "floors",
    "quiet",
];

/// What makes two sides hard to compare.
pub fn warnings(first: &Side, other: &Side) -> Vec<String> {
    let mut all = Vec::new();
    for side in [first, other] {
        if let Some(reason) = side.unfit.first() {
            let (unfit, runs) = (side.unfit.len(), side.runs);
            all.push(format!(
                "{}: {unfit} of {runs} runs unfit; {reason}",
                side.name
            ));
        }
        if side.blocks.len() < BLOCKS_MIN {
            all.push(format!(
                "{} has {} blocks; a verdict needs {BLOCKS_MIN} (run --blocks N, or several logs)",
                side.name,
                side.blocks.len()
            ));
        } else if side.cut {
            all.push(format!(
                "the blocks of {} were cut from one run: what differs from run to run, such as \
                 where a process was put in memory, is not in the interval",
                side.name
            ));
        }
    }
    if let (Some(one), Some(two)) = (first.began(), other.began())
        && first.blocks.len() + other.blocks.len() > 2
        && (one.1 < two.0 || two.1 < one.0)
    {
        all.push(
            "one side ran wholly before the other: a drift of the host looks like a difference; \
             let blocks take turns (A B B A …)"
                .to_owned(),
        );
    }
    if let (Some(one), Some(two)) = (&first.told, &other.told) {
        for part in ["settings", "host"] {
            let keys = one[part].as_object().into_iter().flat_map(|map| map.keys());
            for key in keys.filter(|key| !BESIDE.contains(&key.as_str())) {
                let (a, b) = (&one[part][key], &two[part][key]);
                if a != b && key != "load_average_at_start" {
                    all.push(format!("{part} differ: {key} is {a} and {b}"));
                }
            }
        }
    }
    all
}

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
        "loadgen": corelane::base::version::version(),
        "first": about(first),
        "rule": rule(),
        "seed": seed,
        "others": others.iter().map(|other| json!({
            "side": about(other),
            "rows": rows(first, other, seed).iter().map(Row::json).collect::<Vec<_>>(),
            "warnings": warnings(first, other),
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::histogram;
    use crate::report::hlog::Interval;

    /// A run of `seconds`, in which each second has 1,000 durations from `base_ns` up.
    fn run(seconds: u64, base_ns: u64, seed: u64, told: Option<Value>) -> Run {
        let mut state = seed;
        let intervals = (0..seconds).map(|second| {
            let mut found = histogram();
            for n in 0..1_000 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                found
                    .record(base_ns + n * base_ns / 1_000 + (state >> 40) % 2_000)
                    .unwrap();
            }
            Interval {
                at_s: second as f64,
                length_s: 1.0,
                tag: "produce".to_owned(),
                found,
            }
        });
        let log = Log {
            started_s: Some(1.7e9 + seed as f64),
            intervals: intervals.collect(),
        };
        Run { log, told }
    }

    fn side(name: &str, base_ns: u64, blocks: u64) -> Side {
        let runs = (0..blocks).map(|n| run(10, base_ns, 2 * n + base_ns % 2, None));
        Side::new(name.to_owned(), runs.collect(), None)
    }

    #[test]
    fn a_third_more_is_found_at_every_quantile_and_the_rate_stays() {
        let (one, two) = (side("one", 300_000, 8), side("two", 400_001, 8));
        let rows = rows(&one, &two, 1);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["p50", "p90", "p99", "p99.9", "max", "records/s"]);
        for row in &rows[..5] {
            assert_eq!(row.word(), "slower");
            assert!((row.ratio.ratio / (4.0 / 3.0) - 1.0).abs() < 0.01);
        }
        assert_eq!(rows[5].word(), "no verdict");
        assert_eq!(rows[5].values, (1_000.0, 1_000.0));
        let text = text(&[one, two], 1);
        assert!(text.contains("slower") && text.contains("1.333"), "{text}");
        assert!(!text.contains('!'), "{text}");
    }

    #[test]
    fn a_lone_run_is_cut_and_a_run_with_blocks_is_not() {
        let lone = Side::new("lone".into(), vec![run(80, 1_000, 1, None)], None);
        assert_eq!((lone.blocks.len(), lone.cut), (8, true));
        assert!(lone.blocks.iter().all(|block| block.length_s == 10.0));
        let short = Side::new("short".into(), vec![run(12, 1_000, 1, None)], None);
        assert_eq!(short.blocks.len(), 2);
        let own = json!({ "blocks": [
            { "from_s": 0.0, "to_s": 20.0 }, { "from_s": 30.0, "to_s": 50.0 },
        ]});
        let own = Side::new("own".into(), vec![run(80, 1_000, 1, Some(own))], None);
        assert_eq!((own.blocks.len(), own.cut), (2, false));
        assert_eq!(own.blocks[1].found["produce"].len(), 20_000);
    }

    #[test]
    fn what_spoils_a_comparison_is_told() {
        let told = |rate: u64| {
            json!({
                "settings": { "rate": rate, "topic": rate.to_string() }, "host": {},
                "unfit": if rate == 5 { vec!["too late"] } else { vec![] },
            })
        };
        let one = Side::new("one".into(), vec![run(80, 1_000, 1, Some(told(4)))], None);
        let two = Side::new("two".into(), vec![run(20, 1_000, 500, Some(told(5)))], None);
        let all = warnings(&one, &two).join("\n");
        for wanted in [
            "1 of 1 runs unfit; too late",
            "rate is 4 and 5",
            "has 4 blocks",
            "cut from one run",
        ] {
            assert!(all.contains(wanted), "{wanted} is missing in:\n{all}");
        }
        assert!(all.contains("wholly before") && !all.contains("topic"));
        let rows = rows(&one, &two, 1);
        assert!(rows.iter().all(|row| row.word() == "too few blocks"));
    }

    #[test]
    fn two_looks_at_the_same_files_say_the_same() {
        let sides = [side("one", 300_000, 6), side("two", 310_001, 6)];
        assert_eq!(to_json(&sides, 9), to_json(&sides, 9));
    }
}
