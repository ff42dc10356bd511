//! Drives: deleted topics: out of service, and their logs out of the way, all of them in one step;
//! the files are deleted in the background.

use std::rc::Rc;

use super::Shard;
use super::log_dirs::LogDir;
use super::partitions::{Place, Topic};
use crate::base::{PartitionIndex, TopicId};
use crate::log::Retired;
use crate::partition::Partition;
use crate::partition::replicas::Term;

/// Takes deleted topics out of service. When this returns other topics may have their names.
pub async fn remove(shard: &Shard, topics: Vec<TopicId>) {
    let gone = topics.into_iter();
    let gone: Vec<Rc<Topic>> = gone.filter_map(|id| shard.partitions.remove(id)).collect();
    if gone.is_empty() {
        return;
    }
    for topic in &gone {
        for partition in topic.local() {
            partition.close_deleted();
            shard.compaction.forget(topic.id, partition.name().index);
        }
    }
    for dir in shard.dirs.working() {
        let logs = gone.iter().flat_map(|topic| in_dir(shard, dir, topic));
        let logs: Vec<Retired<'_>> = logs.collect();
        for (log, error) in dir.folder.retire(&logs).await {
            let (topic, partition) = (log.topic, log.index);
            tracing::error!(topic, partition, %error, "cannot delete the log");
        }
        let all = gone.iter().flat_map(|topic| {
            let indices = 0..topic.partitions.len() as PartitionIndex;
            indices.map(move |index| (&*topic.name, index))
        });
        forget_gone(dir, all.collect()).await;
    }
}

/// Forgets partitions that lay in this folder once, and went to another one before the controller
/// was told. Where that fails the checkpoints are written with the next change.
pub(super) async fn forget_gone(dir: &LogDir, partitions: Vec<(&str, PartitionIndex)>) {
    if let Err(error) = dir.folder.forget_gone(&partitions).await {
        tracing::error!(dir = %dir.path.display(), %error, "cannot write the checkpoints");
        dir.suspect();
    }
}

/// Takes a replica that is not to be here any more out of service, and its log out of the way.
pub(super) async fn remove_replica(shard: &Shard, partition: &Partition) {
    let (topic, index) = (&partition.name().topic, partition.name().index);
    tracing::info!(%topic, partition = index,
        "the replica has moved to other nodes: deleting it here");
    partition.close();
    shard.compaction.forget(partition.name().topic_id, index);
    for dir in shard.dirs.working() {
        if !dir.holds(partition) {
            forget_gone(dir, vec![(&**topic, index)]).await;
            continue;
        }
        for (_, error) in dir.folder.retire(&[partition.retired()]).await {
            tracing::error!(%topic, partition = index, %error, "cannot delete the log");
        }
    }
}

/// Takes a partition out of service that another node has now.
pub(super) fn has_left(shard: &Shard, partition: &Partition, term: &Term) {
    partition.has_left(term);
    let name = partition.name();
    let (topic, index) = (&name.topic, name.index);
    tracing::info!(node = %shard.node, %topic, partition = index, to = %term.leader,
        "handed the partition over to another shard");
}

/// A topic's logs in a folder, those included that could not be opened.
fn in_dir<'a>(
    shard: &'a Shard,
    dir: &'a Rc<LogDir>,
    topic: &'a Topic,
) -> impl Iterator<Item = Retired<'a>> {
    let is_this = |id| shard.dirs.get(id).is_some_and(|it| Rc::ptr_eq(it, dir));
    let places = topic.partitions.iter().enumerate();
    places.filter_map(move |(index, place)| match place {
        Place::Here(partition) if dir.holds(partition) => Some(partition.retired()),
        Place::Broken { directory, .. } if is_this(*directory) => Some(Retired {
            topic: &topic.name,
            id: topic.id,
            index: index as PartitionIndex,
            log: None,
        }),
        _ => None,
    })
}

/// Deletes the files of removed logs. To be called every second or so.
pub async fn empty_trash(shard: &Shard) {
    for dir in shard.dirs.working() {
        if let Err((path, error)) = dir.folder.empty_trash().await {
            tracing::error!(path = %path.display(), %error,
                "cannot delete the files of a deleted topic: tried again at the next start");
        }
    }
}
