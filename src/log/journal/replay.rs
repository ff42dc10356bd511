//! Drives: at a start after a crash, writes what the journal holds into the segments, before any
//! log is opened. Doing it again after an interruption, or a part of it, changes nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::circle::in_file;
use super::entry::{FRONT_BYTES, Front, Owner, Piece, pieces};
use super::file::{FILE, IN_USE, NEW, write_front};
use super::kept;
use super::lost::Lost;
use super::reader::{Cuts, Reader, find_cuts, is_damaged, not_possible};
use crate::base::{Offset, TopicId};
use crate::io::buffer::BLOCK_BYTES;
use crate::io::disk::{Disk, Patch};
use crate::io::file::File;
use crate::log::segment::{
    NEXT_SUFFIX, PARTITION_METADATA, file_name, partition_metadata, topic_id_in,
};
use crate::wire::batch::BatchHeader;

/// Bytes of pieces that are gathered before they are put where they belong.
const GATHERED_BYTES_MAX: usize = 8 << 20;

/// What a start found in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Entries that were whole.
    pub entries: usize,
    /// Bytes that were put into segments.
    pub bytes: u64,
    /// Where in the file an entry begins that is not whole and had not been flushed: the end of
    /// what was found.
    pub torn: Option<u64>,
}

/// By folder and segment: the id of the topic, and the bytes that are to be written there.
type Gathered = BTreeMap<(String, Offset), (Option<TopicId>, Vec<Patch>)>;

/// Takes over what the last run left in the folder `dir`; returns the front for the journal that
/// goes on with its file. After a stop that was `clean` nothing is read.
pub async fn take_over(
    disk: &Disk,
    dir: &Path,
    clean: bool,
) -> io::Result<(Option<Front>, Replayed)> {
    let path = dir.join(FILE);
    let in_use = dir.join(IN_USE);
    let was_in_use = !clean && is_there(disk, &in_use).await?;
    // What a crash has left of a file that was being made.
    disk.remove(&dir.join(NEW)).await?;
    let front = match disk.open(&path).await {
        Ok(file) => read_front(&file).await.map(|front| (file, front)),
        Err(error) => Err(error),
    };
    let (file, front) = match front {
        Ok((file, Some(front))) => (file, front),
        // Nothing in it is needed: it is made anew.
        _ if !was_in_use => return Ok((None, Replayed::default())),
        Ok((_, None)) => return Err(Lost::NoFront(path).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Lost::Missing(path).into());
        }
        Err(error) => return Err(error),
    };
    if !was_in_use {
        return Ok((Some(front), Replayed::default()));
    }
    let cuts = find_cuts(&file, front).await?;
    if is_damaged(&file, front, cuts.end).await? {
        return Err(Lost::Entry(path, in_file(cuts.end, front.capacity)).into());
    }
    let replayed = put_in_place(disk, dir, &file, front, &cuts).await?;
    if replayed.entries > 0 {
        disk.sync_all(dir).await?;
    }
    // Both blocks, as with each front: see `JournalFile::write_fronts`.
    let mut front = front;
    for _ in 0..2 {
        front = front.next(cuts.end);
        write_front(disk, &file, front).await?;
        file.flush().await?;
    }
    // Where no journal is begun now the file may go.
    disk.remove(&in_use).await?;
    Ok((Some(front), replayed))
}

