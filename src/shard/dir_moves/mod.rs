//! Drives: replicas of this shard that go from one of its folders of logs to another
//! (AlterReplicaLogDirs, KIP-113): which are to go, and where they stand.

mod copying;
mod run;

pub use run::run;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use super::log_dirs::{LogDir, NoSuchDir};
use super::partitions::Place;
use crate::base::ids::Uuid;
use crate::base::metrics::{Counter, Snapshot};
use crate::base::{Instant, Offset, PartitionIndex, TopicId};
use crate::io::event::Event;
use crate::log::{FutureLog, future_name};
use crate::partition::Partition;

/// A name that is longer is refused, as a folder's may have no more bytes (KAFKA-4893).
const NAME_BYTES_MAX: usize = 255;

/// A partition.
type Key = (TopicId, PartitionIndex);

/// The replicas of a shard that are to go to another of its folders: at most as many as it has.
#[derive(Default)]
pub struct DirMoves {
    wanted: RefCell<BTreeMap<Key, Rc<Wanted>>>,
    more: Event,
    /// The turn that the next one in line gets.
    turns: Cell<u64>,
    moved_count: Counter,
    failed_count: Counter,
    copied_bytes: Counter,
}

/// Where a replica is to go, and how far its copy there has come.
struct Wanted {
    to: Rc<LogDir>,
    /// Its copy, unless that is being worked at, or a change of name is enough.
    future: RefCell<Option<FutureLog>>,
    copied_bytes: Cell<u64>,
    copied_upto: Cell<Offset>,
    /// Its place in the line; a smaller one is before it.
    turn: Cell<u64>,
    /// It is left alone until then.
    rests_until: Cell<Instant>,
    /// How often its log could not be settled.
    tries: Cell<usize>,
}

/// What is to be done next.
enum Next {
    Move(Key, Rc<Wanted>),
    /// Nothing for so long.
    Rest(Duration),
    Nothing,
}

/// A copy of a replica in the folder that it is to go to, as DescribeLogDirs shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureReplica {
    /// Its bytes so far.
    pub size_bytes: u64,
    /// By how much its end is behind the end of the log.
    pub offset_lag: Offset,
}

/// Why a replica does not go to a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// The topic's name is so long that its copy could have none.
    LongName,
    /// No folder of this shard has this path.
    UnknownDir,
    /// The folder or the replica is offline.
    Offline,
    /// There is no such partition.
    UnknownPartition,
    /// Its replicas are on other nodes.
    NotHere,
    /// The folder of its copy could not be made: the log line of then says why.
    Io,
}

/// Has the replica of a partition go to the folder of logs at `path`. It is on its way when this
/// returns, or there; another move of it is given up for that.
pub async fn ask(
    shard: &Shard,
    topic: &str,
    index: PartitionIndex,
    path: &str,
) -> Result<(), AskError> {
    // Names have as many bytes here as characters in Kafka: those of topics that are there do.
    if future_name(topic, index, Uuid::nil())
        .encode_utf16()
        .count()
        > NAME_BYTES_MAX
    {
        return Err(AskError::LongName);
    }
    let to = shard.dirs.at(path).map_err(|none| match none {
        NoSuchDir::Unknown => AskError::UnknownDir,
        NoSuchDir::Failed => AskError::Offline,
    })?;
    let partition = here(shard, topic, index)?;
    begin(shard, &partition, to).await.map_err(|error| {
        let dir = to.path.display();
        tracing::error!(topic, partition = index, %dir, %error,
            "cannot move the replica to another folder: it stays where it is");
        AskError::Io
    })
}

fn here(shard: &Shard, topic: &str, index: PartitionIndex) -> Result<Rc<Partition>, AskError> {
    let topic = shard.partitions.topic(topic);
    let topic = topic.ok_or(AskError::UnknownPartition)?;
    let at = usize::try_from(index).ok();
    let place = at.and_then(|at| topic.partitions.get(at));
    match place.ok_or(AskError::UnknownPartition)? {
        Place::Here(partition) if partition.failure().is_some() => Err(AskError::Offline),
        Place::Here(partition) => Ok(partition.clone()),
        Place::There { .. } => Err(AskError::NotHere),
        Place::Broken { .. } => Err(AskError::Offline),
    }
}

