//! Drives: what a member that does not run has stored of a partition.

use std::fs;
use std::path::{Path, PathBuf};

use corelane::wire::batch::batches;

/// A batch in a log: where it begins, how long it is, its leader epoch and its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The offset of its first record.
    pub base: i64,
    /// The offset behind its last record.
    pub next: i64,
    /// The epoch of the leader that appended it.
    pub epoch: i32,
    /// The checksum of what the producer has sent, which has been verified.
    pub crc: u32,
}

/// All batches of a partition in the segments under the data folder `dir`, in their order; `None`
/// where there is no folder of it.
pub fn stored(dir: &Path, topic: &str, partition: i32) -> Option<Vec<Stored>> {
    let name = format!("{topic}-{partition}");
    let here = dir.join(&name);
    let in_shards = |entry: fs::DirEntry| Some(entry.path().join(&name)).filter(|it| it.is_dir());
    let folder = match here.is_dir() {
        true => here,
        false => fs::read_dir(dir).ok()?.flatten().find_map(in_shards)?,
    };
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "log"))
        .collect();
    files.sort();
    let mut found: Vec<Stored> = Vec::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for batch in batches(&bytes) {
            // Behind the last one may be room that was made ahead.
            let Ok(batch) = batch else { break };
            batch.verify_crc().unwrap();
            found.push(Stored {
                base: batch.base_offset(),
                next: batch.next_offset(),
                epoch: batch.leader_epoch(),
                crc: batch.crc(),
            });
        }
    }
    Some(found)
}
