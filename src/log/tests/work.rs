//! Drives: a generated life of a few logs that share a disk: everything a log can be asked to do.

use std::path::Path;
use std::rc::Rc;

use futures_util::future::join;

use super::finding::{ROOT, contents, find, parts_of};
use super::story::{Story, Topic, Wrong};
use super::support::{batch, config, options};
use crate::base::ids::Uuid;
use crate::base::{Offset, TopicId};
use crate::io::disk::Disk;
use crate::io::sim::{End, Fault, Random, SimDisk};
use crate::log::{
    AppendError, CleanError, Cleaning, Folder, LastRecords, Log, LogConfig, Logs, LogsOptions,
    Retired,
};
use crate::wire::batch::{BatchBuilder, NewRecord, batches, stamp};

/// Segments of a few batches each, so that a short life has many.
const SEGMENT_BYTES: u64 = 9_000;

/// One start of the machine up to its end.
pub(super) struct Life {
    pub sim: SimDisk,
    pub disk: Disk,
    pub folder: Folder,
    pub shared: Logs,
    pub topics: Rc<Vec<Topic>>,
    pub logs: Vec<Log>,
    epoch: i32,
    now: i64,
    pub random: Random,
}

/// The logs of a world: one acked when flushed, one acked when written, one that is compacted,
/// one that follows another, one that comes and goes.
pub fn topics() -> Vec<Topic> {
    let relaxed = LogConfig {
        flush_messages: 6,
        flush_ms: 30,
        ..config(SEGMENT_BYTES / 3)
    };
    let compacted = LogConfig {
        compact: true,
        delete_old: false,
        min_dirty_ratio: 0.0,
        delete_retention_ms: 20,
        ..config(SEGMENT_BYTES / 3)
    };
    vec![
        Topic::new("t", config(SEGMENT_BYTES)),
        Topic::new("u", relaxed),
        Topic::new("c", compacted),
        Topic {
            follows: true,
            ..Topic::new("f", config(SEGMENT_BYTES / 3))
        },
        Topic::new("v", config(2 * SEGMENT_BYTES)),
    ]
}

/// Starts on what the last life left, `ended` so at `moment` of its history, checks that, and
/// works for `actions` actions or up to a clean stop.
pub async fn live(
    sim: SimDisk,
    topics: Rc<Vec<Topic>>,
    (moment, ended): (usize, End),
    actions: usize,
    seed: u64,
) -> Result<(), Wrong> {
    let disk = Disk::simulated(sim.clone());
    let opened = Folder::open(&disk, Path::new(ROOT)).await;
    let folder = opened.map_err(|error| error.to_string())?;
    let mut life = Life {
        shared: perhaps_with_journal(&folder, &disk, seed).await,
        folder,
        logs: Vec::new(),
        epoch: 0,
        now: 0,
        random: Random::new(seed),
        topics,
        disk,
        sim,
    };
    let topics = Rc::clone(&life.topics);
    for topic in topics.iter() {
        let (log, found) = find(&life.disk, &life.folder, &life.shared, topic).await?;
        let story = topic.check(moment, ended, &found)?;
        let before = topic.promised(moment);
        topic.go_on(story, &found.0, before, life.sim.moment());
        life.listen(&log, topic);
        life.epoch = life.epoch.max(log.latest_epoch().unwrap_or(0));
        life.logs.push(log);
    }
    for _ in 0..actions {
        let ends = life.act().await?;
        life.look();
        if ends {
            break;
        }
    }
    Ok(())
}

/// Three lives of four have a journal, of a circle that closes soon; most wait until it is there.
async fn perhaps_with_journal(folder: &Folder, disk: &Disk, seed: u64) -> Logs {
    let mut random = Random::new(seed ^ 0x10_0513);
    let capacity = [0, 64 << 10, 96 << 10, 256 << 10][random.below(4)];
    // So small that a life has appends which go past the journal, and files which get longer.
    let options = LogsOptions {
        entered_bytes_max: 2 << 10,
        away_bytes_max: 6 << 10,
        flushed_each_max: [1, 64][random.below(2)],
        prepare_bytes: (4 << 10, 16 << 10),
        ..options()
    };
    let shared = folder.begin_journal(&Logs::new(disk, options), capacity);
    if let Some(journal) = shared.journal()
        && !random.one_in(4)
    {
        journal.prepared().await;
    }
    shared
}

impl Life {
    pub fn listen(&self, log: &Log, topic: &Topic) {
        let (sim, story) = (self.sim.clone(), topic.story());
        log.on_acked(Rc::new(move |offset| {
            story.acked.note(sim.moment(), offset)
        }));
        let story = topic.story();
        log.on_roll(Rc::new(move |offset| story.snapshot(offset)));
    }

