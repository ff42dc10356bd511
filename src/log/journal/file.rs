//! Drives: the file of a journal: made once, then only overwritten; where the next entry goes, and
//! what is free again.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};

use super::circle::Circle;
use super::entry::{FRONT_BYTES, Front, Head, Position};
use crate::io::buffer::{BLOCK_BYTES, WRITE_BYTES_MAX, WriteBuffer};
use crate::io::disk::Disk;
use crate::io::file::File;
use crate::log::append::Logs;

/// The file of a journal, in the folder of its logs.
pub const FILE: &str = "corelane-journal";
/// There while records may be in the journal alone: a start that finds this file and no journal
/// knows that records are lost.
pub const IN_USE: &str = "corelane-journal-in-use";
/// While it is made.
pub const NEW: &str = "corelane-journal.new";
/// What the journal held of logs that have failed: see `kept`.
pub const KEPT: &str = "corelane-journal.kept";
/// Bytes that are filled with zeros between two looks whether the file is still wanted.
const FILL_BYTES: u64 = 4 << 20;
const IN_USE_TEXT: &str = "Records are in the journal beside this that are in no segment yet.\n";

/// The file of a journal, and its circle.
pub struct JournalFile {
    logs: Logs,
    dir: PathBuf,
    file: RefCell<Option<File>>,
    front: Cell<Front>,
    circle: Cell<Circle>,
    /// Up to where entries are flushed.
    durable: Cell<Position>,
    /// How many flushes of the device had failed when an entry was last written behind flushed ones
    /// alone.
    failed_flushes: Cell<u64>,
    /// Whether the file need not be made any more.
    is_given_up: Cell<bool>,
}

/// Writes a front to its block. Durable with the next flush.
pub async fn write_front(disk: &Disk, file: &File, front: Front) -> io::Result<()> {
    let mut buffer = disk.pool().write_buffer(BLOCK_BYTES, true);
    buffer.bytes_mut().copy_from_slice(&front.to_block());
    file.write(front.place(), buffer).await
}

impl JournalFile {
    /// The file of `logs` in `dir` with a circle of `capacity` bytes; nothing is done to it yet.
    /// `front` is what a start has left in it.
    pub fn new(logs: &Logs, dir: &Path, capacity: u64, front: Option<Front>) -> JournalFile {
        let none = Front {
            turn: 0,
            generation: 0,
            capacity,
            begin: 0,
        };
        JournalFile {
            logs: logs.clone(),
            dir: dir.to_owned(),
            file: RefCell::default(),
            front: Cell::new(front.unwrap_or(none)),
            circle: Cell::new(Circle::new(capacity, 0)),
            durable: Cell::new(0),
            failed_flushes: Cell::new(0),
            is_given_up: Cell::new(false),
        }
    }

    /// The folder that it is in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the file if there is none of this size, and has it begin anew. Entries may be written
    /// from then on.
    pub async fn prepare(&self) -> io::Result<()> {
        let capacity = self.circle.get().capacity();
        let path = self.dir.join(FILE);
        let new = self.dir.join(NEW);
        let before = self.front.get();
        let is_there = before.generation != 0 && before.capacity == capacity;
        let file = match is_there {
            true => self.logs.disk().open(&path).await?,
            false => self.make(&new, FRONT_BYTES + capacity).await?,
        };
        *self.file.borrow_mut() = Some(file);
        self.front.set(Front {
            turn: before.turn,
            generation: self.logs.disk().runtime().random().max(1),
            capacity,
            begin: 0,
        });
        self.write_fronts(0).await?;
        if !is_there {
            self.logs.disk().rename(&new, &path).await?;
        }
        let in_use = self.dir.join(IN_USE);
        self.logs.disk().write(&in_use, IN_USE_TEXT.into()).await?;
        self.logs.disk().sync_dir(&self.dir).await
    }

    async fn make(&self, path: &Path, len: u64) -> io::Result<File> {
        self.logs.disk().remove(path).await?;
        let file = self.logs.disk().create(path).await?;
        match self.fill(&file, len).await {
            Ok(()) => Ok(file),
            Err(error) => {
                drop(file);
                // What went wrong first is what counts.
                let _ = self.logs.disk().remove(path).await;
                Err(error)
            }
        }
    }

    async fn fill(&self, file: &File, len: u64) -> io::Result<()> {
        let mut at = 0;
        while at < len {
            if self.is_given_up.get() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let to = len.min(at + FILL_BYTES);
            file.prepare(at, to).await?;
            at = to;
        }
        Ok(())
    }

