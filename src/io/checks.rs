//! Drives: what the host must offer, found out before anything is started.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Locked memory that the rings of one executor need at the least, in bytes: the runtime
/// refuses to start below.
const MEMLOCK_MIN_BYTES: u64 = 512 * 1024;

/// Descriptors that are enough for all but the largest brokers.
const ENOUGH: usize = 1_048_576;

/// What the host lacks. Each prints as one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// io_uring is switched off, or not in this kernel.
    #[error(
        "io_uring does not work here ({0}): allow it with sysctl kernel.io_uring_disabled=0, and \
         in a container with a seccomp profile that lets io_uring_setup, io_uring_enter and \
         io_uring_register through"
    )]
    IoUring(io::Error),
    /// Too little memory may be locked, in bytes.
    #[error(
        "only {0} bytes of memory may be locked, and io_uring needs more: raise it with ulimit -l \
         8192 or LimitMEMLOCK=infinity in the systemd unit"
    )]
    Memlock(u64),
    /// Too few descriptors: how many there may be, and how many are the least.
    #[error(
        "this process may have only {0} descriptors (open files and connections), and needs {1} at \
         the least: raise the limit with ulimit -n {ENOUGH}, or LimitNOFILE={ENOUGH} in the \
         systemd unit"
    )]
    Descriptors(usize, usize),
    /// A limit of the process is too low.
    #[error(
        "this process may have only {limit} {name}, and needs {least} at the least with these \
         settings: raise the limit (ulimit {flag}, or the Limit… line of the systemd unit)"
    )]
    Limit {
        /// What it limits.
        name: &'static str,
        /// The option of `ulimit` that sets it.
        flag: &'static str,
        /// What it is.
        limit: u64,
        /// What it must be at the least.
        least: u64,
    },
    /// Two folders of `log.dirs` are one.
    #[error("log.dirs names one folder twice: {} and {}", .0.display(), .1.display())]
    Twice(PathBuf, PathBuf),
    /// Another process uses the data folder.
    #[error(
        "the data folder {} is in use by another process: stop that broker, or choose another \
         --data-dir",
        .0.display()
    )]
    Locked(PathBuf),
    /// The data folder's file system has no direct I/O.
    #[error(
        "the file system of {} has no direct I/O (ramfs, tmpfs of older kernels and some network \
         file systems have none): choose a --data-dir on ext4 or XFS",
        .0.display()
    )]
    NoDirectIo(PathBuf),
    /// The data folder is full.
    #[error(
        "there is no room left in the data folder {}: free some, or choose another --data-dir",
        .0.display()
    )]
    NoSpace(PathBuf),
    /// The data folder cannot be used.
    #[error("the data folder {} cannot be used: {}{}", .0.display(), .1, folder_advice(.1))]
    Folder(PathBuf, io::Error),
    /// A file cannot be read.
    #[error("cannot read {}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
}

/// The lock of a data folder; ends with the process or when dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Checks that io_uring works here and that enough memory may be locked.
#[allow(unsafe_code)]
pub fn kernel() -> Result<(), HostError> {
    let mut params = [0u8; 120];
    // SAFETY: io_uring_setup reads and writes one io_uring_params, which has 120 bytes.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, params.as_mut_ptr()) };
    if ring < 0 {
        return Err(HostError::IoUring(io::Error::last_os_error()));
    }
    // SAFETY: the descriptor was just made and has no other owner.
    unsafe { libc::close(ring as i32) };
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit to be filled in.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    if limit.rlim_cur < MEMLOCK_MIN_BYTES {
        return Err(HostError::Memlock(limit.rlim_cur));
    }
    Ok(())
}

/// Memory that one executor with its threads reserves at the least, in bytes.
const EXECUTOR_BYTES: u64 = 256 << 20;
/// Threads of one executor, those for what blocks included.
const EXECUTOR_THREADS: u64 = 18;

/// Checks that the limits of this process let so many executors start, and files grow to
/// `file_bytes`.
pub fn limits(executors: usize, file_bytes: u64) -> Result<(), HostError> {
    let executors = executors as u64;
    // The kernel counts all threads of a user, and none for root.
    // SAFETY: geteuid only reads.
    #[allow(unsafe_code)]
    let is_root = unsafe { libc::geteuid() } == 0;
    let threads = if is_root {
        0
    } else {
        executors * EXECUTOR_THREADS
    };
    for (which, name, flag, least) in [
        (
            libc::RLIMIT_AS,
            "bytes of address space",
            "-v",
            executors * EXECUTOR_BYTES,
        ),
        (
            libc::RLIMIT_DATA,
            "bytes of data",
            "-d",
            executors * EXECUTOR_BYTES,
        ),
        (libc::RLIMIT_NPROC, "threads", "-u", threads),
        (libc::RLIMIT_FSIZE, "bytes in a file", "-f", file_bytes),
    ] {
        let limit = soft_limit(which);
        if limit < least {
            return Err(HostError::Limit {
                name,
                flag,
                limit,
                least,
            });
        }
    }
    Ok(())
}

#[allow(unsafe_code)]
fn soft_limit(which: libc::__rlimit_resource_t) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit to be filled in.
    match unsafe { libc::getrlimit(which, &raw mut limit) } {
        0 => limit.rlim_cur,
        _ => u64::MAX,
    }
}

