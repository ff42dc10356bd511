//! Drives: the replicas that are to go to another folder of logs, one after the other. Its log is
//! closed, lies in the other folder, by a change of name or a copy, and is opened there.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::copying::{NotCopied, REST_BYTES_MAX, copy};
use super::{Key, Next, Wanted, begin_future};
use crate::io::event::Event;
use crate::log::FutureLog;
use crate::partition::{Partition, Stays};
use crate::shard::Shard;
use crate::shard::handover::put;
use crate::shard::log_dirs::LogDir;
use crate::shard::partitions::Place;
use crate::shard::placing::{self, unclear};

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
    key: Key,
    wanted: Rc<Wanted>,
    partition: Rc<Partition>,
    from: Rc<LogDir>,
    future: Option<FutureLog>,
}

/// Moves replicas to the folders that they are to go to, for ever.
pub async fn run(shard: Rc<Shard>) {
    loop {
        let moves = &shard.dir_moves;
        match moves.next(shard.runtime().now()) {
            Next::Move(key, wanted) => go(&shard, key, &wanted).await,
            Next::Rest(length) => {
                shard.runtime().within(length, moves.more.wait()).await;
            }
            Next::Nothing => moves.more.wait().await,
        }
    }
}

/// Goes on with one move: to its end, or it is put off, or given up.
async fn go(shard: &Rc<Shard>, key: Key, wanted: &Rc<Wanted>) {
    let moves = &shard.dir_moves;
    let Some((partition, from)) = find(shard, key) else {
        if let Some(topic) = shard.partitions.topic_by_id(key.0) {
            moves.failed_count.add(1);
            let dir = wanted.to.path.display();
            tracing::warn!(topic = %topic.name, partition = key.1, to = %dir,
                "the replica does not go to another folder: it has left this node, or is offline");
        }
        return moves.give_up(key);
    };
    let left = match from.id == wanted.to.id {
        true => Left::Nothing,
        false => step(shard, key, wanted, &partition, &from).await,
    };
    let after = |pause| shard.runtime().now().after(pause);
    let error = match left {
        Left::Nothing => None,
        Left::Again => return moves.put_off(wanted, after(LOOK_AGAIN)),
        Left::Later(_) if wanted.tries.get() < TRIES => {
            wanted.tries.set(wanted.tries.get() + 1);
            return moves.put_off(wanted, after(TRY_AGAIN));
        }
        Left::Copy => match begin_future(shard, &partition, &wanted.to).await {
            // If it is not wanted any more, the copy goes with the order.
            Ok(future) => return drop(wanted.future.replace(Some(future))),
            Err(error) => Some(error),
        },
        Left::Later(error) | Left::GiveUp(error) => Some(error),
    };
    if let Some(error) = error {
        moves.failed_count.add(1);
        let (topic, index) = (&partition.name().topic, partition.name().index);
        let dir = wanted.to.path.display();
        tracing::error!(%topic, partition = index, to = %dir, %error,
            "cannot move the replica to another folder: it stays where it is");
    }
    if moves.is_wanted(key, wanted) {
        moves.give_up(key);
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
    if future.is_none() && !shard.dirs.are_on_one_device(partition, &wanted.to) {
        return Left::Copy;
    }
    if let Some(copied) = &mut future
        && let Err(error) = copy(shard, (key, wanted), partition, copied).await
    {
        return match error {
            NotCopied::Io(error) => Left::GiveUp(error),
            NotCopied::Stuck(error) => {
                wanted.future.replace(future);
                Left::Later(error)
            }
            NotCopied::Stopped => stopped(shard, key, wanted, partition, future),
        };
    }
    let closing = Closing {
        shard: shard.clone(),
        key,
        wanted: wanted.clone(),
        partition: partition.clone(),
        from: from.clone(),
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
    ended.unwrap_or(Left::Again)
}

/// What is left to be done where the copy was stopped: it begins anew if the log was opened anew.
fn stopped(
    shard: &Shard,
    key: Key,
    wanted: &Rc<Wanted>,
    partition: &Rc<Partition>,
    future: Option<FutureLog>,
) -> Left {
    if !shard.dir_moves.is_wanted(key, wanted) {
        return Left::Nothing;
    }
    match find(shard, key) {
        Some((found, _)) if !Rc::ptr_eq(&found, partition) => {
            wanted.copied_bytes.set(0);
            wanted.copied_upto.set(0);
            Left::Copy
        }
        // It is about to leave the node. If it stays after all, what was copied is of use.
        _ => {
            wanted.future.replace(future);
            Left::Again
        }
    }
}

// === impl Closing ===

impl Closing {
    /// Hands the log over; a copy that may still be of use is put back.
    async fn run(mut self) -> Left {
        let shard = self.shard.clone();
        let _turn = shard.changes.lock().await;
        let (id, index) = self.key;
        let name = self.partition.name().clone();
        let to = self.wanted.to.clone();
        let found = find(&shard, self.key);
        let is_same = found.is_some_and(|(it, _)| Rc::ptr_eq(&it, &self.partition));
        if !is_same || self.partition.is_leaving() || !self.is_little_missing() {
            return self.put_back(Left::Again);
        }
        if let Err(error) = to.folder.claim(&name.topic, index, id).await {
            return Left::GiveUp(error);
        }
        if !shard.dir_moves.is_wanted(self.key, &self.wanted) {
            return Left::Nothing;
        }
        let begun = shard.runtime().now();
        let from = &self.from.folder;
        let gone = self
            .partition
            .hand_over_within(from, self.future.as_mut(), &to.folder);
        match gone.await {
            Ok(()) => {
                self.arrived().await;
                let waited_ms = shard.runtime().us_since(begun) / 1_000;
                let (from, to) = (self.from.path.display(), to.path.display());
                tracing::info!(topic = %name.topic, partition = index, %from, %to, waited_ms,
                    "the replica lies in another folder now");
                shard.dir_moves.moved_count.add(1);
                Left::Nothing
            }
            Err(Stays::InService(error)) => self.put_back(Left::Later(error)),
            Err(Stays::Closed(error)) => {
                self.open(&self.from).await;
                match error.kind() {
                    io::ErrorKind::CrossesDevices => Left::Copy,
                    _ => Left::GiveUp(error),
                }
            }
            Err(Stays::Unclear(error)) => {
                tracing::error!(topic = %name.topic, partition = index, %error,
                    "the replica may lie in two folders: it is offline until the next start, \
                     which takes one of them");
                // Should its topic be deleted before, the next one of that name is not to have it.
                to.folder.was_not_removed(&name.topic, index);
                put(&shard, id, index, unclear(self.from.id));
                self.partition.has_gone_to(None);
                self.from.suspect();
                to.suspect();
                Left::GiveUp(error)
            }
        }
    }

    /// Whether so little is missing in the copy that appends may wait for it.
    fn is_little_missing(&self) -> bool {
        let missing = |future| self.partition.missing_bytes(future);
        self.future.as_ref().map_or(0, missing) <= REST_BYTES_MAX
    }

    fn put_back(&mut self, left: Left) -> Left {
        self.wanted.future.replace(self.future.take());
        left
    }

    /// The log lies in the other folder: it is opened there.
    async fn arrived(&self) {
        let ((id, index), to) = (self.key, &self.wanted.to);
        self.shard.compaction.forget(id, index);
        self.open(to).await;
        self.shard.replication.lies_in(to.id, id, index);
    }

    /// Opens the log in `dir`; requests that wait for it go on there.
    async fn open(&self, dir: &LogDir) {
        let place = placing::open_again(&self.shard, dir, &self.partition).await;
        let successor = match &place {
            Place::Here(partition) => Some(partition.clone()),
            _ => None,
        };
        put(&self.shard, self.key.0, self.key.1, place);
        self.partition.has_gone_to(successor);
        self.shard.replication.partitions_changed();
    }
}
