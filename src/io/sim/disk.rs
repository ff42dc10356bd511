//! Drives: names and files in memory, with what a power cut would leave of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::executor::Tasks;
use super::random::Random;
use crate::io::buffer::{BLOCK_BYTES, Slice, WriteBuffer, block_up};
use crate::io::disk::Entry;

/// What a device writes whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

type FileId = usize;

/// A simulated disk; cheap to clone.
#[derive(Clone)]
pub struct SimDisk(Rc<Inner>);

/// An open file on it.
#[derive(Clone)]
pub struct SimFile {
    disk: SimDisk,
    id: FileId,
}

/// What is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A write of this and all later ones fails.
    Write,
    /// A flush fails.
    Flush,
    /// Space runs out.
    Prepare,
    /// A read fails.
    Read,
    /// Flushes succeed and do nothing: a device that lies, to test the tests.
    SilentFlush,
}

/// What survives: names and contents.
#[derive(Clone, Default)]
pub(super) struct Image {
    names: BTreeMap<PathBuf, Node>,
    files: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Dir,
    File(FileId),
}

struct Inner {
    tasks: Rc<Tasks>,
    /// As the running machine sees it.
    now: RefCell<Image>,
    /// As it is after a power cut that keeps nothing in doubt.
    durable: RefCell<Image>,
    /// Changes of names that no sync has covered, with the folder whose sync would.
    name_changes: RefCell<Vec<(PathBuf, NameChange)>>,
    /// Writes that are complete and not flushed.
    unflushed: RefCell<Vec<Write>>,
    pending: RefCell<Vec<Pending>>,
    next_ticket: Cell<u64>,
    faults: RefCell<Vec<(PathBuf, Fault)>>,
    /// Counts of operations by name.
    counts: RefCell<BTreeMap<&'static str, usize>>,
}

#[derive(Clone)]
enum NameChange {
    Put(PathBuf, Node),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Clone)]
struct Write {
    ticket: u64,
    file: FileId,
    position: usize,
    bytes: Vec<u8>,
}

/// An operation under way; `waker` is called when it has been done.
struct Pending {
    ticket: u64,
    operation: Operation,
    waker: Option<Waker>,
    done: Rc<Cell<bool>>,
}

#[derive(Clone)]
enum Operation {
    /// Nothing changes: reads, listings.
    Look,
    Write(Write),
    /// Makes the writes up to this ticket durable.
    Flush(u64),
    /// Zeros from block to block, and the length.
    Prepare(FileId, usize, usize),
    Truncate(FileId, usize),
    /// The whole content of a small file.
    Content(FileId, Vec<u8>),
    SyncDir(PathBuf),
}

// === impl SimDisk ===

impl SimDisk {
    pub(super) fn new(tasks: Rc<Tasks>, image: Image) -> SimDisk {
        SimDisk(Rc::new(Inner {
            tasks,
            now: RefCell::new(image.clone()),
            durable: RefCell::new(image),
            name_changes: RefCell::default(),
            unflushed: RefCell::default(),
            pending: RefCell::default(),
            next_ticket: Cell::new(0),
            faults: RefCell::default(),
            counts: RefCell::default(),
        }))
    }

    /// Lets `fault` happen from now on.
    pub fn inject(&self, fault: Fault) {
        self.inject_below(Path::new("/"), fault);
    }

    /// Lets `fault` happen from now on to what lies below `path`.
    pub fn inject_below(&self, path: &Path, fault: Fault) {
        self.0.faults.borrow_mut().push((path.to_owned(), fault));
    }

    /// Makes the device whole again.
    pub fn repair(&self) {
        self.0.faults.borrow_mut().clear();
    }

    /// How often an operation was begun: "write", "flush", "create", "rename", …
    pub fn count(&self, operation: &'static str) -> usize {
        self.0.counts.borrow().get(operation).copied().unwrap_or(0)
    }

