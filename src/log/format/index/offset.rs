//! Pure: offset -> position, one entry every `index.interval.bytes` (`.index` files).
//!
//! File format (Kafka's `OffsetIndex`): entries of 8 bytes, big-endian: offset of a batch's
//! last record relative to the segment's base offset (i32), position of that batch (i32).

use crate::base::Offset;

/// Size of an entry in the file, in bytes.
const ENTRY_BYTES: usize = 8;

/// The sparse offset index of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetIndex {
    /// Relative last offset and position, both rising.
    entries: Vec<(u32, u32)>,
}

impl OffsetIndex {
    /// Adds the batch that ends at `last_offset` and begins at `position`.
    pub fn push(&mut self, base_offset: Offset, last_offset: Offset, position: u64) {
        let (Ok(relative), Ok(position)) = (
            u32::try_from(last_offset - base_offset),
            u32::try_from(position),
        ) else {
            return; // Beyond what the format holds: the segment rolls before this.
        };
        self.entries.push((relative, position));
    }

    /// Takes out the entry that leads to `position`.
    pub fn remove(&mut self, position: u64) {
        self.entries.retain(|entry| u64::from(entry.1) != position);
    }

    /// Where to begin to look for `offset`: the position of a batch at or before it.
    pub fn position_of(&self, base_offset: Offset, offset: Offset) -> u64 {
        self.entry_before(base_offset, offset)
            .map_or(0, |entry| entry.1)
    }

    /// The last offset and the position of the indexed batch at or before `offset`.
    pub fn entry_before(&self, base_offset: Offset, offset: Offset) -> Option<(Offset, u64)> {
        let relative = u32::try_from(offset.saturating_sub(base_offset).max(0)).unwrap_or(u32::MAX);
        let after = self.entries.partition_point(|entry| entry.0 <= relative);
        let (relative, position) = *self.entries.get(after.checked_sub(1)?)?;
        Some((base_offset + i64::from(relative), u64::from(position)))
    }

    /// The last offset and the position of the last indexed batch that begins at `limit` or
    /// before and ends before the offset `upto`.
    pub fn entry_within(
        &self,
        base_offset: Offset,
        limit: u64,
        upto: Offset,
    ) -> Option<(Offset, u64)> {
        let is_within = |entry: &(u32, u32)| {
            u64::from(entry.1) <= limit && base_offset + i64::from(entry.0) < upto
        };
        let after = self.entries.partition_point(is_within);
        let (relative, position) = *self.entries.get(after.checked_sub(1)?)?;
        Some((base_offset + i64::from(relative), u64::from(position)))
    }

    /// Last offset and position of every indexed batch.
    pub fn entries(&self, base_offset: Offset) -> Vec<(Offset, u64)> {
        let entries = self.entries.iter();
        entries
            .map(|(relative, position)| (base_offset + i64::from(*relative), u64::from(*position)))
            .collect()
    }

    /// The file's content.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for (relative, position) in &self.entries {
            bytes.extend_from_slice(&relative.to_be_bytes());
            bytes.extend_from_slice(&position.to_be_bytes());
        }
        bytes
    }

    /// Reads a file's content for a segment of `size` bytes; `None` when it cannot be right:
    /// entries that do not rise or point behind the segment's end.
    pub fn from_bytes(bytes: &[u8], size: u64) -> Option<OffsetIndex> {
        if !bytes.len().is_multiple_of(ENTRY_BYTES) {
            return None;
        }
        let mut entries: Vec<(u32, u32)> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
        for entry in bytes.chunks_exact(ENTRY_BYTES) {
            let (relative, position) = entry.split_at(4);
            let relative = u32::from_be_bytes(relative.try_into().ok()?);
            let position = u32::from_be_bytes(position.try_into().ok()?);
            let rises = entries
                .last()
                .is_none_or(|last| last.0 < relative && last.1 < position);
            if !rises || u64::from(position) >= size {
                return None;
            }
            entries.push((relative, position));
        }
        Some(OffsetIndex { entries })
    }

    /// Count of entries.
    #[allow(clippy::len_without_is_empty)] // No caller needs it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes room for `count` more entries, so that adding them allocates nothing.
    pub fn reserve(&mut self, count: usize) {
        self.entries.reserve(count);
    }

    /// Gives up the room that no entry has taken.
    pub fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    /// Count of entries that there is memory for.
    #[cfg(test)]
    pub fn room(&self) -> usize {
        self.entries.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_batch_at_or_before_an_offset() {
        let mut index = OffsetIndex::default();
        assert_eq!(index.position_of(100, 5000), 0);
        index.push(100, 109, 4096);
        index.push(100, 119, 9000);
        assert_eq!(index.position_of(100, 100), 0);
        assert_eq!(index.position_of(100, 108), 0);
        assert_eq!(index.position_of(100, 109), 4096);
        assert_eq!(index.position_of(100, 118), 4096);
        assert_eq!(index.position_of(100, 119), 9000);
        assert_eq!(index.position_of(100, i64::MAX), 9000);
        assert_eq!(index.position_of(100, 0), 0);
        assert_eq!(index.entry_within(100, 4095, 200), None);
        assert_eq!(index.entry_within(100, 8999, 200), Some((109, 4096)));
        assert_eq!(index.entry_within(100, 9000, 200), Some((119, 9000)));
        assert_eq!(index.entry_within(100, 9000, 119), Some((109, 4096)));
        assert_eq!(index.entry_within(100, u64::MAX, 109), None);
    }

    #[test]
    fn the_file_format_is_kafkas_and_nonsense_is_refused() {
        let mut index = OffsetIndex::default();
        index.push(0, 3, 77);
        index.push(0, 9, 400);
        let bytes = index.to_bytes();
        assert_eq!(bytes, [0, 0, 0, 3, 0, 0, 0, 77, 0, 0, 0, 9, 0, 0, 1, 144]);
        assert_eq!(OffsetIndex::from_bytes(&bytes, 401), Some(index));
        assert_eq!(OffsetIndex::from_bytes(&bytes, 400), None);
        assert_eq!(OffsetIndex::from_bytes(&bytes[..12], 401), None);
        let twice = [&bytes[..8], &bytes[..8]].concat();
        assert_eq!(OffsetIndex::from_bytes(&twice, 401), None);
    }
}
