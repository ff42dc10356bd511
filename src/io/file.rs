//! Drives: one data file under direct I/O: aligned reads and overwrites, flush, space ahead.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use glommio::io::{DmaFile, OpenOptions};

use super::buffer::{BLOCK_BYTES, Gather, Slice, WriteBuffer, block_up};
use super::cause::from_runtime;
use super::cores;
use super::descriptors::{Held, Holder};
use super::durable::Durable;
use super::patience::{Patience, patiently};
#[cfg(any(test, feature = "sim"))]
use super::sim;
use crate::base::WallMs;

/// Bytes zeroed by one write while space is prepared: longer ones are in the way of appends.
const ZERO_STEP_BYTES: usize = 256 << 10;

/// An open data file; cheap to clone, closed with its last clone.
#[derive(Clone)]
pub struct File(Kind);

#[derive(Clone)]
enum Kind {
    Direct(Rc<Direct>),
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimFile),
}

struct Direct {
    file: DmaFile,
    /// It counts among this process's descriptors.
    _held: Held,
}

// === impl File ===

impl File {
    /// Opens `path` for reading and writing; `create` makes it and fails where it exists.
    pub(super) async fn open_direct(path: &Path, create: bool) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(create)
            .mode(0o644)
            .dma_open(path)
            .await
            .map_err(from_runtime)?;
        Ok(File(Kind::Direct(Rc::new(Direct {
            file,
            _held: Held::new(Holder::File),
        }))))
    }

    #[cfg(any(test, feature = "sim"))]
    pub(super) fn simulated(file: sim::SimFile) -> File {
        File(Kind::Sim(file))
    }

    /// Reads up to `len` bytes from `position`, both whole blocks; fewer at the end of the file.
    pub async fn read(&self, position: u64, len: usize) -> io::Result<Slice> {
        debug_assert!(
            position.is_multiple_of(BLOCK_BYTES as u64) && len.is_multiple_of(BLOCK_BYTES)
        );
        self.patiently(Patience::Short, async || match &self.0 {
            Kind::Direct(direct) => {
                let read = direct.file.read_at_aligned(position, len).await;
                read.map(Slice::from_read).map_err(from_runtime)
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.read(position, len).await,
        })
        .await
    }

    /// Overwrites the blocks from `position` on. The write has reached the device when this
    /// returns; that it survives a power cut is what [`File::flush`] says.
    pub async fn write(&self, position: u64, buffer: WriteBuffer) -> io::Result<()> {
        debug_assert!(position.is_multiple_of(BLOCK_BYTES as u64));
        let len = buffer.len();
        let write = async || match &self.0 {
            Kind::Direct(direct) => {
                let written = direct.file.write_rc_at(buffer.shared(), position).await;
                written.map_err(from_runtime)
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.write(position, buffer.bytes().into()).await,
        };
        whole(self.patiently(Patience::Long, write).await?, len)
    }

    /// As [`File::write`], with bytes that lie in several places.
    pub async fn write_gathered(&self, position: u64, gather: Gather) -> io::Result<()> {
        debug_assert!(position.is_multiple_of(BLOCK_BYTES as u64));
        let len = gather.len();
        let write = async || match &self.0 {
            Kind::Direct(direct) => {
                let written = direct.file.write_gathered_at(gather.shared(), position);
                written.await.map_err(from_runtime)
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.write(position, gather.to_vec().into()).await,
        };
        whole(self.patiently(Patience::Long, write).await?, len)
    }

    /// Flushes the device: every overwrite completed before this call, of this file or of any
    /// other on the same device, then survives a power cut, and so does every write to space of
    /// this file that was only [reserved](File::reserve).
    pub async fn flush(&self) -> io::Result<()> {
        self.patiently(Patience::Long, async || match &self.0 {
            Kind::Direct(direct) => direct.file.fdatasync().await.map_err(from_runtime),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.flush().await,
        })
        .await
    }

    /// Makes the bytes from `from` to `to` zeros that are allocated, written and durable, and
    /// the file at least `to` long, so that later overwrites there touch no metadata. The zeros
    /// go through the ring, one write at a time; what may block runs on the blocking threads.
    pub async fn prepare(&self, from: u64, to: u64) -> io::Result<()> {
        debug_assert!(to.is_multiple_of(BLOCK_BYTES as u64));
        self.patiently(Patience::Short, async || match &self.0 {
            Kind::Direct(direct) => {
                let descriptor = direct.file.as_fd().try_clone_to_owned()?;
                let descriptor = allocate(descriptor, from, to).await?;
                zero(&direct.file, block_up(from), to).await?;
                sync(descriptor).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.prepare(from, to).await,
        })
        .await
    }

    /// Gives the bytes from `from` to `to` space on the device, neither zeroed nor durable. A
    /// write there changes metadata: to make it durable takes a flush of this very file, and a
    /// commit of the file system's journal.
    pub async fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        debug_assert!(from < to, "room from {from} to {to}");
        self.patiently(Patience::Short, async || match &self.0 {
            Kind::Direct(direct) => {
                let descriptor = direct.file.as_fd().try_clone_to_owned()?;
                allocate(descriptor, from, to).await.map(drop)
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.reserve(from, to).await,
        })
        .await
    }

    /// Cuts the file to `len` bytes; `durable` says when that is so for good. It counts as last
    /// modified at `modified_ms`: cutting it changes nothing of what is in it.
    pub async fn truncate(
        &self,
        len: u64,
        modified_ms: WallMs,
        durable: Durable,
    ) -> io::Result<()> {
        self.patiently(Patience::Short, async || match &self.0 {
            Kind::Direct(direct) => {
                let descriptor = direct.file.as_fd().try_clone_to_owned()?;
                cores::blocking(move || {
                    let file = std::fs::File::from(descriptor);
                    file.set_len(len)?;
                    let since = Duration::from_millis(modified_ms.max(0) as u64);
                    file.set_modified(UNIX_EPOCH + since)?;
                    match durable {
                        Durable::Now => file.sync_all(),
                        Durable::WithBatch => Ok(()),
                    }
                })
                .await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.truncate(len, modified_ms, durable).await,
        })
        .await
    }

    /// Length in bytes.
    pub async fn len(&self) -> io::Result<u64> {
        self.patiently(Patience::Short, async || match &self.0 {
            Kind::Direct(direct) => direct.file.file_size().await.map_err(from_runtime),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => Ok(file.len().await),
        })
        .await
    }

    /// Whether no name leads to the file any more: it was removed while it is open, and what is
    /// written to it is gone when it is closed. One system call that does not wait for the device.
    pub fn is_unlinked(&self) -> bool {
        match &self.0 {
            Kind::Direct(direct) => link_count(direct.file.as_fd().as_raw_fd()) == Some(0),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.is_unlinked(),
        }
    }

    /// Makes a call again while the host is short of descriptors or memory.
    async fn patiently<T>(
        &self,
        patience: Patience,
        call: impl AsyncFnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let pause = async |length: Duration| match &self.0 {
            Kind::Direct(_) => cores::sleep(length).await,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.runtime().sleep(length).await,
        };
        patiently(patience, pause, call).await
    }

    /// Whether the file has no bytes.
    pub async fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len().await? == 0)
    }
}

/// How many names lead to an open file; `None` where the kernel does not say.
fn link_count(descriptor: i32) -> Option<u64> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: an open descriptor, and fstat fills in one struct of its own type.
    match unsafe { libc::fstat(descriptor, found.as_mut_ptr()) } {
        // SAFETY: fstat has succeeded, so it has filled the struct in.
        0 => Some(unsafe { found.assume_init() }.st_nlink),
        _ => None,
    }
}

fn whole(written: usize, len: usize) -> io::Result<()> {
    if written == len {
        return Ok(());
    }
    let reason = format!("{written} of {len} bytes were written");
    Err(io::Error::new(io::ErrorKind::WriteZero, reason))
}

/// Allocates blocks and sets the length first, so that the zeroing that follows neither extends
/// the file nor shuts out overwrites of earlier blocks while it runs.
async fn allocate(descriptor: OwnedFd, from: u64, to: u64) -> io::Result<OwnedFd> {
    cores::blocking(move || {
        let (at, len) = (from as libc::off_t, (to - from) as libc::off_t);
        // SAFETY: an owned descriptor and plain integers.
        let result = unsafe { libc::fallocate(descriptor.as_raw_fd(), 0, at, len) };
        if result == 0 {
            return Ok(descriptor);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
            // The zeroing itself will extend the file: slower, equally correct.
            return Ok(descriptor);
        }
        Err(error)
    })
    .await
}

async fn zero(file: &DmaFile, from: u64, to: u64) -> io::Result<()> {
    let mut zeros = file.alloc_dma_buffer(ZERO_STEP_BYTES.min((to - from) as usize));
    zeros.as_bytes_mut().fill(0);
    let zeros = Rc::new(zeros);
    let mut at = from;
    while at < to {
        // The last one begins earlier, over zeros, rather than have a buffer of its own.
        let position = at.min(to - zeros.len() as u64);
        let written = file.write_rc_at(Rc::clone(&zeros), position).await;
        let written = written.map_err(from_runtime)? as u64;
        // A direct write that was cut short goes on at a whole block.
        let written = written & !(BLOCK_BYTES as u64 - 1);
        if position + written <= at {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at = position + written;
    }
    Ok(())
}

async fn sync(descriptor: OwnedFd) -> io::Result<()> {
    cores::blocking(move || std::fs::File::from(descriptor).sync_data()).await
}