    /// Ends [`JournalFile::prepare`] early, if the file is being made.
    pub fn give_up(&self) {
        self.is_given_up.set(true);
    }

    /// Whether the file need not be made any more.
    pub fn is_given_up(&self) -> bool {
        self.is_given_up.get()
    }

    /// The file, and where its oldest entry begins that is still needed.
    pub fn open_front(&self) -> io::Result<(File, Front)> {
        let front = Front {
            begin: self.freed(),
            ..self.front.get()
        };
        Ok((self.open_file()?, front))
    }

    fn open_file(&self) -> io::Result<File> {
        let file = self.file.borrow().clone();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Says durably that everything before `begin` is needed no more. One block after the other,
    /// so that a crash tears only one. Both, so that one of them is enough from then on: if the
    /// newer one alone said so, its damage would have a start read what was given back, and bring
    /// records back that were removed since.
    async fn write_fronts(&self, begin: Position) -> io::Result<()> {
        let file = self.open_file()?;
        for _ in 0..2 {
            let front = self.front.get().next(begin);
            self.front.set(front);
            write_front(self.logs.disk(), &file, front).await?;
            self.logs.flush(&file).await?;
            if planted!(OneFront) && begin > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Makes durable all that was written to the file system which it lies on.
    pub async fn flush_file_system(&self) -> io::Result<()> {
        let file = self.open_file()?;
        self.logs.flush_file_system(&self.dir, &file).await
    }

    /// Gives back everything before `position`.
    pub async fn give_back(&self, position: Position) -> io::Result<()> {
        if position > self.freed() {
            self.write_fronts(position).await?;
            let mut circle = self.circle.get();
            circle.free(position);
            self.circle.set(circle);
        }
        Ok(())
    }

    /// Everything before this is given back.
    pub fn freed(&self) -> Position {
        self.circle.get().freed()
    }

    /// Whether half of the circle is taken.
    pub fn is_half_full(&self) -> bool {
        self.circle.get().is_half_full()
    }

    /// Bytes that an entry may have at the most.
    pub fn entry_bytes_max(&self) -> u64 {
        let max = self.circle.get().entry_bytes_max();
        max.min(WRITE_BYTES_MAX as u64)
    }

    /// Where an entry would begin that takes `space` bytes, if there is so much; one with data
    /// leaves something for cuts.
    pub fn place_for(&self, space: u64, has_data: bool) -> Option<Position> {
        let circle = self.circle.get();
        let reserve = if has_data { circle.cuts_bytes() } else { 0 };
        circle.place_for(space, reserve)
    }

    /// Writes an entry of `len` bytes at a place that was asked for, and flushes it; returns where
    /// it ends. One at a time. Fails, too, where a flush has failed that may have dropped this
    /// entry or an earlier one.
    pub async fn write(
        &self,
        at: Position,
        mut entry: WriteBuffer,
        len: usize,
        flush: bool,
    ) -> io::Result<Position> {
        let file = self.open_file()?;
        let mut circle = self.circle.get();
        if self.durable.get() == circle.end() {
            self.failed_flushes.set(self.logs.failed_flushes());
        }
        let head = Head {
            generation: self.front.get().generation,
            at,
            previous_end: circle.end(),
            durable: self.durable.get(),
            len: len as u32,
            space: entry.len() as u32,
            crc: 0,
        };
        circle.take(at, entry.len() as u64);
        self.circle.set(circle);
        let bytes = entry.bytes_mut();
        bytes[len..].fill(0);
        head.seal(bytes);
        file.write(circle.in_file(at), entry).await?;
        if flush && !planted!(EntryBeforeFlush) {
            self.logs.flush(&file).await?;
            self.durable.set(head.end());
        }
        if self.logs.failed_flushes() != self.failed_flushes.get() {
            let reason = "a flush failed and may have dropped a write";
            return Err(io::Error::other(reason));
        }
        Ok(head.end())
    }

    /// Notes durably that nothing in it is needed.
    pub async fn is_out_of_use(&self) -> io::Result<()> {
        self.logs.disk().remove(&self.dir.join(IN_USE)).await?;
        self.logs.disk().sync_dir(&self.dir).await
    }

    /// Gives back all of it, once it [is out of use](JournalFile::is_out_of_use).
    pub fn void(&self) {
        let mut circle = self.circle.get();
        circle.free(circle.end());
        self.circle.set(circle);
    }
}
