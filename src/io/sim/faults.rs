//! Pure: what goes wrong with a simulated disk, and where.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use super::state::Operation;

/// What is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A write of this and all later ones fails.
    Write,
    /// A flush fails.
    Flush,
    /// Preparing space fails.
    Prepare,
    /// Space runs out.
    Room,
    /// There is no space for more than so many bytes at once.
    RoomBeyond(usize),
    /// A read fails.
    Read,
    /// So many calls that open, read, write, flush or prepare something fail with this number, as
    /// when descriptors are short or a signal comes; the others go on as ever.
    Errno(i32, usize),
    /// There are no descriptors left: files that are open are written and flushed, and what takes
    /// a descriptor fails with EMFILE.
    Descriptors,
    /// Flushes succeed and do nothing: a device that lies, to test the tests.
    SilentFlush,
    /// Folders are synced without effect, as if that had been forgotten.
    SilentSyncDir,
    /// The content of small files is not durable when it is said to be.
    SilentContent,
    /// Space prepared is not durable when it is said to be.
    SilentPrepare,
    /// A cut of a file is not durable when it is said to be.
    SilentTruncate,
    /// The whole file system is synced without effect.
    SilentSyncAll,
}

/// What goes wrong now, each below a path.
#[derive(Default)]
pub(super) struct Faults(RefCell<Vec<(PathBuf, Fault)>>);

impl Faults {
    pub fn add(&self, path: &Path, fault: Fault) {
        self.0.borrow_mut().push((path.to_owned(), fault));
    }

    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    fn any(&self, path: &Path, is_it: impl Fn(Fault) -> bool) -> bool {
        let faults = self.0.borrow();
        let mut below = faults.iter().filter(|(below, _)| path.starts_with(below));
        below.any(|(_, fault)| is_it(*fault))
    }

    /// Whether this call is one of those that a [`Fault::Errno`] is for.
    fn is_refused(&self, path: &Path) -> io::Result<()> {
        for (below, fault) in self.0.borrow_mut().iter_mut() {
            if let Fault::Errno(code, times) = fault
                && *times > 0
                && path.starts_with(below)
            {
                *times -= 1;
                return Err(io::Error::from_raw_os_error(*code));
            }
        }
        Ok(())
    }

    /// Whether this call, which takes a descriptor, is refused.
    pub fn needs_descriptor(&self, path: &Path) -> io::Result<()> {
        if self.any(path, |fault| fault == Fault::Descriptors) {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.is_refused(path)
    }

    /// Whether this call meets `fault`, or is refused.
    pub fn fails(&self, path: &Path, fault: Fault) -> io::Result<()> {
        self.is_refused(path)?;
        if !self.any(path, |it| it == fault) {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(match fault {
            Fault::Room => libc::ENOSPC,
            _ => libc::EIO,
        }))
    }

    /// Whether there is no space for so many bytes more.
    pub fn lacks_space(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.fails(path, Fault::Room)?;
        let is_short = |fault| matches!(fault, Fault::RoomBeyond(room) if bytes > room as u64);
        match self.any(path, is_short) {
            true => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            false => Ok(()),
        }
    }

    /// Whether the device only pretends to do `operation`.
    pub fn lies_about(&self, operation: &Operation) -> bool {
        let fault = match operation {
            Operation::Flush(..) => Fault::SilentFlush,
            Operation::SyncDir(_) => Fault::SilentSyncDir,
            Operation::Content(..) => Fault::SilentContent,
            Operation::Prepare(..) => Fault::SilentPrepare,
            Operation::Truncate(..) => Fault::SilentTruncate,
            Operation::SyncAll => Fault::SilentSyncAll,
            Operation::Look
            | Operation::Write(_)
            | Operation::Reserve(..)
            | Operation::Later(_) => return false,
        };
        self.0.borrow().iter().any(|it| it.1 == fault)
    }
}
