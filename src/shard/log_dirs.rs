//! Drives: the folders of logs that a shard has: one in each folder of `log.dirs`. One that fails
//! takes its partitions out of service, and no others.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::NodeId;
use crate::base::config::ShardConfig;
use crate::base::ids::Uuid;
use crate::base::metrics::Snapshot;
use crate::io::budget::Budget;
use crate::io::checks;
use crate::io::disk::Disk;
use crate::log::{FailedOperation, Folder, Logs, LogsOptions, Probe};
use crate::metadata::controller::decide::is_reserved;
use crate::metadata::controller::{IDENTITY_FILE, Identity, NodeDir};
use crate::partition::Partition;

/// Written where it is in doubt whether a folder can still be written.
const PROBE_FILE: &str = ".write-check";

/// A shard's folders of logs.
pub struct LogDirs {
    /// Those that could be used when the shard started, in the order of the settings.
    dirs: Vec<Rc<LogDir>>,
    /// Those that could not.
    lost: Vec<PathBuf>,
    /// How many had not been closed cleanly when the shard started.
    unclean_count: usize,
}

/// One folder of logs.
pub struct LogDir {
    /// Where it is.
    pub path: PathBuf,
    /// Its `directory.id`.
    pub id: Uuid,
    /// What its logs share with the others on its device.
    pub logs: Logs,
    /// Its checkpoints.
    pub folder: Folder,
    failed: Cell<bool>,
    /// Whether something went wrong with it that it has not been checked after.
    suspect: Cell<bool>,
    /// How many logs on its device had failed when it was last checked.
    failed_logs: Cell<u64>,
}

/// Why a path names no folder of logs that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSuchDir {
    /// It is none of this shard's.
    Unknown,
    /// It does not work.
    Failed,
}

// === impl LogDirs ===

impl LogDirs {
    /// Takes the folders into use. Those on one device share its flushes; the tail cache of
    /// `config`, but no more than a quarter of `budget`, is divided among the devices, and so is
    /// what it may grow to. Fails, naming the folder, where none can be used.
    pub async fn open(
        disk: &Disk,
        dirs: Vec<NodeDir>,
        lost: Vec<PathBuf>,
        budget: &Rc<Budget>,
        config: &ShardConfig,
    ) -> Result<LogDirs, (PathBuf, io::Error)> {
        let devices: Vec<Option<u64>> =
            dirs.iter().map(|dir| disk.device(&dir.path).ok()).collect();
        let mut distinct = devices.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let devices_count = distinct.len().max(1);
        let logs: Vec<Logs> = distinct
            .iter()
            .map(|_| {
                let options = LogsOptions {
                    budget: Rc::clone(budget),
                    cache_bytes: config.tail_cache_bytes.min(budget.total_bytes() / 4)
                        / devices_count,
                    cache_bytes_max: budget.total_bytes() / 2 / devices_count,
                    ..LogsOptions::default()
                };
                Logs::new(&disk.with_new_pool(), options)
            })
            .collect();
        let mut open = LogDirs {
            unclean_count: dirs.iter().filter(|dir| dir.unclean).count(),
            dirs: Vec::new(),
            lost,
        };
        let mut first = None;
        for (dir, device) in dirs.into_iter().zip(devices) {
            let at = distinct.iter().position(|one| *one == device);
            let logs = &logs[at.unwrap_or_default()];
            match (dir.id(), Folder::open(logs.disk(), &dir.path).await) {
                (Some(id), Ok(folder)) => {
                    tell_of(&dir.path, &folder);
                    open.dirs.push(Rc::new(LogDir {
                        path: dir.path,
                        id,
                        logs: folder.begin_journal(logs, config.journal_bytes),
                        folder,
                        failed: Cell::new(false),
                        suspect: Cell::new(false),
                        failed_logs: Cell::new(0),
                    }));
                }
                (_, opened) => {
                    let error = opened
                        .err()
                        .unwrap_or_else(|| io::ErrorKind::NotFound.into());
                    tracing::error!(dir = %dir.path.display(), %error, "cannot open a log folder");
                    open.lost.push(dir.path.clone());
                    first.get_or_insert((dir.path, error));
                }
            }
        }
        match first {
            Some(error) if open.dirs.is_empty() => Err(error),
            _ => Ok(open),
        }
    }

