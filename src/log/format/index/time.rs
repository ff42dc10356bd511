//! Pure: timestamp -> offset, beside the offset index's entries (`.timeindex` files).
//!
//! File format (Kafka's `TimeIndex`): entries of 12 bytes, big-endian: the largest timestamp so
//! far (i64), offset of the record that has it, relative to the segment's base offset (i32).

use crate::base::{Offset, WallMs};

/// Size of an entry in the file, in bytes.
const ENTRY_BYTES: usize = 12;

/// The sparse time index of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeIndex {
    /// Timestamp and relative offset, both rising.
    entries: Vec<(WallMs, u32)>,
}

impl TimeIndex {
    /// Adds that no record up to `offset` is younger than `timestamp`. An entry that says
    /// nothing new is left out.
    pub fn push(&mut self, base_offset: Offset, timestamp: WallMs, offset: Offset) {
        let Ok(relative) = u32::try_from(offset - base_offset) else {
            return;
        };
        if timestamp >= 0 && self.entries.last().is_none_or(|last| timestamp > last.0) {
            self.entries.push((timestamp, relative));
        }
    }

    /// An offset from which on to look for the first record at or after `timestamp`: every
    /// record before it is older.
    pub fn offset_before(&self, base_offset: Offset, timestamp: WallMs) -> Offset {
        let at = self.entries.partition_point(|entry| entry.0 < timestamp);
        at.checked_sub(1).map_or(base_offset, |at| {
            base_offset + i64::from(self.entries[at].1)
        })
    }

    /// The entry that [`TimeIndex::offset_before`] goes by.
    pub fn entry_before(&self, base_offset: Offset, timestamp: WallMs) -> Option<(WallMs, Offset)> {
        let at = self.entries.partition_point(|entry| entry.0 < timestamp);
        let (timestamp, relative) = *self.entries.get(at.checked_sub(1)?)?;
        Some((timestamp, base_offset + i64::from(relative)))
    }

    /// The last entry: the largest timestamp known here and its offset.
    pub fn last(&self, base_offset: Offset) -> Option<(WallMs, Offset)> {
        self.entries
            .last()
            .map(|(timestamp, relative)| (*timestamp, base_offset + i64::from(*relative)))
    }

    /// Every entry: a timestamp and the offset of the record that has it.
    pub fn entries(&self, base_offset: Offset) -> Vec<(WallMs, Offset)> {
        let entries = self.entries.iter();
        entries
            .map(|(timestamp, relative)| (*timestamp, base_offset + i64::from(*relative)))
            .collect()
    }

    /// The file's content.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for (timestamp, relative) in &self.entries {
            bytes.extend_from_slice(&timestamp.to_be_bytes());
            bytes.extend_from_slice(&relative.to_be_bytes());
        }
        bytes
    }

    /// Reads a file's content; `None` when entries do not rise.
    pub fn from_bytes(bytes: &[u8]) -> Option<TimeIndex> {
        if !bytes.len().is_multiple_of(ENTRY_BYTES) {
            return None;
        }
        let mut entries: Vec<(WallMs, u32)> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
        for entry in bytes.chunks_exact(ENTRY_BYTES) {
            let (timestamp, relative) = entry.split_at(8);
            let timestamp = WallMs::from_be_bytes(timestamp.try_into().ok()?);
            let relative = u32::from_be_bytes(relative.try_into().ok()?);
            let rises = entries
                .last()
                .is_none_or(|last| last.0 < timestamp && last.1 <= relative);
            if !rises {
                return None;
            }
            entries.push((timestamp, relative));
        }
        Some(TimeIndex { entries })
    }

    /// Makes room for `count` more entries, so that adding them allocates nothing.
    pub fn reserve(&mut self, count: usize) {
        self.entries.reserve(count);
    }

    /// Gives up the room that no entry has taken.
    pub fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_where_older_records_end() {
        let mut index = TimeIndex::default();
        assert_eq!(index.offset_before(10, 5), 10);
        index.push(10, 1000, 15);
        index.push(10, 1000, 17);
        index.push(10, -1, 18);
        index.push(10, 2000, 25);
        assert_eq!(index.offset_before(10, 1000), 10);
        assert_eq!(index.offset_before(10, 1001), 15);
        assert_eq!(index.offset_before(10, 2000), 15);
        assert_eq!(index.offset_before(10, 2001), 25);
        assert_eq!(index.last(10), Some((2000, 25)));
    }

    #[test]
    fn the_file_format_is_kafkas_and_nonsense_is_refused() {
        let mut index = TimeIndex::default();
        index.push(0, 258, 3);
        let bytes = index.to_bytes();
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]);
        assert_eq!(TimeIndex::from_bytes(&bytes), Some(index));
        assert_eq!(TimeIndex::from_bytes(&bytes[1..]), None);
        let twice = [&bytes[..], &bytes[..]].concat();
        assert_eq!(TimeIndex::from_bytes(&twice), None);
    }
}
