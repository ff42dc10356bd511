//! Drives: what of a shard cannot be served now.

use super::Shard;
use super::numbers::give_way;
use super::partitions::{Place, Retry};
use crate::base::WallMs;
use crate::base::faults::{Fault, FaultKind};
use crate::io::cause::Cause;
use crate::log::FailedOperation;
use crate::partition::Partition;

type Found = (FaultKind, String, String);

/// Everything of `shard` that cannot be served `now`; found out in steps.
pub async fn current(shard: &Shard, now: WallMs) -> Vec<Fault> {
    let folders = shard.dirs.failed().map(|dir| {
        let why = "its partitions are offline; the log says why".to_owned();
        (FaultKind::FolderOffline, dir.display().to_string(), why)
    });
    let mut found: Vec<Found> = folders.collect();
    let mut looked = 0;
    for topic in shard.partitions.all() {
        for (index, place) in topic.partitions.iter().enumerate() {
            give_way(shard, &mut looked).await;
            let what = match place {
                Place::Here(partition) => of_partition(partition),
                Place::There { .. } => None,
                Place::Broken { directory, retry } => Some((
                    FaultKind::PartitionOffline,
                    match (retry, shard.dirs.get(*directory)) {
                        (Retry::Soon, _) => "it is opened once there are descriptors and memory",
                        (Retry::NextStart, _) => {
                            "it may lie in two folders: the next start takes one of them"
                        }
                        (Retry::WithTopic, Some(_)) => {
                            "its log could not be opened; the log says why"
                        }
                        (Retry::WithTopic, None) => {
                            "its folder is not among log.dirs, or cannot be used"
                        }
                    }
                    .to_owned(),
                )),
            };
            let name = || format!("{}-{index}", topic.name);
            found.extend(what.map(|(kind, why)| (kind, name(), why)));
        }
    }
    shard.faults.are(found, now)
}

fn of_partition(partition: &Partition) -> Option<(FaultKind, String)> {
    if let Some(failure) = partition.failure() {
        let is_on_purpose = failure.operation == FailedOperation::Removal;
        return (!is_on_purpose).then_some((FaultKind::PartitionFailed, failure.reason));
    }
    let lack = partition.lack_of_space()?;
    Some(match lack.cause {
        Cause::NoRoom => (FaultKind::DiskFull, lack.reason),
        _ => (FaultKind::HostShort, lack.reason),
    })
}
