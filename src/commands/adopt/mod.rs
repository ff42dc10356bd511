//! Drives: `corelane adopt`: a stopped Kafka broker's folders become this broker's.
//!
//! First a plan, which changes nothing and can be read; then, if that is wanted, its execution.
//! Kafka's own folders are never changed: what is not written any more is hard-linked where that
//! is possible, all else is copied.

mod carry_out;
mod kafka;
mod left_behind;
mod metadata;
mod report;
mod transactions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::config::BrokerConfig;
use crate::base::ids::Uuid;
use crate::base::{NodeId, Offset, PartitionIndex, WallMs};
use crate::io::{checks, tree};
use crate::metadata::controller::decide::{self, Adopted, Deciding, NodeStart, Random};
use crate::metadata::controller::{Identity, shard_dir};
use crate::metadata::image::{Delta, Image};
use crate::metadata::record::{Endpoint, MetadataRecord};
use kafka::{Kafka, KafkaLog};
pub use left_behind::LeftBehind;
use transactions::{Open, States};

/// Why a folder is not taken over: everything that is wrong, a sentence each.
#[derive(Clone, PartialEq, Eq, Debug, Default, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct Refused {
    problems: Vec<String>,
}

/// What an error of the file system says to the user.
fn cannot_read(path: &Path) -> impl Fn(std::io::Error) -> String + '_ {
    move |error| format!("cannot read {}: {error}", path.display())
}

/// What else than a plain takeover is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accepted {
    /// What may be left behind.
    pub leave_behind: Vec<LeftBehind>,
    /// Whether transactions that are open are ended on the way.
    pub end_transactions: bool,
}

/// What is to be done.
pub struct Plan {
    kafka: Kafka,
    config: BrokerConfig,
    /// The cluster as this broker will find it.
    image: Image,
    /// The records that make it.
    records: Vec<MetadataRecord>,
    /// The nodes' folders to be made.
    folders: Vec<NewFolder>,
    /// The logs that go somewhere: which, and into which of the folders.
    moves: Vec<Move>,
    /// What is left out, a sentence each.
    left_out: Vec<String>,
    /// The partitions in which open transactions are ended, and what becomes of each.
    ended: Vec<String>,
    /// Those in which they stay open, to be ended by the broker.
    kept_open: Vec<String>,
    /// What Kafka had decided about transactions, where some are open.
    states: States,
    now: WallMs,
}

/// A folder of a node to be made.
struct NewFolder {
    path: PathBuf,
    identity: Identity,
    /// The device it will be on.
    device: u64,
}

/// A log and where it goes.
struct Move {
    topic: String,
    index: PartitionIndex,
    /// Which of [`Plan::folders`].
    to: usize,
    /// As the checkpoints have it: the first readable offset and the end.
    offsets: (Offset, Offset),
    bytes: u64,
    /// The transactions that are ended on the way, in the order of their first offsets.
    open: Vec<Open>,
}

/// Finds out what taking over the Kafka folders `from` into the folders of `config` comes to.
/// `seed` makes the new ids.
pub fn plan(
    from: &[PathBuf],
    accepted: &Accepted,
    config: BrokerConfig,
    seed: [u8; 32],
    now: WallMs,
) -> Result<Plan, Refused> {
    let mut refused = Refused::default();
    for dir in config.log_dirs.iter().chain([&config.data_dir]) {
        refused.extend(check_target(dir));
    }
    let kafka = match kafka::read(from) {
        Ok(kafka) => kafka,
        Err(more) => {
            refused.problems.extend(more.problems);
            return Err(refused);
        }
    };
    let (in_the_way, left_behind) = kafka.security.sentences(&accepted.leave_behind);
    refused.problems.extend(in_the_way);
    let mut random = Random::new(seed);
    let folders = new_folders(&config, &kafka.cluster_id, &mut random)?;
    let (image, records, notes) = decide(&kafka, &config, &folders, &mut random)?;
    let mut plan = Plan {
        kafka,
        config,
        image,
        records,
        folders,
        moves: Vec::new(),
        states: States::new(),
        left_out: [left_behind, notes.left_out].concat(),
        ended: Vec::new(),
        kept_open: Vec::new(),
        now,
    };
    notes
        .problems
        .into_iter()
        .for_each(|problem| refused.add(problem));
    plan.find_moves();
    plan.find_transactions(accepted.end_transactions, &mut refused);
    plan.check_space(&mut refused);
    refused.ok().map(|()| plan)
}

