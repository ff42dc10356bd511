//! Drives: what the kernel tells of a block device.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes that were written so far to the device that `path` lies on, by all of the machine; 0 where
/// the file system has no device of its own.
pub fn write_bytes(path: &Path) -> u64 {
    let device = fs::metadata(path).unwrap().dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"));
    // The seventh field counts sectors of 512 bytes (Documentation/block/stat.rst of the kernel).
    let sectors = stat
        .ok()
        .and_then(|stat| stat.split_whitespace().nth(6)?.parse::<u64>().ok());
    sectors.unwrap_or(0) * 512
}
