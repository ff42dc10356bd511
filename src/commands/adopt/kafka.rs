//! Drives: what Apache Kafka left in its folders: whose they are, what the cluster was, which
//! logs there are. Nothing is changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::left_behind::Security;
use super::metadata;
use super::{Refused, cannot_read};
use crate::base::ids::Uuid;
use crate::base::{NodeId, Offset, PartitionIndex};
use crate::io::disk::Entry;
use crate::io::{checks, tree};
use crate::log::checkpoint::{self, Offsets};
use crate::metadata::controller::{IDENTITY_FILE, Identity};
use crate::metadata::image::{Image, Topic};

/// The folder of Kafka's metadata log.
const METADATA: &str = "__cluster_metadata-0";
/// There only after a clean stop.
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// How many of the same kind of problem are told one by one.
const TOLD_MAX: usize = 5;

/// The checkpoints of a folder of logs, which a taken over folder has in parts.
pub const CHECKPOINTS: [&str; 4] = [
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
];

/// All that a stopped broker left.
#[derive(Debug)]
pub struct Kafka {
    /// Its id.
    pub node: NodeId,
    /// Its cluster's.
    pub cluster_id: String,
    /// Its folders.
    pub dirs: Vec<KafkaDir>,
    /// The cluster as it was.
    pub image: Image,
    /// What it had that this broker has not.
    pub security: Security,
    /// The logs of the partitions that there are.
    pub logs: BTreeMap<(String, PartitionIndex), KafkaLog>,
    /// Folders of logs that belong to no partition: topics deleted shortly before the stop.
    pub strays: Vec<PathBuf>,
}

/// One folder of Kafka's `log.dirs`.
#[derive(Debug)]
pub struct KafkaDir {
    /// Where it is.
    pub path: PathBuf,
    /// Its `directory.id`.
    pub id: Uuid,
    /// The device it is on.
    pub device: u64,
    /// In the order of [`CHECKPOINTS`].
    pub checkpoints: [Offsets; 4],
}

/// One partition's log.
#[derive(Debug)]
pub struct KafkaLog {
    /// Its folder.
    pub path: PathBuf,
    /// Which of the folders that one is in.
    pub dir: usize,
    /// What it holds, by rising names.
    pub files: Vec<Entry>,
}

/// Reads what is in the folders of one stopped broker; or says, all at once, what stands in the
/// way of taking it over.
pub fn read(paths: &[PathBuf]) -> Result<Kafka, Refused> {
    let mut refused = Refused::default();
    let mut found = Vec::new();
    for path in paths {
        match read_dir(path) {
            Ok(dir) => found.push(dir),
            Err(problem) => refused.add(problem),
        }
    }
    refused.ok()?;
    let Some((first, _)) = found.first() else {
        return Err(Refused::of("no folder of Kafka's was named".to_owned()));
    };
    let (node, cluster_id) = (first.node, first.cluster_id.clone());
    for ((identity, dir), path) in found.iter().zip(paths) {
        if (identity.node, &identity.cluster_id) != (node, &cluster_id) {
            refused.add(format!(
                "{} is node {}'s of cluster {}, {} is node {node}'s of cluster {cluster_id}: \
                 one broker is taken over at a time",
                dir.path.display(),
                identity.node,
                identity.cluster_id,
                paths[0].display(),
            ));
        }
        if !tree::is_there(&path.join(CLEAN_SHUTDOWN)) {
            refused.add(format!(
                "{} was not closed cleanly (it has no {CLEAN_SHUTDOWN}): start Kafka on it once \
                 more, so that it checks its own logs, and stop it with SIGTERM. A copy needs \
                 the hidden files, too (cp -a of the whole folder)",
                path.display()
            ));
        }
    }
    let dirs: Vec<KafkaDir> = found.into_iter().map(|(_, dir)| dir).collect();
    let metadata: Vec<&KafkaDir> = dirs
        .iter()
        .filter(|dir| tree::is_there(&dir.path.join(METADATA)))
        .collect();
    let [metadata] = metadata[..] else {
        refused.add(format!(
            "{} of these folders have a {METADATA}, and one must: name every folder of the \
             broker's log.dirs and its metadata.log.dir",
            metadata.len()
        ));
        return Err(refused);
    };
    refused.ok()?;
    let read = metadata::read(&metadata.path.join(METADATA)).map_err(Refused::of)?;
    let mut kafka = Kafka {
        node,
        cluster_id,
        dirs,
        image: read.image,
        security: read.security,
        logs: BTreeMap::new(),
        strays: Vec::new(),
    };
    kafka.find_logs().map_err(Refused::of)?;
    kafka.check(&mut refused);
    refused.ok().map(|()| kafka)
}