/// Only into new folders: nothing can be mixed up or overwritten.
fn check_target(dir: &Path) -> Option<String> {
    let entries = match tree::list(dir) {
        Ok(entries) => entries,
        Err(_) if !tree::is_there(dir) => return None,
        Err(error) => return Some(format!("cannot read {}: {error}", dir.display())),
    };
    if entries.iter().any(|entry| entry.name == carry_out::MARKER) {
        return Some(format!(
            "{} holds what an interrupted adopt has left: remove it and begin anew (Kafka's \
             folder is as it was)",
            dir.display()
        ));
    }
    // A file system's own folder, and what looking whether a folder can be used may leave.
    let is_harmless = |name: &str| matches!(name, "lost+found" | ".lock");
    let other = entries.iter().find(|entry| !is_harmless(&entry.name))?;
    Some(format!(
        "{} is not empty (there is {}): a Kafka folder is taken over into a new --data-dir",
        dir.display(),
        other.name
    ))
}

fn new_folders(
    config: &BrokerConfig,
    cluster_id: &str,
    random: &mut Random,
) -> Result<Vec<NewFolder>, Refused> {
    let mut folders = Vec::new();
    for shard in 0..config.shards {
        for dir in &config.log_dirs {
            let device = checks::absolute(dir)
                .ancestors()
                .find_map(|dir| checks::device(dir).ok())
                .ok_or_else(|| Refused::of(format!("there is no place for {}", dir.display())))?;
            folders.push(NewFolder {
                path: shard_dir(dir, shard),
                identity: Identity {
                    cluster_id: cluster_id.to_owned(),
                    node: NodeId(config.node_id(shard)),
                    directory: random.uuid(),
                    in_cluster: false,
                },
                device,
            });
        }
    }
    Ok(folders)
}

/// The metadata: a new cluster's, and then what is taken over.
fn decide(
    kafka: &Kafka,
    config: &BrokerConfig,
    folders: &[NewFolder],
    random: &mut Random,
) -> Result<(Image, Vec<MetadataRecord>, decide::AdoptNotes), Refused> {
    let node = |shard: usize| {
        let id = NodeId(config.node_id(shard));
        let own = folders.iter().filter(|folder| folder.identity.node == id);
        NodeStart {
            id,
            endpoint: Endpoint {
                name: config.advertised.listener.clone(),
                host: config.advertised.host.clone(),
                port: config.advertised.of_shard(shard).port,
                security_protocol: 0,
            },
            rack: config.rack.clone(),
            log_dirs: own.map(|folder| folder.identity.directory).collect(),
        }
    };
    let nodes: Vec<NodeStart> = (0..config.shards).map(node).collect();
    let empty = Image::empty(&kafka.cluster_id);
    let mut records = decide::format(config);
    let offset = records.len() as Offset;
    records.extend(decide::register_nodes(&empty, &nodes, offset, random));
    let image = apply(&empty, &records)?;
    let devices: BTreeMap<Uuid, u64> = folders
        .iter()
        .map(|folder| (folder.identity.directory, folder.device))
        .collect();
    let near = |topic: &str, index: PartitionIndex, id: Uuid| {
        let log = kafka.logs.get(&(topic.to_owned(), index));
        log.is_some_and(|log| devices.get(&id) == Some(&kafka.dirs[log.dir].device))
    };
    let adopted = Adopted {
        image: &kafka.image,
        node: kafka.node,
    };
    let mut with = Deciding {
        image: &image,
        config,
        random,
    };
    let decision = decide::adopt(&mut with, &adopted, &near);
    let image = apply(&image, &decision.records)?;
    records.extend(decision.records);
    Ok((image, records, decision.answer))
}

fn apply(image: &Image, records: &[MetadataRecord]) -> Result<Image, Refused> {
    let mut delta = Delta::new(image);
    for record in records {
        let replayed = delta.replay(record);
        replayed.map_err(|error| Refused::of(format!("the metadata make no sense: {error}")))?;
    }
    Ok(delta.apply(image.end_offset + records.len() as Offset))
}

// === impl Plan ===

