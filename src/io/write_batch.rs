//! Drives: a batch of writes to many files, which are made durable together.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::cores;
#[cfg(any(test, feature = "sim"))]
use super::sim;

/// A batch of writes to many files of one file system, which are made durable together.
pub struct WriteBatch(Kind);

enum Kind {
    /// The folder that they lie below. It is open from before the first of them, so that the
    /// kernel tells of every error since.
    Direct(File),
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimDisk),
}

// === impl WriteBatch ===

impl WriteBatch {
    pub(super) async fn direct(dir: &Path) -> io::Result<WriteBatch> {
        let dir = dir.to_owned();
        let dir = cores::blocking(move || File::open(dir)).await?;
        Ok(WriteBatch(Kind::Direct(dir)))
    }

    #[cfg(any(test, feature = "sim"))]
    pub(super) fn simulated(disk: sim::SimDisk) -> WriteBatch {
        WriteBatch(Kind::Sim(disk))
    }

    /// Makes all of it durable, and all else that was written to this file system.
    pub async fn sync(self) -> io::Result<()> {
        match self.0 {
            Kind::Direct(dir) => cores::blocking(move || sync_file_system(&dir)).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.sync_all().await,
        }
    }
}

/// Writes back and flushes the file system that an open folder lies on.
pub(super) fn sync_file_system(dir: &File) -> io::Result<()> {
    // SAFETY: an open descriptor.
    match unsafe { libc::syncfs(dir.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
