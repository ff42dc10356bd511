//! The claim that flush sharing rests on, looked at on real file systems: an append overwrites
//! blocks that are allocated, written and inside the file, so that it changes no metadata.
//!
//! The file system's own maps of its files (`FS_IOC_FIEMAP`) are read before and after appends
//! over many rolls: no block under the write position is a hole, unwritten or delayed; no file
//! moves, grows, shrinks, comes or goes but by the upkeep in the background. Once on the file
//! system of the build folder, and for root once on XFS in a loop device.

#![allow(unsafe_code)] // An ioctl has no safe form.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corelane::io::cores::{self, CoreOptions};
use corelane::io::disk::Disk;
use corelane::log::{Log, LogConfig, Logs, LogsOptions, Opening};
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

/// All files of a log's folder that hold batches, or will.
fn data_files(dir: &Path) -> BTreeMap<String, Mapped> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if !name.contains(".log") {
            continue;
        }
        // One may have got its final name since.
        let Ok(file) = File::open(entry.path()) else {
            continue;
        };
        let metadata = file.metadata().unwrap();
        let mapped = Mapped {
            inode: metadata.ino(),
            bytes: metadata.len(),
            extents: extents(&file),
        };
        files.insert(name, mapped);
    }
    files
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

/// Waits until the files stay as they are, every block of them written. Fails where the upkeep
/// leaves one that is not.
async fn at_rest(dir: &Path, logs: &Logs) -> BTreeMap<String, Mapped> {
    let prepared = || logs.probe().prepared_bytes.get();
    let mut before = (prepared(), data_files(dir));
    let mut fault = None;
    for _ in 0..2_000 {
        cores::sleep(Duration::from_millis(4)).await;
        let now = (prepared(), data_files(dir));
        let faults = now.1.iter().map(|(name, file)| (name, file.fault()));
        fault = faults
            .filter_map(|(name, fault)| Some(format!("{name} {}", fault?)))
            .next();
        if now == before && fault.is_none() {
            return now.1;
        }
        before = now;
    }
    panic!("the upkeep never comes to rest: {fault:?} {before:x?}");
}

async fn appends(dir: PathBuf) {
    let options = LogsOptions {
        prepare_bytes: (64 << 10, 1 << 20),
        ..LogsOptions::default()
    };
    let logs = Logs::new(&Disk::direct(), options);
    let config = LogConfig {
        segment_bytes: 2 << 20,
        ..LogConfig::default()
    };
    let opened = Log::open(&logs, &dir, config, Opening::default(), 0, &mut |_| {}).await;
    let (log, _) = opened.unwrap();
    let append = async |tag: u64| {
        let bytes = [100, 1_000, 9_000, 30_000][tag as usize % 4];
        let appended = log
            .append(&one(&vec![tag as u8; bytes]), 0, None, 0)
            .unwrap();
        log.wait_acked(appended.last_offset + 1).await.unwrap();
    };
    append(0).await;
    let probe = || logs.probe();
    let (mut tag, mut hot) = (1, 0);
    while probe().rolls_count.get() < 4 {
        let before = at_rest(&dir, &logs).await;
        let background =
            |it: &corelane::log::Probe| (it.prepared_bytes.get(), it.rolls_count.get());
        let was = background(probe());
        let counted = (probe().writes_count.get(), probe().flushes_count.get());
        for _ in 0..4 {
            append(tag).await;
            tag += 1;
        }
        let after = data_files(&dir);
        let now = (probe().writes_count.get(), probe().flushes_count.get());
        assert_eq!(
            now,
            (counted.0 + 4, counted.1 + 4),
            "a write and a flush each"
        );
        // Files that were there stay where they are; only the upkeep makes and lengthens them.
        if background(probe()) == was && before.keys().eq(after.keys()) {
            if before == after {
                hot += 4;
                continue;
            }
            // A preparation under way has not counted its bytes yet; old blocks never move.
            for (old, new) in before.values().zip(after.values()) {
                assert!(
                    new.bytes >= old.bytes || new.inode != old.inode,
                    "{old:?} {new:?}"
                );
            }
        }
    }
    assert!(hot > 100, "only {hot} of {tag} appends were seen alone");
    // Only appends that outrun the upkeep wait for space; on a busy machine some may.
    let waited = probe().unprepared_waits_count.get();
    assert!(
        waited * 10 < tag,
        "{waited} of {tag} appends waited for space"
    );
    at_rest(&dir, &logs).await;
    log.close().await.unwrap();
    println!("{hot} of {tag} appends changed nothing but bytes, over 4 rolls");
}

fn run(folder: &Path) {
    let dir = folder.join("topic-0");
    let options = CoreOptions {
        name: "extents".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 1 << 20,
    };
    let core = cores::start(options, move || appends(dir));
    core.and_then(cores::Core::join).expect("it does not panic");
}

#[test]
fn appends_only_overwrite_written_blocks_here() {
    run(HERE.data_dir().path());
}

#[test]
fn appends_only_overwrite_written_blocks_on_xfs() {
    match Mount::sized(HERE, "xfs", 320 << 20) {
        Ok(xfs) => run(&xfs.path()),
        // Not root, or no such tool or driver: nothing can be shown then.
        Err(reason) => println!("not looked at on XFS: {reason}"),
    }
}