    /// Notes how far the logs have come.
    fn look(&self) {
        let moment = self.sim.moment();
        for (log, topic) in self.logs.iter().zip(self.topics.iter()) {
            let story = topic.story();
            story.flushed.note(moment, log.0.flushed_offset.get());
            story.start.note(moment, log.start_offset());
        }
    }

    /// Does something; `true` when that was a clean stop.
    async fn act(&mut self) -> Result<bool, Wrong> {
        self.now += self.random.below(20) as i64;
        let which = self.random.below(self.logs.len());
        match self.random.below(25) {
            0 | 1 => self.checkpoint().await?,
            2 | 3 => self.maintain().await?,
            4 => self.epoch += 1,
            5 | 6 => {
                let log = &self.logs[which];
                let acked = log.wait_acked(log.end_offset()).await;
                acked.map_err(|failure| failure.to_string())?;
            }
            7 => drop(contents(&self.logs[which]).await?),
            8 => {
                let log = &self.logs[which];
                let offset = self.random.below(log.acked_offset() as usize + 1) as Offset;
                let _ = log.delete_records_before(offset);
                self.look();
                log.maintain(self.now).await.map_err(|it| it.to_string())?;
            }
            9 => self.set_retention(which),
            10 if self.random.one_in(3) => self.remove_last().await?,
            11 if self.random.one_in(3) => return self.close().await.map(|()| true),
            12 => self.burst(which).await?,
            14 => self.clean().await?,
            15 if self.random.one_in(3) => {
                // The journal fails, if there is one: logs go on with their own files.
                let file = Path::new(ROOT).join("corelane-journal");
                self.append(which).await?;
                let log = &self.logs[which];
                let acked = log.wait_acked(log.end_offset()).await;
                acked.map_err(|failure| failure.to_string())?;
                self.sim.inject_below(&file, Fault::Write);
                // What it holds may soon be of segments that are gone.
                self.burst(which).await?;
            }
            16 => self.part().await?,
            13 => {
                for which in 0..self.logs.len() {
                    self.append(which).await?;
                }
            }
            _ => self.append(which).await?,
        }
        Ok(false)
    }

    /// Fills segments, and has retention at their heels.
    async fn burst(&mut self, which: usize) -> Result<(), Wrong> {
        let settings = LogConfig {
            retention_bytes: 1,
            ..self.topics[which].config.clone()
        };
        self.logs[which].set_config(settings);
        for _ in 0..12 {
            self.append(which).await?;
            if self.random.one_in(3) {
                let log = &self.logs[which];
                let acked = log.wait_acked(log.end_offset()).await;
                acked.map_err(|failure| failure.to_string())?;
                log.maintain(self.now).await.map_err(|it| it.to_string())?;
                self.look();
            }
        }
        Ok(())
    }

