//! Drives: what was done to a log and when, and whether what a start found can have come of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::{LeaderEpoch, Offset};
use crate::io::sim::{Data, End, Names, Rest};
use crate::log::LogConfig;

/// What a check found wrong.
pub type Wrong = String;

/// A batch as it was appended, or found; in a compacted log, each record of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Of the record, where it is one.
    pub base: Offset,
    pub last: Offset,
    pub crc: u32,
    pub epoch: LeaderEpoch,
    /// Of a record: its key, and whether it is there to delete that.
    pub key: Option<(u8, bool)>,
}

/// Offsets that only rise, each with the moment of the disk's history at which it was seen.
#[derive(Default)]
pub struct Marks(RefCell<Vec<(usize, Offset)>>);

/// All that was done to one log from its creation on.
#[derive(Default)]
pub struct Story {
    /// Appended batches in order, whatever became of them.
    pub batches: RefCell<Vec<Batch>>,
    pub acked: Marks,
    pub flushed: Marks,
    pub start: Marks,
    /// When it was created.
    pub born: usize,
    /// Where it ends while it holds nothing.
    pub base: Offset,
    /// From that moment on it may have lost what lies behind that offset, since it is being cut
    /// back.
    pub cutting: Cell<Option<(usize, Offset)>>,
    /// From `cutting` on it may be empty and begin there.
    pub anew: Cell<Option<Offset>>,
    /// When its removal was begun, and when that was done.
    pub removing: Cell<Option<usize>>,
    pub removed: Cell<Option<usize>>,
}

/// The stories of the logs that one name has had, and how it is configured.
pub struct Topic {
    pub name: &'static str,
    pub config: LogConfig,
    /// Whether a leader sends its batches.
    pub follows: bool,
    pub stories: RefCell<Vec<Rc<Story>>>,
}

/// What a start found of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub start: Offset,
    pub end: Offset,
    pub batches: Vec<Batch>,
    /// What was cut off, if anything.
    pub cut: Option<String>,
}

/// What a rebuild of producers saw.
#[derive(Default)]
pub struct Seen {
    pub snapshot: Option<(Offset, Vec<u8>)>,
    pub batches: Vec<Offset>,
}

// === impl Marks ===

impl Marks {
    pub fn note(&self, moment: usize, offset: Offset) {
        let mut marks = self.0.borrow_mut();
        if marks.last().is_none_or(|last| last.1 < offset) {
            marks.push((moment, offset));
        }
    }

    /// The largest offset seen by then.
    pub fn at(&self, moment: usize) -> Offset {
        let marks = self.0.borrow();
        let after = marks.partition_point(|mark| mark.0 <= moment);
        after.checked_sub(1).map_or(0, |at| marks[at].1)
    }

    /// The largest offset that it can have been then: what was seen next.
    pub fn at_most(&self, moment: usize) -> Offset {
        let marks = self.0.borrow();
        let next = marks.partition_point(|mark| mark.0 < moment);
        marks.get(next).or(marks.last()).map_or(0, |mark| mark.1)
    }

    fn reset(&self, offset: Offset) {
        self.0.replace(vec![(0, offset)]);
    }

    /// `before` up to that moment, and `offset` from then on.
    fn begin(&self, before: Offset, moment: usize, offset: Offset) {
        self.0
            .replace(vec![(0, before.min(offset)), (moment, offset)]);
    }
}

// === impl Story ===

impl Story {
    /// Everything before this had to survive such an end at that moment.
    fn promised(&self, moment: usize, end: End, config: &LogConfig) -> Offset {
        let acked = self.acked.at(moment);
        let flushed = self.flushed.at(moment);
        let cut = self.cutting.get().filter(|cut| cut.0 <= moment);
        let left = cut.map_or(Offset::MAX, |cut| cut.1);
        let promised = match end {
            End::Cut(..) if config.flush_messages > 1 => flushed,
            _ => acked.max(flushed),
        };
        promised.min(left)
    }

    /// What becomes of it when it is cut back before the offset `to`: the story from `born` on.
    pub fn cut(&self, to: Offset, born: usize) -> Story {
        let mut batches = self.batches.borrow().clone();
        batches.retain(|batch| batch.last < to);
        let end = batches.last().map_or(self.base, |last| last.last + 1);
        let next = Story {
            born,
            base: self.base,
            batches: RefCell::new(batches),
            ..Story::default()
        };
        next.acked.reset(end);
        next.flushed.reset(end);
        next.start.reset(self.start.at(usize::MAX).min(end));
        next
    }

    /// One of a log that begins at `at`, empty.
    pub fn anew(at: Offset, born: usize) -> Story {
        let next = Story {
            born,
            base: at,
            ..Story::default()
        };
        for marks in [&next.acked, &next.flushed, &next.start] {
            marks.reset(at);
        }
        next
    }

    /// What a snapshot of producers at `offset` says: all batches before it. It ends with a
    /// checksum, as one in service has one.
    pub fn snapshot(&self, offset: Offset) -> Vec<u8> {
        let batches = self.batches.borrow();
        let before = batches.iter().filter(|batch| batch.last < offset);
        let crcs = before.map(|batch| batch.crc);
        let digest = crcs.fold(vec![7], |digest, crc| {
            crc32c::crc32c_append(crc, &digest).to_be_bytes().to_vec()
        });
        let sum = crc32c::crc32c(&digest).to_be_bytes();
        [&digest[..], &sum].concat()
    }