/// Plans the move of a replica. Where that takes a copy the copy's folder is made at once: after a
/// restart it says that the replica is to go there.
async fn begin(shard: &Shard, partition: &Partition, to: &Rc<LogDir>) -> io::Result<()> {
    let (moves, name) = (&shard.dir_moves, partition.name());
    let key = (name.topic_id, name.index);
    let known = moves.wanted.borrow().get(&key).cloned();
    if known.is_some_and(|known| Rc::ptr_eq(&known.to, to)) {
        return Ok(());
    }
    moves.give_up(key);
    if to.holds(partition) {
        return Ok(());
    }
    let is_copied = !shard.dirs.are_on_one_device(partition, to);
    let future = match is_copied {
        true => Some(begin_future(shard, partition, to).await?),
        false => None,
    };
    let wanted = Rc::new(Wanted {
        to: to.clone(),
        future: RefCell::new(future),
        copied_bytes: Cell::default(),
        copied_upto: Cell::new(partition.start_offset()),
        turn: Cell::new(moves.next_turn()),
        rests_until: Cell::new(shard.runtime().now()),
        tries: Cell::new(0),
    });
    // Another request may have asked for another folder meanwhile: the last one counts.
    moves.give_up(key);
    moves.wanted.borrow_mut().insert(key, wanted);
    moves.more.call();
    Ok(())
}

async fn begin_future(shard: &Shard, partition: &Partition, to: &LogDir) -> io::Result<FutureLog> {
    let name = partition.name();
    let unique = Uuid::from_bytes(shard.runtime().random_bytes());
    to.folder
        .begin_future(&name.topic, name.index, unique)
        .await
}

/// To be called once the partitions are open: goes on with the moves that were under way when the
/// last run ended. Their copies begin anew.
pub async fn go_on(shard: &Shard) {
    for dir in shard.dirs.working() {
        for (topic, index) in dir.folder.futures() {
            let Ok(partition) = here(shard, &topic, index) else {
                continue;
            };
            if let Err(error) = begin(shard, &partition, dir).await {
                let dir = dir.path.display();
                tracing::error!(topic, partition = index, %dir, %error,
                    "cannot go on moving the replica to this folder: it stays where it is");
            }
        }
    }
}

// === impl DirMoves ===

impl DirMoves {
    /// The copy of a replica in `dir`, if it is to go there.
    pub fn future_in(&self, dir: &LogDir, partition: &Partition) -> Option<FutureReplica> {
        let name = partition.name();
        let wanted = self.wanted.borrow();
        let wanted = wanted.get(&(name.topic_id, name.index))?;
        (wanted.to.id == dir.id).then(|| FutureReplica {
            size_bytes: wanted.copied_bytes.get(),
            offset_lag: (partition.end_offset() - wanted.copied_upto.get()).max(0),
        })
    }

    /// Adds its numbers to a snapshot.
    pub(super) fn export(&self, to: &mut Snapshot) {
        to.gauge(
            "corelane_log_dir_moves_waiting",
            "Replicas that are to go, or go, to another folder of log.dirs.",
            self.wanted.borrow().len() as f64,
        );
        for (name, help, counter) in [
            (
                "corelane_log_dir_moves_total",
                "Replicas that went to another folder of log.dirs.",
                &self.moved_count,
            ),
            (
                "corelane_log_dir_move_failures_total",
                "Moves of replicas to another folder of log.dirs that were given up.",
                &self.failed_count,
            ),
            (
                "corelane_log_dir_copied_bytes_total",
                "Bytes that were copied to another folder of log.dirs, on another file system.",
                &self.copied_bytes,
            ),
        ] {
            to.counter(name, help, counter.get());
        }
    }

    /// Gives up the move of a partition, if there is one: what there is of its copy is deleted.
    fn give_up(&self, key: Key) {
        let Some(wanted) = self.wanted.borrow_mut().remove(&key) else {
            return;
        };
        drop(wanted.future.take());
    }

    /// Whether this move is still wanted.
    fn is_wanted(&self, key: Key, wanted: &Rc<Wanted>) -> bool {
        let all = self.wanted.borrow();
        all.get(&key).is_some_and(|one| Rc::ptr_eq(one, wanted))
    }

    fn next(&self, now: Instant) -> Next {
        let wanted = self.wanted.borrow();
        let rests = wanted.values().map(|one| one.rests_until.get());
        let due = wanted
            .iter()
            .filter(|(_, one)| one.rests_until.get() <= now);
        match due.min_by_key(|(_, one)| one.turn.get()) {
            Some((key, one)) => Next::Move(*key, one.clone()),
            None => rests
                .min()
                .map_or(Next::Nothing, |until| Next::Rest(until.since(now))),
        }
    }

    /// Leaves a move alone until then: others go before it.
    fn put_off(&self, wanted: &Wanted, until: Instant) {
        wanted.rests_until.set(until);
        wanted.turn.set(self.next_turn());
    }

    fn next_turn(&self) -> u64 {
        self.turns.replace(self.turns.get() + 1)
    }
}
