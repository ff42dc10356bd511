//! Drives: the replicas that are to go to another folder of logs, one after the other. Its log is
//! closed, lies in the other folder, by a change of name or a copy, and is opened there.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::copying::copy;
use super::{Key, Wanted, begin_future};
use crate::io::event::Event;
use crate::log::{CopyError, FutureLog, HandedOver};
use crate::partition::{Partition, Stays};
use crate::shard::Shard;
use crate::shard::handover::put;
use crate::shard::log_dirs::LogDir;
use crate::shard::partitions::{Place, Topic};
use crate::shard::placing::{self, broken};

/// How often a log is asked that cannot be settled, and the pause before it is asked again.
const TRIES: usize = 12;
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The pause where the log was opened anew meanwhile, or is about to leave the node.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What is left to be done for a move.
enum Left {
    Nothing,
    /// To be looked at again: the log was opened anew, or leaves the node.
    Again,
    /// It cannot be settled now.
    Later(io::Error),
    /// The folders lie on one device, and yet not on one file system: to be copied.
    Copy,
    /// It stays where it is.
    GiveUp(io::Error),
}

/// A log that is to go to another folder now.
struct Closing {
    shard: Rc<Shard>,
    partition: Rc<Partition>,
    from: Rc<LogDir>,
    to: Rc<LogDir>,
    future: Option<FutureLog>,
}

/// Moves replicas to the folders that they are to go to, for ever.
pub async fn run(shard: Rc<Shard>) {
    loop {
        match shard.dir_moves.first() {
            Some((key, wanted)) => go(&shard, key, &wanted).await,
            None => shard.dir_moves.more.wait().await,
        }
    }
}

/// Does one move, or gives it up.
async fn go(shard: &Rc<Shard>, key: Key, wanted: &Rc<Wanted>) {
    let mut tries = 0;
    while shard.dir_moves.is_wanted(key, wanted) {
        let Some((partition, from)) = find(shard, key) else {
            break;
        };
        let left = match from.id == wanted.to.id {
            true => Left::Nothing,
            false => step(shard, key, wanted, &partition, &from).await,
        };
        let (topic, index) = (&partition.name().topic, partition.name().index);
        let dir = wanted.to.path.display();
        match left {
            Left::Nothing => break,
            Left::Again => shard.runtime().sleep(LOOK_AGAIN).await,
            Left::Later(_) if tries < TRIES => {
                tries += 1;
                shard.runtime().sleep(TRY_AGAIN).await;
            }
            Left::Copy => match begin_future(shard, &partition, &wanted.to).await {
                Ok(future) => drop(wanted.future.replace(Some(future))),
                Err(error) => {
                    shard.dir_moves.failed_count.add(1);
                    tracing::error!(%topic, partition = index, to = %dir, %error,
                        "cannot move the replica to another folder: it stays where it is");
                    break;
                }
            },
            Left::Later(error) | Left::GiveUp(error) => {
                shard.dir_moves.failed_count.add(1);
                tracing::error!(%topic, partition = index, to = %dir, %error,
                    "cannot move the replica to another folder: it stays where it is");
                break;
            }
        }
    }
    if shard.dir_moves.is_wanted(key, wanted) {
        shard.dir_moves.give_up(key);
    }
}

/// The replica, and the folder that it lies in, if both can be used.
fn find(shard: &Shard, key: Key) -> Option<(Rc<Partition>, Rc<LogDir>)> {
    let topic = shard.partitions.topic_by_id(key.0)?;
    let Place::Here(partition) = topic.partitions.get(usize::try_from(key.1).ok()?)? else {
        return None;
    };
    let from = shard.dirs.working().find(|dir| dir.holds(partition))?;
    Some((partition.clone(), from.clone()))
}

async fn step(
    shard: &Rc<Shard>,
    key: Key,
    wanted: &Rc<Wanted>,
    partition: &Rc<Partition>,
    from: &Rc<LogDir>,
) -> Left {
    if !shard.dirs.working().any(|dir| Rc::ptr_eq(dir, &wanted.to)) {
        return Left::GiveUp(io::Error::other("the folder has failed"));
    }
    let mut future = wanted.future.take();
    if let Some(copied) = &mut future {
        match copy(shard, (key, wanted), partition, copied).await {
            Ok(()) => {}
            Err(error) => {
                future
                    .into_iter()
                    .for_each(|it| wanted.to.folder.give_up_future(it));
                return match error {
                    CopyError::Io(error) => Left::GiveUp(error),
                    CopyError::Stopped => again(shard, key, wanted, partition).await,
                };
            }
        }
    }
    let closing = Closing {
        shard: shard.clone(),
        partition: partition.clone(),
        from: from.clone(),
        to: wanted.to.clone(),
        future,
    };
    // A task of its own: it is not to be stopped half way.
    let done = Rc::new((Event::default(), RefCell::new(None)));
    let end = done.clone();
    let task = shard.runtime().spawn(async move {
        let ended = closing.run().await;
        *end.1.borrow_mut() = Some(ended);
        end.0.call();
    });
    drop(task);
    done.0.wait().await;
    let ended = done.1.borrow_mut().take();
    let Some((left, future)) = ended else {
        return Left::Again;
    };
    if let Some(future) = future {
        match shard.dir_moves.is_wanted(key, wanted) {
            true => drop(wanted.future.replace(Some(future))),
            false => wanted.to.folder.give_up_future(future),
        }
    }
    left
}

