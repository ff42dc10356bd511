//! Pure: docs/CONFIG.md, made from the rows.

use std::fmt::Write;

use super::broker::SECTIONS;
use super::group::GROUP_SETTINGS;
use super::setting::{Effect, Mode, Setting, Why};
use super::topic::TOPIC_SETTINGS;

const HEAD: &str = "\
# Settings

Made from the rows in `src/base/config/`; `CORELANE_RENEW_DOCS=1 cargo test --lib config_md`
writes it anew, and a test fails when it is stale.

`corelane serve --config server.properties` reads broker settings under Kafka's own names; flags
win over the file. Topic settings are given when a topic is created, or later with
`kafka-configs.sh`; a topic without one takes it from the broker setting named beside it. An
unknown name, a value out of bounds, and a setting that it would be unsafe to pass over are
refused with the file and line. Settings that this broker has no use for are accepted, shown by
DescribeConfigs, and named in one line at start.

`process.roles=broker` makes the process a broker of an Apache Kafka cluster, which needs
`node.id` and `controller.quorum.bootstrap.servers` too. Without it Corelane runs alone, with its
metadata embedded; settings of which a row says *in a cluster only* are then accepted and change
nothing.

Defaults that differ from Apache Kafka 4.3 on purpose: `flush.messages` and
`log.flush.interval.messages` (1: an ack means stable storage), `segment.bytes` and
`log.segment.bytes` (128 MiB), `listeners` (the loopback address only), `log.dir`
(`corelane-data`), and, on a machine alone, the
replication factors and in-sync minima of internal topics (1).
The reasons are in [decisions](decisions/).

Columns: *changes* says whether a setting can be changed while the broker runs (`fixed`: with a
restart; `node`: one node at a time; `cluster`: one node or all of them).
";

/// The whole text of docs/CONFIG.md.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## Topics\n\n| setting | type | default | values | broker setting | |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for row in sorted(TOPIC_SETTINGS) {
        topic_line(&mut text, row);
    }
    for section in SECTIONS {
        let _ = write!(text, "\n## {}\n", section.title);
        if !section.rows.is_empty() {
            text.push_str("\n| setting | type | default | values | changes | |\n");
            text.push_str("| --- | --- | --- | --- | --- | --- |\n");
            for row in sorted(section.rows) {
                broker_line(&mut text, row);
            }
        }
        without_effect(&mut text, &sorted(section.no_effect));
    }
    text.push_str("\n## Groups\n\n| setting | type | default | values | broker setting | |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    let acts = |row: &&Setting| !matches!(row.effect, Effect::Ignored(_) | Effect::Refused(_));
    for row in sorted(GROUP_SETTINGS).into_iter().filter(acts) {
        topic_line(&mut text, row);
    }
    without_effect(&mut text, &sorted(GROUP_SETTINGS));
    text
}

fn sorted(rows: &'static [Setting]) -> Vec<&'static Setting> {
    let mut rows: Vec<&Setting> = rows.iter().collect();
    rows.sort_by_key(|row| row.name);
    rows
}

fn topic_line(text: &mut String, row: &Setting) {
    let synonyms: Vec<String> = row
        .synonyms
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let synonyms = synonyms.join(", ");
    line(text, row, &synonyms);
}

fn broker_line(text: &mut String, row: &Setting) {
    let changes = match row.mode {
        Mode::ReadOnly => "fixed",
        Mode::PerBroker => "node",
        Mode::ClusterWide => "cluster",
    };
    line(text, row, changes);
}

fn line(text: &mut String, row: &Setting, column: &str) {
    let default = row
        .default
        .map_or("none".to_owned(), |default| format!("`{default}`"));
    let kind = format!("{:?}", row.kind).to_lowercase();
    let values = row.rule.text();
    let doc = row.doc;
    let effect = match row.effect {
        Effect::Applied => String::new(),
        Effect::Partly(what) => format!(" **In part:** {what}."),
        Effect::InCluster(_) => " **In a cluster only.**".to_owned(),
        Effect::Ignored(why) => format!(" **No effect:** {}.", why.text()),
        Effect::Refused(why) => format!(" **Refused:** {}.", why.text()),
    };
    let name = row.name;
    let _ = writeln!(
        text,
        "| `{name}` | {kind} | {default} | {values} | {column} | {doc}{effect} |"
    );
}

/// Settings that change nothing, by reason; their defaults have no meaning.
fn without_effect(text: &mut String, rows: &[&Setting]) {
    let reason = |row: &Setting| match row.effect {
        Effect::Ignored(why) => Some((false, why)),
        Effect::Refused(why) => Some((true, why)),
        Effect::Applied | Effect::Partly(_) | Effect::InCluster(_) => None,
    };
    let mut reasons: Vec<(bool, Why)> = rows.iter().filter_map(|row| reason(row)).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for (refused, why) in reasons {
        let what = if refused {
            "Refused unless left at its default"
        } else {
            "Accepted without effect"
        };
        let _ = write!(text, "\n{what}, since {}:\n\n", why.text());
        for row in rows
            .iter()
            .filter(|row| reason(row) == Some((refused, why)))
        {
            let _ = writeln!(text, "- `{}`: {}", row.name, row.doc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::broker::broker_settings;
    use super::*;

    #[test]
    fn config_md_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIG.md");
        if std::env::var_os("CORELANE_RENEW_DOCS").is_some() {
            std::fs::write(path, markdown()).expect("docs/CONFIG.md can be written");
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            text == markdown(),
            "docs/CONFIG.md is stale: CORELANE_RENEW_DOCS=1 cargo test --lib config_md renews it"
        );
    }

    #[test]
    fn every_row_is_in_the_docs() {
        let text = markdown();
        for row in broker_settings()
            .chain(TOPIC_SETTINGS)
            .chain(GROUP_SETTINGS)
        {
            assert!(text.contains(&format!("`{}`", row.name)), "{}", row.name);
        }
    }
}
