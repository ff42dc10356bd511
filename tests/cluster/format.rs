//! `corelane format`, and what `corelane serve` says of folders that it must not use.

use std::path::Path;

use corelane_testing::Start;
use corelane_testing::quorum::CLUSTER_ID;

use crate::HERE;

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[
    ("format_says_what_it_did_once", says_what_it_did_once),
    (
        "format_refuses_what_cannot_be_meant",
        refuses_what_cannot_be_meant,
    ),
    (
        "serve_refuses_folders_of_another_broker",
        serve_refuses_other_folders,
    ),
];

/// No controller: what is tried ends before one is looked for.
const NOWHERE: &str = "127.0.0.1:1";

fn broker(dir: &Path, node: i32, shards: usize) -> Start {
    let start = HERE.start(&dir.join("data")).shards(shards);
    start.in_cluster(node, NOWHERE, &[])
}

/// Formats, expecting that to work: what was said.
fn formats(start: &Start, cluster_id: &str, more: &[&str]) -> String {
    let output = start.format(cluster_id, more);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Formats, expecting one sentence that holds all of `words` instead.
fn refuses(start: &Start, cluster_id: &str, more: &[&str], words: &[&str]) {
    let output = start.format(cluster_id, more);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    is_one_sentence(&said, words);
}

/// Starts, expecting one sentence that holds all of `words` instead.
fn does_not_serve(start: &Start, words: &[&str]) {
    let (status, said) = start.refused();
    assert_eq!(status.code(), Some(1), "{said}");
    is_one_sentence(said.lines().last().unwrap_or_default(), words);
}

fn is_one_sentence(said: &str, words: &[&str]) {
    let said = said.trim_end();
    assert!(
        said.starts_with("corelane: ") && said.lines().count() == 1,
        "{said}"
    );
    for word in words {
        assert!(said.contains(word), "`{word}` is missing from: {said}");
    }
}

fn says_what_it_did_once() {
    let dir = HERE.data_dir();
    let start = broker(dir.path(), 7, 2);
    let said = formats(&start, CLUSTER_ID, &[]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    for (line, node) in lines.iter().zip(["7", "8"]) {
        assert!(
            line.contains(&format!(": formatted: node {node}, directory ")),
            "{said}"
        );
    }
    let nodes = format!("2 shard(s), nodes 7 to 8 of the cluster {CLUSTER_ID}");
    assert_eq!(lines[2], nodes);
    let file = dir.path().join("data/shard-1/meta.properties");
    let text = std::fs::read_to_string(&file).unwrap();
    for line in [
        "node.id=8",
        "version=1",
        &format!("cluster.id={CLUSTER_ID}"),
    ] {
        assert!(text.lines().any(|one| one == line), "{text}");
    }

    refuses(
        &start,
        CLUSTER_ID,
        &[],
        &["is formatted already; --ignore-formatted"],
    );
    let again = formats(&start, CLUSTER_ID, &["--ignore-formatted"]);
    assert!(again.contains("left as it was: node 7"), "{again}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

fn refuses_what_cannot_be_meant() {
    let dir = HERE.data_dir();
    let start = broker(dir.path(), 1, 2);
    refuses(
        &start,
        "a b",
        &[],
        &["'a b' is no cluster id: kafka-storage random-uuid"],
    );
    refuses(&start, "", &[], &["'' is no cluster id"]);
    formats(&start, CLUSTER_ID, &["--shards", "2"]);
    let ignored = ["--ignore-formatted"];
    refuses(
        &start,
        "another",
        &ignored,
        &["is of the cluster", CLUSTER_ID, "not of another"],
    );
    let three = ["--ignore-formatted", "--shards", "3"];
    refuses(
        &start,
        CLUSTER_ID,
        &three,
        &["was formatted with 2 shard(s)", "with 3"],
    );
    let moved = broker(dir.path(), 5, 2);
    refuses(
        &moved,
        CLUSTER_ID,
        &ignored,
        &["was formatted for node 1, not for node 5"],
    );
    let alone = HERE.start(&dir.path().join("data")).in_cluster(
        1,
        NOWHERE,
        &["process.roles=broker,controller"],
    );
    refuses(
        &alone,
        CLUSTER_ID,
        &[],
        &["is of a broker that runs alone", "process.roles=broker"],
    );
}

fn serve_refuses_other_folders() {
    let dir = HERE.data_dir();
    let start = broker(dir.path(), 1, 2);
    let unformatted = [
        "is not formatted",
        "corelane format --cluster-id ID --config FILE",
    ];
    does_not_serve(&start, &unformatted);
    formats(&start, CLUSTER_ID, &[]);
    does_not_serve(
        &broker(dir.path(), 5, 2),
        &["was formatted for node 1, not for node 5"],
    );
    for shards in [1, 3] {
        let counted = ["was formatted with 2 shard(s)", "start with --shards 2"];
        does_not_serve(&broker(dir.path(), 1, shards), &counted);
    }
    // A broker alone takes no folder of a cluster's, and a broker of a cluster none of one alone.
    let alone = HERE.start(&dir.path().join("data")).shards(2);
    does_not_serve(
        &alone,
        &[
            "is of a broker of the cluster",
            CLUSTER_ID,
            "process.roles=broker",
        ],
    );
    let other = dir.path().join("other");
    HERE.start(&other).ready().stop();
    let joining = HERE.start(&other).in_cluster(1, NOWHERE, &[]);
    does_not_serve(
        &joining,
        &["holds the metadata of a broker that runs alone"],
    );
    refuses(
        &joining,
        CLUSTER_ID,
        &[],
        &["holds the metadata of a broker that runs alone"],
    );
    let second = dir.path().join("data/shard-1/meta.properties");
    let text = std::fs::read_to_string(&second).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let text = lines.join("\n").replace(CLUSTER_ID, "another");
    std::fs::write(&second, text).unwrap();
    does_not_serve(
        &broker(dir.path(), 1, 2),
        &["is of the cluster another, not of", CLUSTER_ID],
    );
}
