//! Drives: what a log keeps for its journal: which of its bytes are to go there, which are there,
//! and which appends go past it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use super::entry::{Owner, Position};
use crate::base::{Offset, WallMs};
use crate::log::inner::{Inner, Mark};
use crate::log::segment::Segment;

/// A log's side of the journal.
#[derive(Default)]
pub struct Side {
    /// What is to go into the journal, in order.
    queue: RefCell<VecDeque<Mark>>,
    /// Whether the journal has it on its list of logs with something in `queue`.
    is_listed: Cell<bool>,
    /// Whether the journal has it on its list of logs that have entered something which is not in
    /// their segments yet.
    is_away: Cell<bool>,
    /// Whether the journal has it on its list of logs that are to write what they have.
    pub(super) is_full: Cell<bool>,
    /// While an entry is being written: where the oldest bytes begin that it takes of this log
    /// (segment, place in it). The tail keeps what lies behind that.
    in_hand: Cell<Option<(Offset, u64)>>,
    /// The offset behind the last record that is in the journal.
    entered: Cell<Offset>,
    /// Where the newest entry ends that has a piece of this log; 0 if there is none.
    newest_end: Cell<Position>,
    /// The offset behind the last record that went past the journal.
    passed: Cell<Offset>,
    /// Whether what the journal held of it, which has failed, is in the file that keeps such.
    is_kept: Cell<bool>,
    /// Whether the log is being removed: the journal need not bring it home.
    is_let_go: Cell<bool>,
}

// === impl Side ===

impl Side {
    /// The oldest byte that is to go into the journal: its segment, and where in it.
    pub fn first_wanted(&self) -> Option<(Offset, u64)> {
        let queue = self.queue.borrow();
        let first = queue.front().map(|it| (it.segment.base_offset, it.from));
        self.in_hand.get().or(first)
    }

    /// Takes what is to go into the journal next, up to `max` bytes; at least one byte if there is
    /// anything. Whether it is all of a stretch: a part of one acks nothing.
    pub(super) fn take(&self, max: u64) -> Option<(Mark, bool)> {
        let mut queue = self.queue.borrow_mut();
        let first = queue.front_mut()?;
        let begin = (first.segment.base_offset, first.from);
        self.in_hand.set(self.in_hand.get().or(Some(begin)));
        if first.to - first.from <= max.max(1) {
            return queue.pop_front().map(|mark| (mark, true));
        }
        let to = first.from + max.max(1);
        let part = Mark {
            segment: Rc::clone(&first.segment),
            from: first.from,
            to,
            end_offset: first.end_offset,
        };
        first.from = to;
        Some((part, false))
    }

    /// Whether nothing is left to take.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Whether an entry may hold something that is needed: entries before `freed` are not.
    pub(super) fn is_in(&self, freed: Position) -> bool {
        self.newest_end.get() > freed
            || self.in_hand.get().is_some()
            || !self.is_empty()
            || self.is_kept()
    }

    /// Puts it on a list once: `true` when it was not there.
    pub(super) fn list(&self) -> bool {
        !self.is_listed.replace(true)
    }

    pub(super) fn unlist(&self) {
        self.is_listed.set(false);
    }

    /// Notes that what lies before `offset` is in the journal, in an entry that ends at `end`;
    /// `true` when the log is to be put on the list of those away from home.
    pub(super) fn has_entered(&self, offset: Offset, end: Position) -> bool {
        self.in_hand.set(None);
        self.entered.set(self.entered.get().max(offset));
        self.newest_end.set(end);
        !self.is_away.replace(true)
    }

    /// Takes it off the list of those away from home; returns up to where it has to come.
    pub(super) fn sent_home(&self) -> Offset {
        self.is_away.set(false);
        self.entered.get()
    }

    /// Notes that it could not be brought home: it is on the list again.
    pub(super) fn is_away_again(&self) {
        self.is_away.set(true);
    }

    /// Whether what the journal held of it is in the file that keeps such for the next start.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept.get()
    }

    pub(super) fn set_kept(&self, is_kept: bool) {
        self.is_kept.set(is_kept);
    }

    /// Nothing of segments that begin before `below`, which are written, is to go into it any more.
    pub(super) fn pass_below(&self, below: Offset) {
        self.queue.borrow_mut().retain(|mark| {
            let stays = mark.segment.base_offset >= below;
            if !stays {
                self.passed.set(self.passed.get().max(mark.end_offset));
            }
            stays
        });
    }

    /// Notes that the log is being removed, whether it has failed before or not.
    pub fn let_go(&self) {
        self.is_let_go.set(true);
    }

    pub(super) fn is_let_go(&self) -> bool {
        self.is_let_go.get()
    }

    /// What was appended before `end` and is not in the journal goes past it.
    pub(super) fn pass_all(&self, end: Offset) {
        self.in_hand.set(None);
        self.queue.borrow_mut().clear();
        self.passed.set(end);
    }
}