fn read_dir(path: &Path) -> Result<(Identity, KafkaDir), String> {
    tree::list(path).map_err(cannot_read(path))?;
    let file = path.join(IDENTITY_FILE);
    let text = tree::read_if_there(&file).map_err(cannot_read(&file))?;
    let text = text.ok_or_else(|| {
        let path = path.display();
        format!("{path} has no {IDENTITY_FILE}: it is no folder of a Kafka broker's log.dirs")
    })?;
    let identity = Identity::parse(&String::from_utf8_lossy(&text))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    if tree::is_locked_by_java(&path.join(".lock")).map_err(cannot_read(path))? {
        return Err(format!(
            "{} is in use by a Kafka broker: stop it first",
            path.display()
        ));
    }
    let mut checkpoints = <[Offsets; 4]>::default();
    for (name, offsets) in CHECKPOINTS.iter().zip(&mut checkpoints) {
        let file = path.join(name);
        let Some(text) = tree::read_if_there(&file).map_err(cannot_read(&file))? else {
            continue;
        };
        let text = String::from_utf8_lossy(&text);
        *offsets = offsets_of(&text).ok_or_else(|| {
            let file = file.display();
            format!("{file} is damaged: start and stop Kafka once more, so that it is made anew")
        })?;
    }
    let dir = KafkaDir {
        path: path.to_owned(),
        id: identity.directory,
        device: checks::device(path).map_err(cannot_read(path))?,
        checkpoints,
    };
    Ok((identity, dir))
}

// === impl Kafka ===

impl Kafka {
    fn find_logs(&mut self) -> Result<(), String> {
        for (at, dir) in self.dirs.iter().enumerate() {
            for entry in tree::list(&dir.path).map_err(cannot_read(&dir.path))? {
                let Some((topic, index)) = partition_of(&entry) else {
                    continue;
                };
                let path = dir.path.join(&entry.name);
                let known = self.image.topics.named(topic);
                let known = known.filter(|topic| topic.partition(index).is_some());
                let log = KafkaLog {
                    files: tree::list(&path).map_err(cannot_read(&path))?,
                    path,
                    dir: at,
                };
                if !known.is_some_and(|topic| is_of(&log, topic)) {
                    self.strays.push(log.path);
                    continue;
                }
                let key = (topic.to_owned(), index);
                // A log that was moved away may have left something behind.
                let here = self.directory(&key) == Some(dir.id);
                if here || !self.logs.contains_key(&key) {
                    self.logs.insert(key, log);
                }
            }
        }
        Ok(())
    }

    fn directory(&self, (topic, index): &(String, PartitionIndex)) -> Option<Uuid> {
        let partition = self.image.topics.partition(topic, *index)?;
        partition.directories.first().copied()
    }