/// Makes a folder and those above it.
pub fn make_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Whether two paths lead to one folder.
pub fn is_same_folder(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Reads a text file.
pub fn read_text(path: &Path) -> Result<String, HostError> {
    fs::read_to_string(path).map_err(|error| HostError::File(path.to_owned(), error))
}

/// What to do about a folder, to be put behind the kernel's words.
pub fn folder_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ": the user that runs the broker must be able to write there; give it the folder \
             (chown), or choose another --data-dir"
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            ": there is a file of that name, and a folder is wanted"
        }
        io::ErrorKind::ReadOnlyFilesystem => ": choose another --data-dir",
        _ => "",
    }
}

/// Takes the lock of the data folder `dir`.
#[allow(unsafe_code)]
pub fn lock(dir: &Path) -> Result<FolderLock, HostError> {
    let path = dir.join(".lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    let file = opened.map_err(|error| folder_error(dir, error))?;
    // SAFETY: flock on a descriptor that we own has no memory effects.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
        return Err(HostError::Locked(dir.to_owned()));
    }
    Ok(FolderLock { _file: file })
}

/// Whether a process holds the lock of the data folder `dir`, which is not taken.
#[allow(unsafe_code)]
pub fn is_in_use(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join(".lock")) else {
        return false;
    };
    // SAFETY: flock on a descriptor that we own has no memory effects.
    let taken = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_SH | libc::LOCK_NB) };
    taken != 0
}

/// Checks that files in `dir` can be written with direct I/O.
pub fn direct_io(dir: &Path) -> Result<(), HostError> {
    let path = dir.join(".direct-io-check");
    let checked = try_direct_io(&path);
    // A left-over of a few kilobytes does no harm and is overwritten by the next check.
    let _ = fs::remove_file(&path);
    checked.map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => HostError::NoDirectIo(dir.to_owned()),
        _ => folder_error(dir, error),
    })
}

fn try_direct_io(path: &Path) -> io::Result<()> {
    const BLOCK: usize = 4096;
    let memory = vec![0u8; 2 * BLOCK];
    let start = memory.as_ptr().align_offset(BLOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)?;
    file.write_all_at(&memory[start..start + BLOCK], 0)?;
    file.sync_data()
}

fn folder_error(dir: &Path, error: io::Error) -> HostError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => HostError::NoSpace(dir.to_owned()),
        _ => HostError::Folder(dir.to_owned(), error),
    }
}

/// The device that `dir` lies on, as a number that tells devices apart.
pub fn device(dir: &Path) -> io::Result<u64> {
    Ok(fs::metadata(dir)?.dev())
}

/// Major and minor number of the device: the one that a device node stands for, or else the one
/// that holds the file or folder.
pub fn device_numbers(path: &Path) -> Option<(u32, u32)> {
    let metadata = fs::metadata(path).ok()?;
    let device = match metadata.file_type().is_block_device() {
        true => metadata.rdev(),
        false => metadata.dev(),
    };
    Some((libc::major(device), libc::minor(device)))
}

/// How direct I/O on files in `dir` must be aligned, of memory and of offsets, in bytes. Only a
/// file can be asked, so one is made for the moment.
#[allow(unsafe_code)]
pub fn direct_io_alignment(dir: &Path) -> Option<(u32, u32)> {
    let path = dir.join(".alignment-check");
    let made = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path);
    drop(made.ok()?);
    let name = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut found = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path ends in a zero byte, and statx fills in one struct of its own type.
    let result = unsafe {
        libc::statx(
            libc::AT_FDCWD,
            name.as_ptr(),
            0,
            libc::STATX_DIOALIGN,
            found.as_mut_ptr(),
        )
    };
    // An empty file that stays behind does no harm.
    let _ = fs::remove_file(&path);
    // SAFETY: every field is a number, for which zeros are valid; statx has filled in the rest.
    let found = unsafe { found.assume_init() };
    let known = result == 0 && found.stx_mask & libc::STATX_DIOALIGN != 0;
    known.then_some((found.stx_dio_mem_align, found.stx_dio_offset_align))
}

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What this process may still use.
    pub usable_bytes: u64,
}

/// The space of the file system that holds `dir`.
#[allow(unsafe_code)]
pub fn space(dir: &Path) -> io::Result<Space> {
    let path = CString::new(dir.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in a zero byte, and statvfs fills in one struct of its own type.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statvfs has succeeded, so it has filled the struct in.
    let found = unsafe { found.assume_init() };
    Ok(Space {
        total_bytes: found.f_blocks * found.f_frsize,
        usable_bytes: found.f_bavail * found.f_frsize,
    })
}

/// `path` from the root on; as it is where the working directory is gone.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        assert!(matches!(lock(dir.path()), Err(HostError::Locked(_))));
        drop(held);
        assert!(lock(dir.path()).is_ok());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = lock(Path::new("/nonexistent/data")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the data folder /nonexistent/data cannot be used")
        );
    }

    #[test]
    fn this_host_can_run_it() {
        kernel().unwrap();
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        direct_io(dir.path()).unwrap();
    }

    #[test]
    fn a_lock_that_is_held_is_seen_and_none_is_left() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_in_use(dir.path()));
        let held = lock(dir.path()).unwrap();
        assert!(is_in_use(dir.path()));
        drop(held);
        assert!(!is_in_use(dir.path()));
        assert!(lock(dir.path()).is_ok());
    }
}
