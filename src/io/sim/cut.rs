//! Pure: what a power cut, or a kill, may leave of a disk at one moment of its history.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::random::Random;
use super::state::{Event, Image, Node, Operation, SECTOR_BYTES, State, Write, prepare, put};
use super::time::BEGIN;
use crate::base::Instant;
use crate::io::buffer::BLOCK_BYTES;

/// At most so many writes, changes of names and sectors are lost or kept alone at one moment.
const SINGLES_MAX: usize = 6;
/// Random states at a moment, beside the systematic ones.
const RANDOM_STATES: usize = 4;

/// All that happened to a disk from its start on.
#[derive(Clone)]
pub struct History {
    pub(super) start: State,
    pub(super) events: Vec<Event>,
}

/// A disk as the end of a process or of power left it, and when that was.
#[derive(Clone)]
pub struct Left {
    pub(super) state: State,
    pub(super) now: Instant,
}

/// A moment of a history; moves from its beginning to its end.
pub struct Moment<'a> {
    history: &'a History,
    state: State,
    at: usize,
}

/// How the machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process dies: what was written stays, in the device's cache or on it.
    Kill(Rest),
    /// The power goes: what was not flushed or synced is in doubt.
    Cut(Data, Names, Rest),
}

/// What is left of writes that were not flushed, those under way included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// All but this one.
    AllBut(usize),
    /// Only this one.
    Only(usize),
    /// All but one sector of this one.
    AllButSector(usize),
    /// Only one sector of this one.
    OnlySector(usize),
    /// Of each write all, nothing, or any of its sectors.
    Torn,
    /// Each write or none of it, in any combination: reordered.
    Some,
}

/// What is left of changes of names that were not synced. A file system keeps the order of those
/// in one folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// None.
    None,
    /// All.
    All,
    /// The first so many of all.
    First(usize),
    /// All but those in the folder of this one.
    AllButFolderOf(usize),
    /// Of each folder the first few.
    Some,
}

/// What is left of other operations under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing was done.
    None,
    /// All was done.
    All,
    /// Each by chance: nothing, a part, or all of it.
    Some,
}

// === impl Left ===

impl Left {
    pub(super) fn new(state: State, now: Instant) -> Left {
        Left { state, now }
    }
}

// === impl History ===

impl History {
    /// The moment before the first event.
    pub fn begin(&self) -> Moment<'_> {
        Moment {
            history: self,
            state: self.start.clone(),
            at: 0,
        }
    }

    /// Count of events.
    #[allow(clippy::len_without_is_empty)] // It is never asked for.
    pub fn len(&self) -> usize {
        self.events.len()
    }
}

// === impl Moment ===

impl Moment<'_> {
    /// Count of events so far.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Passes the next event that changes what a crash may leave; `false` at the end.
    pub fn pass(&mut self) -> bool {
        while let Some(event) = self.history.events.get(self.at) {
            self.at += 1;
            let looks = match event {
                Event::Begin(_, Operation::Look | Operation::Flush(..)) => true,
                Event::Begin(_, Operation::SyncDir(_) | Operation::SyncAll) => true,
                Event::Done(ticket) => self
                    .state
                    .under_way
                    .iter()
                    .any(|it| it.0 == *ticket && matches!(it.1, Operation::Look)),
                _ => false,
            };
            self.state.happen(event);
            if !looks {
                return true;
            }
        }
        false
    }

    /// The ways in which the machine may stop here: systematic ones, and some at random.
    pub fn ends(&self, random: &mut Random) -> Vec<End> {
        self.state.ends(random)
    }

    /// What such an end leaves.
    pub fn left(&self, end: End, random: &mut Random) -> Left {
        Left::new(self.state.left(end, random), BEGIN)
    }
}

// === impl State ===

impl State {
    /// Writes in doubt: those not flushed, then those under way.
    fn doubtful(&self) -> impl Iterator<Item = &Write> {
        let begun = self.under_way.iter().filter_map(|(_, it)| match it {
            Operation::Write(write) => Some(write),
            _ => None,
        });
        self.unflushed.iter().chain(begun)
    }

    fn others_under_way(&self) -> usize {
        let changes = |operation: &Operation| {
            matches!(
                operation,
                Operation::Prepare(..)
                    | Operation::Reserve(..)
                    | Operation::Truncate(..)
                    | Operation::Content(..)
                    | Operation::Later(_)
            )
        };
        self.under_way.iter().filter(|(_, it)| changes(it)).count() + self.later.len()
    }

    fn ends(&self, random: &mut Random) -> Vec<End> {
        let (writes, names) = (self.doubtful().count(), self.name_changes.len());
        let others = self.others_under_way();
        let rests: &[Rest] = match others {
            0 => &[Rest::None],
            _ => &[Rest::None, Rest::All, Rest::Some],
        };
        let mut ends = vec![End::Kill(Rest::None)];
        if !self.under_way.is_empty() {
            ends.extend([End::Kill(Rest::All), End::Kill(Rest::Some)]);
        }
        let datas: &[Data] = if writes == 0 {
            &[Data::None]
        } else {
            &[Data::None, Data::All]
        };
        let all_names: &[Names] = if names == 0 {
            &[Names::None]
        } else {
            &[Names::None, Names::All]
        };
        for data in datas {
            for name in all_names {
                ends.extend(rests.iter().map(|rest| End::Cut(*data, *name, *rest)));
            }
        }
        let some_names = if names == 0 { Names::None } else { Names::Some };
        let some_data = if writes == 0 { Data::None } else { Data::Torn };
        let rest = rests[rests.len() - 1];
        for _ in 0..writes.min(SINGLES_MAX) {
            let which = random.below(writes);
            let singles = [Data::AllBut(which), Data::Only(which)];
            let sectors = [Data::AllButSector(which), Data::OnlySector(which)];
            for data in [singles[random.below(2)], sectors[random.below(2)]] {
                ends.push(End::Cut(data, some_names, rest));
            }
        }
        for _ in 0..names.min(SINGLES_MAX) {
            let which = random.below(names);
            let single = [Names::First(which), Names::AllButFolderOf(which)][random.below(2)];
            ends.push(End::Cut(some_data, single, rest));
        }
        if writes + names + others > 1 {
            for at in 0..RANDOM_STATES {
                let data = if writes > 1 && at % 2 == 0 {
                    Data::Some
                } else {
                    some_data
                };
                ends.push(End::Cut(data, some_names, rest));
            }
        }
        ends
    }

