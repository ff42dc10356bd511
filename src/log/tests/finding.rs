//! Drives: opens the logs of the crash tests and says what is there.

use std::path::Path;
use std::rc::Rc;

use super::story::{Batch, Found, Seen, Topic, Wrong, is_whole};
use super::support::joined;
use crate::io::disk::Disk;
use crate::log::{Folder, Log, Logs, Opening, Replay};
use crate::wire::batch::{BatchView, Record, Records, batches};

/// Where all logs lie.
pub const ROOT: &str = "/data";

/// Opens a log and says what is there.
pub async fn find(
    disk: &Disk,
    folder: &Folder,
    logs: &Logs,
    topic: &Topic,
) -> Result<(Log, (Found, Seen)), Wrong> {
    let opening = folder.opening(topic.name, 0);
    find_so(disk, folder, logs, topic, opening).await
}

/// As [`find`], with what is known of it.
pub async fn find_so(
    disk: &Disk,
    folder: &Folder,
    logs: &Logs,
    topic: &Topic,
    opening: Opening,
) -> Result<(Log, (Found, Seen)), Wrong> {
    let dir = folder.path(topic.name, 0);
    let opening = Opening {
        replay: true,
        gaps: topic.follows,
        ..opening
    };
    let mut seen = Seen::default();
    let mut replay = |replay: Replay<'_>| match replay {
        // A power cut in the middle of a stop took its content, or a part of it.
        Replay::Snapshot(_, content, refused) if !is_whole(content) => refused.set(true),
        Replay::Snapshot(offset, content, _) => seen.snapshot = Some((offset, content.to_vec())),
        Replay::Batch(bytes, _) => {
            let batch = batches(bytes).next().expect("one").expect("valid");
            let parts = parts_of(&batch, topic.config.compact);
            seen.batches.extend(parts.iter().map(|part| part.base));
        }
    };
    let opened = Log::open(logs, &dir, topic.config.clone(), opening, 0, &mut replay).await;
    let (log, recovered) = opened.map_err(|error| format!("{}: {error}", topic.name))?;
    if let Some(damage) = &recovered.damage {
        let listed = disk.list(&dir).await;
        return Err(format!("takes a crash for damage: {damage}; {listed:?}"));
    }
    let found = Found {
        start: log.start_offset(),
        end: log.end_offset(),
        batches: contents(&log).await?,
        cut: recovered.cut.map(|cut| cut.to_string()),
    };
    Ok((log, (found, seen)))
}

/// Reads all that is readable, from the lookups' various places on.
pub async fn contents(log: &Log) -> Result<Vec<Batch>, Wrong> {
    let (mut next, end) = (log.start_offset(), log.acked_offset());
    let compact = log.0.config.borrow().compact;
    let mut found: Vec<Batch> = Vec::new();
    while next < end {
        let mut out = Vec::new();
        let read = log.read(next, 20_000, end, &mut out).await;
        read.map_err(|error| format!("at {next} of {log:?}: {error}"))?;
        let bytes = joined(&out);
        let before = next;
        for batch in batches(&bytes) {
            let batch = batch.map_err(|error| format!("at {next}: {error:?}"))?;
            batch.verify_crc().map_err(|error| format!("{error:?}"))?;
            let epoch = batch.leader_epoch();
            if log.epoch_at(batch.base_offset().max(log.start_offset())) != Some(epoch) {
                let epochs = log.0.state.borrow().epochs.to_text();
                return Err(format!(
                    "not epoch {epoch} at {next} of {log:?}: {epochs:?}"
                ));
            }
            found.extend(parts_of(&batch, compact));
            next = batch.next_offset();
        }
        if next == before && compact {
            // The end of it may have been compacted away.
            break;
        }
        if next == before {
            return Err(format!("nothing at {next} of {log:?}"));
        }
    }
    if compact {
        found.retain(|record| record.base >= log.start_offset());
    }
    Ok(found)
}

/// What is compared of a batch: itself, or its records where compaction may take some of them.
pub fn parts_of(batch: &BatchView<'_>, compact: bool) -> Vec<Batch> {
    let whole = Batch {
        base: batch.base_offset(),
        last: batch.last_offset(),
        crc: batch.crc(),
        epoch: batch.leader_epoch(),
        key: None,
    };
    if !compact {
        return vec![whole];
    }
    let records = Records::of(batch).map(|record| record.expect("a record"));
    let part = |record: Record<'_>| {
        let key = record.key.unwrap_or_default();
        Batch {
            base: record.offset(batch),
            crc: crc32c::crc32c_append(crc32c::crc32c(key), record.value.unwrap_or_default()),
            key: Some((key.first().copied().unwrap_or(0), record.value.is_none())),
            ..whole.clone()
        }
    };
    records.map(part).collect()
}

/// Opens everything below the root as a start does, and says what is there.
pub async fn find_all(disk: Disk, topics: Rc<Vec<Topic>>) -> Result<Vec<(Found, Seen)>, Wrong> {
    let opened = Folder::open(&disk, Path::new(ROOT)).await;
    let folder = opened.map_err(|error| error.to_string())?;
    let logs = super::support::logs(&disk);
    let mut found = Vec::new();
    for topic in topics.iter() {
        found.push(find(&disk, &folder, &logs, topic).await?.1);
    }
    Ok(found)
}
