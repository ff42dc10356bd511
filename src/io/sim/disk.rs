//! Drives: names and files in memory, with what a power cut would leave of them.

mod file;
mod patch;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::cut::{Data, End, History, Left, Names, Rest};
use super::faults::{Fault, Faults};
use super::random::Random;
use super::state::{Event, FileId, NameChange, Node, Operation, State};
use super::task::SimRuntime;
use super::tasks::Tasks;
use crate::base::Instant;
use crate::io::durable::Durable;
use crate::io::entry::Entry;
pub use file::SimFile;

/// A simulated disk; cheap to clone.
#[derive(Clone)]
pub struct SimDisk(Rc<Inner>);

struct Inner {
    tasks: Rc<Tasks>,
    state: RefCell<State>,
    /// What happened since [`SimDisk::record`].
    history: RefCell<Option<History>>,
    waiting: RefCell<Vec<Waiting>>,
    next_ticket: Cell<u64>,
    faults: Faults,
    /// Counts of operations by name.
    counts: RefCell<BTreeMap<&'static str, usize>>,
}

/// A task that waits for an operation under way.
struct Waiting {
    ticket: u64,
    waker: Option<Waker>,
    done: Rc<Cell<bool>>,
}

// === impl SimDisk ===

impl SimDisk {
    pub(super) fn new(tasks: Rc<Tasks>, state: State) -> SimDisk {
        SimDisk(Rc::new(Inner {
            tasks,
            state: RefCell::new(state),
            history: RefCell::new(None),
            waiting: RefCell::default(),
            next_ticket: Cell::new(0),
            faults: Faults::default(),
            counts: RefCell::default(),
        }))
    }

    /// Keeps from now on what happens, for [`SimDisk::history`].
    pub fn record(&self) {
        let start = self.0.state.borrow().clone();
        *self.0.history.borrow_mut() = Some(History {
            start,
            events: Vec::new(),
        });
    }

    /// Count of events since [`SimDisk::record`].
    pub fn moment(&self) -> usize {
        self.0.history.borrow().as_ref().map_or(0, History::len)
    }

    /// What happened since [`SimDisk::record`], which ends with this.
    pub fn history(&self) -> Option<History> {
        self.0.history.borrow_mut().take()
    }

    fn happen(&self, event: Event) {
        self.0.state.borrow_mut().happen(&event);
        if let Some(history) = &mut *self.0.history.borrow_mut() {
            history.events.push(event);
        }
    }

    /// Lets `fault` happen from now on.
    pub fn inject(&self, fault: Fault) {
        self.inject_below(Path::new("/"), fault);
    }

    /// Lets `fault` happen from now on to what lies below `path`.
    pub fn inject_below(&self, path: &Path, fault: Fault) {
        self.0.faults.add(path, fault);
    }

    /// Makes the device whole again.
    pub fn repair(&self) {
        self.0.faults.clear();
    }

    /// How often an operation was begun: "write", "flush", "create", "rename", …
    pub fn count(&self, operation: &'static str) -> usize {
        self.0.counts.borrow().get(operation).copied().unwrap_or(0)
    }

