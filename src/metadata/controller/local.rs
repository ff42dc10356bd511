//! Drives: the controller of a standalone broker: decides, appends, waits, then answers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::config::BrokerConfig;
use crate::base::faults::{Fault, FaultKind, Faults};
use crate::base::{LeaderEpoch, NodeId, WallMs};
use crate::io::budget::Budget;
use crate::io::disk::Disk;
use crate::io::event::Event;
use crate::io::semaphore::Semaphore;
use crate::log::{AppendError, Log, Logs, LogsOptions, OpenError};
use crate::metadata::image::{Delta, Image};
use crate::metadata::record::{AbortTransaction, Endpoint, MetadataRecord, encode_batch};
use crate::metadata::source::local::{self as source, SourceError};
use crate::metadata::source::note::{self, Note};

use super::change::CannotWrite;
use super::decide::{self, Deciding, Decision, NodeStart, RECORDS_MAX, Random};
use super::folder::{self, LoadError, NodeDir};
use super::{Change, RenewLeaders};

/// The term stamped into batches of the metadata log: its leader never changes.
pub const EPOCH: LeaderEpoch = 1;

/// Owns the metadata log, and the image that it makes. Everything that changes the cluster goes
/// through here, one request after the other.
pub struct LocalController {
    log: Log,
    note: Rc<Note>,
    config: Arc<BrokerConfig>,
    image: RefCell<Arc<Image>>,
    random: RefCell<Random>,
    /// Taken by the request that is decided, one at a time: a decision rests on an image that no
    /// other is about to change.
    turn: Rc<Semaphore>,
    directories: Vec<Vec<NodeDir>>,
    /// Whether the operator was told that the disk is full.
    told_of_full_disk: Cell<bool>,
    /// Whether the operator was told that the metadata log has failed.
    told_of_failure: Cell<bool>,
    /// What is wrong with the metadata log, and since when.
    faults: Faults,
    /// A decision of which only the first batches are in the log, since the disk became full.
    stuck: RefCell<Option<Stuck>>,
    stuck_finished: Event,
}

/// A decision that is written once the disk has space: it cannot be taken back any more.
struct Stuck {
    /// The batches that are still to be appended.
    batches: VecDeque<Vec<u8>>,
    /// The change of the image that the decision makes.
    after: Delta,
}

/// Why an append did not come to its end.
enum Blocked {
    /// The disk is full; it may have space later.
    NoSpace,
    /// The metadata log has failed for good; the reason was logged.
    Failed,
}

// === impl LocalController ===

impl LocalController {
    /// Loads the metadata under `config.data_dir`, or formats the folders when they are new;
    /// `dirs` are those of `config.log_dirs` that can be used. Clients are told the advertised
    /// host of `config` and these ports, one for each shard.
    pub async fn load(
        disk: &Disk,
        config: &Arc<BrokerConfig>,
        dirs: &[PathBuf],
        ports: &[u16],
        now: WallMs,
    ) -> Result<LocalController, LoadError> {
        let data_dir = &config.data_dir;
        let nodes = config.nodes();
        let mut random = Random::new(disk.runtime().random_bytes());
        let logs = Logs::new(disk, logs_options());
        let empty = Image::default();
        let note = Note::read(disk, data_dir)
            .await
            .map_err(|error| LoadError::Io(data_dir.join(note::FILE), error))?;
        let dir = folder::metadata_dir(data_dir);
        let (log, loaded) = source::open(&logs, &dir, &empty, note.offset(), now)
            .await
            .map_err(|error| match error {
                SourceError::Open(OpenError::Lost(..)) => {
                    LoadError::LogLost(dir, note.path().into())
                }
                other => LoadError::Source(other),
            })?;
        let mut image = loaded.image;
        let is_new = image.brokers.is_empty();
        if !is_new {
            folder::check_nodes(&image, &nodes)?;
        }
        let mut found = folder::read_identities(disk, dirs, nodes.len()).await?;
        folder::check_alone(&found)?;
        if is_new {
            folder::check_unused(disk, &found).await?;
        } else {
            folder::check_identities(&image, &nodes, &found)?;
        }
        image.cluster_id = folder::format(disk, &nodes, &mut found, &mut random).await?;
        let controller = LocalController {
            log,
            note,
            config: config.clone(),
            image: RefCell::new(image.into()),
            random: RefCell::new(random),
            turn: Semaphore::new(1),
            directories: found,
            told_of_full_disk: Cell::new(false),
            told_of_failure: Cell::new(false),
            faults: Faults::default(),
            stuck: RefCell::default(),
            stuck_finished: Event::default(),
        };
        if loaded.open_transaction {
            let reason = Some("the controller that began it is gone".to_owned());
            let mut batch = [encode_batch(
                &[AbortTransaction { reason }.into()],
                EPOCH,
                now,
            )]
            .into();
            let appended = controller.append(&mut batch, now).await;
            appended.map_err(|_| CannotWrite)?;
        }
        let (first, then) = controller.first_records(is_new, ports);
        controller.take(first, now).await?;
        controller.take(then, now).await?;
        controller.renew_terms(&nodes, now).await?;
        Ok(controller)
    }

