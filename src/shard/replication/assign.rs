//! Drives: tells the controller where replicas lie that the metadata looks for elsewhere: they have
//! gone to another folder (KIP-113), or a folder was lost, and an empty one has taken its place
//! (KIP-858).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::Uuid;
use crate::metadata::controller::AssignDirectories;
use crate::shard::Shard;

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
            if !shard.control.assign_directories(asked).await {
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
