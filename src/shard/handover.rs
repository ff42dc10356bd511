//! Drives: a partition that goes from one shard of the process to another: its log is closed, its
//! folder gets a name among those of the other shard, and that one opens it. No record is copied
//! or crosses a core.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Shard;
use super::partitions::{Place, Topic};
use super::placing;
use crate::base::ids::Uuid;
use crate::base::{PartitionIndex, TopicId};
use crate::log::HandedOver;

/// A partition that a shard is to hand over.
#[derive(Clone, Debug)]
pub struct Leave {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub index: PartitionIndex,
    /// The folder of logs of the shard that gets it, on the same file system.
    pub to_dir: PathBuf,
}

/// A partition that a shard gets.
#[derive(Clone, Debug)]
pub struct Arrive {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub index: PartitionIndex,
    /// The folder that its log lies in now.
    pub directory: Uuid,
    /// What is known of its log.
    pub given: HandedOver,
}

/// Why a shard keeps a partition.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// It does not lead it.
    #[error("the shard does not lead it")]
    NotLed,
    /// Its folder or its log cannot be used.
    #[error("its folder or its log cannot be used")]
    Offline,
    /// The log cannot be closed, or its folder cannot be given another name.
    #[error("{0}")]
    Io(io::Error),
}

/// Hands a partition over. From here on its requests wait, until the next image says who leads it;
/// after an error this shard leads it as before.
pub async fn leave(shard: &Shard, wanted: &Leave) -> Result<HandedOver, LeaveError> {
    let _turn = shard.changes.lock().await;
    let topic = shard.partitions.topic_by_id(wanted.topic_id);
    let topic = topic.ok_or(LeaveError::NotLed)?;
    let partition = topic.partition(wanted.index);
    let partition = partition.map_err(|_| LeaveError::NotLed)?;
    let mut dirs = shard.dirs.working();
    let dir = dirs.find(|dir| dir.holds(&partition));
    let is_sound = || partition.failure().is_none() && partition.lack_of_space().is_none();
    let dir = dir.filter(|_| partition.is_leaving() || is_sound());
    let dir = dir.ok_or(LeaveError::Offline)?;
    match partition.hand_over(&dir.folder, &wanted.to_dir).await {
        Ok(given) => {
            shard.compaction.forget(wanted.topic_id, wanted.index);
            Ok(given)
        }
        Err((error, is_closed)) => {
            if is_closed {
                let place = placing::open_again(shard, dir, &partition).await;
                put(shard, wanted.topic_id, wanted.index, place);
            }
            Err(LeaveError::Io(error))
        }
    }
}

/// Notes where a replica of this shard is that was closed. What is known of its topic's other
/// partitions may have changed meanwhile: a folder fails without a turn.
pub(super) fn put(shard: &Shard, topic: TopicId, index: PartitionIndex, place: Place) {
    let Some(topic) = shard.partitions.topic_by_id(topic) else {
        return;
    };
    let place = placing::as_now(shard, place);
    let is_here = matches!(place, Place::Here(_));
    let mut partitions = topic.partitions.clone();
    partitions[index as usize] = place;
    shard.partitions.insert(Topic {
        name: topic.name.clone(),
        id: topic.id,
        partitions,
    });
    if is_here {
        shard.coordinators.lead(&shard.partitions);
    }
}

/// Takes over what is known of a log that comes from another shard, before the image says that
/// this one leads it.
pub async fn arrive(shard: &Shard, what: &Arrive) {
    let _turn = shard.changes.lock().await;
    let Arrive {
        topic,
        index: partition,
        given,
        ..
    } = what;
    let Some(dir) = shard.dirs.get(what.directory) else {
        return;
    };
    if let Err(error) = dir.folder.take_over(topic, *partition, *given).await {
        // Until they can be written a crash has the log checked from its beginning.
        tracing::error!(%topic, partition, %error, "cannot write the checkpoints");
        dir.suspect();
    }
}
