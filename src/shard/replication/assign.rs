//! Drives: tells the controller where replicas lie that the metadata looks for elsewhere: a folder
//! was lost, and an empty one has taken its place (KIP-858).

use std::rc::Rc;
use std::time::Duration;

use crate::metadata::controller::AssignDirectories;
use crate::shard::Shard;

/// The pause before the controller is told again.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// Tells the controller of each such replica, for ever.
pub async fn tell_of_folders(shard: Rc<Shard>) {
    loop {
        let moved = shard.replication.moved.take();
        for (directory, partitions) in moved {
            let asked = AssignDirectories {
                node: shard.node,
                directory,
                partitions: partitions.clone(),
            };
            if !shard.control.assign_directories(asked).await {
                let mut moved = shard.replication.moved.borrow_mut();
                moved.entry(directory).or_default().extend(partitions);
            }
        }
        let is_all_told = shard.replication.moved.borrow().is_empty();
        match is_all_told {
            true => shard.replication.more_moved.wait().await,
            false => shard.runtime().sleep(TELL_AGAIN).await,
        }
    }
}
