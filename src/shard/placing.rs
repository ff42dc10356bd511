//! Drives: where the partitions of topics are, by the image: those that are here are opened, many
//! at the same time.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use super::log_dirs::LogDir;
use super::partitions::{Place, Retry, Topic};
use super::{Shard, removal};
use crate::base::config::TopicConfig;
use crate::base::ids::Uuid;
use crate::base::{Offset, PartitionIndex, WallMs};
use crate::io::cause::Cause;
use crate::log::{OpenError, Opening};
use crate::metadata::image::{self, Image};
use crate::partition::replicas::Term;
use crate::partition::{Name, Partition, PartitionOptions};

/// Logs that are opened or closed at the same time.
pub(super) const OPEN_AT_ONCE: usize = 64;

/// What of a log stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// What lies before this offset.
    Back(Offset),
    /// Nothing: it goes on from this offset.
    Anew(Offset),
}

/// A topic whose entry is brought up to date with the image.
struct Placing<'a> {
    topic: &'a image::Topic,
    /// As it was.
    known: Option<Rc<Topic>>,
    config: OnceCell<TopicConfig>,
    /// Those that are placed so far, and how many are not.
    places: RefCell<(Vec<Option<Place>>, usize)>,
}

/// Brings the entries of topics up to date with the image. Logs of all of them are opened at the
/// same time, within one bound: there may be many topics with one partition each.
pub(super) async fn place_all(
    shard: &Shard,
    image: &Image,
    topics: impl Iterator<Item = &Arc<image::Topic>>,
    now: WallMs,
) {
    let placings: Vec<Placing<'_>> = topics.map(|topic| Placing::new(shard, topic)).collect();
    let partitions = placings
        .iter()
        .flat_map(|placing| (0..placing.topic.partitions.len()).map(move |at| (placing, at)));
    stream::iter(partitions)
        .for_each_concurrent(OPEN_AT_ONCE, |(placing, at)| async move {
            let place = placing.place(shard, image, at, now).await;
            if let Some(topic) = placing.placed(shard, at, place) {
                shard.partitions.insert(topic);
            }
        })
        .await;
}

impl Placing<'_> {
    fn new<'a>(shard: &Shard, topic: &'a image::Topic) -> Placing<'a> {
        let count = topic.partitions.len();
        Placing {
            topic,
            known: shard.partitions.topic_by_id(topic.id),
            config: OnceCell::new(),
            places: RefCell::new((vec![None; count], count)),
        }
    }

    /// Finds out where the partition `at` is, and opens it if that is here.
    async fn place(&self, shard: &Shard, image: &Image, at: usize, now: WallMs) -> Place {
        let (topic, state) = (self.topic, &self.topic.partitions[at]);
        let own = state.replicas.iter().position(|node| *node == shard.node);
        let directory = own.and_then(|at| state.directories.get(at).copied());
        let directory = directory.unwrap_or_default();
        let known = self.known.as_ref().and_then(|it| it.partitions.get(at));
        let term = term_of(shard, image, state);
        if own.is_none() {
            match known {
                Some(Place::Here(partition)) if partition.is_leaving() => {
                    removal::has_left(shard, partition, &term);
                }
                Some(Place::Here(partition)) => removal::remove_replica(shard, partition).await,
                _ => {}
            }
            let (leader, leader_epoch) = (state.leader, state.leader_epoch);
            return Place::There {
                leader,
                leader_epoch,
            };
        }
        match known {
            Some(Place::Here(partition)) => {
                partition.take_term(&term);
                return Place::Here(partition.clone());
            }
            Some(
                offline @ Place::Broken {
                    retry: Retry::NextStart,
                    ..
                },
            ) => return offline.clone(),
            _ => {}
        }
        let directory = home(known, directory, |id| shard.dirs.has(id));
        let found = shard.dirs.get(directory);
        let Some(dir) = found.or_else(|| self.instead(shard, at, state)) else {
            return broken(directory);
        };
        let gone_to = self.gone_to(shard, at, dir).await;
        let dir = gone_to.unwrap_or(dir);
        let name = Name {
            topic: topic.name.clone(),
            topic_id: topic.id,
            index: at as PartitionIndex,
        };
        let config = || topic_config(shard, image, &topic.name);
        let config = self.config.get_or_init(config).clone();
        let opening = dir.folder.opening(&name.topic, name.index);
        open(shard, dir, (name, opening), term, config, now).await
    }

    /// The folder for a replica whose own folder is not among the settings any more. Only for a
    /// partition that has other replicas: an empty folder gets the records from them.
    fn instead<'a>(
        &self,
        shard: &'a Shard,
        at: usize,
        state: &image::Partition,
    ) -> Option<&'a Rc<LogDir>> {
        if state.replicas.len() == 1 || shard.dirs.failed().next().is_some() {
            return None;
        }
        let dir = shard.dirs.working().next()?;
        let (topic, partition) = (&self.topic.name, at);
        tracing::warn!(%topic, partition, dir = %dir.path.display(),
            "the folder of this replica is not among log.dirs any more: it goes on in another one");
        let index = at as PartitionIndex;
        shard.replication.lies_in(dir.id, self.topic.id, index);
        Some(dir)
    }

    /// The folder that the log of a replica had gone to before the broker stopped, where the
    /// controller was not told of it: the one that it is to lie in has none.
    async fn gone_to<'a>(
        &self,
        shard: &'a Shard,
        at: usize,
        dir: &LogDir,
    ) -> Option<&'a Rc<LogDir>> {
        let (topic, index) = (&*self.topic.name, at as PartitionIndex);
        if self.known.is_some() || dir.folder.is_unclaimed(topic, index) {
            return None;
        }
        for other in shard.dirs.working().filter(|other| other.id != dir.id) {
            if other
                .folder
                .has_unclaimed(topic, index, self.topic.id)
                .await
            {
                tracing::info!(topic, partition = index, dir = %other.path.display(),
                    "the replica had gone to this folder before the broker stopped");
                shard.replication.lies_in(other.id, self.topic.id, index);
                return Some(other);
            }
        }
        None
    }

    /// Notes where the partition `at` is; the topic, once that is known of all.
    fn placed(&self, shard: &Shard, at: usize, place: Place) -> Option<Topic> {
        let (places, left) = &mut *self.places.borrow_mut();
        places[at] = Some(place);
        *left -= 1;
        (*left == 0).then(|| Topic {
            name: self.topic.name.clone(),
            id: self.topic.id,
            partitions: places
                .drain(..)
                .flatten()
                .map(|place| as_now(shard, place))
                .collect(),
        })
    }
}