impl Inner {
    /// The log's name and topic, as pieces of the journal tell them.
    pub(super) fn owner(&self) -> Owner<'_> {
        Owner {
            folder: &self.name,
            topic_id: self.topic_id,
        }
    }

    /// Has what was appended to `segment` from `from` on, up to `end_offset`, written: into the
    /// journal, or straight into the segment.
    pub fn have_written(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        from: u64,
        end_offset: Offset,
        now: WallMs,
    ) {
        if !self.enter(segment, from, end_offset) {
            self.side.passed.set(end_offset);
            self.upkeep_if_low(segment, now);
            self.wake_writer();
        }
    }

    fn enter(self: &Rc<Self>, segment: &Rc<Segment>, from: u64, end_offset: Offset) -> bool {
        let Some(journal) = self.logs.journal() else {
            return false;
        };
        let to = segment.size.get();
        // An ack of an append is one of everything before it. So what went past the journal must be
        // in the segment before a later append may go into an entry, which could be acked first.
        let passed = self.side.passed.get();
        let options = self.logs.options();
        let (max, is_behind_all) = match self.config.borrow().flush_messages {
            ..=1 => (
                options.entered_bytes_max,
                self.stored_offset.get() >= passed,
            ),
            // No flush is saved, only small writes. What lies in segments before this one has to be
            // flushed all the same: should a power cut take their files, a start would put this
            // entry into a log that begins with it.
            _ => (
                options.entered_bytes_max / 8,
                self.acked_offset.get() >= passed
                    && self.stored_offset.get() >= passed.min(segment.base_offset),
            ),
        };
        if to - from > max || !is_behind_all || !journal.takes() {
            return false;
        }
        {
            let mut queue = self.side.queue.borrow_mut();
            match queue.back_mut() {
                Some(last) if Rc::ptr_eq(&last.segment, segment) && last.to == from => {
                    last.to = to;
                    last.end_offset = end_offset;
                }
                _ => queue.push_back(Mark {
                    segment: Rc::clone(segment),
                    from,
                    to,
                    end_offset,
                }),
            }
        }
        if self.side.list() {
            journal.enlist(self);
        }
        if self.state.borrow().queued_bytes >= options.away_bytes_max {
            journal.is_full(self);
        }
        true
    }

    /// Called by the journal: what lies before `offset` is in it, and is `flushed` there.
    pub(super) fn after_entry(&self, offset: Offset, flushed: bool) {
        let flush_messages = self.config.borrow().flush_messages;
        // What went past the journal may not be flushed, where `flush.messages` was another then.
        if flushed && self.stored_offset.get() >= self.side.passed.get() {
            let before = self.flushed_offset.get();
            self.flushed_offset.set(before.max(offset));
        }
        if flushed || flush_messages > 1 {
            self.ack(offset);
        }
        self.progress.ring();
    }

    /// Whether the journal may hold something of it that a start would put in place.
    pub fn is_in_journal(&self) -> bool {
        let journal = self.logs.journal();
        journal.is_some_and(|journal| journal.holds(self))
    }

    /// Has what the journal holds of segments that begin before `below` count for nothing at a
    /// start; to be done before their files are removed or replaced.
    pub async fn void_in_journal(self: &Rc<Self>, below: Offset) -> io::Result<()> {
        let Some(journal) = self.logs.journal() else {
            return Ok(());
        };
        if !self.side.is_let_go() && journal.holds(self) {
            // A crash may leave the files: they must be whole without the journal.
            self.store(below.min(self.end_offset.get())).await?;
        }
        journal.cut(self, below).await
    }

    /// Returns when everything before `offset` is durable in the segments.
    async fn store(self: &Rc<Self>, offset: Offset) -> io::Result<()> {
        self.write_out(offset).await;
        if self.stored_offset.get() < offset {
            self.flush();
        }
        while self.stored_offset.get() < offset {
            if self.is_pinned() {
                return Err(io::Error::other("what is in the journal cannot be written"));
            }
            self.progress.wait().await;
        }
        Ok(())
    }
}