    /// Adds whatever cannot be taken over.
    fn check(&self, refused: &mut Refused) {
        let (mut elsewhere, mut missing, mut unfit) = (Vec::new(), Vec::new(), Vec::new());
        for topic in self.image.topics.sorted() {
            for (partition, index) in topic.partitions.iter().zip(0..) {
                let key = (topic.name.to_string(), index);
                let name = format!("{}-{index}", topic.name);
                if partition.replicas != [self.node] {
                    let ids: Vec<_> = partition.replicas.iter().map(NodeId::to_string).collect();
                    elsewhere.push(format!("{name} (on nodes {})", ids.join(", ")));
                } else if let Some(log) = self.logs.get(&key) {
                    unfit.extend(log.unfit());
                } else {
                    missing.push(name);
                }
            }
            let configs = self.image.configs.topic(&topic.name);
            if configs
                .get("remote.storage.enable")
                .is_some_and(|value| value == "true")
            {
                refused.add(format!(
                    "topic {} has tiered storage (remote.storage.enable), which Corelane does \
                     not have: bring its records back and switch that off first",
                    topic.name
                ));
            }
        }
        refused.add_some(
            "partitions have replicas that are not on this broker: move them here alone with \
             kafka-reassign-partitions first",
            &elsewhere,
        );
        refused.add_some(
            "partitions have no folder here: name every folder of the broker's log.dirs",
            &missing,
        );
        refused.add_some(
            "files show an interrupted compaction: start and stop Kafka",
            &unfit,
        );
    }
}

/// What a checkpoint of Kafka's says. Kafka makes its checkpoints empty and writes one only when
/// there is something to note: that of its cleaner stays empty until it has cleaned a log.
fn offsets_of(text: &str) -> Option<Offsets> {
    match text {
        "" => Some(Offsets::new()),
        text => checkpoint::from_text(text),
    }
}

/// The partition that a folder is named after.
fn partition_of(entry: &Entry) -> Option<(&str, PartitionIndex)> {
    let (topic, index) = entry.name.rsplit_once('-')?;
    let index: PartitionIndex = index.parse().ok()?;
    (entry.is_dir && entry.name != METADATA && index >= 0).then_some((topic, index))
}

/// Whether a log is of the topic as the cluster knows it, and not of one deleted before.
fn is_of(log: &KafkaLog, topic: &Topic) -> bool {
    let text = tree::read(&log.path.join("partition.metadata")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("topic_id:"));
    lines
        .next()
        .is_none_or(|id| id.trim() == topic.id.to_string())
}

impl KafkaLog {
    /// Base offsets and lengths of its segments, in order.
    pub fn segments(&self) -> Vec<(Offset, &Entry)> {
        let segments = self.files.iter().filter_map(|file| {
            let base = file.name.strip_suffix(".log")?.parse().ok()?;
            Some((base, file))
        });
        segments.collect()
    }

    /// Bytes of records.
    pub fn bytes(&self) -> u64 {
        self.segments().iter().map(|(_, file)| file.bytes).sum()
    }

    /// Whether it never had a record.
    pub fn is_blank(&self) -> bool {
        self.segments()
            .iter()
            .all(|(base, file)| *base == 0 && file.bytes == 0)
    }

    fn unfit(&self) -> Option<String> {
        let swap = self
            .files
            .iter()
            .find(|file| file.name.ends_with(".swap"))?;
        Some(self.path.join(&swap.name).display().to_string())
    }
}

impl Refused {
    /// Adds one problem of several things, of which the first few are named.
    pub(super) fn add_some(&mut self, what: &str, things: &[String]) {
        if things.is_empty() {
            return;
        }
        let mut named = things[..things.len().min(TOLD_MAX)].join(", ");
        if things.len() > TOLD_MAX {
            named.push_str(&format!(" and {} more", things.len() - TOLD_MAX));
        }
        self.add(format!("{what}: {named}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_checkpoint_has_no_entries_and_another_one_must_be_whole() {
        assert_eq!(offsets_of(""), Some(Offsets::new()));
        assert_eq!(offsets_of("0\n0\n"), Some(Offsets::new()));
        let one = Offsets::from([(("a".to_owned(), 0), 7)]);
        assert_eq!(offsets_of("0\n1\na 0 7\n"), Some(one));
        for bad in ["\n", "0\n", "0\n1\n", "0\n2\na 0 7\n"] {
            assert_eq!(offsets_of(bad), None, "{bad:?}");
        }
    }
}