impl Plan {
    fn find_moves(&mut self) {
        for (key, log) in &self.kafka.logs {
            let placed = self.image.topics.partition(&key.0, key.1);
            let directory = placed.and_then(|partition| partition.directories.first());
            let to = self
                .folders
                .iter()
                .position(|new| Some(&new.identity.directory) == directory);
            let Some(to) = to.filter(|_| !log.is_blank()) else {
                continue;
            };
            let [_, starts, ends, _] = &self.kafka.dirs[log.dir].checkpoints;
            let base = log.segments().first().map_or(0, |(base, _)| *base);
            let start = starts.get(key).copied().unwrap_or(0).max(base);
            self.moves.push(Move {
                topic: key.0.clone(),
                index: key.1,
                to,
                offsets: (start, ends.get(key).copied().unwrap_or(start)),
                bytes: log.bytes(),
                open: Vec::new(),
            });
        }
    }

    fn log(&self, of: &Move) -> &KafkaLog {
        &self.kafka.logs[&(of.topic.clone(), of.index)]
    }

    /// Finds the open transactions. Those that their coordinator has noted go on, and end as it had
    /// decided or by their time-out; others nothing would ever end.
    fn find_transactions(&mut self, may_end: bool, refused: &mut Refused) {
        for at in 0..self.moves.len() {
            match transactions::open_in(self.log(&self.moves[at]), self.now) {
                Ok(open) => self.moves[at].open = open,
                Err(problem) => refused.add(problem),
            }
        }
        if self.moves.iter().all(|one| one.open.is_empty()) {
            return;
        }
        match transactions::states(&self.kafka) {
            Ok(states) => self.states = states,
            Err(problem) => refused.add(problem),
        }
        let told = |one: &Move| {
            let of = one.open.iter();
            let words: Vec<String> = of
                .map(|open| transactions::in_words(open, &self.states))
                .collect();
            format!("{}-{} ({})", one.topic, one.index, words.join("; "))
        };
        let all = |which: &dyn Fn(&Move) -> bool| -> Vec<String> {
            let with = self.moves.iter().filter(|one| which(one));
            with.map(told).collect()
        };
        if may_end {
            self.ended = all(&|one| !one.open.is_empty());
            return;
        }
        let hanging =
            all(&|one| transactions::any_hangs(&one.open, (&one.topic, one.index), &self.states));
        if !hanging.is_empty() {
            refused.add_some(
                "partitions have transactions that hang: their coordinator does not know of them. \
                 Start Kafka, abort them with kafka-transactions, and stop it again; or have \
                 them ended on the way with --end-transactions",
                &hanging,
            );
        }
        self.kept_open = all(&|one| !one.open.is_empty());
        self.moves.iter_mut().for_each(|one| one.open.clear());
    }

    fn check_space(&self, refused: &mut Refused) {
        let mut wanted: BTreeMap<u64, (u64, &Path)> = BTreeMap::new();
        for one in &self.moves {
            let folder = &self.folders[one.to];
            let copied = self.copied_bytes(one);
            wanted.entry(folder.device).or_insert((0, &folder.path)).0 += copied;
        }
        for (bytes, path) in wanted.into_values() {
            let space = checks::absolute(path)
                .ancestors()
                .find_map(|dir| checks::space(dir).ok());
            if let Some(space) = space.filter(|space| space.usable_bytes < bytes) {
                refused.add(format!(
                    "{} bytes are to be copied to {}, where {} are free",
                    bytes,
                    path.display(),
                    space.usable_bytes
                ));
            }
        }
    }

    /// Whether the sealed segments of a log can be linked.
    fn is_near(&self, one: &Move) -> bool {
        let log = self.log(one);
        let same_device = self.kafka.dirs[log.dir].device == self.folders[one.to].device;
        let segments = log.segments();
        let first = segments.first().map(|(_, file)| log.path.join(&file.name));
        same_device && first.is_none_or(|first| tree::may_link(&first))
    }

    fn copied_bytes(&self, one: &Move) -> u64 {
        let log = self.log(one);
        let all: u64 = log.files.iter().map(|file| file.bytes).sum();
        if !self.is_near(one) {
            return all;
        }
        let segments = log.segments();
        let (_, sealed) = segments
            .split_last()
            .map_or((None, &[][..]), |(a, b)| (Some(a), b));
        all - sealed.iter().map(|(_, file)| file.bytes).sum::<u64>()
    }
}

// === impl Refused ===

impl Refused {
    fn of(problem: String) -> Refused {
        Refused {
            problems: vec![problem],
        }
    }

    fn add(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn extend(&mut self, problem: Option<String>) {
        let news = problem.filter(|problem| !self.problems.contains(problem));
        self.problems.extend(news);
    }

    /// Fails if there is any problem so far.
    fn ok(&mut self) -> Result<(), Refused> {
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(std::mem::take(self)),
        }
    }
}
