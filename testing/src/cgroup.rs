//! Drives: a control group of the kernel that limits one process's memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the kernel keeps control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// A group; removed when dropped, after what was in it has ended.
pub struct Group(PathBuf);

impl Group {
    /// A group whose processes may take `bytes` of memory together. Needs root.
    pub fn limited_to(bytes: u64) -> io::Result<Group> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("corelane-test-{}-{number}", std::process::id());
        let of_memory = Path::new(ROOT).join("memory");
        // Version 1 has a tree for memory alone, version 2 one for all.
        let (tree, limit) = match of_memory.is_dir() {
            true => (of_memory, "memory.limit_in_bytes"),
            false => (PathBuf::from(ROOT), "memory.max"),
        };
        let group = Group(tree.join(name));
        fs::create_dir(&group.0)?;
        fs::write(group.0.join(limit), bytes.to_string())?;
        // What is swapped out is held, too; version 1 may lack the file.
        let _ = fs::write(group.0.join("memory.swap.max"), "0");
        Ok(group)
    }

    /// Puts a process into it.
    pub fn take(&self, process: u32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that was killed is in it for a moment more.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