    /// Changes bytes of a file behind everybody's back: damage.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let id = self.file_id(path).expect("the file is there");
        let mut content = self.0.now.borrow().files[id].clone();
        change(&mut content);
        self.0.now.borrow_mut().files[id].clone_from(&content);
        self.0.durable.borrow_mut().files[id] = content;
    }

    /// The content of a file as the running machine sees it.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let id = self.file_id(path).ok()?;
        Some(self.0.now.borrow().files[id].clone())
    }

    /// Paths of all files, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        let now = self.0.now.borrow();
        let files = now.names.iter().filter(|(_, node)| **node != Node::Dir);
        files.map(|(path, _)| path.clone()).collect()
    }

    pub(in crate::io) fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.0.tasks.spawn(future);
    }

    fn fails(&self, path: &Path, fault: Fault) -> io::Result<()> {
        let faults = self.0.faults.borrow();
        if !faults
            .iter()
            .any(|(below, it)| *it == fault && path.starts_with(below))
        {
            return Ok(());
        }
        Err(match fault {
            Fault::Prepare => io::Error::from_raw_os_error(libc::ENOSPC),
            _ => io::Error::from_raw_os_error(libc::EIO),
        })
    }

    /// What an open file is called, wherever it has been moved.
    fn name_of(&self, id: FileId) -> PathBuf {
        let now = self.0.now.borrow();
        let found = now.names.iter().find(|(_, node)| **node == Node::File(id));
        found.map_or(PathBuf::new(), |(path, _)| path.clone())
    }

    fn counted(&self, operation: &'static str) {
        *self.0.counts.borrow_mut().entry(operation).or_default() += 1;
    }

    /// Begins an operation and waits until the world has done it.
    async fn perform(&self, operation: Operation) {
        let ticket = self.0.next_ticket.get();
        self.0.next_ticket.set(ticket + 1);
        let done = Rc::new(Cell::new(false));
        self.0.pending.borrow_mut().push(Pending {
            ticket,
            operation,
            waker: None,
            done: Rc::clone(&done),
        });
        poll_fn(|context| {
            if done.get() {
                return Poll::Ready(());
            }
            let mut pending = self.0.pending.borrow_mut();
            if let Some(mine) = pending.iter_mut().find(|other| other.ticket == ticket) {
                mine.waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.0.pending.borrow().is_empty()
    }

    /// Does one operation that is under way; `false` when there is none.
    pub(super) fn complete_one(&self) -> bool {
        let pending = {
            let mut pending = self.0.pending.borrow_mut();
            if pending.is_empty() {
                return false;
            }
            let at = self.0.tasks.random.borrow_mut().below(pending.len());
            pending.remove(at)
        };
        self.apply(pending.operation);
        pending.done.set(true);
        if let Some(waker) = pending.waker {
            waker.wake();
        }
        true
    }

    fn apply(&self, operation: Operation) {
        let inner = &self.0;
        match operation {
            Operation::Look => {}
            Operation::Write(mut write) => {
                put(
                    &mut inner.now.borrow_mut().files[write.file],
                    &write,
                    |_| true,
                );
                write.ticket = inner.next_ticket.get();
                inner.unflushed.borrow_mut().push(write);
            }
            Operation::Flush(upto) => {
                if inner
                    .faults
                    .borrow()
                    .iter()
                    .any(|it| it.1 == Fault::SilentFlush)
                {
                    return;
                }
                let mut durable = inner.durable.borrow_mut();
                inner.unflushed.borrow_mut().retain(|write| {
                    let covered = write.ticket <= upto;
                    if covered {
                        put(&mut durable.files[write.file], write, |_| true);
                    }
                    !covered
                });
            }
            Operation::Prepare(file, from, to) => {
                for image in [&inner.now, &inner.durable] {
                    prepare(&mut image.borrow_mut().files[file], from, to);
                }
            }
            Operation::Truncate(file, len) => {
                for image in [&inner.now, &inner.durable] {
                    image.borrow_mut().files[file].resize(len, 0);
                }
                let mut unflushed = inner.unflushed.borrow_mut();
                for write in unflushed.iter_mut().filter(|write| write.file == file) {
                    let keep = len.saturating_sub(write.position);
                    write.bytes.truncate(keep);
                }
            }
            Operation::Content(file, content) => {
                for image in [&inner.now, &inner.durable] {
                    image.borrow_mut().files[file].clone_from(&content);
                }
            }
            Operation::SyncDir(dir) => {
                let mut durable = inner.durable.borrow_mut();
                inner.name_changes.borrow_mut().retain(|(folder, change)| {
                    if *folder == dir {
                        change.apply(&mut durable.names);
                    }
                    *folder != dir
                });
            }
        }
    }

    /// What a power cut leaves.
    pub(super) fn crash(&self, seed: u64) -> Image {
        let mut random = Random::new(seed ^ 0x5EED);
        let inner = &self.0;
        let mut image = inner.durable.borrow().clone();
        for write in inner.unflushed.borrow().iter() {
            tear(&mut image.files[write.file], write, &mut random);
        }
        for pending in inner.pending.borrow().iter() {
            half_done(&mut image, &pending.operation, &mut random);
        }
        // A journal keeps the order of changes of names: each folder loses some of its last ones.
        let mut cut_folders = Vec::new();
        for (folder, change) in inner.name_changes.borrow().iter() {
            if cut_folders.contains(folder) {
                continue;
            }
            if random.one_in(3) {
                cut_folders.push(folder.clone());
            } else {
                change.apply(&mut image.names);
            }
        }
        image
    }

    /// What is there when only the process died.
    pub(super) fn keep(&self) -> Image {
        self.0.now.borrow().clone()
    }

    fn file_id(&self, path: &Path) -> io::Result<FileId> {
        match self.0.now.borrow().names.get(path) {
            Some(Node::File(id)) => Ok(*id),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn change_name(&self, folder: &Path, change: NameChange) {
        change.apply(&mut self.0.now.borrow_mut().names);
        self.0
            .name_changes
            .borrow_mut()
            .push((folder.to_owned(), change));
    }

    fn new_file(&self, path: &Path) -> io::Result<FileId> {
        let folder = parent(path);
        if self.0.now.borrow().names.get(folder) != Some(&Node::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let id = self.0.now.borrow().files.len();
        self.0.now.borrow_mut().files.push(Vec::new());
        self.0.durable.borrow_mut().files.push(Vec::new());
        self.change_name(folder, NameChange::Put(path.to_owned(), Node::File(id)));
        Ok(id)
    }

    pub(in crate::io) async fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.perform(Operation::Look).await;
        let now = self.0.now.borrow();
        if now.names.get(dir) != Some(&Node::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = now
            .names
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir));
        Ok(inside
            .map(|(path, node)| Entry {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                bytes: match node {
                    Node::Dir => 0,
                    Node::File(id) => now.files[*id].len() as u64,
                },
                is_dir: *node == Node::Dir,
            })
            .collect())
    }

    pub(in crate::io) async fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.counted("read file");
        self.perform(Operation::Look).await;
        self.fails(path, Fault::Read)?;
        let id = self.file_id(path)?;
        Ok(self.0.now.borrow().files[id].clone())
    }

    pub(in crate::io) async fn write(&self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        self.counted("write file");
        self.fails(path, Fault::Prepare)?;
        let id = match self.file_id(path) {
            Ok(id) => id,
            Err(_) => self.new_file(path)?,
        };
        self.perform(Operation::Content(id, content)).await;
        Ok(())
    }

    pub(in crate::io) async fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.perform(Operation::Look).await;
        for folder in dir.ancestors() {
            for image in [&self.0.now, &self.0.durable] {
                image
                    .borrow_mut()
                    .names
                    .insert(folder.to_owned(), Node::Dir);
            }
        }
        Ok(())
    }

    pub(in crate::io) async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.counted("rename");
        self.perform(Operation::Look).await;
        if !self.0.now.borrow().names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let change = NameChange::Move(from.to_owned(), to.to_owned());
        self.change_name(parent(to), change);
        Ok(())
    }

    pub(in crate::io) async fn remove(&self, path: &Path) -> io::Result<()> {
        self.counted("remove");
        self.perform(Operation::Look).await;
        self.change_name(parent(path), NameChange::Remove(path.to_owned()));
        Ok(())
    }

    pub(in crate::io) async fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.remove(dir).await
    }

    pub(in crate::io) async fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.counted("sync folder");
        self.perform(Operation::SyncDir(dir.to_owned())).await;
        Ok(())
    }

    pub(in crate::io) async fn open(&self, path: &Path, create: bool) -> io::Result<SimFile> {
        self.counted(if create { "create" } else { "open" });
        self.perform(Operation::Look).await;
        let id = match (self.file_id(path), create) {
            (Ok(_), true) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(id), false) => id,
            (Err(_), true) => self.new_file(path)?,
            (Err(error), false) => return Err(error),
        };
        let disk = self.clone();
        Ok(SimFile { disk, id })
    }
}

