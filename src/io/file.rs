//! Drives: one data file under direct I/O: aligned reads and overwrites, flush, space ahead.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use glommio::io::{DmaFile, OpenOptions};

use super::buffer::{BLOCK_BYTES, Slice, WriteBuffer, block_up};
use super::cores;
use super::gather::Gather;
#[cfg(any(test, feature = "sim"))]
use super::sim;

/// Bytes zeroed by one write while space is prepared: longer ones are in the way of appends.
const ZERO_STEP_BYTES: usize = 256 << 10;

/// An open data file; cheap to clone, closed with its last clone.
#[derive(Clone)]
pub struct File(Kind);

#[derive(Clone)]
enum Kind {
    Direct(Rc<DmaFile>),
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimFile),
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
            .await?;
        Ok(File(Kind::Direct(Rc::new(file))))
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
        match &self.0 {
            Kind::Direct(file) => Ok(Slice::from_read(file.read_at_aligned(position, len).await?)),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.read(position, len).await,
        }
    }

    /// Overwrites the blocks from `position` on. The write has reached the device when this
    /// returns; that it survives a power cut is what [`File::flush`] says.
    pub async fn write(&self, position: u64, buffer: WriteBuffer) -> io::Result<()> {
        debug_assert!(position.is_multiple_of(BLOCK_BYTES as u64));
        let len = buffer.len();
        let written = match &self.0 {
            Kind::Direct(file) => file.write_rc_at(buffer.shared(), position).await?,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.write(position, buffer.bytes().into()).await?,
        };
        whole(written, len)
    }

    /// As [`File::write`], with bytes that lie in several places.
    pub async fn write_gathered(&self, position: u64, gather: Gather) -> io::Result<()> {
        debug_assert!(position.is_multiple_of(BLOCK_BYTES as u64));
        let len = gather.len();
        let written = match &self.0 {
            Kind::Direct(file) => file.write_gathered_at(gather.shared(), position).await?,
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.write(position, gather.to_vec().into()).await?,
        };
        whole(written, len)
    }

    /// Flushes the device: every overwrite completed before this call, of this file or of any
    /// other on the same device, then survives a power cut, and so does every write to space of
    /// this file that was only [reserved](File::reserve).
    pub async fn flush(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Direct(file) => Ok(file.fdatasync().await?),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.flush().await,
        }
    }

    /// Makes the bytes from `from` to `to` zeros that are allocated, written and durable, and
    /// the file at least `to` long, so that later overwrites there touch no metadata. The zeros
    /// go through the ring, one write at a time; what may block runs on the blocking threads.
    pub async fn prepare(&self, from: u64, to: u64) -> io::Result<()> {
        debug_assert!(to.is_multiple_of(BLOCK_BYTES as u64));
        match &self.0 {
            Kind::Direct(file) => {
                let descriptor = file.as_fd().try_clone_to_owned()?;
                let descriptor = allocate(descriptor, from, to).await?;
                zero(file, block_up(from), to).await?;
                sync(descriptor).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.prepare(from, to).await,
        }
    }

    /// Gives the bytes from `from` to `to` room on the device, neither zeroed nor durable. A
    /// write there changes metadata: to make it durable takes a flush of this very file, and a
    /// commit of the file system's journal.
    pub async fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        match &self.0 {
            Kind::Direct(file) => {
                let descriptor = file.as_fd().try_clone_to_owned()?;
                allocate(descriptor, from, to).await.map(drop)
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.reserve(from, to).await,
        }
    }

    /// Cuts the file to `len` bytes, durably.
    pub async fn truncate(&self, len: u64) -> io::Result<()> {
        match &self.0 {
            Kind::Direct(file) => {
                let descriptor = file.as_fd().try_clone_to_owned()?;
                cores::blocking(move || {
                    let file = std::fs::File::from(descriptor);
                    file.set_len(len)?;
                    file.sync_all()
                })
                .await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.truncate(len).await,
        }
    }

    /// Length in bytes.
    pub async fn len(&self) -> io::Result<u64> {
        match &self.0 {
            Kind::Direct(file) => Ok(file.file_size().await?),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => Ok(file.len().await),
        }
    }

    /// Whether the file has no bytes.
    pub async fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len().await? == 0)
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
        let written = file.write_rc_at(Rc::clone(&zeros), position).await? as u64;
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
