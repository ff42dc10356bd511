//! Pure: what a simulated disk holds, what is under way, and how each event changes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::WallMs;
use crate::io::buffer::block_up;

/// What a device writes whole or not at all, in bytes.
pub(super) const SECTOR_BYTES: usize = 512;

/// A file, whatever it is called.
pub(super) type FileId = usize;

/// Names and contents; cheap to clone: contents are shared until one side changes.
#[derive(Clone, Default)]
pub struct Image {
    pub(super) names: BTreeMap<PathBuf, Node>,
    pub(super) files: Vec<Rc<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File(FileId),
}

/// A disk at one moment.
#[derive(Clone, Default)]
pub(super) struct State {
    /// As the running machine sees it.
    pub now: Image,
    /// As it is after a power cut that keeps nothing in doubt.
    pub durable: Image,
    /// Changes of names that no sync has covered, with the folder whose sync would.
    pub name_changes: Vec<(PathBuf, NameChange)>,
    /// Writes that are complete and not flushed.
    pub unflushed: Vec<Write>,
    /// From byte to byte, what has space and was never written: a write there is only durable
    /// with a flush of this very file.
    pub reserved: BTreeMap<FileId, (usize, usize)>,
    /// Done, and in doubt until all is synced.
    pub later: Vec<Operation>,
    /// When files were last modified, as far as that was said.
    pub modified: BTreeMap<FileId, WallMs>,
    /// Operations that were begun and are not done.
    pub under_way: Vec<(u64, Operation)>,
    /// Count of events so far.
    pub clock: u64,
}

/// Something that happens to a disk.
#[derive(Clone)]
pub(super) enum Event {
    /// An operation is begun.
    Begin(u64, Operation),
    /// An operation is done.
    Done(u64),
    /// An operation says it is done, and did nothing: a device that lies.
    Lied(u64),
    /// An empty file, which has no name yet.
    NewFile,
    /// A name changes, in the folder whose sync makes that durable.
    Name(PathBuf, NameChange),
}

#[derive(Clone)]
pub(super) enum NameChange {
    Put(PathBuf, Node),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// An overwrite of whole sectors.
#[derive(Clone)]
pub(super) struct Write {
    /// The clock when it was done.
    pub done_at: u64,
    pub file: FileId,
    pub position: usize,
    pub bytes: Rc<[u8]>,
}

#[derive(Clone)]
pub(super) enum Operation {
    /// Nothing changes: reads, listings.
    Look,
    Write(Write),
    /// Makes the writes that were done by this clock durable: those to this file, and those to
    /// others that are overwrites.
    Flush(FileId, u64),
    /// Space from byte to byte of a file, and the length.
    Reserve(FileId, usize, usize),
    /// Zeros from byte to byte, and the length, of a file.
    Prepare(FileId, usize, usize),
    Truncate(FileId, usize),
    /// The whole content of a small file.
    Content(FileId, Rc<[u8]>),
    SyncDir(PathBuf),
    /// Makes everything durable.
    SyncAll,
    /// A content or a cut that is durable with the next of those.
    Later(Rc<Operation>),
}

impl Operation {
    /// The file that it changes by itself, not as one of all.
    fn file(&self) -> Option<FileId> {
        match self {
            Operation::Flush(file, _)
            | Operation::Prepare(file, ..)
            | Operation::Truncate(file, _)
            | Operation::Content(file, _) => Some(*file),
            _ => None,
        }
    }
}

impl Image {
    pub(super) fn file_mut(&mut self, file: FileId) -> &mut Vec<u8> {
        Rc::make_mut(&mut self.files[file])
    }
}

impl State {
    /// A machine that starts with `image`, all of which is durable.
    pub fn new(image: Image) -> State {
        State {
            now: image.clone(),
            durable: image,
            ..State::default()
        }
    }

