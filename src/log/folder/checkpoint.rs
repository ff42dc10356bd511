//! Pure: the texts of the checkpoints of a folder of logs, in Kafka's format.
//!
//! `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`,
//! `replication-offset-checkpoint` and `cleaner-offset-checkpoint`: version (0), count of entries,
//! then one line each of topic, partition and offset (Kafka's `OffsetCheckpointFile`).

use std::collections::BTreeMap;

use crate::base::{Offset, PartitionIndex};

/// Offsets by topic and partition.
pub type Offsets = BTreeMap<(String, PartitionIndex), Offset>;

/// The text that says these offsets.
pub fn to_text(offsets: &Offsets) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for ((topic, partition), offset) in offsets {
        text.push_str(&format!("{topic} {partition} {offset}\n"));
    }
    text
}

/// Reads such a text; `None` when it is none, or not whole.
pub fn from_text(text: &str) -> Option<Offsets> {
    if !text.ends_with('\n') {
        return None;
    }
    let mut lines = text.lines();
    if lines.next()?.trim() != "0" {
        return None;
    }
    let count: usize = lines.next()?.trim().parse().ok()?;
    let mut offsets = Offsets::new();
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        let (topic, partition) = (words.next()?, words.next()?.parse().ok()?);
        let offset = words.next()?.parse().ok()?;
        if words.next().is_some()
            || offsets
                .insert((topic.to_owned(), partition), offset)
                .is_some()
        {
            return None;
        }
    }
    (offsets.len() == count).then_some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kafkas_and_comes_back() {
        let mut offsets = Offsets::new();
        assert_eq!(to_text(&offsets), "0\n0\n");
        offsets.insert(("orders".to_owned(), 1), 42);
        offsets.insert(("orders".to_owned(), 0), 7);
        let text = to_text(&offsets);
        assert_eq!(text, "0\n2\norders 0 7\norders 1 42\n");
        assert_eq!(from_text(&text), Some(offsets));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for bad in [
            "",
            "1\n0\n",
            "0\nx\n",
            "0\n2\na 0 1\n",
            "0\n1\na 0\n",
            "0\n1\na 0 x\n",
            "0\n1\na 0 1 2\n",
            "0\n2\na 0 1\na 0 2\n",
        ] {
            assert_eq!(from_text(bad), None, "{bad:?}");
        }
    }
}
