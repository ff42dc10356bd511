//! Drives: writes what logs have appended into entries, one entry at a time, and acks it; enters
//! cuts.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::entry::{Front, HEAD_BYTES, Position};
use super::file::JournalFile;
use super::full::{AT_ONCE, FullLogs};
use super::parts::{Cut, Part};
use super::stage::Stage;
use crate::io::buffer::WriteBuffer;
use crate::io::disk::Disk;
use crate::io::event::{Bell, Event};
use crate::io::semaphore::Semaphore;
use crate::log::append::Logs;
use crate::log::inner::Inner;

/// A journal; cheap to clone.
#[derive(Clone)]
pub struct Journal(pub(super) Rc<Shared>);

pub(super) struct Shared {
    pub(super) logs: Logs,
    pub(super) file: JournalFile,
    /// How far entries are written, and the logs in them are in `away`.
    written: Cell<Position>,
    stage: Cell<Stage>,
    /// Logs with something to enter.
    listed: RefCell<Vec<Rc<Inner>>>,
    /// What is to be cut.
    pub(super) cuts: RefCell<Vec<Cut>>,
    /// Logs that have entered something since they were last brought home.
    pub(super) away: RefCell<Vec<Rc<Inner>>>,
    /// Logs with so much in the journal that they do not wait for the next round.
    pub(super) full: FullLogs,
    /// Held by a round that brings logs home.
    pub(super) bringing: Rc<Semaphore>,
    /// There is something to enter.
    pub(super) work: Event,
    /// There is something to bring home.
    pub(super) due: Event,
    /// It is to be brought home now.
    pub(super) urgent: Event,
    /// Rung when circle or stage have changed.
    pub(super) moved: Bell,
}

// === impl Journal ===

impl Journal {
    /// The journal of the logs in `dir`, with a circle of `capacity` bytes. `front` is what a start
    /// has left of the one before, which counts for nothing any more. Nothing is entered before
    /// its file is there: that is made in the background.
    pub fn begin(logs: &Logs, dir: &Path, capacity: u64, front: Option<Front>) -> Journal {
        let shared = Rc::new(Shared {
            logs: logs.clone(),
            file: JournalFile::new(logs, dir, capacity, front),
            written: Cell::new(0),
            stage: Cell::new(Stage::Preparing),
            listed: RefCell::default(),
            cuts: RefCell::default(),
            away: RefCell::default(),
            full: FullLogs::default(),
            bringing: Semaphore::new(1),
            work: Event::default(),
            due: Event::default(),
            urgent: Event::default(),
            moved: Bell::default(),
        });
        let runtime = logs.disk().runtime();
        let (writer, home) = (Rc::clone(&shared), Rc::clone(&shared));
        runtime.spawn(async move { writer.run().await });
        runtime.spawn(async move { home.bring_home_on().await });
        for number in 0..AT_ONCE {
            let full = Rc::clone(&shared);
            runtime.spawn(async move { full.write_full_logs_on(number).await });
        }
        Journal(shared)
    }

    /// Whether appends may go into it.
    pub fn takes(&self) -> bool {
        self.0.stage.get() == Stage::Open
    }

    /// Returns when it takes appends, or never will.
    #[cfg(test)]
    pub async fn prepared(&self) {
        while self.0.stage.get() == Stage::Preparing {
            self.0.moved.wait().await;
        }
    }

    /// Puts a log on the list of those with something for the next entry.
    pub(super) fn enlist(&self, log: &Rc<Inner>) {
        self.0.listed.borrow_mut().push(Rc::clone(log));
        self.0.work.call();
    }

    /// Has logs write what is in the journal to their segments now: the memory that keeps it until
    /// then is wanted.
    pub fn hurry(&self) {
        self.0.urgent.call();
    }

    /// Has `log`, which has much in the journal, write it to its segments in its turn.
    pub(super) fn is_full(&self, log: &Rc<Inner>) {
        self.0.full.add(log);
    }

    /// Whether an entry may hold something of `log` that a start would write to its segments.
    pub(super) fn holds(&self, log: &Inner) -> bool {
        log.side.is_in(self.0.freed())
    }