    /// Lets `event` happen.
    pub fn happen(&mut self, event: &Event) {
        self.clock += 1;
        match event {
            Event::Begin(ticket, operation) => {
                self.under_way.push((*ticket, operation.clone()));
            }
            Event::Done(ticket) => {
                if let Some(operation) = self.end(*ticket) {
                    self.apply(operation);
                }
            }
            Event::Lied(ticket) => {
                if let Some(operation) = self.end(*ticket) {
                    self.pretend(&operation);
                }
            }
            Event::NewFile => {
                for image in [&mut self.now, &mut self.durable] {
                    image.files.push(Rc::default());
                }
            }
            Event::Name(folder, change) => {
                change.apply(&mut self.now.names);
                self.name_changes.push((folder.clone(), change.clone()));
            }
        }
    }

    fn end(&mut self, ticket: u64) -> Option<Operation> {
        let at = self.under_way.iter().position(|it| it.0 == ticket)?;
        Some(self.under_way.remove(at).1)
    }

    pub(super) fn apply(&mut self, operation: Operation) {
        if let Some(file) = operation.file() {
            self.make_later_durable(|it| it.file() == Some(file));
        }
        match operation {
            Operation::Look => {}
            Operation::Write(mut write) => {
                write.done_at = self.clock;
                put(self.now.file_mut(write.file), &write, |_| true);
                self.unflushed.push(write);
            }
            Operation::Flush(file, upto) => self.flush(file, upto),
            Operation::Reserve(file, from, to) => {
                let content = self.now.file_mut(file);
                content.resize(content.len().max(to), 0);
                // What was prepared behind space that is used up is no space.
                let left = self.reserved.get(&file).filter(|it| it.0 < it.1);
                let from = left.map_or(from, |it| it.0.min(from));
                self.reserved.insert(file, (from, to));
            }
            Operation::Prepare(file, from, to) => {
                // What is zeroed is written.
                let zeroed_from = block_up(from as u64) as usize;
                if let Some(reserved) = self.reserved.get_mut(&file) {
                    reserved.1 = reserved.1.min(zeroed_from);
                }
                for image in [&mut self.now, &mut self.durable] {
                    prepare(image.file_mut(file), from, to);
                }
            }
            Operation::Truncate(file, len) => {
                for image in [&mut self.now, &mut self.durable] {
                    image.file_mut(file).resize(len, 0);
                }
                self.forget_behind(file, len);
            }
            Operation::Content(file, content) => {
                for image in [&mut self.now, &mut self.durable] {
                    image.files[file] = Rc::new(content.to_vec());
                }
            }
            Operation::SyncDir(dir) => self.sync_names(|folder| folder == dir),
            Operation::SyncAll => {
                for file in self.reserved.keys() {
                    let len = self.now.files[*file].len();
                    self.durable.file_mut(*file).resize(len, 0);
                }
                self.reserved.clear();
                self.make_durable(|_| true);
                self.make_later_durable(|_| true);
                self.sync_names(|_| true);
            }
            Operation::Later(operation) => {
                self.pretend(&operation);
                self.later.push((*operation).clone());
            }
        }
    }

    /// The running machine sees an operation done; a power cut shows that it was not.
    fn pretend(&mut self, operation: &Operation) {
        match operation {
            Operation::Prepare(file, from, to) => prepare(self.now.file_mut(*file), *from, *to),
            Operation::Truncate(file, len) => self.now.file_mut(*file).resize(*len, 0),
            Operation::Content(file, content) => {
                self.now.files[*file] = Rc::new(content.to_vec());
            }
            _ => {}
        }
    }

    fn flush(&mut self, file: FileId, upto: u64) {
        let done = |write: &&Write| write.file == file && write.done_at <= upto;
        if let Some(reserved) = self.reserved.get_mut(&file) {
            for write in self.unflushed.iter().filter(done) {
                let end = write.position + write.bytes.len();
                if write.position <= reserved.0 {
                    reserved.0 = reserved.0.max(end);
                }
            }
            let len = self.now.files[file].len();
            self.durable.file_mut(file).resize(len, 0);
        }
        let reserved = std::mem::take(&mut self.reserved);
        self.make_durable(|write| write.done_at <= upto && !write.is_within(&reserved));
        self.reserved = reserved;
    }

