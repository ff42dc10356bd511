//! Drives: the metadata log that Apache Kafka left: the cluster as it was, and what it had that
//! this broker has not.

use std::path::Path;

use super::cannot_read;
use super::left_behind::Security;
use crate::base::Offset;
use crate::io::tree;
use crate::metadata::image::Image;
use crate::metadata::record::{
    BatchRefused, MetadataRecord, RecordRefused, SecurityRecord, values,
};
use crate::metadata::source::{LoadError, Loader};
use crate::wire::batch::{BatchView, Records, batches};
use crate::wire::cursor::Cursor;

/// KRaft's control record that names the quorum's voters.
const LEADER_CHANGE: i16 = 2;

/// What a metadata log says.
pub struct Metadata {
    /// The cluster, but for what this broker has not.
    pub image: Image,
    /// That.
    pub security: Security,
}

/// The cluster that a metadata log and its newest snapshot make.
pub fn read(dir: &Path) -> Result<Metadata, String> {
    let files = tree::list(dir).map_err(cannot_read(dir))?;
    let snapshots = files.iter().filter_map(|file| {
        let (offset, _) = file.name.strip_suffix(".checkpoint")?.split_once('-')?;
        Some((offset.parse::<Offset>().ok()?, &file.name))
    });
    let mut image = Image::default();
    let mut security = Security::default();
    if let Some((end_offset, name)) = snapshots.max() {
        let mut loader = Loader::new(&image);
        feed(&mut loader, &mut security, &dir.join(name), Offset::MIN)?;
        image = loader.finish().image;
        image.end_offset = end_offset;
    }
    let segments: Vec<(Offset, &str)> = files
        .iter()
        .filter_map(|file| {
            let base = file.name.strip_suffix(".log")?.parse().ok()?;
            Some((base, file.name.as_str()))
        })
        .collect();
    if segments
        .first()
        .is_none_or(|(base, _)| *base > image.end_offset)
    {
        return Err(format!(
            "{} has records from {} on and a snapshot up to {}: some are missing",
            dir.display(),
            segments.first().map_or(0, |(base, _)| *base),
            image.end_offset
        ));
    }
    let from = image.end_offset;
    let mut loader = Loader::new(&image);
    for (_, name) in segments {
        feed(&mut loader, &mut security, &dir.join(name), from)?;
    }
    Ok(Metadata {
        image: loader.finish().image,
        security,
    })
}

/// Feeds the batches of a file that begin at `from` or behind.
fn feed(
    loader: &mut Loader,
    security: &mut Security,
    path: &Path,
    from: Offset,
) -> Result<(), String> {
    let content = tree::read(path).map_err(cannot_read(path))?;
    let mut all = batches(&content);
    for batch in all.by_ref() {
        let batch = batch
            .and_then(|batch| batch.verify_crc().map(|()| batch))
            .map_err(|error| format!("{} is damaged: {error}", path.display()))?;
        check_voters(&batch, path)?;
        if batch.base_offset() >= from {
            let fed = feed_batch(loader, security, &batch);
            fed.map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    match all.rest().len() {
        0 => Ok(()),
        rest => Err(format!(
            "{} ends with {rest} bytes that are no batch",
            path.display()
        )),
    }
}

/// Feeds a batch to the image; what this broker has not is noted beside it.
fn feed_batch(
    loader: &mut Loader,
    security: &mut Security,
    batch: &BatchView<'_>,
) -> Result<(), LoadError> {
    for (offset, value) in values(batch)? {
        let refused = |refused| LoadError::Batch(BatchRefused::Record(offset, refused));
        let record = match MetadataRecord::decode(value) {
            Err(RecordRefused::Unknown { .. }) => {
                security.note(SecurityRecord::decode(value).map_err(refused)?);
                continue;
            }
            record => record.map_err(refused)?,
        };
        match record {
            MetadataRecord::BeginTransaction(_) => security.begin(),
            MetadataRecord::EndTransaction(_) => security.end(true),
            MetadataRecord::AbortTransaction(_) => security.end(false),
            // They would be kept, but not enforced: left behind only by the operator's word.
            MetadataRecord::ClientQuota(quota) => {
                security.note(quota.into());
                continue;
            }
            _ => {}
        }
        let replayed = loader.record(offset, record);
        replayed.map_err(|error| LoadError::Replay(offset, error))?;
    }
    loader.end_batch(batch);
    Ok(())
}

/// A quorum of several may not have agreed on the end of this copy of its log.
fn check_voters(batch: &BatchView<'_>, path: &Path) -> Result<(), String> {
    if !batch.attributes().is_control() {
        return Ok(());
    }
    for record in Records::of(batch).flatten() {
        let mut key = Cursor::new(record.key.unwrap_or_default());
        let kind = key.i16().and_then(|_| key.i16());
        let mut value = Cursor::new(record.value.unwrap_or_default());
        let voters = value
            .i16()
            .and_then(|_| value.i32())
            .and_then(|_| value.uvarint());
        if kind == Ok(LEADER_CHANGE) && voters.is_ok_and(|voters| voters > 2) {
            return Err(format!(
                "{}: the metadata belong to a quorum of several controllers; a broker that is \
                 its own controller (process.roles=broker,controller) can be taken over",
                path.display()
            ));
        }
    }
    Ok(())
}
