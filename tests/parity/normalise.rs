//! Pure: takes out of an answer what differs from run to run and from machine to machine.
//!
//! - Ids that a broker makes up get numbers in the order in which they appear: `<topic-id:1>`.
//!   A member id keeps what is around its uuid.
//! - Addresses, folders, sizes of disks and the time of the run become `<host>`, `<now>`, …
//! - The order of the structures in an array is no part of Kafka's protocol (its own depends on
//!   hash tables): they are sorted. The chain of a configuration's synonyms is not.
//! - Record batches are taken apart; an incomplete one at the end of a fetch, which clients drop,
//!   is left out.
//! - Optional parts that an answer does not have are not shown, and a topic's partitions that a
//!   fetch gives in several pieces are put together.
//! - Error codes get their names, human texts become `<text>`.

use std::collections::HashMap;

use kafka_protocol::ResponseError;

use crate::batch;
use crate::value::{Namer, Value, parse};

/// How far from now a timestamp may be and still mean "now": the stories' own are years away.
const NOW_MS: i64 = 2 * 24 * 3600 * 1000;

/// Reads the `Debug` text of an answer that came at `now_ms` (milliseconds since 1970).
pub fn normalise(debug: &str, now_ms: i64) -> Value {
    let mut value = parse(debug);
    scrub(&mut value, now_ms, false);
    value
}

fn scrub(value: &mut Value, now_ms: i64, ordered: bool) {
    match value {
        Value::List(list) => {
            list.iter_mut()
                .for_each(|value| scrub(value, now_ms, ordered));
            if !ordered {
                sort(list);
            }
        }
        Value::Struct(fields) => {
            for (name, value) in &mut *fields {
                scrub_field(name, value, now_ms, ordered);
            }
            fields.retain(|(name, value)| !is_absent(name, value));
        }
        _ => {}
    }
}

fn scrub_field(name: &str, value: &mut Value, now_ms: i64, ordered: bool) {
    if let ("records", Value::Bytes(bytes)) = (name, &*value) {
        *value = batch::read(bytes);
    }
    scrub(
        value,
        now_ms,
        ordered || matches!(name, "records" | "synonyms"),
    );
    if let ("responses", Value::List(list)) = (name, &mut *value)
        && list.iter_mut().all(|entry| entry.field("topic").is_some())
    {
        merge_topics(list);
        sort(list);
    }
    let number = match value {
        Value::Atom(text) => text.parse::<i64>().ok(),
        _ => None,
    };
    *value = match (name, &*value, number) {
        (_, Value::Atom(text), _) if is_uuid(text) => match text.trim_matches(['0', '-']) {
            "" => Value::atom("<nil>"),
            _ => Value::Volatile("topic-id", text.clone()),
        },
        ("error_code" | "topic_config_error_code", _, Some(code)) => {
            Value::Atom(match ResponseError::try_from_code(code as i16) {
                Some(error) => format!("{code} {error:?}"),
                None => "0".to_owned(),
            })
        }
        ("error_message" | "batch_index_error_message" | "documentation", Value::Text(_), _) => {
            Value::atom("<text>")
        }
        ("cluster_id", Value::Text(_), _) => Value::atom("<cluster-id>"),
        ("host", Value::Text(host), _) if !host.is_empty() => Value::atom("<host>"),
        ("log_dir", Value::Text(_), _) => Value::atom("<folder>"),
        ("port", _, Some(1..)) => Value::atom("<port>"),
        ("total_bytes" | "usable_bytes" | "partition_size", _, Some(1..)) => Value::atom("<bytes>"),
        ("producer_id", _, Some(id @ 0..)) => Value::Volatile("producer-id", id.to_string()),
        ("session_id", _, Some(id @ 1..)) => Value::Volatile("session", id.to_string()),
        (_, _, Some(time)) if name.contains("time") && (time - now_ms).abs() < NOW_MS => {
            Value::atom("<now>")
        }
        _ => return,
    };
}

/// Whether this is how the decoder shows that an answer does not have this optional part.
fn is_absent(name: &str, value: &Value) -> bool {
    let none = match name {
        "unknown_tagged_fields" => "{}",
        "diverging_epoch" => "{epoch: -1, end_offset: -1}",
        "snapshot_id" => "{end_offset: -1, epoch: -1}",
        "current_leader" => "{leader_id: -1, leader_epoch: -1}",
        "preferred_read_replica" => "-1",
        "node_endpoints" => "[]",
        "topic_id" => "<nil>",
        _ => return false,
    };
    value.flat(&mut Numbers::default()) == none
}

/// Puts entries of the same topic together.
fn merge_topics(list: &mut Vec<Value>) {
    let topic = |value: &mut Value| {
        let name = value
            .field("topic")
            .map(|name| name.flat(&mut Numbers::default()));
        let id = match value.field("topic_id") {
            Some(Value::Volatile(_, id)) => Some(id.clone()),
            _ => None,
        };
        (name, id)
    };
    let mut merged: Vec<Value> = Vec::new();
    for mut entry in list.drain(..) {
        let wanted = topic(&mut entry);
        match merged.iter_mut().position(|one| topic(one) == wanted) {
            Some(at) => merged[at]
                .list("partitions")
                .append(entry.list("partitions")),
            None => merged.push(entry),
        }
    }
    for entry in &mut merged {
        sort(entry.list("partitions"));
    }
    *list = merged;
}

/// Sorts structures by their text, in which ids that differ have no names yet.
fn sort(list: &mut [Value]) {
    if list.iter().any(|value| !matches!(value, Value::Struct(_))) {
        return;
    }
    list.sort_by_cached_key(|value| value.flat(&mut Blank));
}

// === names ===

/// Hides what differs, for sorting.
struct Blank;

impl Namer for Blank {
    fn name(&mut self, kind: &str, _raw: &str) -> String {
        kind.to_owned()
    }

    fn text(&mut self, text: &str) -> String {
        replace_uuids(text, &mut |_| String::new())
    }

    /// Numbers of different lengths sort as numbers.
    fn atom(&mut self, text: &str) -> String {
        format!("{text:0>20}")
    }
}

/// Numbers what differs by kind, in the order of appearance.
#[derive(Default)]
pub struct Numbers {
    seen: HashMap<String, Vec<String>>,
    /// A text that is written in another way wherever it appears, and what for.
    pub replace: Option<(String, String)>,
}

impl Namer for Numbers {
    fn name(&mut self, kind: &str, raw: &str) -> String {
        let seen = self.seen.entry(kind.to_owned()).or_default();
        let index = seen.iter().position(|one| one == raw).unwrap_or_else(|| {
            seen.push(raw.to_owned());
            seen.len() - 1
        });
        format!("<{kind}:{}>", index + 1)
    }

    fn text(&mut self, text: &str) -> String {
        let text = replace_uuids(text, &mut |uuid| self.name("uuid", uuid));
        match &self.replace {
            Some((from, to)) => text.replace(from, to),
            None => text,
        }
    }
}

fn replace_uuids(text: &str, name: &mut dyn FnMut(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(uuid) = rest.get(..36).filter(|head| is_uuid(head)) {
            out.push_str(&name(uuid));
            rest = &rest[36..];
        } else {
            let first = rest.chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[..first]);
            rest = &rest[first..];
        }
    }
    out
}

/// Whether a text is a uuid in the usual form of 8-4-4-4-12 hex digits.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
