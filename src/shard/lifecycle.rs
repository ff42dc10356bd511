//! Drives: the replicas on this shard: opened, changed and closed as images arrive.

use std::collections::BTreeMap;
use std::io;
use std::iter;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::log_dirs::LogDir;
use super::numbers::give_way;
use super::partitions::{Place, Retry, Topic};
use super::placing::{OPEN_AT_ONCE, broken, place_all, topic_config};
use super::{Shard, removal};
use crate::base::ids::Uuid;
use crate::base::{PartitionIndex, WallMs};
use crate::metadata::image::{self, Image};
use crate::partition::Partition;

/// Up to so many logs with something to write sync their own files when they are closed. More of
/// them sync the whole file system, which also writes what other programs have left to write.
const SYNCED_EACH_MAX: usize = 64;

/// The longest that an end waits for logs that are opened or closed just now.
const TURN_MAX: Duration = Duration::from_secs(5);

/// Serves by `image` from now on: opens the replicas that have come to this shard, gives each its
/// role, removes those that have gone, and passes settings on.
pub async fn apply(shard: &Shard, image: Arc<Image>, now: WallMs) {
    let _turn = shard.changes.lock().await;
    let before = shard.image();
    shard.set_config(&image);
    let changes = image.topics.changes_since(&before.topics);
    // First, since topics created since may have the names.
    let gone = changes.iter().filter(|change| change.after.is_none());
    let gone = gone.filter_map(|change| Some(change.before.as_ref()?.id));
    removal::remove(shard, gone.collect()).await;
    let there = changes.iter().filter_map(|change| change.after.as_ref());
    place_all(shard, &image, there, now).await;
    let defaults_changed = !same_broker_settings(shard, &before, &image);
    let changed = image.configs.topics_changed_since(&before.configs);
    let concerned = match defaults_changed {
        true => shard.partitions.all(),
        false => changed
            .iter()
            .filter_map(|name| shard.partitions.topic(name))
            .collect(),
    };
    for topic in concerned {
        let config = topic_config(shard, &image, &topic.name);
        topic
            .local()
            .for_each(|partition| partition.set_config(config.clone()));
    }
    if !image.brokers.are_as_eligible_as(&before.brokers) {
        let mut looked = 0;
        for partition in shard.partitions.local() {
            give_way(shard, &mut looked).await;
            partition.nodes_changed(|node| image.brokers.may_be_in_sync(node));
        }
    }
    shard
        .coordinators
        .apply(&shard.partitions, &image, &changes);
    shard.set_image(image);
    if !changes.is_empty() {
        shard.replication.partitions_changed();
    }
}

fn same_broker_settings(shard: &Shard, before: &Image, after: &Image) -> bool {
    let node = shard.node.to_string();
    let of = |image: &Image| image.configs.of(image::ResourceKind::Broker, &node).clone();
    before.configs.all_brokers() == after.configs.all_brokers() && of(before) == of(after)
}

/// Opens the logs that could not be opened or cut because the host or the disk was short of
/// something then.
pub async fn open_again(shard: &Shard, now: WallMs) {
    let _turn = shard.changes.lock().await;
    let waits = |topic: &Rc<Topic>| {
        let mut places = topic.partitions.iter();
        places.any(|place| {
            matches!(
                place,
                Place::Broken {
                    retry: Retry::Soon,
                    ..
                }
            )
        })
    };
    let image = shard.image();
    for topic in shard.partitions.all().iter().filter(|topic| waits(topic)) {
        if let Some(topic) = image.topics.with_id(topic.id) {
            place_all(shard, &image, iter::once(topic), now).await;
        }
        let opened = shard.partitions.topic_by_id(topic.id);
        if opened.is_some_and(|topic| !waits(&topic)) {
            tracing::info!(topic = %topic.name, "the logs that could not be opened are open now");
            shard.coordinators.lead(&shard.partitions);
            shard.replication.partitions_changed();
        }
    }
}

/// Takes what lies in a folder that has failed out of service.
pub fn fail(shard: &Shard, dir: &LogDir) {
    let directory = dir.id;
    for topic in shard.partitions.all() {
        if !topic.local().any(|partition| dir.holds(partition)) {
            continue;
        }
        let partitions = topic.partitions.iter().map(|place| match place {
            Place::Here(partition) if dir.holds(partition) => broken(directory),
            other => other.clone(),
        });
        shard.partitions.insert(Topic {
            name: topic.name.clone(),
            id: topic.id,
            partitions: partitions.collect(),
        });
        // Last, so that a woken request finds the new state.
        let failed = topic.local().filter(|partition| dir.holds(partition));
        failed.for_each(|partition| partition.abandon());
    }
    shard.coordinators.lead(&shard.partitions);
}

/// Sets aside the logs that are of no topic in `image`: their topics were deleted while their
/// folder was away, or the broker died between the deletion and the removal. To be called once
/// the partitions of the image are open.
pub async fn set_strays_aside(shard: &Shard, image: &Image) {
    for dir in shard.dirs.working() {
        let mut strays = Vec::new();
        for (topic, index) in dir.folder.unclaimed() {
            let known = image.topics.named(&topic);
            let stray = match known.filter(|known| is_replica_of(shard, known, index)) {
                Some(known) if lies_elsewhere(shard, dir, known, index) => true,
                Some(known) => dir.folder.is_of_another(&topic, index, known.id).await,
                None => true,
            };
            if stray {
                strays.push((topic, index));
            }
        }
        let names: Vec<_> = strays.iter().map(|(topic, at)| (&**topic, *at)).collect();
        for (topic, index, error) in dir.folder.set_aside(&names).await {
            dir.folder.was_not_removed(topic, index);
            tracing::error!(topic, partition = index, %error, "cannot set the log aside");
        }
    }
}

