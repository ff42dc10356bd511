//! Drives: reads the entries in a journal's file, one after the other, and the cuts among them.

use std::collections::BTreeMap;
use std::io;

use super::circle::begin_of;
use super::entry::{FRONT_BYTES, Front, Head, Piece, Position, pieces};
use crate::base::{Offset, TopicId};
use crate::io::buffer::{BLOCK_BYTES, block_down, block_up};
use crate::io::file::File;

/// Bytes read from the journal at a time.
const READ_BYTES: usize = 256 << 10;

/// Reads the journal through.
pub struct Reader<'a> {
    file: &'a File,
    front: Front,
    window: (u64, Vec<u8>),
    /// Where the next entry begins.
    at: Position,
    /// Where in the file an entry begins that ends the reading since it is not whole.
    torn: Option<u64>,
}

/// Where an entry begins, and the first segment that its cut leaves alone.
type CutAt = (Position, Offset);

/// The cuts in the entries, and where the last whole one ends.
pub struct Cuts {
    /// For each log: up to which entry pieces are void, and in segments that begin before which
    /// offset.
    of: BTreeMap<(String, Option<TopicId>), Vec<CutAt>>,
    pub end: Position,
    /// Where in the file the next entry begins, if there is one that is not whole.
    pub torn: Option<u64>,
}

impl Cuts {
    /// Whether a piece of data in the entry at `at` counts for nothing.
    pub fn void(&self, at: Position, folder: &str, id: Option<TopicId>, segment: Offset) -> bool {
        if planted!(CutForgotten) {
            return false;
        }
        let cuts = self.of.get(&(folder.to_owned(), id));
        cuts.is_some_and(|cuts| {
            cuts.iter()
                .any(|(cut_at, below)| at <= *cut_at && segment < *below)
        })
    }
}

/// Reads all entries from the front on for their cuts.
pub async fn find_cuts(file: &File, front: Front) -> io::Result<Cuts> {
    let mut cuts = Cuts {
        of: BTreeMap::new(),
        end: front.begin,
        torn: None,
    };
    let mut reader = Reader::new(file, front);
    while let Some((head, entry)) = reader.next().await? {
        for piece in pieces(&entry) {
            let piece = piece.map_err(|_| not_possible())?;
            if let Piece::Cut { owner, below } = piece {
                let key = (owner.folder.to_owned(), owner.topic_id);
                cuts.of.entry(key).or_default().push((head.at, below));
            }
        }
        cuts.end = head.end();
    }
    cuts.torn = reader.torn;
    Ok(cuts)
}

/// Whether an entry further on says that more than what lies before `end` had been flushed: then
/// what stands at `end` was damaged later, and is not the torn end of the last write.
pub async fn is_damaged(file: &File, front: Front, end: Position) -> io::Result<bool> {
    let mut at = 0;
    while at < front.capacity {
        let len = READ_BYTES.min((front.capacity - at) as usize);
        let bytes = file.read(FRONT_BYTES + at, len).await?;
        for (index, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            let place = at + (index * BLOCK_BYTES) as u64;
            let Some(head) = Head::of(block).filter(|it| speaks_of(it, front, place)) else {
                continue;
            };
            if head.at >= end && head.durable > end {
                let entry = file.read(FRONT_BYTES + place, head.space as usize).await?;
                if head.fits(&entry) {
                    return Ok(true);
                }
            }
        }
        at += len as u64;
    }
    Ok(false)
}

fn speaks_of(head: &Head, front: Front, place: u64) -> bool {
    head.generation == front.generation
        && head.is_possible(front.capacity)
        && head.at % front.capacity == place
}

impl<'a> Reader<'a> {
    /// Reads from the front on.
    pub fn new(file: &'a File, front: Front) -> Reader<'a> {
        Reader {
            file,
            front,
            window: (0, Vec::new()),
            at: front.begin,
            torn: None,
        }
    }

    /// The next entry, if it is whole and says that it follows the one read last.
    pub async fn next(&mut self) -> io::Result<Option<(Head, Vec<u8>)>> {
        let end = self.at;
        let capacity = self.front.capacity;
        // Where the rest of the circle was too short the entry begins at the circle's first byte.
        let over = begin_of(end, capacity, capacity);
        for at in [end, over] {
            let place = at % capacity;
            let block = self.bytes(place, BLOCK_BYTES).await?;
            let head = Head::of(&block).filter(|it| speaks_of(it, self.front, place));
            let Some(head) = head.filter(|it| it.at == at && it.previous_end == end) else {
                continue;
            };
            let mut entry = self.bytes(place, head.space as usize).await?;
            if head.fits(&entry) || planted!(TornEntryTaken) {
                entry.truncate(head.len as usize);
                self.at = head.end();
                return Ok(Some((head, entry)));
            }
            self.torn = Some(FRONT_BYTES + place);
        }
        Ok(None)
    }

    /// `len` bytes of the circle from `place` on.
    async fn bytes(&mut self, place: u64, len: usize) -> io::Result<Vec<u8>> {
        let (begin, window) = &self.window;
        let is_there = *begin <= place && place + len as u64 <= begin + window.len() as u64;
        if !is_there {
            let begin = block_down(place);
            let left = (self.front.capacity - begin) as usize;
            let wanted = block_up(len as u64) as usize;
            let piece = self
                .file
                .read(FRONT_BYTES + begin, wanted.max(READ_BYTES).min(left))
                .await?;
            self.window = (begin, piece.to_vec());
        }
        let (begin, window) = &self.window;
        let from = (place - begin) as usize;
        let found = window.get(from..from + len);
        Ok(found.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
    }
}

/// What is whole and cannot be right all the same.
pub fn not_possible() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "an entry of the journal that cannot be",
    )
}