impl SimFile {
    fn fails(&self, fault: Fault) -> io::Result<()> {
        self.disk.fails(&self.disk.name_of(self.id), fault)
    }

    pub(in crate::io) async fn read(&self, position: u64, len: usize) -> io::Result<Slice> {
        self.disk.counted("read");
        self.disk.perform(Operation::Look).await;
        self.fails(Fault::Read)?;
        let now = self.disk.0.now.borrow();
        let content = &now.files[self.id];
        let from = (position as usize).min(content.len());
        let to = (from + len).min(content.len());
        Ok(content[from..to].to_vec().into())
    }

    pub(in crate::io) async fn write(
        &self,
        position: u64,
        buffer: &WriteBuffer,
    ) -> io::Result<usize> {
        self.disk.counted("write");
        self.fails(Fault::Write)?;
        let bytes = buffer.bytes().to_vec();
        let (len, position) = (bytes.len(), position as usize);
        let durable_len = self.disk.0.durable.borrow().files[self.id].len();
        assert!(
            position + len <= durable_len,
            "a write to {position}..{} goes beyond the {durable_len} bytes prepared",
            position + len
        );
        let file = self.id;
        let ticket = 0; // Set when it completes.
        let write = Write {
            ticket,
            file,
            position,
            bytes,
        };
        self.disk.perform(Operation::Write(write)).await;
        Ok(len)
    }

