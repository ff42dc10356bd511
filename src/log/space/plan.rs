//! Pure: what is to be done behind the appends, the most urgent first.

use std::rc::Rc;

use crate::base::Offset;
use crate::log::format::extent;
use crate::log::inner::{Inner, State};
use crate::log::segment::Segment;

/// One piece of background work.
pub enum Job {
    /// Room in the segment's file up to there.
    MakeRoom(Rc<Segment>, u64),
    /// The leader epoch checkpoint.
    WriteEpochs,
    /// A snapshot of the state of producers before the record at an offset.
    WriteSnapshot(Offset, Vec<u8>),
    /// The final form of a sealed segment's files.
    Settle(Rc<Segment>),
}

impl Inner {
    /// What is to be done first: what a write needs, then what one will soon need, then the rest.
    pub(super) fn next_job(&self) -> Option<Job> {
        let state = self.state.borrow();
        let active = state.segments.last()?;
        // The oldest first, so that no file is there before the one in front of it: a start could
        // take a hole for what compaction left.
        let newest_first = state.segments.iter().rev();
        let unwritten = newest_first
            .skip_while(|it| it.size.get() == 0)
            .take_while(|it| it.written.get() < it.size.get());
        if let Some(short) = unwritten.filter(|it| lacks_room(it)).last() {
            return Some(match Rc::ptr_eq(short, active) {
                true => self.make_room(short),
                // Nothing more is appended to it.
                false => Job::MakeRoom(Rc::clone(short), extent(short.size.get())),
            });
        }
        if self.stopped.get() {
            return None;
        }
        // Retention leaves a new segment without records alone, and a start must find it.
        let has_no_file = !active.on_disk.get() && state.segments.len() > 1;
        let is_low = self.upkeep.step().was_asked_for() && self.is_low(active);
        // Where there was no room for a step, what is needed may be there already.
        if has_no_file || is_low && self.target(active) > active.prepared.get() {
            return Some(self.make_room(active));
        }
        self.next_record_job(&state)
    }

    fn make_room(&self, segment: &Rc<Segment>) -> Job {
        Job::MakeRoom(Rc::clone(segment), self.target(segment))
    }

    fn target(&self, segment: &Segment) -> u64 {
        let limit = self.config.borrow().segment_bytes;
        self.upkeep.step().target(segment.size.get(), limit)
    }

    /// Whether little room is left in `segment`, which is appended to.
    pub(super) fn is_low(&self, segment: &Segment) -> bool {
        let limit = self.config.borrow().segment_bytes;
        let (size, prepared) = (segment.size.get(), segment.prepared.get());
        self.upkeep.step().is_low(size, prepared, limit)
    }

    /// Files that only shorten the next start: they may come late.
    fn next_record_job(&self, state: &State) -> Option<Job> {
        if !self.upkeep.has_lasting_folder() {
            return None;
        }
        // Without it a start reads all segments, not only the last one.
        if state.epochs_changed && state.segments.len() > 1 {
            return Some(Job::WriteEpochs);
        }
        if let Some((offset, content)) = self.upkeep.take_snapshot() {
            return Some(Job::WriteSnapshot(offset, content));
        }
        self.to_settle(state).map(Job::Settle)
    }

    /// The oldest sealed segment whose files do not have their final form, once all of it is
    /// flushed.
    pub(super) fn to_settle(&self, state: &State) -> Option<Rc<Segment>> {
        let flushed = self.stored_offset.get();
        let mut pairs = state.segments.windows(2);
        let found = pairs.find(|pair| {
            let (sealed, follower) = (&pair[0], &pair[1]);
            !sealed.settled.get() && follower.base_offset <= flushed && !state.is_to_write(sealed)
        });
        found.map(|pair| Rc::clone(&pair[0]))
    }
}

/// Whether not all that is appended to `segment` has room there.
fn lacks_room(segment: &Segment) -> bool {
    segment.prepared.get() < extent(segment.size.get())
}
