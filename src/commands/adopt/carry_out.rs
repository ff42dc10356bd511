//! Drives: the plan is carried out: logs linked and copied, checkpoints, and the metadata last,
//! so that a broker finds all of it or none.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::kafka::{CHECKPOINTS, KafkaLog};
use super::report::bytes;
use super::{Move, Plan, Refused, transactions};
use crate::base::{LeaderEpoch, Offset};
use crate::io::{checks, tree};
use crate::log::checkpoint::{self, Offsets};
use crate::metadata::controller::{IDENTITY_FILE, metadata_dir};
use crate::metadata::record::encode_batch;
use crate::wire::batch::{LENGTH_PREFIX_BYTES, MAGIC, MAGIC_AT, batches, stamp};

/// In the folder of the metadata while this is under way.
pub const MARKER: &str = ".adopting";
/// The metadata log until it is whole.
const UNFINISHED_METADATA: &str = ".adopting-metadata";
/// Records of one batch of the metadata log.
const BATCH_RECORDS: usize = 1_000;
/// The metadata log's term, as the controller writes it.
const EPOCH: i32 = 1;
/// The file that says which term wrote what in a log.
const EPOCHS: &str = "leader-epoch-checkpoint";
/// The checkpoints that say where logs end.
const ENDS: [&str; 2] = [CHECKPOINTS[0], CHECKPOINTS[2]];

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Count of partitions with records.
    pub partitions: usize,
    /// Segments that got a second name.
    pub linked_segments: usize,
    /// Bytes copied.
    pub copied_bytes: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Done {
            partitions,
            linked_segments,
            copied_bytes,
        } = self;
        write!(
            f,
            "Taken over: {partitions} partitions with records, {linked_segments} segments \
             linked, {} copied. Kafka's folder is as it was; once it is not needed any more, \
             removing it frees only what was copied. Start the broker with the same --data-dir \
             and settings.",
            bytes(*copied_bytes)
        )
    }
}

/// Where a log ends, and the term there.
type End = (Offset, LeaderEpoch);
type Result<T> = std::result::Result<T, Refused>;

fn cannot_write(path: &Path) -> impl Fn(io::Error) -> Refused + '_ {
    move |error| Refused::of(format!("cannot write {}: {error}", path.display()))
}

impl Plan {
    /// Does it. `progress` is called after each partition with how many are done, and of how many.
    pub fn carry_out(&self, progress: &mut dyn FnMut(usize, usize)) -> Result<Done> {
        let _locks = self.take_folders()?;
        let marker = self.config.data_dir.join(MARKER);
        tree::write_new(&marker, b"").map_err(cannot_write(&marker))?;
        self.sync(&self.config.data_dir)?;
        let mut done = Done::default();
        for (at, one) in self.moves.iter().enumerate() {
            self.take_log(one, &mut done)?;
            done.partitions += 1;
            progress(at + 1, self.moves.len());
        }
        for (at, folder) in self.folders.iter().enumerate() {
            self.write_checkpoints(at)?;
            let identity = folder.path.join(IDENTITY_FILE);
            let text = folder.identity.text();
            tree::write_new(&identity, text.as_bytes()).map_err(cannot_write(&identity))?;
            self.sync(&folder.path)?;
        }
        self.write_metadata()?;
        tree::remove(&marker).map_err(cannot_write(&marker))?;
        self.sync(&self.config.data_dir)?;
        Ok(done)
    }

    /// Makes the folders, locks them, and sees that a broker can use them.
    fn take_folders(&self) -> Result<Vec<checks::FolderLock>> {
        let mut locks = Vec::new();
        let mut dirs = self.config.log_dirs.clone();
        if !dirs.contains(&self.config.data_dir) {
            dirs.push(self.config.data_dir.clone());
        }
        for dir in &dirs {
            tree::make_dir(dir).map_err(cannot_write(dir))?;
            let checked = checks::lock(dir).and_then(|lock| checks::direct_io(dir).map(|()| lock));
            locks.push(checked.map_err(|error| Refused::of(error.to_string()))?);
        }
        for folder in &self.folders {
            tree::make_dir(&folder.path).map_err(cannot_write(&folder.path))?;
            self.sync(folder.path.parent().unwrap_or(Path::new(".")))?;
        }
        Ok(locks)
    }

    fn sync(&self, dir: &Path) -> Result<()> {
        tree::sync_dir(dir).map_err(cannot_write(dir))
    }

    fn target(&self, one: &Move) -> PathBuf {
        self.folders[one.to]
            .path
            .join(format!("{}-{}", one.topic, one.index))
    }

    /// Takes over one log. Its last segment will be written on and is a copy, as are the small
    /// files; the others are only ever read or removed, and can be shared.
    fn take_log(&self, one: &Move, done: &mut Done) -> Result<()> {
        let log = self.log(one);
        let end = self.check_log(log, one)?;
        let target = self.target(one);
        tree::make_dir(&target).map_err(cannot_write(&target))?;
        let last = log.segments().last().map(|(_, file)| file.name.clone());
        for file in log.files.iter().filter(|file| is_wanted(&file.name)) {
            let (from, to) = (log.path.join(&file.name), target.join(&file.name));
            let sealed = file.name.ends_with(".log") && Some(&file.name) != last.as_ref();
            if sealed && self.is_near(one) && tree::link(&from, &to).map_err(cannot_write(&to))? {
                done.linked_segments += 1;
                continue;
            }
            // Kafka makes it empty; what holds nothing would count as damaged.
            if file.name == EPOCHS && file.bytes == 0 {
                continue;
            }
            tree::copy(&from, &to).map_err(cannot_write(&to))?;
            done.copied_bytes += file.bytes;
        }
        if let Some(last) = last.filter(|_| !one.open.is_empty()) {
            self.end_transactions(one, end, &target.join(last))?;
        }
        self.sync(&target)?;
        self.sync(&self.folders[one.to].path)
    }