/// Removes the file of a journal that is wanted no more, in the background: since [`take_over`]
/// nothing in it is needed.
pub fn remove_unused(disk: &Disk, dir: &Path) {
    let (disk, dir) = (disk.clone(), dir.to_owned());
    let runtime = disk.runtime().clone();
    runtime.spawn(async move {
        // A start must not miss the file: that it is not in use is durable first.
        let synced = disk.sync_dir(&dir).await;
        let removed = match synced {
            Ok(()) => disk.remove(&dir.join(FILE)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(dir = %dir.display(), %error, "cannot remove the unused journal");
        }
    });
}

async fn is_there(disk: &Disk, path: &Path) -> io::Result<bool> {
    match disk.read(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        read => read.map(|_| true),
    }
}

async fn read_front(file: &File) -> io::Result<Option<Front>> {
    let blocks = file.read(0, FRONT_BYTES as usize).await?;
    let fronts = blocks.chunks(BLOCK_BYTES).filter_map(Front::in_block);
    let front = fronts.max_by_key(|front| front.turn);
    // A file that is shorter than it says holds no whole circle.
    let len = file.len().await?;
    Ok(front.filter(|it| it.capacity > 0 && FRONT_BYTES + it.capacity <= len))
}

/// Writes the pieces that are not void into their segments.
async fn put_in_place(
    disk: &Disk,
    dir: &Path,
    file: &File,
    front: Front,
    cuts: &Cuts,
) -> io::Result<Replayed> {
    let mut replayed = Replayed {
        torn: cuts.torn,
        ..Replayed::default()
    };
    let mut gathered = Gathered::new();
    let mut held = 0;
    let mut reader = Reader::new(file, front);
    while let Some((head, entry)) = reader.next().await? {
        replayed.entries += 1;
        held += gather(&entry, &mut gathered, &|owner, segment| {
            !cuts.void(head.at, owner.folder, owner.topic_id, segment)
        })?;
        if held >= GATHERED_BYTES_MAX {
            replayed.bytes += apply(disk, dir, std::mem::take(&mut gathered)).await?;
            held = 0;
        }
    }
    replayed.bytes += apply(disk, dir, gathered).await?;
    Ok(replayed)
}

/// Adds the pieces of data in an entry that are `wanted`; returns how many bytes that are.
fn gather(
    entry: &[u8],
    gathered: &mut Gathered,
    wanted: &dyn Fn(Owner<'_>, Offset) -> bool,
) -> io::Result<usize> {
    let mut held = 0;
    for piece in pieces(entry) {
        let piece = piece.map_err(|_| not_possible())?;
        let Piece::Data {
            owner,
            segment,
            position,
            bytes,
        } = piece
        else {
            continue;
        };
        if wanted(owner, segment) {
            let key = (owner.folder.to_owned(), segment);
            let (_, patches) = gathered.entry(key).or_insert((owner.topic_id, Vec::new()));
            patches.push((u64::from(position), bytes.to_vec()));
            held += bytes.len();
        }
    }
    Ok(held)
}

/// To be called before anything else is looked at: puts in place what was kept of logs that had
/// failed, and removes it. With it goes the file `clean`, which says that all logs were closed
/// cleanly: these were not.
pub async fn put_kept_in_place(disk: &Disk, dir: &Path, clean: &Path) -> io::Result<()> {
    let Some(kept) = kept::read(disk, dir).await? else {
        return Ok(());
    };
    disk.remove(clean).await?;
    disk.sync_dir(dir).await?;
    let mut gathered = Gathered::new();
    gather(&kept, &mut gathered, &|_, _| true)?;
    let bytes = apply(disk, dir, gathered).await?;
    disk.sync_all(dir).await?;
    tracing::info!(dir = %dir.display(), bytes,
        "records that the journal had kept of logs that failed are in their segments now");
    kept::remove(disk, dir).await
}

async fn apply(disk: &Disk, dir: &Path, gathered: Gathered) -> io::Result<u64> {
    let mut bytes = 0;
    for ((folder, segment), (topic_id, patches)) in gathered {
        // A topic may be named `.x` or `..x`: its folder is no way out of this one.
        if matches!(folder.as_str(), "" | "." | "..") || folder.contains('/') {
            return Err(not_possible());
        }
        let folder = dir.join(folder);
        if !belongs(disk, &folder, topic_id).await? {
            continue;
        }
        bytes += patches.iter().map(|it| it.1.len() as u64).sum::<u64>();
        let path = path_of(disk, &folder, segment).await?;
        disk.patch(&path, patches).await?;
    }
    Ok(bytes)
}

/// The file of a segment. Versions until 2026-11 made it before the segment began and named it
/// after the first write: without a file of its own name, one of theirs whose first batch has the
/// segment's base offset is it.
async fn path_of(disk: &Disk, folder: &Path, segment: Offset) -> io::Result<PathBuf> {
    let own = folder.join(file_name(segment, ".log"));
    if disk.open(&own).await.is_ok() {
        return Ok(own);
    }
    let entries = disk.list(folder).await?;
    for entry in entries.iter().filter(|it| it.name.ends_with(NEXT_SUFFIX)) {
        let path = folder.join(&entry.name);
        let block = disk.open(&path).await?.read(0, BLOCK_BYTES).await?;
        let header = BatchHeader::copy(&block).filter(|it| !it.is_blank());
        if header.is_some_and(|header| header.base_offset() == segment) {
            return Ok(path);
        }
    }
    Ok(own)
}

/// Whether the log in `folder` is of the topic with this id; makes the folder where there is none.
async fn belongs(disk: &Disk, folder: &Path, topic_id: Option<TopicId>) -> io::Result<bool> {
    let path = folder.join(PARTITION_METADATA);
    let Some(topic_id) = topic_id else {
        disk.create_dir(folder).await?;
        return Ok(true);
    };
    let text = match disk.read(&path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        text => text?,
    };
    // A crash may leave a beginning of the file: it is written again.
    if let Some(found) = topic_id_in(&text) {
        return Ok(found == topic_id.to_string());
    }
    disk.create_dir(folder).await?;
    let text = partition_metadata(topic_id);
    disk.write(&path, text.into_bytes()).await?;
    Ok(true)
}
