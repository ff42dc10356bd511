//! Drives: a host's small files, and what lies under a folder.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::base::host::Look;
use crate::base::host::device::{self, DeviceFacts};

/// This host's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisHost;

impl Look for ThisHost {
    fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(path).ok()?;
        Some(text.trim().to_owned())
    }

    fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(path) else {
            return Vec::new();
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut names: Vec<String> = names.flat_map(|name| name.into_string()).collect();
        names.sort();
        names
    }

    fn real(&self, path: &str) -> Option<String> {
        let path = fs::canonicalize(path).ok()?;
        path.into_os_string().into_string().ok()
    }

    fn device(&self, path: &str) -> Option<(u32, u32)> {
        let metadata = fs::metadata(path).ok()?;
        let device = match metadata.file_type().is_block_device() {
            true => metadata.rdev(),
            false => metadata.dev(),
        };
        Some((libc::major(device), libc::minor(device)))
    }
}

/// What a log tells of the machine that it is from.
#[derive(Clone, Debug, Default)]
pub struct MachineFacts {
    /// Its name.
    pub name: String,
    /// Its kernel's release.
    pub kernel: String,
    /// Its memory, in bytes; 0 where it does not say.
    pub memory_bytes: u64,
}

/// This machine, as far as `/proc` tells.
pub fn facts() -> MachineFacts {
    let text = |path: &str| ThisHost.text(path).unwrap_or_default();
    let memory = text("/proc/meminfo");
    let total = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    MachineFacts {
        name: text("/proc/sys/kernel/hostname"),
        kernel: text("/proc/sys/kernel/osrelease"),
        memory_bytes: kib.unwrap_or(0) * 1024,
    }
}

/// What lies under the folder `dir`, or under the nearest above it that is there.
pub fn device_facts(dir: &Path) -> DeviceFacts {
    let place = nearest(dir);
    let real = fs::canonicalize(&place).unwrap_or(place);
    let alignment = alignment(&real);
    device::facts(&ThisHost, &real.to_string_lossy(), alignment)
}

/// What lies under these folders, each device once.
pub fn distinct_devices(dirs: &[PathBuf]) -> Vec<DeviceFacts> {
    let mut devices: Vec<DeviceFacts> = Vec::new();
    for facts in dirs.iter().map(|dir| device_facts(dir)) {
        let same = |known: &DeviceFacts| match (&known.mount, &facts.mount) {
            (Some(known), Some(new)) => known.point == new.point,
            _ => false,
        };
        if !devices.iter().any(same) {
            devices.push(facts);
        }
    }
    devices
}

/// `dir`, or the nearest folder above it that is there.
pub fn nearest(dir: &Path) -> PathBuf {
    let dir = super::checks::absolute(dir);
    let there = dir.ancestors().find(|folder| folder.is_dir());
    there.unwrap_or(Path::new("/")).to_owned()
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

/// The files in `dir` whose names end with `suffix`, whole, in the order of their names.
pub fn read_all(dir: &Path, suffix: &str) -> Vec<Vec<u8>> {
    let names = ThisHost.list(&dir.to_string_lossy());
    let names = names.iter().filter(|name| name.ends_with(suffix));
    names
        .filter_map(|name| fs::read(dir.join(name)).ok())
        .collect()
}

/// How direct I/O on files in `dir` must be aligned, of memory and of offsets, in bytes. Only a
/// file can be asked, so one is made for the moment.
#[allow(unsafe_code)]
fn alignment(dir: &Path) -> Option<(u32, u32)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_tells_of_the_device_under_a_folder_that_is_not_there_yet() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let facts = device_facts(&dir.path().join("not/there"));
        assert_eq!(Path::new(&facts.dir), fs::canonicalize(dir.path()).unwrap());
        assert!(facts.mount.is_some() && !facts.kernel.is_empty());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        for layer in &facts.layers {
            assert!(layer.logical_block_bytes >= 512, "{layer:?}");
        }
    }

    #[test]
    fn a_lock_that_is_held_is_seen_and_none_is_left() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_in_use(dir.path()));
        let held = super::super::checks::lock(dir.path()).unwrap();
        assert!(is_in_use(dir.path()));
        drop(held);
        assert!(!is_in_use(dir.path()));
        assert!(super::super::checks::lock(dir.path()).is_ok());
    }
}
