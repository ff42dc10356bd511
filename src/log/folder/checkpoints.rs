//! Drives: the checkpoint files of a folder of logs: read at the start, replaced while it is used.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_channel::oneshot;

use super::checkpoint::{self, Offsets};
use crate::base::{Offset, PartitionIndex};
use crate::io::disk::Disk;
use crate::io::event::Bell;
use crate::log::format::{Checksums, checksums};

/// The checkpoints of a folder of logs.
pub struct Checkpoints {
    disk: Disk,
    dir: PathBuf,
    /// Everything before these offsets needs no check at a start.
    pub recovery_points: Rc<Checkpoint>,
    /// The first offsets that may be read.
    pub start_offsets: Rc<Checkpoint>,
    /// Everything before these offsets is flushed.
    pub flushed_offsets: Rc<Checkpoint>,
    /// Up to where logs were compacted.
    pub cleaned_offsets: Rc<Checkpoint>,
    /// Those that were not what had been written.
    pub damaged: Vec<&'static str>,
    sums: RefCell<Checksums>,
    /// Whether a task writes checkpoints now.
    writes: Cell<bool>,
    written: Bell,
}

/// One of the checkpoint files, as it is to be.
pub struct Checkpoint {
    name: &'static str,
    offsets: RefCell<Offsets>,
    /// How often it was changed, and how many of those changes are on disk.
    changes: Cell<(u64, u64)>,
}

impl Checkpoint {
    fn new(name: &'static str, offsets: Offsets) -> Checkpoint {
        Checkpoint {
            name,
            offsets: RefCell::new(offsets),
            changes: Cell::new((0, 0)),
        }
    }

    /// The offset of one log.
    pub fn get(&self, key: &(String, PartitionIndex)) -> Option<Offset> {
        self.offsets.borrow().get(key).copied()
    }

    /// Has all of it be this.
    pub fn set_all(&self, offsets: Offsets) {
        if *self.offsets.borrow() != offsets {
            self.offsets.replace(offsets);
            self.changed();
        }
    }

    /// Sets the offset of one log.
    pub fn set(&self, key: (String, PartitionIndex), offset: Offset) {
        let before = self.offsets.borrow_mut().insert(key, offset);
        if before != Some(offset) {
            self.changed();
        }
    }

    /// Has what it says of one log be no more than `offset`.
    pub fn lower(&self, key: &(String, PartitionIndex), offset: Offset) {
        if self.get(key).is_some_and(|before| before > offset) {
            self.set(key.clone(), offset);
        }
    }

    /// Forgets one log.
    pub fn remove(&self, key: &(String, PartitionIndex)) {
        let before = self.offsets.borrow_mut().remove(key);
        if before.is_some() {
            self.changed();
        }
    }

    fn changed(&self) {
        let (made, stored) = self.changes.get();
        self.changes.set((made + 1, stored));
    }

    /// Whether the change with this number is on disk.
    fn has_stored(&self, change: u64) -> bool {
        self.changes.get().1 >= change
    }

    fn stored(&self, change: u64) {
        let (made, stored) = self.changes.get();
        self.changes.set((made, stored.max(change)));
    }
}

impl Checkpoints {
    /// Reads those in the folder `dir`.
    pub async fn open(disk: &Disk, dir: &Path) -> io::Result<Checkpoints> {
        let mut sums = Checksums::read(disk, &dir.join(checksums::FILE)).await?;
        let mut damaged = Vec::new();
        let [mut recovery, mut start, mut flushed, mut cleaned] = [
            ("recovery-point-offset-checkpoint", Offsets::new()),
            ("log-start-offset-checkpoint", Offsets::new()),
            ("replication-offset-checkpoint", Offsets::new()),
            ("cleaner-offset-checkpoint", Offsets::new()),
        ];
        for (name, offsets) in [&mut recovery, &mut start, &mut flushed, &mut cleaned] {
            *offsets = read(disk, dir, name, &mut sums, &mut damaged).await?;
        }
        let checkpoint = |(name, offsets)| Rc::new(Checkpoint::new(name, offsets));
        Ok(Checkpoints {
            disk: disk.clone(),
            dir: dir.to_owned(),
            recovery_points: checkpoint(recovery),
            start_offsets: checkpoint(start),
            flushed_offsets: checkpoint(flushed),
            cleaned_offsets: checkpoint(cleaned),
            damaged,
            sums: RefCell::new(sums),
            writes: Cell::new(false),
            written: Bell::default(),
        })
    }