/// What is left to be done where the copy was stopped: it begins anew if the log was opened anew.
async fn again(shard: &Shard, key: Key, wanted: &Rc<Wanted>, partition: &Rc<Partition>) -> Left {
    if !shard.dir_moves.is_wanted(key, wanted) {
        return Left::Nothing;
    }
    if find(shard, key).is_some_and(|(it, _)| Rc::ptr_eq(&it, partition)) {
        return Left::Later(io::Error::other("it is leaving the node"));
    }
    wanted.copied_bytes.set(0);
    wanted.copied_upto.set(0);
    Left::Copy
}

// === impl Closing ===

impl Closing {
    /// Hands the log over; returns the copy where it may still be of use.
    async fn run(mut self) -> (Left, Option<FutureLog>) {
        let shard = self.shard.clone();
        let _turn = shard.changes.lock().await;
        let name = self.partition.name();
        let (id, index) = (name.topic_id, name.index);
        let found = find(&shard, (id, index));
        let topic = shard.partitions.topic_by_id(id);
        let is_same = found.is_some_and(|(it, _)| Rc::ptr_eq(&it, &self.partition));
        let Some(topic) = topic.filter(|_| is_same && !self.partition.is_leaving()) else {
            return (Left::Again, self.future);
        };
        let claimed = self.to.folder.claim(&name.topic, index, id).await;
        if let Err(error) = claimed {
            return (Left::GiveUp(error), self.future);
        }
        let begun = shard.runtime().now();
        let left = match self.hand_over().await {
            Ok(given) => {
                self.arrived(&topic, given).await;
                let waited_ms = shard.runtime().us_since(begun) / 1_000;
                let (from, to) = (self.from.path.display(), self.to.path.display());
                tracing::info!(topic = %topic.name, partition = index, %from, %to, waited_ms,
                    "the replica lies in another folder now");
                shard.dir_moves.moved_count.add(1);
                return (Left::Nothing, None);
            }
            Err(Stays::InService(error)) => Left::Later(error),
            Err(Stays::Closed(error)) => {
                self.open(&topic, &self.from).await;
                match error.kind() {
                    io::ErrorKind::CrossesDevices => Left::Copy,
                    _ => Left::GiveUp(error),
                }
            }
            Err(Stays::Unclear(error)) => {
                tracing::error!(topic = %topic.name, partition = index, %error,
                    "the replica may lie in two folders: it is offline until the next start, \
                     which takes one of them");
                put(&shard, &topic, index, broken(self.from.id));
                self.partition.has_gone_to(None);
                self.from.suspect();
                self.to.suspect();
                Left::GiveUp(error)
            }
        };
        // A log that is opened again has other segments: its copy is of no use.
        let keeps = matches!(left, Left::Later(_));
        if !keeps && let Some(future) = self.future.take() {
            self.to.folder.give_up_future(future);
        }
        (left, self.future)
    }

    async fn hand_over(&mut self) -> Result<HandedOver, Stays> {
        let (from, to) = (&self.from.folder, &self.to.folder);
        if let Some(future) = &mut self.future {
            return self.partition.hand_over_copied(from, future, to).await;
        }
        let handed_over = self.partition.hand_over(from, &self.to.path).await;
        handed_over.map_err(|(error, is_closed)| match is_closed {
            true => Stays::Closed(error),
            false => Stays::InService(error),
        })
    }

    /// The log lies in the other folder: it is opened there.
    async fn arrived(&self, topic: &Topic, given: HandedOver) {
        let name = self.partition.name();
        if self.future.is_none() {
            let to = &self.to.folder;
            if let Err(error) = to.take_over(&name.topic, name.index, given).await {
                // Until they can be written a crash has the log checked from its beginning.
                tracing::error!(topic = %name.topic, partition = name.index, %error,
                    "cannot write the checkpoints");
                self.to.suspect();
            }
        }
        let shard = &self.shard;
        shard.compaction.forget(name.topic_id, name.index);
        self.open(topic, &self.to).await;
        let directory = self.to.id;
        shard
            .replication
            .lies_in(directory, name.topic_id, name.index);
    }

    /// Opens the log in `dir`; who waits for it goes on there.
    async fn open(&self, topic: &Topic, dir: &LogDir) {
        let place = placing::open_again(&self.shard, dir, &self.partition).await;
        let successor = match &place {
            Place::Here(partition) => Some(partition.clone()),
            _ => None,
        };
        put(&self.shard, topic, self.partition.name().index, place);
        self.partition.has_gone_to(successor);
        self.shard.replication.partitions_changed();
    }
}
