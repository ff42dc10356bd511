//! Pure: the table of settings without effect is made of a list and of Kafka's own rows.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::*;
use crate::base::config::Effect;

const LIST: &str = include_str!("no_effect.txt");
const KAFKA: &str = include_str!("../../../../tests/golden/config/rows.txt");
const HEAD: &str = "\
//! Pure: broker settings without effect.
//! Made of `no_effect.txt` by a test, which says how to renew it; not edited by hand.

use crate::base::config::table::broker_settings;
";

/// The text of `no_effect.rs`.
fn table() -> String {
    let rows = KAFKA.lines().filter_map(|line| {
        let mut fields = line.strip_prefix("broker\t")?.split('\t');
        Some((fields.next()?, fields.collect::<Vec<_>>()))
    });
    let kafka: BTreeMap<&str, Vec<&str>> = rows.collect();
    let mut text = HEAD.to_owned();
    let (mut section, mut effect) = ("", "");
    let lines = LIST.lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some(heading) = line.strip_prefix('[') else {
            row(&mut text, line, &kafka, effect);
            continue;
        };
        let (name, rest) = heading.split_once(' ').expect("a section and an effect");
        effect = rest.trim_end_matches(']');
        if section != name {
            text.push_str(if section.is_empty() { "" } else { "}\n" });
            let _ = write!(text, "\nbroker_settings! {{\n    pub static {name};\n\n");
            section = name;
        }
    }
    text + "}\n"
}

/// Writes the row of a line `name rule = default | sentence`.
fn row(text: &mut String, line: &str, kafka: &BTreeMap<&str, Vec<&str>>, effect: &str) {
    let (head, doc) = line.split_once(" | ").expect("a row and a sentence");
    let (head, own_default) = match head.split_once(" = ") {
        Some((head, default)) => (head, Some(default)),
        None => (head, None),
    };
    let (name, rule) = head.split_once(' ').unwrap_or((head, "Any"));
    let [kind, default, importance, mode] = kafka.get(name).map(Vec::as_slice).unwrap_or_default()
    else {
        panic!("no_effect.txt: Kafka's brokers have no setting {name}");
    };
    let default = match own_default.unwrap_or(default) {
        "-" => "None".to_owned(),
        text => format!("Some({text:?})"),
    };
    let mode = match *mode {
        "read-only" => "ReadOnly",
        "per-broker" => "PerBroker",
        "cluster-wide" => "ClusterWide",
        other => panic!("{name} is {other}"),
    };
    let (kind, importance) = (capitalised(kind), capitalised(importance));
    let _ = writeln!(text, "    {name:?} {kind} =");
    let values = format!("{default}, {rule}, {importance}, {mode}, {effect};");
    for line in filled(&values) {
        let _ = writeln!(text, "        {}", line.trim_end());
    }
    let sentence: Vec<String> = filled(doc).iter().map(|line| format!("{line:?}")).collect();
    let _ = writeln!(text, "        {};", sentence.join("\n        "));
}

fn capitalised(word: &str) -> String {
    word[..1].to_owned() + &word[1..].to_lowercase()
}

/// `text` in lines that fit into a source file.
fn filled(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_inclusive(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() <= 88 => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[test]
fn the_table_without_effect_is_fresh() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/base/config/broker/no_effect.rs"
    );
    let known = std::fs::read_to_string(path).unwrap_or_default();
    if known == table() {
        return;
    }
    let renew = "CORELANE_RENEW_DOCS=1 cargo test --lib config::";
    if std::env::var_os("CORELANE_RENEW_DOCS").is_none() {
        panic!("no_effect.rs is stale: {renew} renews it");
    }
    std::fs::write(path, table()).expect("no_effect.rs can be written");
    panic!("no_effect.rs is new: run {renew} again for docs/CONFIG.md, which is made of it");
}

#[test]
fn rows_written_by_hand_have_an_effect() {
    let acts = |row: &Setting| match row.effect {
        Effect::Applied | Effect::Partly(_) | Effect::InCluster(_) => true,
        Effect::Ignored(_) | Effect::Refused(_) => false,
    };
    for section in SECTIONS {
        for row in section.rows {
            assert!(acts(row), "{}: a line of no_effect.txt", row.name);
        }
        assert!(!section.no_effect.iter().any(acts), "{}", section.title);
    }
}