    /// Begins a new term for the partitions of each node that was not stopped cleanly: where an
    /// ack did not wait for the disk, their ends may be lost, and readers that were ahead can
    /// tell by the term (KIP-320).
    async fn renew_terms(&self, nodes: &[NodeId], now: WallMs) -> Result<(), CannotWrite> {
        for (node, dirs) in nodes.iter().zip(&self.directories) {
            if dirs.iter().any(|dir| dir.unclean) {
                self.decide(&RenewLeaders(*node), now).await?;
            }
        }
        Ok(())
    }

    /// Each node's folders that can be used, in the order of the settings.
    pub fn directories(&self) -> &[Vec<NodeDir>] {
        &self.directories
    }

    /// The image of the cluster with everything that was decided so far.
    pub fn image(&self) -> Arc<Image> {
        self.image.borrow().clone()
    }

    /// Decides on a request. When this returns, what was decided is on disk and in
    /// [`LocalController::image`].
    pub async fn handle<C: Change>(
        &self,
        change: &C,
        now: WallMs,
    ) -> Result<C::Reply, CannotWrite> {
        let _turn = self.turn.take(1).await;
        if !self.finish_stuck(now).await {
            return Err(CannotWrite);
        }
        self.decide(change, now).await
    }

    /// Closes the metadata log so that nothing needs to be checked at the next start.
    pub async fn close(&self) -> io::Result<()> {
        let _turn = self.turn.take(1).await;
        let closed = self.log.close().await;
        self.note.wait_until_idle().await;
        closed
    }

    /// The records to append at a start: first the registrations of the nodes, then what follows
    /// from the folders that they have.
    fn first_records(
        &self,
        is_new: bool,
        ports: &[u16],
    ) -> (Vec<MetadataRecord>, Vec<MetadataRecord>) {
        let advertised = &self.config.advertised;
        let start = |((shard, dirs), port): ((usize, &Vec<NodeDir>), &u16)| NodeStart {
            id: NodeId(self.config.node_id(shard)),
            endpoint: Endpoint {
                name: advertised.listener.clone(),
                host: advertised.host.clone(),
                port: *port,
                security_protocol: 0,
            },
            rack: self.config.rack.clone(),
            log_dirs: dirs.iter().filter_map(|dir| dir.id()).collect(),
        };
        let directories = self.directories.iter().enumerate();
        let nodes: Vec<NodeStart> = directories.zip(ports).map(start).collect();
        let image = self.image();
        let mut records = match is_new {
            true => decide::format(&self.config),
            false => decide::catch_up(&image),
        };
        let offset = self.log.end_offset() + records.len() as i64;
        let mut random = self.random.borrow_mut();
        let registered = decide::register_nodes(&image, &nodes, offset, &mut random);
        records.extend(registered);
        (records, decide::follow_directories(&image, &nodes))
    }

    /// Tries again to get the disk space that the metadata log may lack, and finishes the decision
    /// that waited for it.
    pub async fn seek_space(&self, now: WallMs) {
        let lack = self.log.lack_of_room();
        let was_told = self.told_of_full_disk.replace(lack.is_some());
        if let Some(error) = lack.filter(|_| !was_told) {
            tracing::error!(%error, "no room for more metadata: changes are refused until there is");
        }
        self.log.seek_room();
        self.log.look_for_file();
        if let Some(failure) = self.log.failure()
            && !self.told_of_failure.replace(true)
        {
            tracing::error!(%failure, "the metadata log has failed: nothing about the cluster \
                changes until the broker is started again");
        }
        if self.stuck.borrow().is_some() {
            let _turn = self.turn.take(1).await;
            self.finish_stuck(now).await;
        }
    }

    /// Why the cluster cannot be changed now, for the health page.
    pub fn faults(&self, now: WallMs) -> Vec<Fault> {
        let with = self.log.dir().display().to_string();
        let found = match (self.log.failure(), self.log.lack_of_room()) {
            (Some(failure), _) => Some((FaultKind::MetadataFailed, with, failure.reason)),
            (None, Some(lack)) => Some((FaultKind::MetadataWaits, with, lack.reason)),
            (None, None) => None,
        };
        self.faults.are(found.into_iter().collect(), now)
    }

