//! Pure: what the names in a log's folder mean.

use std::collections::BTreeMap;

use crate::base::{Offset, WallMs};
use crate::io::disk::Entry;
use crate::log::compaction::{CLEANED_SUFFIX, SWAP_SUFFIX};
use crate::log::format::{aborted, epochs};
use crate::log::segment::{NEXT_SUFFIX, base_offset_in};

/// The files of a log's folder by their kind.
#[derive(Debug, Default)]
pub struct Listing {
    /// Base offset and length in bytes of every segment.
    pub segments: BTreeMap<Offset, u64>,
    /// When segments were last modified, by base offset.
    pub modified: BTreeMap<Offset, WallMs>,
    /// Files prepared for the segment behind the one at this base offset, with their lengths.
    pub nexts: BTreeMap<Offset, u64>,
    /// Base offset and length in bytes of compacted segments that are about to take their place.
    pub swaps: BTreeMap<Offset, u64>,
    /// Offsets of the snapshots of producer state.
    pub snapshots: Vec<Offset>,
    /// Base offsets of the segments with an index of aborted transactions.
    pub transactions: Vec<Offset>,
    /// Whether there are checksums of those.
    pub has_index_sums: bool,
    /// Whether there is a leader epoch checkpoint.
    pub has_epochs: bool,
    /// What an interrupted job has left: nothing of it is needed.
    pub leftovers: Vec<String>,
}

impl Listing {
    /// Sorts the entries of a folder.
    pub fn of(entries: &[Entry]) -> Listing {
        let mut listing = Listing::default();
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            let name = entry.name.as_str();
            if let Some(base) = base_offset_in(name, ".log") {
                listing.segments.insert(base, entry.bytes);
                if let Some(modified_ms) = entry.modified_ms {
                    listing.modified.insert(base, modified_ms);
                }
            } else if let Some(base) = base_offset_in(name, NEXT_SUFFIX) {
                listing.nexts.insert(base, entry.bytes);
            } else if let Some(base) = base_offset_in(name, SWAP_SUFFIX) {
                listing.swaps.insert(base, entry.bytes);
            } else if let Some(offset) = base_offset_in(name, ".snapshot") {
                listing.snapshots.push(offset);
            } else if let Some(base) = base_offset_in(name, ".txnindex") {
                listing.transactions.push(base);
            } else if name == aborted::CHECKSUMS_FILE {
                listing.has_index_sums = true;
            } else if name == epochs::FILE {
                listing.has_epochs = true;
            } else if [".tmp", ".deleted", CLEANED_SUFFIX]
                .iter()
                .any(|suffix| name.ends_with(suffix))
            {
                listing.leftovers.push(name.to_owned());
            }
        }
        listing.snapshots.sort_unstable();
        listing.transactions.sort_unstable();
        listing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_what_kafka_and_we_write() {
        let names = [
            "00000000000000000010.log",
            "00000000000000000000.log",
            "00000000000000000000.index",
            "00000000000000000010.log.next",
            "00000000000000000010.snapshot",
            "leader-epoch-checkpoint",
            "leader-epoch-checkpoint.tmp",
            "00000000000000000000.log.deleted",
            "00000000000000000000.log.swap",
            "00000000000000000010.log.cleaned",
            "partition.metadata",
        ];
        let entries: Vec<Entry> = names
            .iter()
            .map(|name| Entry {
                name: (*name).to_owned(),
                bytes: 7,
                is_dir: false,
                modified_ms: None,
            })
            .collect();
        let listing = Listing::of(&entries);
        assert_eq!(
            listing.segments.keys().copied().collect::<Vec<_>>(),
            [0, 10]
        );
        assert_eq!(listing.nexts.keys().copied().collect::<Vec<_>>(), [10]);
        assert_eq!(listing.snapshots, [10]);
        assert!(listing.has_epochs);
        assert_eq!(listing.swaps.keys().copied().collect::<Vec<_>>(), [0]);
        assert_eq!(listing.leftovers.len(), 3);
    }
}
