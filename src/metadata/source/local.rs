//! Drives: the metadata log of a standalone broker: opened and read into an image in one pass.

use std::path::Path;

use crate::base::ids::Uuid;
use crate::base::{Offset, TopicId, WallMs};
use crate::log::{Log, LogConfig, Logs, OpenError, Opening, Recovered, Replay};
use crate::metadata::image::Image;
use crate::wire::batch::batches;

use super::{LoadError, Loaded, Loader};

/// Size of a segment of the metadata log, in bytes; a decision is far smaller.
const SEGMENT_BYTES: u64 = 128 << 20;

/// The id that Kafka has given the metadata log once and for all.
const TOPIC_ID: TopicId = TopicId(Uuid::from_u128(1));

/// Why the metadata log could not be opened. Each prints as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Its files cannot be read.
    #[error("the metadata log cannot be opened: {0}")]
    Open(OpenError),
    /// Records in its middle are damaged: they were written whole, and are not whole now.
    #[error("the metadata log is damaged: {0}; put its folder back from a copy and start again")]
    Damaged(String),
    /// Its records make no sense.
    #[error("the metadata log cannot be read: {0}")]
    Load(LoadError),
}

/// Opens the log in `dir`, which need not exist, and reads it on top of `image`: an empty one,
/// or what a snapshot held, whose end offset is then where reading starts. All before `flushed`
/// is known to have been flushed once.
pub async fn open(
    logs: &Logs,
    dir: &Path,
    image: &Image,
    flushed: Offset,
    now: WallMs,
) -> Result<(Log, Loaded), SourceError> {
    let mut loader = Loader::new(image);
    let mut verdict = Ok(());
    let mut take = |bytes: &[u8]| {
        for batch in batches(bytes) {
            // The log shows only batches whose checksum is right.
            let Ok(batch) = batch else { continue };
            if batch.base_offset() >= loader.end_offset() && verdict.is_ok() {
                verdict = loader.feed(&batch);
            }
        }
    };
    // All of it is read, so nothing is gained by knowing how it was closed.
    let opening = Opening {
        replay: true,
        flushed_offset: flushed,
        topic_id: Some(TOPIC_ID),
        ..Opening::default()
    };
    let (log, recovered) = Log::open(logs, dir, config(), opening, now, &mut |replay| {
        if let Replay::Batch(bytes, _) = replay {
            take(bytes);
        }
    })
    .await
    .map_err(SourceError::Open)?;
    verdict.map_err(SourceError::Load)?;
    check(recovered)?;
    Ok((log, loader.finish()))
}

fn check(recovered: Recovered) -> Result<(), SourceError> {
    if let Some(cut) = recovered.cut {
        tracing::info!(
            file = cut.file,
            position = cut.position,
            "cut off the torn end of the metadata log: nothing in it had been answered"
        );
    }
    match recovered.damage {
        Some(damage) => Err(SourceError::Damaged(damage.to_string())),
        None => Ok(()),
    }
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT_BYTES,
        // The cluster is all of its records, however old.
        delete_old: false,
        segment_ms: i64::MAX,
        flush_messages: 1,
        ..LogConfig::default()
    }
}