    /// Waits until a decision that was refused for want of disk space has become part of the image
    /// after all.
    pub async fn stuck_finished(&self) {
        self.stuck_finished.wait().await;
    }

    /// Finishes the decision that waited for disk space; `false` while there is none.
    async fn finish_stuck(&self, now: WallMs) -> bool {
        let Some(mut stuck) = self.stuck.take() else {
            return true;
        };
        if self.append(&mut stuck.batches, now).await.is_err() {
            self.stuck.replace(Some(stuck));
            return false;
        }
        self.become_image(stuck.after);
        self.stuck_finished.call();
        true
    }

    fn become_image(&self, delta: Delta) {
        *self.image.borrow_mut() = delta.apply(self.log.end_offset()).into();
    }

    /// Decides on a request and makes what was decided durable.
    async fn decide<C: Change>(&self, change: &C, now: WallMs) -> Result<C::Reply, CannotWrite> {
        let Decision { records, answer } = {
            let image = self.image();
            let mut random = self.random.borrow_mut();
            change.decide(&mut Deciding {
                image: &image,
                config: &self.config,
                random: &mut random,
            })
        };
        self.take(records, now).await?;
        Ok(answer)
    }

    /// Appends records, waits until they are durable, and then makes them part of the image.
    async fn take(&self, records: Vec<MetadataRecord>, now: WallMs) -> Result<(), CannotWrite> {
        if records.is_empty() {
            return Ok(());
        }
        let mut delta = Delta::new(&self.image());
        for record in &records {
            if let Err(error) = delta.replay(record) {
                // A bug of this broker, which must not get into the log: no start could load it.
                tracing::error!(%error, ?record, "a decision does not fit the cluster");
                return Err(CannotWrite);
            }
        }
        // One batch, unless there are more records than fit into one.
        let batches = records.chunks(RECORDS_MAX);
        let mut batches = batches
            .map(|records| encode_batch(records, EPOCH, now))
            .collect();
        let begin = self.log.end_offset();
        match self.append(&mut batches, now).await {
            Ok(()) => {
                self.become_image(delta);
                Ok(())
            }
            // Nothing of it is in the log: as if there had been no request.
            Err(Blocked::NoSpace) if self.log.end_offset() == begin => Err(CannotWrite),
            Err(Blocked::NoSpace) => {
                let after = delta;
                self.stuck.replace(Some(Stuck { batches, after }));
                Err(CannotWrite)
            }
            Err(Blocked::Failed) => Err(CannotWrite),
        }
    }

    /// Appends batches and waits until they are on disk; removes from `batches` those that were
    /// appended.
    async fn append(&self, batches: &mut VecDeque<Vec<u8>>, now: WallMs) -> Result<(), Blocked> {
        while let Some(batch) = batches.front() {
            match self.log.append(batch, EPOCH, None, now) {
                Ok(_) => drop(batches.pop_front()),
                Err(AppendError::NoRoom) => return Err(Blocked::NoSpace),
                Err(AppendError::Busy) if self.log.stuck().is_some() => {
                    return Err(Blocked::NoSpace);
                }
                Err(AppendError::Busy) => self.log.wait_for_room().await,
                Err(error) => {
                    let failure = self.log.failure();
                    tracing::error!(?error, ?failure, "cannot append to the metadata log");
                    return Err(Blocked::Failed);
                }
            }
        }
        let written = self.log.wait_acked_or_stuck(self.log.end_offset()).await;
        let written = written.map_err(|failure| {
            tracing::error!(%failure, "cannot write the metadata log");
            Blocked::Failed
        })?;
        if !written {
            return Err(Blocked::NoSpace);
        }
        self.log.look_for_file();
        if let Some(failure) = self.log.failure() {
            tracing::error!(%failure, "the metadata log is gone");
            return Err(Blocked::Failed);
        }
        self.note.set(self.log.acked_offset());
        Ok(())
    }
}

impl fmt::Debug for LocalController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalController")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// The memory that the metadata log may use: it is small, and is read only at the start.
fn logs_options() -> LogsOptions {
    LogsOptions {
        budget: Budget::new(64 << 20),
        cache_bytes: 1 << 20,
        cache_bytes_max: 1 << 20,
        queued_bytes_max: 16 << 20,
        read_bytes_max: 1 << 20,
        prepare_bytes: (64 << 10, 256 << 10),
        ..LogsOptions::default()
    }
}
