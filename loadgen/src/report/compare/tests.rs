//! Pure: tests of what a comparison finds and says.

use fastrand::Rng;
use serde_json::json;

use super::rows::rows;
use super::warnings::warnings;
use super::*;
use crate::measure::latency::histogram;
use crate::report::hlog::Interval;

/// A run of `seconds`, in which each second has 1,000 durations from `base_ns` up.
fn run(seconds: u64, base_ns: u64, seed: u64, told: Option<RunReport>) -> Run {
    let mut random = Rng::with_seed(seed);
    let intervals = (0..seconds).map(|second| {
        let mut found = histogram();
        for n in 0..1_000 {
            let more = random.u64(..2_000);
            found.record(base_ns + n * base_ns / 1_000 + more).unwrap();
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
    let own = serde_json::from_value(own).unwrap();
    let own = Side::new("own".into(), vec![run(80, 1_000, 1, Some(own))], None);
    assert_eq!((own.blocks.len(), own.cut), (2, false));
    assert_eq!(own.blocks[1].found["produce"].len(), 20_000);
}

#[test]
fn what_spoils_a_comparison_is_told() {
    let told = |rate: u64| -> RunReport {
        let told = json!({
            "settings": { "rate": rate, "topic": rate.to_string() }, "host": {},
            "unfit": if rate == 5 { vec!["too late"] } else { vec![] },
        });
        serde_json::from_value(told).unwrap()
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