    /// Changes bytes of a file behind the running machine's back: damage.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let id = self.file_id(path).expect("the file is there");
        let mut state = self.0.state.borrow_mut();
        change(state.now.file_mut(id));
        state.durable.files[id] = Rc::clone(&state.now.files[id]);
    }

    /// The content of a file as the running machine sees it.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let id = self.file_id(path).ok()?;
        Some(self.0.state.borrow().now.files[id].to_vec())
    }

    /// Paths of all files, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        let state = self.0.state.borrow();
        let files = state.now.names.iter();
        files
            .filter(|(_, node)| **node != Node::Dir)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// The executor that completes its operations.
    pub(in crate::io) fn runtime(&self) -> SimRuntime {
        SimRuntime::new(Rc::clone(&self.0.tasks))
    }

    /// What an open file is called, wherever it has been moved.
    fn name_of(&self, id: FileId) -> PathBuf {
        if self.0.faults.is_empty() {
            return PathBuf::new(); // It is asked for the sake of faults only.
        }
        let state = self.0.state.borrow();
        let mut names = state.now.names.iter();
        let found = names.find(|(_, node)| **node == Node::File(id));
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
        self.0.waiting.borrow_mut().push(Waiting {
            ticket,
            waker: None,
            done: Rc::clone(&done),
        });
        self.happen(Event::Begin(ticket, operation));
        poll_fn(|context| {
            if done.get() {
                return Poll::Ready(());
            }
            let mut waiting = self.0.waiting.borrow_mut();
            if let Some(mine) = waiting.iter_mut().find(|other| other.ticket == ticket) {
                mine.waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Does one operation that is under way; `false` when there is none.
    pub(super) fn complete_one(&self) -> bool {
        let waiting = {
            let mut waiting = self.0.waiting.borrow_mut();
            if waiting.is_empty() {
                return false;
            }
            let at = self.0.tasks.random.borrow_mut().below(waiting.len());
            waiting.remove(at)
        };
        let ticket = waiting.ticket;
        let lies = {
            let state = self.0.state.borrow();
            let mut under_way = state.under_way.iter();
            under_way
                .any(|(other, operation)| *other == ticket && self.0.faults.lies_about(operation))
        };
        self.happen(match lies {
            true => Event::Lied(ticket),
            false => Event::Done(ticket),
        });
        waiting.done.set(true);
        if let Some(waker) = waiting.waker {
            waker.wake();
        }
        true
    }

    /// What a power cut leaves.
    pub(super) fn crash(&self, seed: u64, now: Instant) -> Left {
        let end = End::Cut(Data::Torn, Names::Some, Rest::Some);
        let mut random = Random::new(seed ^ 0x5EED);
        Left::new(self.0.state.borrow().left(end, &mut random), now)
    }

    /// What there is when only the process died.
    pub(super) fn keep(&self, now: Instant) -> Left {
        Left::new(self.0.state.borrow().clone(), now)
    }

    fn file_id(&self, path: &Path) -> io::Result<FileId> {
        match self.0.state.borrow().now.names.get(path) {
            Some(Node::File(id)) => Ok(*id),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.0.state.borrow().now.names.get(path) == Some(&Node::Dir)
    }

    fn change_name(&self, folder: &Path, change: NameChange) {
        self.happen(Event::Name(folder.to_owned(), change));
    }

    fn new_file(&self, path: &Path) -> io::Result<FileId> {
        let folder = parent(path);
        if !self.is_dir(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let id = self.0.state.borrow().now.files.len();
        self.happen(Event::NewFile);
        self.change_name(folder, NameChange::Put(path.to_owned(), Node::File(id)));
        Ok(id)
    }

    pub(in crate::io) async fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.0.faults.needs_descriptor(dir)?;
        self.perform(Operation::Look).await;
        if !self.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let state = self.0.state.borrow();
        let now = &state.now;
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
                modified_ms: match node {
                    Node::Dir => None,
                    Node::File(id) => state.modified.get(id).copied(),
                },
            })
            .collect())
    }

    pub(in crate::io) async fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.counted("read file");
        self.0.faults.needs_descriptor(path)?;
        self.perform(Operation::Look).await;
        self.0.faults.fails(path, Fault::Read)?;
        let id = self.file_id(path)?;
        Ok(self.0.state.borrow().now.files[id].to_vec())
    }

    pub(in crate::io) async fn write(
        &self,
        path: &Path,
        content: Vec<u8>,
        durable: Durable,
    ) -> io::Result<()> {
        self.counted("write file");
        self.0.faults.needs_descriptor(path)?;
        self.0.faults.fails(path, Fault::Prepare)?;
        self.0.faults.fails(path, Fault::Room)?;
        let id = match self.file_id(path) {
            Ok(id) => id,
            Err(_) => self.new_file(path)?,
        };
        let operation = Operation::Content(id, content.into());
        self.perform(as_durable(operation, durable)).await;
        Ok(())
    }

    pub(in crate::io) async fn create_dir(&self, dir: &Path, durable: Durable) -> io::Result<()> {
        self.perform(Operation::Look).await;
        let mut missing: Vec<&Path> = dir.ancestors().take_while(|it| !self.is_dir(it)).collect();
        while let Some(folder) = missing.pop() {
            let change = NameChange::Put(folder.to_owned(), Node::Dir);
            self.change_name(parent(folder), change);
            if durable == Durable::Now || folder != dir {
                let sync = Operation::SyncDir(parent(folder).to_owned());
                self.perform(sync).await;
            }
        }
        Ok(())
    }

    pub(in crate::io) async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.counted("rename");
        self.perform(Operation::Look).await;
        let state = self.0.state.borrow();
        if !state.now.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if state.now.names.keys().any(|name| parent(name) == to) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        drop(state);
        let change = NameChange::Move(from.to_owned(), to.to_owned());
        self.change_name(parent(to), change);
        Ok(())
    }

    pub(in crate::io) async fn remove(&self, path: &Path) -> io::Result<()> {
        self.counted("remove");
        self.perform(Operation::Look).await;
        if self.0.state.borrow().now.names.contains_key(path) {
            self.change_name(parent(path), NameChange::Remove(path.to_owned()));
        }
        Ok(())
    }

    pub(in crate::io) async fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        // One by one, as the machine does it.
        let inside: Vec<PathBuf> = {
            let state = self.0.state.borrow();
            let names = state.now.names.keys().rev();
            let inside = names.filter(|path| path.starts_with(dir) && *path != dir);
            inside.cloned().collect()
        };
        for path in inside {
            self.remove(&path).await?;
        }
        self.remove(dir).await
    }

    pub(in crate::io) async fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.counted("sync folder");
        self.0.faults.needs_descriptor(dir)?;
        self.perform(Operation::SyncDir(dir.to_owned())).await;
        Ok(())
    }

    pub(in crate::io) async fn sync_all(&self) -> io::Result<()> {
        self.counted("sync all");
        self.0.faults.fails(Path::new("/"), Fault::Flush)?;
        self.perform(Operation::SyncAll).await;
        Ok(())
    }

    pub(in crate::io) async fn open(&self, path: &Path, create: bool) -> io::Result<SimFile> {
        self.counted(if create { "create" } else { "open" });
        self.0.faults.needs_descriptor(path)?;
        self.perform(Operation::Look).await;
        let id = match (self.file_id(path), create) {
            (Ok(_), true) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(id), false) => id,
            (Err(_), true) => self.new_file(path)?,
            (Err(error), false) => return Err(error),
        };
        Ok(SimFile::new(self.clone(), id))
    }
}

fn as_durable(operation: Operation, durable: Durable) -> Operation {
    match durable {
        Durable::Now => operation,
        Durable::WithBatch => Operation::Later(Rc::new(operation)),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
