//! Drives: the copy of a replica in a folder on another file system, until little of it is missing.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::{Key, Wanted};
use crate::base::Instant;
use crate::log::{CopyError, FutureLog};
use crate::partition::Partition;
use crate::shard::Shard;

/// A replica is copied until no more bytes than this are missing.
const REST_BYTES: u64 = 8 << 20;
/// So many bytes may be missing when appends begin to wait: some are appended until then.
pub(super) const REST_BYTES_MAX: u64 = 2 * REST_BYTES;
/// The pause before it is looked whether more can be copied.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A pause, after which it is looked whether the move is still wanted.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Why a replica was not copied further.
pub(super) enum NotCopied {
    /// The move is not wanted any more, or the replica is taken out of service.
    Stopped,
    /// Its log has failed, or lacks room for a new segment, so that this one cannot be copied.
    Stuck(io::Error),
    /// A file could not be read or written.
    Io(io::Error),
}

impl From<CopyError> for NotCopied {
    fn from(error: CopyError) -> NotCopied {
        match error {
            CopyError::Stopped => NotCopied::Stopped,
            CopyError::Io(error) => NotCopied::Io(error),
        }
    }
}

/// Copies the replica until no more than [`REST_BYTES`] are missing.
pub(super) async fn copy(
    shard: &Shard,
    (key, wanted): (Key, &Rc<Wanted>),
    partition: &Partition,
    future: &mut FutureLog,
) -> Result<(), NotCopied> {
    let runtime = shard.runtime();
    let is_on = || {
        shard.dir_moves.is_wanted(key, wanted) && !partition.is_closed() && !partition.is_leaving()
    };
    loop {
        let before = future.copied_bytes();
        let mut begun = runtime.now();
        let mut goes_on = async |bytes: u64| {
            wanted.copied_bytes.set(wanted.copied_bytes.get() + bytes);
            shard.dir_moves.copied_bytes.add(bytes);
            let mut rest = pause(shard, bytes, begun);
            while is_on() && !rest.is_zero() {
                let length = rest.min(PAUSE_MAX);
                runtime.sleep(length).await;
                rest -= length;
            }
            runtime.yield_now().await;
            begun = runtime.now();
            is_on()
        };
        let now = runtime.wall_ms();
        let missing = partition.copy_to(future, now, &mut goes_on).await?;
        wanted.copied_upto.set(partition.copied_upto(future));
        if missing <= REST_BYTES {
            return Ok(());
        }
        if !is_on() {
            return Err(NotCopied::Stopped);
        }
        if future.copied_bytes() == before {
            if let Some(why) = partition.failure().or(partition.lack_of_space()) {
                return Err(NotCopied::Stuck(io::Error::other(why.reason)));
            }
            runtime.sleep(LOOK_AGAIN).await;
        }
    }
}

/// The pause after a piece of so many bytes that was begun then: by
/// `replica.alter.log.dirs.io.max.bytes.per.second`, and no shorter than the piece has taken, so
/// that at least half of what the devices can do is left to clients.
fn pause(shard: &Shard, bytes: u64, begun: Instant) -> Duration {
    let taken = shard.runtime().now().since(begun);
    let bound = match shard.config().alter_dirs_rate {
        Some(rate) => Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64),
        None => Duration::ZERO,
    };
    taken.max(bound.saturating_sub(taken))
}