/// The current term of a partition. In a cluster a node that is fenced leads nothing, whatever the
/// image says: it may have started anew, and lost records that it had written in this very term.
/// The controller gives it a new term when it may lead again.
fn term_of(shard: &Shard, image: &Image, state: &image::Partition) -> Term {
    let is_fenced = shard.config().cluster.is_some() && !image.brokers.is_alive(shard.node);
    Term::of(state, is_fenced.then_some(shard.node))
}

/// The folder that a replica is opened in, where the image says `directory`. One that is known
/// here lies where it does, whether or not it could be opened: the controller may not have heard
/// yet that it has gone there, and in the folder that it has left an empty one would be begun.
fn home(known: Option<&Place>, directory: Uuid, is_here: impl Fn(Uuid) -> bool) -> Uuid {
    match known {
        Some(Place::Broken {
            directory: known, ..
        }) if is_here(*known) => *known,
        _ => directory,
    }
}

/// Where a replica is, which may lie in a folder that has failed since that was found out.
pub(super) fn as_now(shard: &Shard, place: Place) -> Place {
    let Place::Here(partition) = &place else {
        return place;
    };
    match shard.dirs.of(partition) {
        Some(dir) if !dir.works() => {
            partition.abandon();
            broken(dir.id)
        }
        _ => place,
    }
}

/// Here, and to be opened with the next change of the topic.
pub(super) fn broken(directory: Uuid) -> Place {
    Place::Broken {
        directory,
        retry: Retry::WithTopic,
    }
}

/// Here, and not to be opened before a start has found out in which of two folders it lies.
pub(super) fn unclear(directory: Uuid) -> Place {
    Place::Broken {
        directory,
        retry: Retry::NextStart,
    }
}

/// Here, and to be opened again once there is what it lacks ([`super::lifecycle::open_again`]).
fn broken_for_now(directory: Uuid) -> Place {
    Place::Broken {
        directory,
        retry: Retry::Soon,
    }
}

/// Whether what failed may well be done later, with nothing done to the disk but room made on it.
fn may_pass(error: &io::Error) -> bool {
    let cause = Cause::of(error);
    cause.is_of_the_host() || cause == Cause::NoRoom
}

/// The settings of a topic on this broker.
pub(super) fn topic_config(shard: &Shard, image: &Image, name: &str) -> TopicConfig {
    let config = shard.config();
    match config.topic_config(image.configs.topic(name)) {
        Ok(resolved) => resolved,
        Err(error) => {
            // The controller lets no bad value in; a setting may have become bad since.
            tracing::error!(topic = name, %error, "bad topic setting: using the defaults");
            config.topic_defaults.clone()
        }
    }
}