    pub(in crate::io) async fn flush(&self) -> io::Result<()> {
        self.disk.counted("flush");
        self.fails(Fault::Flush)?;
        let upto = self.disk.0.next_ticket.get();
        self.disk.perform(Operation::Flush(upto)).await;
        Ok(())
    }

    pub(in crate::io) async fn prepare(&self, from: u64, to: u64) -> io::Result<()> {
        self.disk.counted("prepare");
        self.fails(Fault::Prepare)?;
        let operation = Operation::Prepare(self.id, from as usize, to as usize);
        self.disk.perform(operation).await;
        Ok(())
    }

    pub(in crate::io) async fn truncate(&self, len: u64) -> io::Result<()> {
        self.disk.counted("truncate");
        self.disk
            .perform(Operation::Truncate(self.id, len as usize))
            .await;
        Ok(())
    }

    pub(in crate::io) fn len(&self) -> u64 {
        self.disk.0.now.borrow().files[self.id].len() as u64
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            NameChange::Put(path, node) => {
                names.insert(path.clone(), *node);
            }
            NameChange::Move(from, to) => {
                let moved: Vec<PathBuf> = names
                    .keys()
                    .filter(|path| path.starts_with(from))
                    .cloned()
                    .collect();
                for path in moved {
                    let (Some(node), Ok(rest)) = (names.remove(&path), path.strip_prefix(from))
                    else {
                        continue;
                    };
                    let target = if rest.as_os_str().is_empty() {
                        to.clone()
                    } else {
                        to.join(rest)
                    };
                    names.insert(target, node);
                }
            }
            NameChange::Remove(path) => names.retain(|other, _| !other.starts_with(path)),
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Puts the sectors of a write that `keep` says into a file's content.
fn put(content: &mut [u8], write: &Write, mut keep: impl FnMut(usize) -> bool) {
    for (sector, bytes) in write.bytes.chunks(SECTOR_BYTES).enumerate() {
        let at = write.position + sector * SECTOR_BYTES;
        // A file that was cut meanwhile takes less.
        let end = (at + bytes.len()).min(content.len());
        if at < end && keep(sector) {
            content[at..end].copy_from_slice(&bytes[..end - at]);
        }
    }
}

/// Keeps all, none or some sectors of a write.
fn tear(content: &mut [u8], write: &Write, random: &mut Random) {
    match random.below(3) {
        0 => put(content, write, |_| true),
        1 => {}
        _ => put(content, write, |_| random.one_in(2)),
    }
}

fn prepare(content: &mut Vec<u8>, from: usize, to: usize) {
    let zero_from = (block_up(from as u64) as usize).min(content.len());
    let zero_to = to.min(content.len());
    if zero_from < zero_to {
        content[zero_from..zero_to].fill(0);
    }
    if content.len() < to {
        content.resize(to, 0);
    }
}

/// What a power cut leaves of an operation under way.
fn half_done(image: &mut Image, operation: &Operation, random: &mut Random) {
    match operation {
        Operation::Look | Operation::Flush(_) | Operation::SyncDir(_) => {}
        Operation::Write(write) => tear(&mut image.files[write.file], write, random),
        Operation::Prepare(file, from, to) => {
            let blocks = (to - from) / BLOCK_BYTES + 1;
            let reached = (from + random.below(blocks) * BLOCK_BYTES).min(*to);
            prepare(&mut image.files[*file], *from, reached);
        }
        Operation::Truncate(file, len) => {
            if random.one_in(2) {
                image.files[*file].resize(*len, 0);
            }
        }
        Operation::Content(file, content) => {
            let kept = random.below(content.len() + 1);
            image.files[*file] = content[..kept].to_vec();
        }
    }
}