    /// All of them.
    pub fn all(&self) -> [&Rc<Checkpoint>; 4] {
        [
            &self.recovery_points,
            &self.start_offsets,
            &self.flushed_offsets,
            &self.cleaned_offsets,
        ]
    }

    /// Returns when all changes made to these checkpoints so far are on disk. One writes at a time,
    /// for all who wait by then; what could not be written is tried again by the next.
    pub async fn save(self: &Rc<Self>, checkpoints: &[&Rc<Checkpoint>]) -> io::Result<()> {
        let wanted: Vec<u64> = checkpoints.iter().map(|it| it.changes.get().0).collect();
        let is_missing = |(checkpoint, change): &(&&Rc<Checkpoint>, &u64)| {
            // Once the latest change is there, so are all.
            !checkpoint.has_stored(**change)
        };
        while checkpoints.iter().zip(&wanted).any(|it| is_missing(&it)) {
            if self.writes.get() {
                self.written.wait().await;
                continue;
            }
            let changed = checkpoints
                .iter()
                .filter(|it| !it.has_stored(it.changes.get().0));
            self.put_in_task(changed.map(|it| Rc::clone(it)).collect())
                .await?;
        }
        Ok(())
    }

    /// Returns when no checkpoint is being written, not even for a caller that is gone.
    pub async fn idle(&self) {
        while self.writes.get() {
            self.written.wait().await;
        }
    }

    /// As [`Checkpoints::put`], in a task that goes on to its end when the caller is dropped, as
    /// the handler of a request is with its connection. Else the next write would begin while a
    /// thread still writes to the same temporary file.
    async fn put_in_task(self: &Rc<Self>, checkpoints: Vec<Rc<Checkpoint>>) -> io::Result<()> {
        let (outcome, written) = oneshot::channel();
        let writing = Writing::begin(self);
        self.disk.runtime().spawn(async move {
            let put = writing.0.put(&checkpoints).await;
            drop(writing);
            // Whether the caller is still there does not matter.
            let _ = outcome.send(put);
        });
        let ended = || io::Error::other("the executor ended while a checkpoint was written");
        written.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Writes checkpoints, their checksums first: a crash in between leaves either content, and
    /// both are known. One caller at a time: they share the file of checksums.
    async fn put(&self, checkpoints: &[Rc<Checkpoint>]) -> io::Result<()> {
        let contents: Vec<(u64, String)> = checkpoints
            .iter()
            .map(|it| {
                let text = checkpoint::to_text(&it.offsets.borrow());
                (it.changes.get().0, text)
            })
            .collect();
        let sums = {
            let mut sums = self.sums.borrow_mut();
            for (checkpoint, (_, text)) in checkpoints.iter().zip(&contents) {
                sums.expect(checkpoint.name, crc32c::crc32c(text.as_bytes()));
            }
            sums.to_text()
        };
        let path = self.dir.join(checksums::FILE);
        self.disk.replace(&path, sums.into_bytes()).await?;
        for (checkpoint, (change, text)) in checkpoints.iter().zip(contents) {
            let path = self.dir.join(checkpoint.name);
            let bytes = text.into_bytes();
            self.disk.replace(&path, bytes.clone()).await?;
            self.sums.borrow_mut().settle(checkpoint.name, Some(&bytes));
            checkpoint.stored(change);
        }
        Ok(())
    }
}

/// Checkpoints are being written for as long as this lives.
struct Writing(Rc<Checkpoints>);

impl Writing {
    fn begin(checkpoints: &Rc<Checkpoints>) -> Writing {
        checkpoints.writes.set(true);
        Writing(Rc::clone(checkpoints))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.writes.set(false);
        self.0.written.ring();
    }
}

/// Reads a checkpoint. One that is missing, or is not what was written, knows nothing: logs are
/// then checked from their beginning.
async fn read(
    disk: &Disk,
    dir: &Path,
    name: &'static str,
    sums: &mut Checksums,
    damaged: &mut Vec<&'static str>,
) -> io::Result<Offsets> {
    let bytes = match disk.read(&dir.join(name)).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !sums.allow_missing(name) {
                damaged.push(name);
            }
            sums.settle(name, None);
            return Ok(Offsets::new());
        }
        Err(error) => return Err(error),
    };
    let text = std::str::from_utf8(&bytes).ok();
    match text.and_then(checkpoint::from_text) {
        Some(offsets) if sums.allow(name, &bytes) => {
            // Starts that end while they replace it must not make it unknown.
            sums.settle(name, Some(&bytes));
            Ok(offsets)
        }
        _ => {
            damaged.push(name);
            Ok(Offsets::new())
        }
    }
}