/// Says in the log which partitions lie in folders that are not used: one that the settings no
/// longer name says nothing of itself.
pub fn tell_of_homeless(shard: &Shard) {
    let mut by_folder: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for topic in shard.partitions.all() {
        for (index, place) in topic.partitions.iter().enumerate() {
            if let Place::Broken { directory, .. } = place
                && shard.dirs.get(*directory).is_none()
            {
                let names = by_folder.entry(*directory).or_default();
                names.push(format!("{}-{index}", topic.name));
            }
        }
    }
    for (directory, names) in by_folder {
        let partitions = names.len();
        let some = names[..partitions.min(5)].join(", ");
        tracing::error!(%directory, partitions, some,
            "partitions are offline: the folder that they lie in is not among log.dirs any more, \
             or cannot be used; name it there, and start again");
    }
}

/// Whether a replica is open in another folder than `dir`: the broker died while it went from one
/// to the other, and both have all of it.
fn lies_elsewhere(
    shard: &Shard,
    dir: &LogDir,
    topic: &image::Topic,
    index: PartitionIndex,
) -> bool {
    let known = shard.partitions.topic_by_id(topic.id);
    let place = known.and_then(|known| known.partitions.get(index as usize).cloned());
    matches!(place, Some(Place::Here(partition)) if !dir.holds(&partition))
}

fn is_replica_of(shard: &Shard, topic: &image::Topic, index: PartitionIndex) -> bool {
    let partition = usize::try_from(index).ok();
    let partition = partition.and_then(|index| topic.partitions.get(index));
    partition.is_some_and(|state| state.replicas.contains(&shard.node))
}

/// Takes every partition out of service and closes its log cleanly; what could not be closed
/// so is checked at the next start. `broker_epoch` is that of the node's registration in a
/// cluster; -1 for none.
pub async fn close(shard: &Shard, broker_epoch: i64) {
    // A log may be on its way from one folder to another.
    let turn = shard.runtime().within(TURN_MAX, shard.changes.lock());
    let _turn = turn.await;
    shard.coordinators.stop();
    let partitions = shard.partitions.local();
    partitions.iter().for_each(|partition| partition.close());
    let dirs: Vec<&Rc<LogDir>> = shard.dirs.working().collect();
    for dir in dirs {
        let in_dir = partitions.iter().filter(|partition| dir.holds(partition));
        let closed = close_logs(dir, in_dir.collect()).await;
        let marked = match (closed, shard.partitions.any_broken(dir.id)) {
            (Err(error), _) => Err(error),
            (Ok(all_closed), any_broken) => match checkpoint(shard, dir).await {
                Ok(()) if all_closed && !any_broken => dir.folder.close_cleanly(broker_epoch).await,
                written => written,
            },
        };
        if let Err(error) = marked {
            let dir = dir.path.display();
            tracing::error!(%dir, %error,
                "cannot write the checkpoints: the next start checks all");
        }
    }
}

/// Closes the logs in a folder; whether all could be. Where many have something to write, one
/// sync of the file system makes all of it durable: no log waits for a sync of its own. Where
/// that fails nothing may be said of how far they have come.
async fn close_logs(dir: &LogDir, partitions: Vec<&Rc<Partition>>) -> io::Result<bool> {
    let to_write = partitions.iter().filter(|it| !it.is_as_closed());
    let batch = match to_write.count() > SYNCED_EACH_MAX {
        // Without one, for want of a descriptor most likely, it takes longer.
        true => dir.logs.disk().batch(&dir.path).await.ok(),
        false => None,
    };
    let in_batch = batch.is_some();
    let closing = partitions.into_iter().map(|partition| async move {
        let closed = partition.close_log(in_batch).await;
        if let Err(error) = &closed {
            let (topic, index) = (&partition.name().topic, partition.name().index);
            tracing::error!(%topic, partition = index, %error, "cannot close the log cleanly");
        }
        closed.is_ok()
    });
    let all_closed = stream::iter(closing)
        .buffer_unordered(OPEN_AT_ONCE)
        .fold(true, async |all, closed| all && closed)
        .await;
    if let Some(batch) = batch {
        batch.sync().await?;
    }
    Ok(all_closed)
}

async fn checkpoint(shard: &Shard, dir: &LogDir) -> io::Result<()> {
    let partitions = shard.partitions.local();
    let in_dir = partitions.iter().filter(|partition| dir.holds(partition));
    Partition::checkpoint(&dir.folder, in_dir).await
}

/// Runs the periodic work of each log (roll, delete, forget), and notes in the checkpoints
/// how far they have come.
pub async fn maintain(shard: &Shard, now: WallMs) {
    for partition in shard.partitions.local() {
        partition.maintain(now).await;
    }
    let more = shard.dirs.untold_removals();
    if more > 0 {
        tracing::info!(
            partitions = more,
            "retention removed segments of more partitions"
        );
    }
    for dir in shard.dirs.working() {
        if let Err(error) = checkpoint(shard, dir).await {
            tracing::error!(dir = %dir.path.display(), %error, "cannot write the checkpoints");
            dir.suspect();
        }
    }
}
