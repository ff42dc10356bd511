//! Pure: what is to be done, as people read it.

use std::collections::BTreeMap;
use std::fmt;

use super::Plan;
use crate::metadata::image::is_internal;

/// Topics listed one by one.
const LISTED_MAX: usize = 40;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kafka, config) = (&self.kafka, &self.config);
        for dir in &kafka.dirs {
            writeln!(f, "from  {}", dir.path.display())?;
        }
        let (node, cluster) = (kafka.node, &kafka.cluster_id);
        writeln!(
            f,
            "      Kafka node {node} of cluster {cluster}, stopped cleanly"
        )?;
        for dir in &config.log_dirs {
            writeln!(f, "into  {}", dir.display())?;
        }
        let shards = config.shards;
        writeln!(
            f,
            "      {shards} shard(s), from node {} on\n",
            config.node_id(0)
        )?;
        self.write_topics(f)?;
        let (linked, copied) = self.moves.iter().fold((0, 0), |(linked, copied), one| {
            let own = self.copied_bytes(one);
            (linked + one.bytes.saturating_sub(own), copied + own)
        });
        writeln!(
            f,
            "\n{} of sealed segments get a second name (hard links), {} are copied. Kafka's \
             folder stays as it is.",
            bytes(linked),
            bytes(copied)
        )?;
        if !kafka.strays.is_empty() {
            let count = kafka.strays.len();
            writeln!(f, "{count} folder(s) of deleted topics are left behind.")?;
        }
        for note in &self.left_out {
            writeln!(f, "left out: {note}")?;
        }
        for ended in &self.ended {
            writeln!(f, "open transaction in {ended}")?;
        }
        for open in &self.kept_open {
            writeln!(
                f,
                "open transaction in {open}: the broker ends it, by its time-out or before"
            )?;
        }
        Ok(())
    }
}

impl Plan {
    fn write_topics(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut held: BTreeMap<&str, (i64, u64)> = BTreeMap::new();
        for one in &self.moves {
            let sums = held.entry(&one.topic).or_default();
            sums.0 += (one.offsets.1 - one.offsets.0).max(0);
            sums.1 += one.bytes;
        }
        let topics = self.kafka.image.topics.sorted();
        let width = topics
            .iter()
            .map(|topic| topic.name.len())
            .max()
            .unwrap_or(0)
            .clamp(5, 60);
        writeln!(
            f,
            "{:width$}  partitions       offsets       bytes",
            "topic"
        )?;
        let (internal, own): (Vec<_>, Vec<_>) = topics
            .into_iter()
            .partition(|topic| is_internal(&topic.name));
        for topic in own.iter().take(LISTED_MAX).chain(&internal) {
            let (offsets, size) = held.get(&*topic.name).copied().unwrap_or_default();
            let (name, partitions) = (&topic.name, topic.partitions.len());
            writeln!(
                f,
                "{name:width$}  {partitions:>10}  {offsets:>12}  {:>10}",
                bytes(size)
            )?;
        }
        match own.len().saturating_sub(LISTED_MAX) {
            0 => Ok(()),
            more => writeln!(f, "… and {more} more topics"),
        }
    }
}

/// A size in the unit that suits it.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    match unit {
        "bytes" => format!("{count} bytes"),
        unit => format!("{size:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_read_well() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(1023), "1023 bytes");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 40), "5.0 TiB");
    }
}
