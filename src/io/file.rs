//! Drives: one data file under direct I/O: aligned reads and overwrites, flush, space ahead.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use glommio::io::{DmaFile, OpenOptions};

use super::buffer::{BLOCK_BYTES, Slice, WriteBuffer, block_up};
use super::cores;
#[cfg(any(test, feature = "sim"))]
use super::sim;

/// Bytes zeroed by one blocking write while space is prepared.
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
            Kind::Sim(file) => file.write(position, &buffer).await?,
        };
        if written == len {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::WriteZero,
                format!("{written} of {len} bytes were written"),
            ))
        }
    }

    /// Flushes the device: every overwrite completed before this call, of this file or of any
    /// other on the same device, then survives a power cut.
    pub async fn flush(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Direct(file) => Ok(file.fdatasync().await?),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.flush().await,
        }
    }

    /// Makes the bytes from `from` to `to` zeros that are allocated, written and durable, and
    /// the file at least `to` long, so that later overwrites there touch no metadata. Runs on
    /// the blocking thread, step by step.
    pub async fn prepare(&self, from: u64, to: u64) -> io::Result<()> {
        debug_assert!(to.is_multiple_of(BLOCK_BYTES as u64));
        match &self.0 {
            Kind::Direct(file) => {
                let descriptor = file.as_fd().try_clone_to_owned()?;
                let mut descriptor = allocate(descriptor, from, to).await?;
                let mut at = block_up(from);
                while at < to {
                    let until = to.min(at + 4 * ZERO_STEP_BYTES as u64);
                    descriptor = zero(descriptor, at, until).await?;
                    at = until;
                }
                sync(descriptor).await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.prepare(from, to).await,
        }
    }

    /// Gives the bytes from `from` to `to` room on the device, for writes in the background:
    /// neither zeroed nor durable.
    pub async fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        match &self.0 {
            Kind::Direct(file) => {
                let descriptor = file.as_fd().try_clone_to_owned()?;
                allocate(descriptor, from, to).await.map(drop)
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(file) => file.prepare(from, to).await,
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
            Kind::Sim(file) => Ok(file.len()),
        }
    }

    /// Whether the file has no bytes.
    pub async fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len().await? == 0)
    }
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

async fn zero(descriptor: OwnedFd, from: u64, to: u64) -> io::Result<OwnedFd> {
    #[repr(align(4096))]
    struct Zeros([u8; ZERO_STEP_BYTES]);
    static ZEROS: Zeros = Zeros([0; ZERO_STEP_BYTES]);
    cores::blocking(move || {
        let mut at = from;
        while at < to {
            let len = ZERO_STEP_BYTES.min((to - at) as usize);
            // SAFETY: `ZEROS` holds at least `len` bytes and is only read.
            let written = unsafe {
                libc::pwrite(
                    descriptor.as_raw_fd(),
                    ZEROS.0.as_ptr().cast(),
                    len,
                    at as libc::off_t,
                )
            };
            match written {
                -1 => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
                0 => return Err(io::ErrorKind::WriteZero.into()),
                // A direct write that was cut short goes on at a whole block.
                count => at += (count as u64) & !(BLOCK_BYTES as u64 - 1),
            }
            if written > 0 && (written as usize) < BLOCK_BYTES {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(descriptor)
    })
    .await
}

async fn sync(descriptor: OwnedFd) -> io::Result<()> {
    cores::blocking(move || std::fs::File::from(descriptor).sync_data()).await
}