    /// Ends it once everything in it is durable in the segments, too, and says so by removing the
    /// file that tells a start to read it; fails where a log cannot be written.
    pub async fn close(&self) -> io::Result<()> {
        let shared = &self.0;
        shared.file.give_up();
        while shared.stage.get() == Stage::Preparing {
            shared.moved.wait().await;
        }
        let brought = shared.bring_all_home().await;
        shared.end();
        brought?;
        shared.file.is_out_of_use().await
    }
}

impl Shared {
    pub(super) fn disk(&self) -> &Disk {
        self.logs.disk()
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// Moves it to another stage; one that has failed only ends.
    pub(super) fn set_stage(&self, stage: Stage) {
        if !self.is_over() || stage > self.stage.get() {
            self.stage.set(stage);
        }
        self.moved.ring();
    }

    /// Whether nothing goes into it any more.
    pub(super) fn is_over(&self) -> bool {
        self.stage.get() >= Stage::Failed
    }

    pub(super) fn end(&self) {
        self.is_over_now(Stage::Ended);
    }

    /// Moves it to a stage in which nothing goes into it, and has its tasks see that.
    pub(super) fn is_over_now(&self, stage: Stage) {
        self.set_stage(stage);
        self.work.call();
        self.due.call();
        self.urgent.call();
        self.full.call();
    }

    /// How far entries are written.
    pub(super) fn written(&self) -> Position {
        self.written.get()
    }

    pub(super) fn freed(&self) -> Position {
        self.file.freed()
    }

    async fn run(self: Rc<Self>) {
        if let Err(error) = self.file.prepare().await {
            if !self.file.is_given_up() {
                tracing::warn!(dir = %self.file.dir().display(), %error,
                    "no journal: each log is written to its own file at once");
            }
            return self.end();
        }
        self.set_stage(Stage::Open);
        let mut parts = Vec::new();
        loop {
            if self.is_over() {
                self.pass_all();
                self.cuts.borrow_mut().clear();
                return;
            }
            if self.listed.borrow().is_empty() && self.cuts.borrow().is_empty() {
                self.work.wait().await;
                continue;
            }
            if self.stage.get() == Stage::Pinned {
                self.pass_all();
            }
            self.take_parts(&mut parts);
            self.write_entry(&mut parts).await;
            self.moved.ring();
        }
    }

    /// Gives back everything before `position`, which is in the logs' own files, durably.
    pub(super) async fn give_back(&self, position: Position) -> io::Result<()> {
        if self.stage.get() == Stage::Failed {
            return self.void(position).await;
        }
        match self.file.give_back(position).await {
            Ok(()) => self.set_stage(Stage::Open),
            // Which front a start will find is open now.
            Err(error) => {
                self.fail(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Has logs write what was to go into the next entry straight to their own files.
    fn pass_all(&self) {
        for log in std::mem::take(&mut *self.listed.borrow_mut()) {
            log.side.unlist();
            log.side.pass_all(log.end_offset.get());
            log.wake_writer();
        }
    }

    /// Takes what fits into one entry, log by log in the order in which they were listed.
    fn take_parts(&self, parts: &mut Vec<Part>) {
        let max = self.file.entry_bytes_max();
        let of_cuts: usize = self.cuts.borrow().iter().map(Cut::bytes).sum();
        let mut bytes = (HEAD_BYTES + of_cuts) as u64;
        let mut listed = self.listed.borrow_mut();
        let mut done = 0;
        for log in listed.iter() {
            if log.has_failed() {
                log.side.pass_all(log.end_offset.get());
            }
            let head = log.owner().piece_bytes() as u64;
            while bytes + head < max
                && let Some((mark, is_whole)) = log.side.take(max - bytes - head)
            {
                bytes += head + mark.to - mark.from;
                let log = Rc::clone(log);
                parts.push(Part {
                    log,
                    mark,
                    is_whole,
                });
            }
            if !log.side.is_empty() {
                break;
            }
            log.side.unlist();
            done += 1;
        }
        listed.drain(..done);
    }

    /// Writes one entry of `parts` and of cuts, and acks.
    async fn write_entry(&self, parts: &mut Vec<Part>) {
        let cuts = self.take_cuts();
        let Some((at, buffer, len)) = self.place_of(parts, &cuts).await else {
            // The cuts are dropped here, which tells their callers that they were not entered.
            return;
        };
        let wants_flush = !cuts.is_empty() || parts.iter().any(Part::wants_flush);
        let written = self.put(at, buffer, len, (parts, &cuts), wants_flush).await;
        match written {
            Ok(end) if !self.is_over() => self.after_entry(end, parts, cuts, wants_flush),
            // A round has given the journal up meanwhile, and may have voided it.
            Ok(_) => pass(parts),
            Err(error) => {
                pass(parts);
                self.fail(&error);
            }
        }
    }

    /// Where the entry of `parts` and `cuts` goes, memory for it, and how long it is. Where there
    /// will be no place for data the parts go past the journal, and the cuts get an entry of their
    /// own: a part of the circle is for these alone. `None` if that leaves nothing to write.
    async fn place_of(
        &self,
        parts: &mut Vec<Part>,
        cuts: &[Cut],
    ) -> Option<(Position, WriteBuffer, usize)> {
        let of_cuts: usize = cuts.iter().map(Cut::bytes).sum();
        while !parts.is_empty() || !cuts.is_empty() {
            let of_parts: usize = parts.iter().map(Part::bytes).sum();
            let len = HEAD_BYTES + of_parts + of_cuts;
            let buffer = self.disk().pool().write_buffer(len, false);
            let has_data = !parts.is_empty();
            if let Some(at) = self.place_for(buffer.len() as u64, has_data).await {
                return Some((at, buffer, len));
            }
            if !has_data {
                return None;
            }
            pass(parts);
        }
        None
    }

    /// A place for an entry of so many bytes, waited for if need be; `None` where there will be
    /// none.
    async fn place_for(&self, space: u64, has_data: bool) -> Option<Position> {
        loop {
            if self.is_over() {
                return None;
            }
            if let Some(at) = self.file.place_for(space, has_data) {
                return Some(at);
            }
            if self.stage.get() == Stage::Pinned {
                return None;
            }
            self.logs.probe().journal_waits_count.add(1);
            self.due.call();
            self.urgent.call();
            self.moved.wait().await;
        }
    }

    /// Fills the entry in and writes it; returns where it ends.
    async fn put(
        &self,
        at: Position,
        mut buffer: WriteBuffer,
        len: usize,
        (parts, cuts): (&[Part], &[Cut]),
        flush: bool,
    ) -> io::Result<Position> {
        let bytes = buffer.bytes_mut();
        let mut filled = HEAD_BYTES;
        for part in parts {
            filled += part.put(&mut bytes[filled..]);
        }
        for cut in cuts {
            filled += cut.owner().put_cut(&mut bytes[filled..], cut.below);
        }
        assert_eq!(filled, len, "an entry is as long as was asked for");
        let probe = self.logs.probe();
        probe.journal_entries_count.add(1);
        probe.journal_bytes.add(buffer.len() as u64);
        let begun = self.disk().runtime().now();
        let end = self.file.write(at, buffer, len, flush).await?;
        let lasted_us = self.disk().runtime().us_since(begun);
        probe.journal_latency.record_us(lasted_us);
        Ok(end)
    }

    fn after_entry(&self, end: Position, parts: &mut Vec<Part>, cuts: Vec<Cut>, flushed: bool) {
        // In one turn with the list `away`: once the logs on it are home, everything up to
        // `written` is given back.
        self.written.set(end);
        for part in parts.drain(..) {
            let log = part.log;
            if log.side.has_entered(part.mark.end_offset, end) {
                self.away.borrow_mut().push(Rc::clone(&log));
                self.due.call();
            }
            if part.is_whole {
                log.after_entry(part.mark.end_offset, flushed);
            }
        }
        for cut in cuts {
            // The caller may have given up meanwhile; the cut holds all the same.
            let _ = cut.done.send(());
        }
        if self.file.is_half_full() {
            self.urgent.call();
        }
    }
}

/// Has logs write what an entry was to hold of them straight to their own files: it is in memory
/// still.
fn pass(parts: &mut Vec<Part>) {
    for Part { log, .. } in parts.drain(..) {
        log.side.pass_all(log.end_offset.get());
        log.wake_writer();
    }
}
