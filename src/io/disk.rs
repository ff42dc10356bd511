//! Drives: folders and files by name; small files as a whole.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::buffer::Pool;
use super::checks;
use super::cores;
use super::durable::Durable;
use super::file::File;
use super::patience::{Patience, patiently};
use super::runtime::Runtime;
#[cfg(any(test, feature = "sim"))]
use super::sim;
use super::write_batch::{WriteBatch, sync_file_system};
use crate::base::WallMs;

pub use super::entry::Entry;

/// Bytes and where in a file they belong.
pub type Patch = (u64, Vec<u8>);

/// A disk as one executor sees it; cheap to clone.
#[derive(Clone)]
pub struct Disk {
    kind: Kind,
    pool: Pool,
    runtime: Runtime,
}

#[derive(Clone)]
enum Kind {
    Direct,
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimDisk),
}

// === impl Disk ===

impl Disk {
    /// The machine's file systems, through direct I/O; for use on the current executor.
    pub fn direct() -> Disk {
        Disk {
            kind: Kind::Direct,
            pool: Pool::default(),
            runtime: Runtime::ring(),
        }
    }

    /// A simulated disk.
    #[cfg(any(test, feature = "sim"))]
    pub fn simulated(disk: sim::SimDisk) -> Disk {
        Disk {
            runtime: Runtime::simulated(disk.runtime()),
            kind: Kind::Sim(disk),
            pool: Pool::default(),
        }
    }

    /// The same disk with buffers of its own.
    #[must_use]
    pub fn with_new_pool(&self) -> Disk {
        Disk {
            pool: Pool::default(),
            ..self.clone()
        }
    }

    /// The buffers of this executor.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The executor that the disk is used on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Makes a call again while the host is short of descriptors or memory, for half a second.
    async fn patiently<T>(&self, call: impl AsyncFnMut() -> io::Result<T>) -> io::Result<T> {
        patiently(
            Patience::Short,
            async |length| self.runtime.sleep(length).await,
            call,
        )
        .await
    }