    /// Makes what was left for later durable, in its order.
    fn make_later_durable(&mut self, covers: impl Fn(&Operation) -> bool) {
        for operation in std::mem::take(&mut self.later) {
            match operation {
                operation if !covers(&operation) => self.later.push(operation),
                Operation::Truncate(file, len) => self.durable.file_mut(file).resize(len, 0),
                Operation::Content(file, content) => {
                    self.durable.files[file] = Rc::new(content.to_vec());
                }
                _ => {}
            }
        }
    }

    /// Makes the writes that `covers` says durable.
    fn make_durable(&mut self, covers: impl Fn(&Write) -> bool) {
        let durable = &mut self.durable;
        self.unflushed.retain(|write| {
            let covered = covers(write);
            if covered {
                put(durable.file_mut(write.file), write, |_| true);
            }
            !covered
        });
    }

    pub(super) fn forget_behind(&mut self, file: FileId, len: usize) {
        for write in self.unflushed.iter_mut().filter(|it| it.file == file) {
            let keep = len.saturating_sub(write.position);
            if keep < write.bytes.len() {
                write.bytes = write.bytes[..keep].into();
            }
        }
    }

    fn sync_names(&mut self, covers: impl Fn(&Path) -> bool) {
        let mut left: Vec<(PathBuf, NameChange)> = Vec::new();
        for (folder, change) in std::mem::take(&mut self.name_changes) {
            if !covers(&folder) {
                left.push((folder, change));
                continue;
            }
            change.apply(&mut self.durable.names);
            // What is in doubt inside a folder stays so under the folder's new name.
            if let NameChange::Move(from, to) = &change {
                for (folder, change) in &mut left {
                    moved(folder, from, to);
                    change
                        .paths()
                        .into_iter()
                        .for_each(|it| moved(it, from, to));
                }
            }
        }
        self.name_changes = left;
    }
}

impl Write {
    fn is_within(&self, reserved: &BTreeMap<FileId, (usize, usize)>) -> bool {
        let (from, to) = reserved.get(&self.file).copied().unwrap_or_default();
        self.position < to && from < self.position + self.bytes.len()
    }
}

impl NameChange {
    pub fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            NameChange::Put(path, node) => {
                names.insert(path.clone(), *node);
            }
            NameChange::Move(from, to) => {
                let inside: Vec<PathBuf> = names
                    .keys()
                    .filter(|path| path.starts_with(from))
                    .cloned()
                    .collect();
                for mut path in inside {
                    if let Some(node) = names.remove(&path) {
                        moved(&mut path, from, to);
                        names.insert(path, node);
                    }
                }
            }
            NameChange::Remove(path) => names.retain(|other, _| !other.starts_with(path)),
        }
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            NameChange::Put(path, _) | NameChange::Remove(path) => vec![path],
            NameChange::Move(from, to) => vec![from, to],
        }
    }
}

fn moved(path: &mut PathBuf, from: &Path, to: &Path) {
    if let Ok(rest) = path.strip_prefix(from) {
        *path = match rest.as_os_str().is_empty() {
            true => to.to_owned(),
            false => to.join(rest),
        };
    }
}

/// Puts the sectors of a write that `keep` says into a file's content.
pub(super) fn put(content: &mut [u8], write: &Write, mut keep: impl FnMut(usize) -> bool) {
    for (sector, bytes) in write.bytes.chunks(SECTOR_BYTES).enumerate() {
        let at = write.position + sector * SECTOR_BYTES;
        // A file that was cut meanwhile takes less.
        let end = (at + bytes.len()).min(content.len());
        if at < end && keep(sector) {
            content[at..end].copy_from_slice(&bytes[..end - at]);
        }
    }
}

/// Zeros from the first whole block at or behind `from`, and a length of at least `to`.
pub(super) fn prepare(content: &mut Vec<u8>, from: usize, to: usize) {
    let zero_from = (block_up(from as u64) as usize).min(content.len());
    let zero_to = to.min(content.len());
    if zero_from < zero_to {
        content[zero_from..zero_to].fill(0);
    }
    if content.len() < to {
        content.resize(to, 0);
    }
}