    fn check(&self, found: &Found, promised: Offset, topic: (bool, Offset)) -> Result<(), Wrong> {
        let (compact, start_max) = topic;
        if found.end < promised {
            return Err(format!("promised up to {promised}: {found:?}"));
        }
        if found.start > start_max {
            return Err(format!("deleted up to {start_max}: {found:?}"));
        }
        let batches = self.batches.borrow();
        let from = batches.partition_point(|batch| batch.last < found.start);
        let to = batches.partition_point(|batch| batch.base < found.end);
        let expected = &batches[from.min(to)..to];
        let same = match compact {
            true => can_be_left_of(expected, found),
            false => expected == found.batches,
        };
        if !same {
            let appended = &batches[from.min(to)..];
            return Err(format!("appended {appended:?}, {found:?}"));
        }
        let ends_with = to
            .checked_sub(1)
            .map_or(self.base, |at| batches[at].last + 1);
        if ends_with != found.end {
            return Err(format!("ends inside a batch or behind all: {found:?}"));
        }
        Ok(())
    }

    fn check_seen(&self, found: &Found, seen: &Seen) -> Result<(), Wrong> {
        let mut next = found.start;
        if let Some((offset, content)) = &seen.snapshot {
            if *offset > found.end || *content != self.snapshot(*offset) {
                return Err(format!("producers at {offset} are not those of {found:?}"));
            }
            next = *offset;
        }
        let expected = found.batches.iter().filter(|batch| batch.last >= next);
        let shown = seen.batches.iter().filter(|base| **base >= found.start);
        let missing = expected
            .map(|batch| batch.base)
            .filter(|base| *base >= found.start);
        if !missing.eq(shown.copied()) {
            return Err(format!(
                "producers saw {:?} from {next}: {found:?}",
                seen.batches
            ));
        }
        Ok(())
    }
}

/// Whether a snapshot's checksum fits.
pub fn is_whole(content: &[u8]) -> bool {
    let Some((digest, sum)) = content.split_last_chunk() else {
        return false;
    };
    crc32c::crc32c(digest).to_be_bytes() == *sum
}

// === impl Topic ===

impl Topic {
    pub fn new(name: &'static str, config: LogConfig) -> Topic {
        Topic {
            name,
            config,
            follows: false,
            stories: RefCell::new(vec![Rc::default()]),
        }
    }

    /// The newest story.
    pub fn story(&self) -> Rc<Story> {
        self.stories.borrow().last().cloned().unwrap_or_default()
    }

    /// Checks what a start found after the machine had ended so at that moment; returns whose
    /// story it is, `None` where the log is rightly gone.
    pub fn check(
        &self,
        moment: usize,
        end: End,
        (found, seen): &(Found, Seen),
    ) -> Result<Option<Rc<Story>>, Wrong> {
        let story = &self.told(moment).ok_or("no story")?;
        let by_then = |at: &Cell<Option<usize>>| at.get().is_some_and(|at| at <= moment);
        let promised = story.promised(moment, end, &self.config);
        let named = |wrong| format!("{}: {wrong}", self.name);
        if found.end == 0 && (promised == 0 || by_then(&story.removing)) {
            return Ok(None);
        }
        let is_cut = story.cutting.get().is_some_and(|cut| cut.0 <= moment);
        if is_cut && story.anew.get() == Some(found.end) && found.start == found.end {
            return Ok(None);
        }
        if by_then(&story.removed) {
            return Err(named(format!("came back after its removal: {found:?}")));
        }
        let start_max = story.start.at_most(moment);
        let checked = story.check(found, promised, (self.config.compact, start_max));
        checked.map_err(named)?;
        story.check_seen(found, seen).map_err(named)?;
        Ok(Some(Rc::clone(story)))
    }

    fn told(&self, moment: usize) -> Option<Rc<Story>> {
        let stories = self.stories.borrow();
        let mut newest_first = stories.iter().rev();
        newest_first.find(|it| it.born <= moment).cloned()
    }

    /// What must survive a power cut after the machine had ended at that moment, before a start
    /// has found, and kept, more.
    pub fn promised(&self, moment: usize) -> Offset {
        let cut = End::Cut(Data::None, Names::None, Rest::None);
        let promised = |story: Rc<Story>| story.promised(moment, cut, &self.config);
        self.told(moment).map_or(0, promised)
    }

    /// The log is what was found from the moment on at which a start has found it; `before`
    /// that, only what was promised then is sure.
    pub fn go_on(&self, story: Option<Rc<Story>>, found: &Found, before: Offset, moment: usize) {
        let mut next = Story::default();
        if let Some(story) = story {
            next.base = story.base;
            let mut batches = story.batches.take();
            batches.retain(|batch| batch.base < found.end);
            next.batches.replace(batches);
        }
        if next.batches.borrow().is_empty() {
            next.base = found.end;
        }
        for marks in [&next.acked, &next.flushed] {
            marks.begin(before, moment, found.end);
        }
        next.start.reset(found.start);
        self.stories.replace(vec![Rc::new(next)]);
    }
}

/// Whether compaction may have left this of these records: each is one of them, in their order,
/// and a table made of it holds the same.
fn can_be_left_of(appended: &[Batch], found: &Found) -> bool {
    let appended = appended.iter().filter(|it| it.base >= found.start);
    let mut rest = appended.clone();
    let known = found.batches.iter().all(|it| rest.any(|one| one == it));
    known && table(appended) == table(found.batches.iter())
}

/// The newest record of each key that was not deleted.
fn table<'a>(records: impl Iterator<Item = &'a Batch>) -> BTreeMap<u8, Offset> {
    let mut table = BTreeMap::new();
    for record in records {
        match record.key {
            Some((key, true)) => table.remove(&key),
            Some((key, false)) => table.insert(key, record.base),
            None => None,
        };
    }
    table
}