    /// Ends the transactions that were open, behind the last record of the copied last segment.
    fn end_transactions(&self, one: &Move, end: End, segment: &Path) -> Result<()> {
        let ending = transactions::ending(&one.open, &self.states, end, self.now);
        let index = segment.with_extension("txnindex");
        for (file, bytes) in [(segment, &ending.batches), (&*index, &ending.index)] {
            tree::append(file, bytes).map_err(cannot_write(file))?;
        }
        Ok(())
    }

    /// Checks what a start will trust: the format of every segment, and all of the last one, up
    /// to the offset that Kafka had noted as its end. Returns that and the term there.
    fn check_log(&self, log: &KafkaLog, one: &Move) -> Result<End> {
        let segments = log.segments();
        let mut end = one.offsets.0;
        let mut term = last_term(log)?;
        for (at, (base, file)) in segments.iter().enumerate() {
            let path = log.path.join(&file.name);
            end = end.max(*base);
            let read = |error| Refused::of(format!("cannot read {}: {error}", path.display()));
            if at + 1 < segments.len() {
                let head = tree::read_head(&path, MAGIC_AT + 1).map_err(read)?;
                if head
                    .get(MAGIC_AT)
                    .is_some_and(|magic| *magic as i8 != MAGIC)
                {
                    return Err(old_format(&path));
                }
                continue;
            }
            let content = tree::read(&path).map_err(read)?;
            if content
                .get(MAGIC_AT)
                .is_some_and(|magic| *magic as i8 != MAGIC)
            {
                return Err(old_format(&path));
            }
            let mut all = batches(&content);
            for batch in all.by_ref() {
                let sound = batch.and_then(|batch| batch.verify_crc().map(|()| batch));
                let damaged = |error| Refused::of(format!("{}: {error}", path.display()));
                let batch = sound.map_err(damaged)?;
                end = end.max(batch.next_offset());
                term = batch.leader_epoch();
            }
            if !all.rest().is_empty() {
                let path = path.display();
                return Err(Refused::of(format!("{path} ends with what is no batch")));
            }
        }
        if end == one.offsets.1.max(one.offsets.0) {
            return Ok((end, term));
        }
        Err(Refused::of(format!(
            "{} ends at offset {end}, Kafka had noted {}: start and stop Kafka once more",
            log.path.display(),
            one.offsets.1
        )))
    }

    /// The checkpoints of one folder: of its partitions, what Kafka's said.
    fn write_checkpoints(&self, folder: usize) -> Result<()> {
        let path = &self.folders[folder].path;
        for (kind, name) in CHECKPOINTS.iter().enumerate() {
            let mut offsets = Offsets::new();
            for one in self.moves.iter().filter(|one| one.to == folder) {
                let key = (one.topic.clone(), one.index);
                let known = &self.kafka.dirs[self.log(one).dir].checkpoints[kind];
                let mut offset = known.get(&key).copied();
                if ENDS.contains(name) {
                    // Each marker is a record behind what Kafka had noted.
                    offset = offset.map(|offset| offset + one.open.len() as Offset);
                }
                offsets.extend(offset.map(|offset| (key, offset)));
            }
            let file = path.join(name);
            let text = checkpoint::to_text(&offsets);
            tree::write_new(&file, text.as_bytes()).map_err(cannot_write(&file))?;
        }
        let clean = path.join(".kafka_cleanshutdown");
        let content = br#"{"version":0,"brokerEpoch":-1}"#;
        tree::write_new(&clean, content).map_err(cannot_write(&clean))
    }

    fn write_metadata(&self) -> Result<()> {
        let unfinished = self.config.data_dir.join(UNFINISHED_METADATA);
        tree::make_dir(&unfinished).map_err(cannot_write(&unfinished))?;
        let mut log = Vec::new();
        let mut offset: Offset = 0;
        for records in self.records.chunks(BATCH_RECORDS) {
            let mut batch = encode_batch(records, EPOCH, self.now);
            stamp(&mut batch, offset, EPOCH);
            debug_assert!(batch.len() > LENGTH_PREFIX_BYTES);
            log.extend(batch);
            offset += records.len() as Offset;
        }
        let file = unfinished.join("00000000000000000000.log");
        tree::write_new(&file, &log).map_err(cannot_write(&file))?;
        self.sync(&unfinished)?;
        let metadata = metadata_dir(&self.config.data_dir);
        tree::rename(&unfinished, &metadata).map_err(cannot_write(&metadata))?;
        self.sync(&self.config.data_dir)
    }
}

/// The term that wrote last, as Kafka noted it: where the last segment is empty nothing else says
/// so.
fn last_term(log: &KafkaLog) -> Result<LeaderEpoch> {
    let path = log.path.join(EPOCHS);
    let text = tree::read_if_there(&path)
        .map_err(|error| Refused::of(format!("cannot read {}: {error}", path.display())))?;
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    let last = text.lines().skip(2).last();
    let term = last.and_then(|line| line.split(' ').next()?.parse().ok());
    Ok(term.unwrap_or(0))
}

/// What of a log's folder is worth taking.
fn is_wanted(name: &str) -> bool {
    const SUFFIXES: [&str; 5] = [".log", ".index", ".timeindex", ".txnindex", ".snapshot"];
    SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || matches!(name, EPOCHS | "partition.metadata")
}

fn old_format(path: &Path) -> Refused {
    Refused::of(format!(
        "{} holds records of format 0 or 1, older than Kafka 0.11: produce them anew first",
        path.display()
    ))
}
