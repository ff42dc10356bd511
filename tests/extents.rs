//! The claim that the cost of an ack rests on, looked at on real file systems: an entry of the
//! journal overwrites blocks that are allocated, written and inside the file, so that it changes no
//! metadata.
//!
//! The file system's own map of the file (`FS_IOC_FIEMAP`) is read before and after the circle
//! closed a few times: no block is a hole, unwritten or delayed, and none moves. Once on the file
//! system of the build folder, and for root once on XFS in a loop device.

#![allow(unsafe_code)] // An ioctl has no safe form.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corelane::io::cores::{self, CoreOptions};
use corelane::io::disk::Disk;
use corelane::log::{Folder, Log, LogConfig, Logs, LogsOptions};
use corelane_testing::Here;
use corelane_testing::batches::one;
use corelane_testing::mounts::Mount;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();

/// `_IOWR('f', 11, struct fiemap)`
const FS_IOC_FIEMAP: libc::c_ulong = 0xC020_660B;
const UNKNOWN: u32 = 0x2;
const DELAYED: u32 = 0x4;
const UNWRITTEN: u32 = 0x800;
const EXTENTS_MAX: usize = 256;

#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    extents: [Extent; EXTENTS_MAX],
}

/// A file as the file system has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapped {
    inode: u64,
    bytes: u64,
    extents: Vec<Extent>,
}

fn extents(file: &File) -> Vec<Extent> {
    let mut map = Fiemap {
        start: 0,
        length: u64::MAX,
        // No FIEMAP_FLAG_SYNC: that would write what is delayed, and hide it.
        flags: 0,
        mapped: 0,
        count: EXTENTS_MAX as u32,
        reserved: 0,
        extents: [Extent::default(); EXTENTS_MAX],
    };
    // SAFETY: the kernel fills in at most `count` extents of the struct.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FIEMAP as _, &raw mut map) };
    assert_eq!(result, 0, "FIEMAP: {}", std::io::Error::last_os_error());
    assert!((map.mapped as usize) < EXTENTS_MAX, "too many extents");
    map.extents[..map.mapped as usize].to_vec()
}

/// A file as it is now; `None` if it is not there.
fn mapped(path: &Path) -> Option<Mapped> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().unwrap();
    Some(Mapped {
        inode: metadata.ino(),
        bytes: metadata.len(),
        extents: extents(&file),
    })
}

impl Mapped {
    /// What is wrong with it, unless every block up to the file's length is allocated and
    /// written.
    fn fault(&self) -> Option<String> {
        let mut at = 0;
        for extent in &self.extents {
            if extent.logical >= self.bytes {
                // Allocated behind the end by a truncation: no write goes there.
                break;
            }
            if extent.flags & (UNKNOWN | DELAYED | UNWRITTEN) != 0 {
                return Some(format!("is not written at {}", extent.logical));
            }
            if extent.logical != at {
                break;
            }
            at += extent.length;
        }
        (at < self.bytes).then(|| format!("has a hole at {at}"))
    }
}

/// Bytes of the circle.
const CAPACITY: usize = 1 << 20;

async fn appends(root: PathBuf) {
    let disk = Disk::direct();
    let folder = Folder::open(&disk, &root).await.unwrap();
    let shared = Logs::new(&disk, LogsOptions::default());
    let logs = folder.begin_journal(&shared, CAPACITY);
    let mut opened = Vec::new();
    for partition in 0..4 {
        let dir = folder.path("topic", partition);
        let (config, opening) = (LogConfig::default(), folder.opening("topic", partition));
        let log = Log::open(&logs, &dir, config, opening, 0, &mut |_| {}).await;
        opened.push(log.unwrap().0);
    }
    let path = root.join("corelane-journal");
    while mapped(&path).is_none() {
        cores::sleep(Duration::from_millis(10)).await;
    }
    let before = mapped(&path).unwrap();
    assert_eq!(before.fault(), None);
    let written = || shared.probe().journal_bytes.get();
    let mut tag = 0;
    while written() < 3 * CAPACITY as u64 {
        for log in &opened {
            let bytes = [100, 1_000, 9_000, 15_000][tag as usize % 4];
            let appended = log.append(&one(&vec![tag as u8; bytes]), 0, None, 0);
            let end = appended.unwrap().last_offset + 1;
            log.wait_acked(end).await.unwrap();
            tag += 1;
        }
    }
    assert_eq!(mapped(&path).as_ref(), Some(&before), "no block was moved");
    for log in opened {
        log.close().await.unwrap();
    }
    folder.close_cleanly(-1).await.unwrap();
    println!("{tag} appends changed nothing but bytes");
}

fn run(folder: &Path) {
    let root = folder.join("logs");
    let options = CoreOptions {
        name: "extents".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 1 << 20,
    };
    let core = cores::start(options, move || appends(root));
    core.and_then(cores::Core::join).expect("it does not panic");
}

#[test]
fn entries_only_overwrite_written_blocks_here() {
    run(HERE.data_dir().path());
}

#[test]
fn entries_only_overwrite_written_blocks_on_xfs() {
    match Mount::sized(HERE, "xfs", 320 << 20) {
        Ok(xfs) => run(&xfs.path()),
        // Not root, or no such tool or driver: nothing can be shown then.
        Err(reason) => println!("not looked at on XFS: {reason}"),
    }
}
