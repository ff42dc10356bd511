//! Drives: how large files, functions and lines of the product may be. What is larger today is
//! listed with its size and must not grow; what has become small enough must leave the list.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::source::product;

/// Lines of a file, without its tests.
const FILE_MAX: usize = 400;
/// Lines of a function.
const FUNCTION_MAX: usize = 70;
/// Symbols of a line.
const LINE_MAX: usize = 100;

/// Reasons of files that are larger.
const TABLE: &str = "one table, read from top to bottom";
const MADE: &str = "made by a program, not by hand";

/// Files that are larger, with their lines and the reason.
const FILES: &[(&str, usize, &str)] = &[
    ("src/base/config/broker/no_effect.rs", 784, MADE),
    ("src/host/table.rs", 491, TABLE),
    ("wire/src/shape/answers.rs", 470, MADE),
    ("wire/src/shape/table.rs", 942, MADE),
];

/// Functions that are longer, with their lines.
const FUNCTIONS: &[(&str, usize)] = &[];

/// Files with longer lines, and how many those are: tables, and words for users.
const LINES: &[(&str, usize)] = &[
    ("loadgen/src/options/outputs.rs", 1),
    ("loadgen/src/report/html/sweep.rs", 1),
    ("src/base/config/broker/no_effect.rs", 1),
    ("src/base/config/broker/own.rs", 2),
    ("src/host/report.rs", 1),
    ("src/coordinator/runtime/driver.rs", 1),
    ("src/log/recovery/aborts.rs", 1),
    ("src/log/folder/mod.rs", 1),
    ("src/metadata/controller/local.rs", 1),
    ("src/metadata/record/mod.rs", 1),
    ("src/shard/compaction.rs", 2),
    ("src/shard/probe.rs", 2),
    ("wire/src/fetch.rs", 1),
];

/// Compares what is too large with what is known to be.
fn ratchet(list: &str, known: &[(&str, usize)], found: &BTreeMap<String, usize>) {
    let known: BTreeMap<&str, usize> = known.iter().copied().collect();
    let mut broken = String::new();
    for (name, size) in found {
        match known.get(name.as_str()) {
            Some(allowed) if size <= allowed => {}
            Some(allowed) => {
                let _ = writeln!(
                    broken,
                    "  {name} has grown from {allowed} to {size}: cut it"
                );
            }
            None => {
                let _ = writeln!(broken, "  {name} has {size}: cut it");
            }
        }
    }
    for (name, _) in known.iter().filter(|(name, _)| !found.contains_key(**name)) {
        let _ = writeln!(broken, "  {name} is small enough: take it out of the list");
    }
    let mut list_now = String::new();
    for (name, size) in found {
        let _ = writeln!(list_now, "    (\"{name}\", {size}),");
    }
    assert!(
        broken.is_empty(),
        "{list} of tests/tidy/sizes.rs:\n{broken}As it is now:\n{list_now}"
    );
}

#[test]
fn files_stay_small() {
    let large = product().filter(|source| source.lines > FILE_MAX);
    let large = large
        .map(|source| (source.path.clone(), source.lines))
        .collect();
    let known: Vec<_> = FILES
        .iter()
        .map(|(name, lines, _)| (*name, *lines))
        .collect();
    ratchet("FILES", &known, &large);
}

#[test]
fn functions_stay_short() {
    let mut long = BTreeMap::new();
    for source in product() {
        for (name, lines) in source.functions() {
            if lines > FUNCTION_MAX {
                let name = format!("{}: {name}", source.path);
                let known = long.entry(name).or_default();
                *known = lines.max(*known);
            }
        }
    }
    ratchet("FUNCTIONS", FUNCTIONS, &long);
}

#[test]
fn lines_stay_short() {
    let mut long = BTreeMap::new();
    for source in product() {
        let lines = source.code.lines();
        let count = lines
            .filter(|line| line.trim_end().chars().count() > LINE_MAX)
            .count();
        if count > 0 {
            long.insert(source.path.clone(), count);
        }
    }
    ratchet("LINES", LINES, &long);
}