    /// What the folder `dir` holds, in no particular order.
    pub async fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let dir = dir.to_owned();
                cores::blocking(move || list(&dir)).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.list(dir).await,
        })
        .await
    }

    /// The whole content of a small file.
    pub async fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let path = path.to_owned();
                cores::blocking(move || std::fs::read(path)).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.read(path).await,
        })
        .await
    }

    /// Creates or overwrites a small file; its content is durable when this returns, its name
    /// once its folder is synced.
    pub async fn write(&self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        self.write_as(path, content, Durable::Now).await
    }

    /// As [`Disk::write`]; `durable` says when its content is durable.
    pub async fn write_as(
        &self,
        path: &Path,
        content: Vec<u8>,
        durable: Durable,
    ) -> io::Result<()> {
        let content = Arc::new(content);
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let (path, content) = (path.to_owned(), Arc::clone(&content));
                cores::blocking(move || write(&path, &content, durable)).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.write(path, content.to_vec(), durable).await,
        })
        .await
    }

    /// Puts bytes where they belong in a file, which is made if it is not there, and is made longer
    /// where they lie behind its end. Durable with the next [`Disk::sync_all`].
    pub async fn patch(&self, path: &Path, patches: Vec<Patch>) -> io::Result<()> {
        let patches = Arc::new(patches);
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let (path, patches) = (path.to_owned(), Arc::clone(&patches));
                cores::blocking(move || patch(&path, &patches)).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.patch(path, &patches).await,
        })
        .await
    }

    /// Begins a batch of writes to files below the folder `dir`.
    pub async fn batch(&self, dir: &Path) -> io::Result<WriteBatch> {
        self.patiently(async || match &self.kind {
            Kind::Direct => WriteBatch::direct(dir).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => Ok(WriteBatch::simulated(disk.clone())),
        })
        .await
    }

    /// Puts `content` in the place of a small file, durably: after a crash there is either the
    /// old or the new content under `path`.
    pub async fn replace(&self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        self.swap(path, content).await?;
        self.sync_dir(path.parent().unwrap_or(Path::new("."))).await
    }

    /// As [`Disk::replace`], but which of the two it is after a crash is open until the folder
    /// is synced.
    pub async fn swap(&self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        self.swap_as(path, content, Durable::Now).await
    }

    /// As [`Disk::swap`]. Where the content is not durable at once a crash may leave a part of it.
    pub async fn swap_as(&self, path: &Path, content: Vec<u8>, durable: Durable) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        self.write_as(&temporary, content, durable).await?;
        self.rename(&temporary, path).await
    }

    /// Creates a folder and those above it that are missing, durably.
    pub async fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.create_dir_as(dir, Durable::Now).await
    }

    /// As [`Disk::create_dir`]; `durable` says when it is there for good, those above it at once.
    pub async fn create_dir_as(&self, dir: &Path, durable: Durable) -> io::Result<()> {
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let dir = dir.to_owned();
                cores::blocking(move || create_dir(&dir, durable)).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.create_dir(dir, durable).await,
        })
        .await
    }

    /// Gives a file or folder another name; durable once its folder is synced.
    pub async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let (from, to) = (from.to_owned(), to.to_owned());
                cores::blocking(move || std::fs::rename(from, to)).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.rename(from, to).await,
        })
        .await
    }

    /// Removes a file; one that is not there is no error.
    pub async fn remove(&self, path: &Path) -> io::Result<()> {
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let path = path.to_owned();
                cores::blocking(move || absent_is_fine(std::fs::remove_file(path))).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.remove(path).await,
        })
        .await
    }

    /// Removes a folder and all it holds; one that is not there is no error.
    pub async fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let dir = dir.to_owned();
                cores::blocking(move || absent_is_fine(std::fs::remove_dir_all(dir))).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.remove_dir(dir).await,
        })
        .await
    }

    /// Makes the names in the folder `dir` durable.
    pub async fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let dir = dir.to_owned();
                cores::blocking(move || sync_dir(&dir)).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.sync_dir(dir).await,
        })
        .await
    }

    /// Makes durable whatever is in doubt on the file system that holds `dir`, whichever process
    /// wrote it: names, contents, and writes that the device still keeps in its cache. XFS flushes
    /// that cache only where it has something to note in its own journal.
    pub async fn sync_all(&self, dir: &Path) -> io::Result<()> {
        self.patiently(async || match &self.kind {
            Kind::Direct => {
                let dir = dir.to_owned();
                cores::blocking(move || sync_all(&dir)).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.sync_all().await,
        })
        .await
    }

    /// Whether this is the disk of a simulated world, which lies on no device of this machine.
    pub fn is_simulated(&self) -> bool {
        !matches!(self.kind, Kind::Direct)
    }

    /// Which device the folder `dir` lies on: the same number for those on one device.
    pub fn device(&self, dir: &Path) -> io::Result<u64> {
        match &self.kind {
            Kind::Direct => checks::device(dir),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(_) => Ok(0),
        }
    }

    /// Opens a data file for direct reads and overwrites.
    pub async fn open(&self, path: &Path) -> io::Result<File> {
        self.patiently(async || match &self.kind {
            Kind::Direct => File::open_direct(path, false).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.open(path, false).await.map(File::simulated),
        })
        .await
    }

    /// Creates an empty data file; fails where one of this name exists. The name is durable
    /// once its folder is synced.
    pub async fn create(&self, path: &Path) -> io::Result<File> {
        self.patiently(async || match &self.kind {
            Kind::Direct => File::open_direct(path, true).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(disk) => disk.open(path, true).await.map(File::simulated),
        })
        .await
    }
}

fn list(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Removed since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        entries.push(Entry {
            name,
            bytes: metadata.len(),
            is_dir: metadata.is_dir(),
            modified_ms: modified_ms(&metadata),
        });
    }
    Ok(entries)
}

/// When a file was last modified.
pub(super) fn modified_ms(metadata: &std::fs::Metadata) -> Option<WallMs> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    WallMs::try_from(since.as_millis()).ok()
}

fn write(path: &Path, content: &[u8], durable: Durable) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    io::Write::write_all(&mut file, content)?;
    match durable {
        Durable::Now => file.sync_all(),
        Durable::WithBatch => Ok(()),
    }
}

fn patch(path: &Path, patches: &[Patch]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    for (position, bytes) in patches {
        file.write_all_at(bytes, *position)?;
    }
    Ok(())
}

fn create_dir(dir: &Path, durable: Durable) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir(parent, Durable::Now)?;
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match durable {
        Durable::Now => sync_dir(parent),
        Durable::WithBatch => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

fn sync_all(dir: &Path) -> io::Result<()> {
    sync_file_system(&std::fs::File::open(dir)?)
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