    /// What is left when the machine stops in this way.
    pub fn left(&self, end: End, random: &mut Random) -> State {
        match end {
            End::Kill(rest) => self.killed(rest, random),
            End::Cut(data, names, rest) => {
                let mut image = self.durable.clone();
                self.keep_data(&mut image, data, random);
                let under_way = self.under_way.iter().map(|(_, operation)| operation);
                for operation in self.later.iter().chain(under_way) {
                    half_done(&mut image, operation, rest, random);
                }
                self.keep_names(&mut image, names, random);
                State::new(image)
            }
        }
    }

    /// What the next process finds; what was in doubt stays so, should the power go then.
    fn killed(&self, rest: Rest, random: &mut Random) -> State {
        let mut state = self.clone();
        for (_, operation) in std::mem::take(&mut state.under_way) {
            let whole = rest == Rest::All || rest == Rest::Some && random.one_in(2);
            if let Operation::Write(_) | Operation::Later(_) = operation {
                if whole {
                    state.apply(operation);
                }
                continue;
            }
            // The same happens to both.
            half_done(&mut state.now, &operation, rest, &mut random.clone());
            half_done(&mut state.durable, &operation, rest, random);
            if let Operation::Truncate(file, _) = operation {
                let len = state.now.files[file].len();
                state.forget_behind(file, len);
            }
        }
        state
    }

    fn keep_data(&self, image: &mut Image, data: Data, random: &mut Random) {
        for (at, write) in self.doubtful().enumerate() {
            let sectors = write.bytes.len().div_ceil(SECTOR_BYTES).max(1);
            let content = image.file_mut(write.file);
            // The length of space that was never written is durable with its first write, or
            // earlier.
            if data != Data::None && write.position + write.bytes.len() > content.len() {
                content.resize(self.now.files[write.file].len(), 0);
            }
            match data {
                Data::None => {}
                Data::All => put(content, write, |_| true),
                Data::AllBut(other) => put(content, write, |_| at != other),
                Data::Only(other) => put(content, write, |_| at == other),
                Data::AllButSector(other) => {
                    let lost = random.below(sectors);
                    put(content, write, |sector| at != other || sector != lost);
                }
                Data::OnlySector(other) => {
                    let kept = random.below(sectors);
                    put(content, write, |sector| at == other && sector == kept);
                }
                Data::Torn => match random.below(3) {
                    0 => put(content, write, |_| true),
                    1 => {}
                    _ => put(content, write, |_| random.one_in(2)),
                },
                Data::Some => {
                    let kept = random.one_in(2);
                    put(content, write, |_| kept);
                }
            }
        }
    }

    fn keep_names(&self, image: &mut Image, names: Names, random: &mut Random) {
        let mut cut_folders: Vec<&PathBuf> = Vec::new();
        for (at, (folder, change)) in self.name_changes.iter().enumerate() {
            let kept = match names {
                Names::None => false,
                Names::All => true,
                Names::First(count) => at < count,
                Names::AllButFolderOf(other) => self.name_changes[other].0 != *folder,
                Names::Some => !random.one_in(3),
            };
            if !kept {
                cut_folders.push(folder);
            }
            if !cut_folders.contains(&folder) {
                change.apply(&mut image.names);
            }
        }
        self.forget_lost_folders(image);
    }

    /// With a new folder whose name is gone goes all that was in it.
    fn forget_lost_folders(&self, image: &mut Image) {
        let is_lost = |folder: &Path, names: &BTreeMap<PathBuf, Node>| {
            self.now.names.contains_key(folder) && !names.contains_key(folder)
        };
        let kept = image.names.clone();
        image.names.retain(|path, _| {
            let mut above = path.ancestors().skip(1);
            !above.any(|folder| is_lost(folder, &kept))
        });
    }
}

/// What is left of an operation other than a write that was under way.
fn half_done(image: &mut Image, operation: &Operation, rest: Rest, random: &mut Random) {
    if rest == Rest::None {
        return;
    }
    let whole = rest == Rest::All;
    match operation {
        Operation::Prepare(file, from, to) => {
            let blocks = (to - from) / BLOCK_BYTES + 1;
            let reached = (from + random.below(blocks) * BLOCK_BYTES).min(*to);
            prepare(
                image.file_mut(*file),
                *from,
                if whole { *to } else { reached },
            );
        }
        Operation::Reserve(file, _, to) => {
            let file = image.file_mut(*file);
            file.resize(file.len().max(*to), 0);
        }
        Operation::Truncate(file, len) => {
            let done = whole || random.one_in(2);
            let file = image.file_mut(*file);
            file.resize(if done { *len } else { file.len() }, 0);
        }
        Operation::Later(operation) => half_done(image, operation, rest, random),
        Operation::Content(file, content) => {
            let kept = if whole {
                content.len()
            } else {
                random.below(content.len() + 1)
            };
            // It may not even have been begun.
            if whole || !random.one_in(3) {
                image.files[*file] = Rc::new(content[..kept].to_vec());
            }
        }
        _ => {}
    }
}
