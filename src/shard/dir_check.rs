//! Drives: checks whether the folders of logs still work, and takes those out of service that do
//! not.

use super::{Shard, lifecycle};
use crate::io::cause::Cause;
use crate::io::{descriptors, signal};

/// Logs that are checked before other tasks run.
const LOGS_AT_A_TIME: usize = 128;

/// Looks whether the folders still work; takes out of service what lies in one that does not,
/// and tells the controller.
pub async fn check(shard: &Shard) {
    let mut failed = Vec::new();
    let partitions = shard.partitions.local();
    let are_files_many = descriptors::are_files_many();
    for some in partitions.chunks(LOGS_AT_A_TIME) {
        for one in some {
            one.seek_space();
            one.look_for_file();
            if are_files_many {
                one.close_unused_files();
            }
        }
        shard.runtime().yield_now().await;
    }
    for dir in shard.dirs.working() {
        let in_doubt = dir.is_in_doubt(&partitions);
        let Err(error) = dir.is_sound(in_doubt).await else {
            continue;
        };
        match Cause::of(&error) {
            // Space can come back; what is there is as good as it was.
            Cause::NoRoom => {}
            // Nothing was found out: the next look may.
            Cause::Host | Cause::Passing if in_doubt => dir.suspect(),
            Cause::Host | Cause::Passing => {}
            Cause::Device => {
                tracing::error!(dir = %dir.path.display(), %error,
                    "a log folder has failed: its partitions are offline until the broker is \
                     started with it whole");
                failed.push(dir.clone());
            }
        }
    }
    lifecycle::open_again(shard, shard.runtime().wall_ms()).await;
    if failed.is_empty() {
        return;
    }
    for dir in &failed {
        dir.fail();
        lifecycle::fail(shard, dir);
    }
    if shard.dirs.working().next().is_none() && shard.life.lost_last_folder() {
        tracing::error!("no folder of log.dirs is left: the broker stops");
        signal::request_stop();
    }
    let directories = failed.iter().map(|dir| dir.id).collect();
    // Where the controller is gone or cannot write, the partitions are out of service all the same.
    let _ = shard
        .control
        .fail_directories(shard.node, directories)
        .await;
}
