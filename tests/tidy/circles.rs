//! Drives: that files which stand side by side use each other in one direction only.

use std::collections::{BTreeMap, BTreeSet};

use super::uses::{Graph, graphs};

/// Circles of today: the folder, and what of it uses each other, directly or by way of others.
const CIRCLES: &[(&str, &[&str])] = &[
    (
        "src/log",
        &[
            "append",
            "inner",
            "journal",
            "maintenance",
            "read",
            "segment",
            "space",
        ],
    ),
    ("src/log/read", &["ahead", "stream", "stretch"]),
];

/// The groups of entries that reach each other, each in order.
fn circles(graph: &Graph) -> BTreeSet<BTreeSet<String>> {
    let reached = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&String> = graph.get(from).into_iter().flatten().collect();
        while let Some(entry) = next.pop() {
            if seen.insert(entry.clone()) {
                next.extend(graph.get(entry).into_iter().flatten());
            }
        }
        seen
    };
    let all: BTreeMap<&String, BTreeSet<String>> =
        graph.keys().map(|entry| (entry, reached(entry))).collect();
    let circle = |(entry, reached): (&&String, &BTreeSet<String>)| {
        let mut circle: BTreeSet<String> = reached.clone();
        circle.retain(|other| all.get(other).is_some_and(|back| back.contains(*entry)));
        circle
    };
    let found = all.iter().map(circle);
    found.filter(|circle| circle.len() > 1).collect()
}

#[test]
fn no_circle_spans_files_that_stand_side_by_side() {
    let mut known: BTreeSet<(String, BTreeSet<String>)> = CIRCLES
        .iter()
        .map(|(folder, circle)| {
            let circle = circle.iter().map(|entry| (*entry).to_owned());
            ((*folder).to_owned(), circle.collect())
        })
        .collect();
    let (mut broken, mut now) = (String::new(), String::new());
    for (folder, graph) in graphs() {
        for circle in circles(&graph) {
            let found = (folder.clone(), circle);
            now += &format!("    (\"{folder}\", &{:?}),\n", found.1);
            if known.remove(&found) {
                continue;
            }
            broken += &format!("  {folder}: a circle that is not listed:\n");
            for from in &found.1 {
                let to: Vec<_> = graph[from].intersection(&found.1).collect();
                broken += &format!("    {from} uses {to:?}\n");
            }
        }
    }
    for (folder, circle) in known {
        broken += &format!("  {folder}: {circle:?} is no circle any more: take it out\n");
    }
    let now = now.replace('{', "[").replace('}', "]");
    assert!(
        broken.is_empty(),
        "CIRCLES of tests/tidy/circles.rs:\n{broken}As it is now:\n{now}"
    );
}

#[test]
fn a_circle_is_seen_and_a_way_is_none() {
    let graph = |ways: &[(&str, &[&str])]| -> Graph {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let ways = ways.iter();
        ways.map(|(from, to)| ((*from).to_owned(), names(to)))
            .collect()
    };
    let way = graph(&[("a", &["b", "c"]), ("b", &["c"])]);
    assert!(circles(&way).is_empty());
    let ring = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a", "d"]), ("d", &[])]);
    let found: Vec<Vec<String>> = circles(&ring)
        .into_iter()
        .map(|circle| circle.into_iter().collect())
        .collect();
    assert_eq!(found, [["a", "b", "c"]]);
}