/// Closes the log of a partition, cuts it, and opens it again: offline where that fails.
pub(super) async fn reopen(shard: &Shard, partition: &Partition, cut: Cut) -> Place {
    let (name, image) = (partition.name().clone(), shard.image());
    let (topic, index) = (name.topic.clone(), name.index);
    let state = image.topics.with_id(name.topic_id);
    let state = state.and_then(|topic| topic.partition(index));
    let dir = shard.dirs.working().find(|dir| dir.holds(partition));
    let (Some(state), Some(dir)) = (state, dir) else {
        return broken(Uuid::default());
    };
    partition.close();
    let opening = match cut {
        Cut::Back(to) => partition.cut_back(&dir.folder, to).await,
        Cut::Anew(at) => partition.begin_anew(&dir.folder, at).await,
    };
    let opening = match opening {
        Ok(opening) => opening,
        Err(error) => {
            tracing::error!(%topic, partition = index, %error,
                "cannot cut the log: its partition is offline");
            dir.folder.keep(&topic, index);
            if may_pass(&error) {
                return broken_for_now(dir.id);
            }
            dir.suspect();
            return broken(dir.id);
        }
    };
    let config = topic_config(shard, &image, &topic);
    let now = shard.runtime().wall_ms();
    let term = term_of(shard, &image, state);
    open(shard, dir, (name, opening), term, config, now).await
}

/// Opens the log of a partition again that was closed, and lies as it was.
pub(super) async fn open_again(shard: &Shard, dir: &LogDir, partition: &Partition) -> Place {
    let (name, image) = (partition.name().clone(), shard.image());
    let state = image.topics.with_id(name.topic_id);
    let Some(state) = state.and_then(|topic| topic.partition(name.index)) else {
        return broken(dir.id);
    };
    let opening = dir.folder.opening(&name.topic, name.index);
    let config = topic_config(shard, &image, &name.topic);
    let term = term_of(shard, &image, state);
    let now = shard.runtime().wall_ms();
    open(shard, dir, (name, opening), term, config, now).await
}

async fn open(
    shard: &Shard,
    dir: &LogDir,
    (name, opening): (Name, Opening),
    term: Term,
    config: TopicConfig,
    now: WallMs,
) -> Place {
    let (topic, index) = (name.topic.clone(), name.index);
    let path = dir.folder.path(&topic, index);
    let options = PartitionOptions {
        opening: Opening {
            topic_id: Some(name.topic_id),
            // What a client sends again after a restart must be known for what it is.
            replay: true,
            // Leaders may have compacted what a follower gets.
            gaps: shard.config().cluster.is_some(),
            ..opening
        },
        name,
        dir: &path,
        node: shard.node,
        term,
        shared: shard.replicas.clone(),
        config,
        producer_expiration_ms: shard.config().producer_id_expiration_ms,
    };
    let claimed = dir.folder.claim(&topic, index, options.name.topic_id).await;
    let opened = match claimed {
        Ok(()) => Partition::open(&dir.logs, options, now).await,
        Err(error) => Err(OpenError::Io(error)),
    };
    match opened {
        Ok(partition) => {
            dir.folder.opened(&topic, index);
            Place::Here(partition)
        }
        Err(OpenError::Io(error)) if may_pass(&error) => {
            tracing::error!(%topic, partition = index, %error,
                "cannot open the log now: its partition is offline until there is what it lacks");
            dir.folder.keep(&topic, index);
            broken_for_now(dir.id)
        }
        Err(error) => {
            let what_else = match &error {
                OpenError::Lost(..) => "; or delete the topic, to go on without these records",
                _ => "",
            };
            tracing::error!(%topic, partition = index, %error,
                "cannot open the log: its partition stays offline{what_else}");
            dir.folder.keep(&topic, index);
            dir.suspect();
            broken(dir.id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_could_not_be_opened_lies_where_it_did_whatever_the_image_says() {
        let [old, new, lost] = [1, 2, 3].map(Uuid::from_u128);
        let is_here = |id| id == old || id == new;
        let of = |known: Option<Place>| home(known.as_ref(), old, is_here);
        assert_eq!(of(None), old);
        assert_eq!(of(Some(broken_for_now(new))), new);
        assert_eq!(of(Some(broken(new))), new);
        assert_eq!(of(Some(broken(old))), old);
        // It is of no folder that there is: the image decides, as at the start.
        assert_eq!(of(Some(broken(lost))), old);
        assert_eq!(of(Some(broken(Uuid::default()))), old);
        let there = Place::There {
            leader: crate::base::NodeId(1),
            leader_epoch: 0,
        };
        assert_eq!(of(Some(there)), old);
    }
}