    /// Appends to the log that is compacted, and compacts it while more is appended.
    async fn clean(&mut self) -> Result<(), Wrong> {
        let topics = Rc::clone(&self.topics);
        let Some(which) = topics.iter().position(|topic| topic.config.compact) else {
            return Ok(());
        };
        for _ in 0..2 + self.random.below(6) {
            self.append(which).await?;
        }
        let log = &self.logs[which];
        let acked = log.wait_acked(log.end_offset()).await;
        acked.map_err(|failure| failure.to_string())?;
        log.maintain(self.now).await.map_err(|it| it.to_string())?;
        log.0.upkeep_idle().await;
        self.look();
        self.append(which).await?;
        let (log, name) = (&self.logs[which], topics[which].name);
        let cleaned = self.folder.cleaned(name, 0);
        let dirt = log.dirt(cleaned, Offset::MAX, self.now).await;
        let Some(dirt) = dirt.map_err(|error| error.to_string())? else {
            return Ok(());
        };
        if !dirt.is_due(log.min_dirty_ratio()) {
            return Ok(());
        }
        let job = Cleaning {
            map_bytes_max: [0, 1 << 20][self.random.below(2)],
            map_load_factor: 0.9,
            buffer_bytes: 16 << 10,
            bytes_per_second: f64::MAX,
            last_records: &LastRecords::new,
            now: self.now,
        };
        let appended = log.wait_acked(log.end_offset());
        let (cleaned, acked) = join(log.clean(&dirt, &job), appended).await;
        acked.map_err(|failure| failure.to_string())?;
        self.look();
        match cleaned {
            Ok(cleaned) => {
                let noted = self.folder.set_cleaned(name, 0, cleaned.end).await;
                noted.map_err(|error| error.to_string())
            }
            Err(CleanError::Overtaken) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    pub async fn checkpoint(&self) -> Result<(), Wrong> {
        let logs = self.logs.iter().zip(self.topics.iter());
        let logs = logs.map(|(log, topic)| (topic.name, 0, log));
        let written = self.folder.checkpoint(logs).await;
        written.map_err(|error| error.to_string())
    }

    async fn maintain(&self) -> Result<(), Wrong> {
        for log in &self.logs {
            log.maintain(self.now).await.map_err(|it| it.to_string())?;
            self.look();
        }
        Ok(())
    }

    fn set_retention(&mut self, which: usize) {
        let settings = LogConfig {
            retention_ms: [-1, 40, 100][self.random.below(3)],
            retention_bytes: [-1, 9_000, 30_000][self.random.below(3)],
            ..self.topics[which].config.clone()
        };
        self.logs[which].set_config(settings);
    }

    /// Removes the last log, as a topic that is deleted, and begins it anew.
    async fn remove_last(&mut self) -> Result<(), Wrong> {
        let topics = Rc::clone(&self.topics);
        let (Some(topic), Some(log)) = (topics.last(), self.logs.pop()) else {
            return Ok(());
        };
        topic.story().removing.set(Some(self.sim.moment()));
        let retired = Retired {
            topic: topic.name,
            id: TopicId(Uuid::from_u128(self.random.below(1 << 30) as u128)),
            index: 0,
            log: Some(&log),
        };
        if let Some((_, error)) = self.folder.retire(&[retired]).await.first() {
            return Err(error.to_string());
        }
        let moment = self.sim.moment();
        topic.story().removed.set(Some(moment));
        topic.stories.borrow_mut().push(Rc::new(Story {
            born: moment + 1,
            ..Story::default()
        }));
        let (log, (found, _)) = find(&self.disk, &self.folder, &self.shared, topic).await?;
        if found.end != 0 {
            return Err(format!("removed, and there it is: {found:?}"));
        }
        self.listen(&log, topic);
        self.logs.push(log);
        // The next one is written to already while the files of the last one go.
        self.folder
            .empty_trash()
            .await
            .map_err(|(path, error)| format!("{}: {error}", path.display()))
    }

    /// Each log by itself, or all of them in one batch.
    async fn close(&mut self) -> Result<(), Wrong> {
        let in_batch = self.random.one_in(2);
        let wrong = |error: std::io::Error| error.to_string();
        let batch = self.disk.batch(Path::new(ROOT)).await.map_err(wrong)?;
        for log in &self.logs {
            match in_batch {
                true => log.close_in_batch().await.map(drop),
                false => log.close().await,
            }
            .map_err(wrong)?;
            self.look();
        }
        if in_batch {
            batch.sync().await.map_err(wrong)?;
        }
        self.checkpoint().await?;
        let closed = self.folder.close_cleanly(-1).await;
        closed.map_err(|error| error.to_string())
    }

    pub async fn append(&mut self, which: usize) -> Result<(), Wrong> {
        let (log, random) = (&self.logs[which], &mut self.random);
        let mut bytes = Vec::new();
        let mut appended = Vec::new();
        let mut next = log.end_offset();
        for _ in 0..1 + random.below(3) {
            let follows = self.topics[which].follows;
            next += Offset::from(follows && random.one_in(3)) * random.below(9) as Offset;
            let count = 1 + random.below(3);
            let size = [20, 300, 1_500][random.below(3)] + random.below(100);
            let compact = self.topics[which].config.compact;
            let mut one = match compact {
                true => keyed(count, size / 2, random, self.now),
                false => batch(count, size, random.next(), self.now),
            };
            stamp(&mut one, next, self.epoch);
            let parts = batches(&one).flatten().map(|it| parts_of(&it, compact));
            appended.extend(parts.flatten());
            next += count as Offset;
            bytes.extend(one);
        }
        // Known before it can be acked.
        let story = self.topics[which].story();
        let known = story.batches.borrow().len();
        story.batches.borrow_mut().extend(appended);
        let taken = match self.topics[which].follows {
            true => log.append_replicated(&bytes, self.now),
            false => log.append(&bytes, self.epoch, None, self.now),
        };
        match taken {
            Ok(_) => return Ok(()),
            Err(AppendError::Busy) => log.wait_for_room().await,
            Err(AppendError::LargerThanSegment(_)) => {}
            Err(error) => return Err(format!("{error}: {:?}", log.failure())),
        }
        story.batches.borrow_mut().truncate(known);
        Ok(())
    }
}

/// A batch of `count` records of a few keys, some of which delete theirs.
fn keyed(count: usize, bytes: usize, random: &mut Random, now: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for _ in 0..count {
        let key = [b'a' + random.below(6) as u8];
        let mut value = vec![key[0]; bytes.max(8)];
        value[..8].copy_from_slice(&random.next().to_be_bytes());
        let value = (!random.one_in(5)).then_some(&value[..]);
        builder.push(NewRecord::new(now, Some(&key), value));
    }
    builder.build()
}
