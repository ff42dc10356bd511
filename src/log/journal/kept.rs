//! Drives: what the journal holds of logs that have failed at their device, in a file of its own:
//! so they do not keep the circle from being given back. The next start puts it in place.
//!
//! The file is one entry, as in the circle, and is replaced as a whole.

use std::io;
use std::path::Path;
use std::rc::Rc;

use super::entry::{Front, HEAD_BYTES, Head, Owner, Piece, Position, pieces};
use super::file::KEPT;
use super::lost::Lost;
use super::reader::{Reader, find_cuts, not_possible};
use super::writer::Shared;
use crate::base::Offset;
use crate::io::disk::Disk;
use crate::io::file::File;
use crate::log::inner::Inner;

/// Bytes that the file may have. Logs that have more than this in the journal hold it up.
const KEPT_BYTES_MAX: usize = 64 << 20;

impl Shared {
    /// Keeps what the journal holds up to `upto` of those of `logs` that have failed; returns the
    /// others, and all of them where it cannot be kept.
    pub(super) async fn keep(&self, logs: Vec<Rc<Inner>>, upto: Position) -> Vec<Rc<Inner>> {
        let (failed, mut held): (Vec<_>, Vec<_>) =
            logs.into_iter().partition(|log| log.has_failed());
        if failed.is_empty() {
            return held;
        }
        match self.copy(&failed, upto).await {
            Ok(()) => {
                for log in failed {
                    log.side.set_kept(true);
                    tracing::warn!(log = %log.dir.display(),
                        "the log has failed: what the journal holds of it is in {KEPT} now, for \
                         the next start");
                }
            }
            // It holds the journal up, which is told, and this is tried again.
            Err(_) => held.extend(failed),
        }
        held
    }

    async fn copy(&self, logs: &[Rc<Inner>], upto: Position) -> io::Result<()> {
        let (disk, dir) = (self.disk(), self.file.dir());
        let mut kept = read(disk, dir).await?.unwrap_or(vec![0; HEAD_BYTES]);
        let (file, front) = self.file.open_front()?;
        let is_one = |owner: Owner<'_>| logs.iter().any(|log| log.owner() == owner);
        copy_pieces((&file, front), upto, &mut kept, is_one).await?;
        write(disk, dir, kept).await
    }

    /// Forgets what is kept of `log` in segments that begin before `below`.
    pub(super) async fn forget_kept(&self, log: &Rc<Inner>, below: Offset) -> io::Result<()> {
        // No round changes the file meanwhile.
        let _alone = self.bringing.take(1).await;
        let (disk, dir) = (self.disk(), self.file.dir());
        let Some(old) = read(disk, dir).await? else {
            return Ok(());
        };
        let mut left = vec![0; HEAD_BYTES];
        let mut is_kept = false;
        copy(&old, &mut left, |owner, segment| {
            let is_left = owner != log.owner() || segment >= below;
            is_kept |= is_left && owner == log.owner();
            is_left
        });
        write(disk, dir, left).await?;
        log.side.set_kept(is_kept);
        Ok(())
    }
}

/// Copies the pieces of data that are `wanted` and not void, from the front on at least up to
/// `upto`, behind what stands in `to`.
async fn copy_pieces(
    (file, front): (&File, Front),
    upto: Position,
    to: &mut Vec<u8>,
    wanted: impl Fn(Owner<'_>) -> bool,
) -> io::Result<()> {
    let cuts = find_cuts(file, front).await?;
    if cuts.end < upto {
        return Err(not_possible());
    }
    let mut reader = Reader::new(file, front);
    while let Some((head, entry)) = reader.next().await? {
        copy(&entry, to, |owner, segment| {
            wanted(owner) && !cuts.void(head.at, owner.folder, owner.topic_id, segment)
        });
    }
    Ok(())
}

/// Copies the pieces of data of an entry that are `wanted` behind what stands in `to`.
fn copy(entry: &[u8], to: &mut Vec<u8>, mut wanted: impl FnMut(Owner<'_>, Offset) -> bool) {
    for piece in pieces(entry).flatten() {
        if let Piece::Data {
            owner,
            segment,
            position,
            bytes,
        } = piece
            && wanted(owner, segment)
        {
            let at = to.len();
            to.resize(at + owner.piece_bytes(), 0);
            owner.put_data(&mut to[at..], segment, position, bytes.len() as u32);
            to.extend(bytes);
        }
    }
}

/// The entry in the file of the folder `dir`, if there is one.
pub async fn read(disk: &Disk, dir: &Path) -> io::Result<Option<Vec<u8>>> {
    let path = dir.join(KEPT);
    let entry = match disk.read(&path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entry => entry?,
    };
    match Head::of(&entry).is_some_and(|head| head.fits(&entry)) {
        true => Ok(Some(entry)),
        false => Err(Lost::Kept(path).into()),
    }
}

/// Writes the pieces of `entry` to the file, durably; removes it where there are none.
async fn write(disk: &Disk, dir: &Path, mut entry: Vec<u8>) -> io::Result<()> {
    if entry.len() == HEAD_BYTES {
        return remove(disk, dir).await;
    }
    if entry.len() > KEPT_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let head = Head {
        generation: 0,
        at: 0,
        previous_end: 0,
        durable: 0,
        len: entry.len() as u32,
        space: entry.len() as u32,
        crc: 0,
    };
    head.seal(&mut entry);
    disk.replace(&dir.join(KEPT), entry).await
}

/// Removes the file, durably.
pub async fn remove(disk: &Disk, dir: &Path) -> io::Result<()> {
    disk.remove(&dir.join(KEPT)).await?;
    disk.sync_dir(dir).await
}