    /// The folder with this `directory.id`, if it works; an id that names none in particular
    /// stands for the first.
    pub fn get(&self, id: Uuid) -> Option<&Rc<LogDir>> {
        self.working().find(|dir| dir.id == id || is_reserved(id))
    }

    /// The folder at this path, if it works: an absolute one, as DescribeLogDirs names it.
    pub fn at(&self, path: &str) -> Result<&Rc<LogDir>, NoSuchDir> {
        let is_it = |dir: &Path| checks::absolute(dir).as_os_str() == path;
        match self.working().find(|dir| is_it(&dir.path)) {
            Some(dir) => Ok(dir),
            None if self.failed().any(is_it) => Err(NoSuchDir::Failed),
            None => Err(NoSuchDir::Unknown),
        }
    }

    /// Whether the folder of a partition and `other` lie on one device.
    pub fn are_on_one_device(&self, partition: &Partition, other: &LogDir) -> bool {
        let own = self.of(partition);
        own.is_some_and(|own| own.logs.is(&other.logs))
    }

    /// Whether this `directory.id` is of one of the folders, be it one that has failed since.
    pub fn has(&self, id: Uuid) -> bool {
        self.dirs.iter().any(|dir| dir.id == id)
    }

    /// The folder that a partition's log lies in, be it one that has failed since.
    pub fn of(&self, partition: &Partition) -> Option<&Rc<LogDir>> {
        self.dirs.iter().find(|dir| dir.holds(partition))
    }

    /// The folders that work.
    pub fn working(&self) -> impl Iterator<Item = &Rc<LogDir>> {
        self.dirs.iter().filter(|dir| dir.works())
    }

    /// The paths of the folders that do not.
    pub fn failed(&self) -> impl Iterator<Item = &Path> {
        let failed = self.dirs.iter().filter(|dir| !dir.works());
        let failed = failed.map(|dir| dir.path.as_path());
        failed.chain(self.lost.iter().map(PathBuf::as_path))
    }

    /// Adds the counts of folders to a snapshot.
    pub fn export(&self, to: &mut Snapshot) {
        to.gauge(
            "corelane_log_dirs_offline",
            "Folders of log.dirs that cannot be used; their partitions are offline. \
             Kafka: kafka.log:type=LogManager,name=OfflineLogDirectoryCount",
            self.failed().count() as f64,
        );
        to.gauge(
            "corelane_start_unclean_log_dirs",
            "Folders of log.dirs that had not been closed cleanly when the broker last started.",
            self.unclean_count as f64,
        );
        let held = self
            .distinct_logs()
            .map(|logs| logs.disk().pool().chunk_bytes_out());
        to.gauge(
            "corelane_tail_cache_bytes",
            "Memory of the newest records, for readers and until they are written.",
            held.sum::<usize>() as f64,
        );
        let probes: Vec<&Probe> = self.distinct_logs().map(Logs::probe).collect();
        Probe::export_counts(&probes, to);
        for (dir, logs) in self.devices() {
            logs.probe().export_latency(&dir.display().to_string(), to);
        }
        let waiting = self.distinct_logs().map(Logs::waiting_for_flush_count);
        to.gauge(
            "corelane_log_flush_waiting_logs",
            "Logs whose last write waits for a device flush to begin.",
            waiting.sum::<usize>() as f64,
        );
    }

    /// Ends a round of retention: of how many partitions it removed something and said nothing.
    pub fn untold_removals(&self) -> usize {
        self.distinct_logs().map(Logs::untold_removals).sum()
    }

    /// Says in the log how the logs were found at a start that took so many milliseconds.
    pub fn tell_of_start(&self, node: NodeId, partitions: usize, millis: u64) {
        let sum =
            |of: fn(&Probe) -> u64| self.distinct_logs().map(|it| of(it.probe())).sum::<u64>();
        let checked_bytes = sum(|probe| probe.recovered_bytes.get());
        let cut = sum(|probe| probe.cut_count.get());
        let stop = match self.unclean_count {
            0 => "clean, or there was none",
            _ => "unclean: what was not known to be on disk was checked",
        };
        tracing::info!(%node, partitions, millis, checked_bytes, cut, last_stop = stop,
            "logs are open");
    }

