//! Drives: tells the controller where replicas lie that the metadata looks for elsewhere: they have
//! gone to another folder (KIP-113), or a folder was lost, and an empty one has taken its place
//! (KIP-858).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::Uuid;
use crate::base::{PartitionIndex, TopicId};
use crate::metadata::controller::AssignDirectories;
use crate::shard::partitions::{Place, Topic};
use crate::shard::{Shard, removal};

/// The pause before the controller is told again.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// Partitions that it is told of at once, at most.
const TOLD_AT_ONCE: usize = 1000;

/// Tells the controller of each such replica, for ever.
pub async fn tell_of_folders(shard: Rc<Shard>) {
    loop {
        let moved = shard.replication.moved.take();
        let mut by_directory: BTreeMap<Uuid, Vec<_>> = BTreeMap::new();
        for (partition, directory) in moved {
            by_directory.entry(directory).or_default().push(partition);
        }
        let some = by_directory.iter().flat_map(|(directory, partitions)| {
            let pieces = partitions.chunks(TOLD_AT_ONCE);
            pieces.map(|partitions| (*directory, partitions.to_vec()))
        });
        for (directory, partitions) in some {
            let asked = AssignDirectories {
                node: shard.node,
                directory,
                partitions: partitions.clone(),
            };
            if shard.control.assign_directories(asked).await {
                forget_elsewhere(&shard, directory, &partitions).await;
            } else {
                let mut moved = shard.replication.moved.borrow_mut();
                for partition in partitions {
                    // It may have moved on.
                    moved.entry(partition).or_insert(directory);
                }
            }
        }
        let is_all_told = shard.replication.moved.borrow().is_empty();
        match is_all_told {
            true => shard.replication.more_moved.wait().await,
            false => shard.runtime().sleep(TELL_AGAIN).await,
        }
    }
}

/// The controller knows that these partitions lie in `directory`: no start looks for them in the
/// other folders, which need not know of them any more.
async fn forget_elsewhere(
    shard: &Shard,
    directory: Uuid,
    partitions: &[(TopicId, PartitionIndex)],
) {
    let _turn = shard.changes.lock().await;
    let topics = partitions.iter().map(|(id, index)| {
        let topic = shard.partitions.topic_by_id(*id);
        topic.map(|topic| (topic, *index))
    });
    let topics: Vec<(Rc<Topic>, PartitionIndex)> = topics.flatten().collect();
    for dir in shard.dirs.working().filter(|dir| dir.id != directory) {
        // It may have come back, or gone on.
        let lies_here =
            |topic: &Topic, index: PartitionIndex| match topic.partitions.get(index as usize) {
                Some(Place::Here(partition)) => dir.holds(partition),
                Some(Place::Broken { directory, .. }) => *directory == dir.id,
                _ => false,
            };
        let elsewhere = topics
            .iter()
            .filter(|(topic, index)| !lies_here(topic, *index));
        let elsewhere = elsewhere.map(|(topic, index)| (&*topic.name, *index));
        removal::forget_gone(dir, elsewhere.collect()).await;
    }
}
