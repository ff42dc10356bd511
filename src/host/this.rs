//! Drives: a host's small files, and what lies under a folder.

use std::path::{Path, PathBuf};

use super::Look;
use super::device::{self, DeviceFacts};
use crate::base::config::HostFacts;
use crate::io::{checks, cpus, tree};

/// This host's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisHost;

impl Look for ThisHost {
    fn text(&self, path: &str) -> Option<String> {
        tree::text(Path::new(path))
    }

    fn list(&self, path: &str) -> Vec<String> {
        tree::names(Path::new(path)).unwrap_or_default()
    }

    fn real(&self, path: &str) -> Option<String> {
        let path = tree::real(Path::new(path))?;
        path.into_os_string().into_string().ok()
    }

    fn device(&self, path: &str) -> Option<(u32, u32)> {
        checks::device_numbers(Path::new(path))
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

/// What the settings want to know of this machine.
pub fn host_facts() -> HostFacts {
    let cpus = cpus::allowed();
    HostFacts {
        name: ThisHost
            .text("/proc/sys/kernel/hostname")
            .unwrap_or_default(),
        cpus: cpus.len().max(1),
        cores: physical(&cpus),
    }
}

/// Cores among `cpus`, counting the threads of one core once.
fn physical(cpus: &[usize]) -> usize {
    let siblings = |cpu: &usize| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        ThisHost.text(&path).unwrap_or_else(|| cpu.to_string())
    };
    let mut cores: Vec<String> = cpus.iter().map(siblings).collect();
    cores.sort();
    cores.dedup();
    cores.len().max(1)
}

/// What lies under the folder `dir`, or under the nearest above it that is there.
pub fn device_facts(dir: &Path) -> DeviceFacts {
    let place = nearest(dir);
    let real = tree::real(&place).unwrap_or(place);
    let alignment = checks::direct_io_alignment(&real);
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
    let dir = checks::absolute(dir);
    let there = dir.ancestors().find(|folder| folder.is_dir());
    there.unwrap_or(Path::new("/")).to_owned()
}

/// The files in `dir` whose names end with `suffix`, whole, in the order of their names.
pub fn read_all(dir: &Path, suffix: &str) -> Vec<Vec<u8>> {
    let names = tree::names(dir).unwrap_or_default();
    let names = names.iter().filter(|name| name.ends_with(suffix));
    names
        .filter_map(|name| tree::read(&dir.join(name)).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_cores() {
        assert!(host_facts().cpus >= host_facts().cores);
    }

    #[test]
    fn this_host_tells_of_the_device_under_a_folder_that_is_not_there_yet() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let facts = device_facts(&dir.path().join("not/there"));
        assert_eq!(
            Path::new(&facts.dir),
            std::fs::canonicalize(dir.path()).unwrap()
        );
        assert!(facts.mount.is_some() && !facts.kernel.is_empty());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        for layer in &facts.layers {
            assert!(layer.logical_block_bytes >= 512, "{layer:?}");
        }
    }
}