    /// Gives up the newest records in memory that no reader has needed for some time. To be called
    /// each second.
    pub async fn give_up_unneeded(&self) {
        for logs in self.distinct_logs() {
            logs.give_up_unneeded().await;
        }
    }

    /// Fails the logs that have written lately to a file which is gone.
    pub fn look_for_files(&self) {
        self.distinct_logs().for_each(Logs::look_for_files);
    }

    /// What the logs share, once for each device.
    fn distinct_logs(&self) -> impl Iterator<Item = &Logs> {
        self.devices().map(|(_, logs)| logs)
    }

    /// Each device: the first folder on it, and what its logs share.
    fn devices(&self) -> impl Iterator<Item = (&Path, &Logs)> {
        let all = self.dirs.iter().enumerate();
        all.filter(|(at, dir)| !self.dirs[..*at].iter().any(|it| it.logs.is(&dir.logs)))
            .map(|(_, dir)| (dir.path.as_path(), &dir.logs))
    }
}

// === impl LogDir ===

impl LogDir {
    /// Whether a partition's log lies in it.
    pub fn holds(&self, partition: &Partition) -> bool {
        partition.dir().parent() == Some(&self.path)
    }

    /// Whether it works, as far as is known.
    pub fn works(&self) -> bool {
        !self.failed.get()
    }

    /// Has the next [`check`](super::dir_check::check) look at whether it can be written.
    pub fn suspect(&self) {
        self.suspect.set(true);
    }

    /// Takes it out of the folders that work.
    pub(super) fn fail(&self) {
        self.failed.set(true);
    }

    /// Whether to look if it can be written. That a log has failed is found by its count first:
    /// there may be many logs, and this is asked often.
    pub(super) fn is_in_doubt(&self, partitions: &[Rc<Partition>]) -> bool {
        let count = self.logs.probe().failed_logs_count.get();
        let more = self.failed_logs.replace(count) != count;
        let has_failed = |one: &Rc<Partition>| self.holds(one) && is_io(one);
        self.suspect.take() || (more && partitions.iter().any(has_failed))
    }

    /// Whether it is still the folder it was, and can be written where that is in doubt.
    pub(super) async fn is_sound(&self, in_doubt: bool) -> io::Result<()> {
        let disk = self.logs.disk();
        let text = disk.read(&self.path.join(IDENTITY_FILE)).await?;
        let identity = Identity::parse(&String::from_utf8_lossy(&text));
        if identity.map_err(io::Error::other)?.directory != self.id {
            return Err(io::Error::other("another folder has taken its place"));
        }
        if !in_doubt {
            return Ok(());
        }
        let probe = self.path.join(PROBE_FILE);
        let written = disk.write(&probe, b"?".to_vec()).await;
        match written {
            Ok(()) => disk.remove(&probe).await,
            Err(error) => Err(error),
        }
    }
}

/// Says in the log how a folder was found.
fn tell_of(dir: &Path, folder: &Folder) {
    let dir = dir.display();
    if !folder.damaged().is_empty() {
        tracing::error!(%dir, files = ?folder.damaged(),
            "checkpoints are not what was written: every log is checked from its beginning, and \
             records deleted before may be back");
    }
    let replayed = folder.replayed();
    if replayed.entries > 0 {
        tracing::info!(%dir, entries = replayed.entries, bytes = replayed.bytes,
            "records that were in the journal alone are in their segments now");
    }
    if let Some(byte) = replayed.torn {
        tracing::info!(%dir, byte,
            "the last entry of the journal is not whole and left out: the machine stopped while it \
             was written, before any record in it was acked (with flush.messages=1)");
    }
}

/// Whether a partition's log has failed at reading or writing its files.
fn is_io(partition: &Rc<Partition>) -> bool {
    use FailedOperation::{Damage, Flush, Folder, Prepare, Removal, Unlinked, Write};
    partition
        .failure()
        .is_some_and(|failure| match failure.operation {
            Write | Flush | Prepare => true,
            Damage | Removal | Folder | Unlinked => false,
        })
}
