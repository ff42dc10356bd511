//! Drives: facts of this host that a figure is worth nothing without.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What can be found out without asking anybody. Facts that this host does not tell are null.
pub fn facts() -> Value {
    let cpu_info = read("/proc/cpuinfo");
    let memory = read("/proc/meminfo");
    json!({
        "name": read("/proc/sys/kernel/hostname"),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "kernel_command_line": read("/proc/cmdline"),
        "cpu": cpu_info.as_deref().and_then(|text| field(text, "model name")),
        "hypervisor": cpu_info.as_deref().map(|text| text.contains(" hypervisor")),
        "cpus_allowed": core_affinity::get_core_ids()
            .map(|ids| ids.into_iter().map(|core| core.id).collect::<Vec<_>>()),
        "memory": memory.as_deref().and_then(|text| field(text, "MemTotal")),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "smt": read("/sys/devices/system/cpu/smt/control"),
        "idle_states": idle_states(),
        "turbo": read("/sys/devices/system/cpu/cpufreq/boost")
            .or_else(|| read("/sys/devices/system/cpu/intel_pstate/no_turbo")
                .map(|off| format!("no_turbo={off}"))),
        "numa_nodes": read("/sys/devices/system/node/online"),
        "clocksource": read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "load_average_at_start": read("/proc/loadavg"),
    })
}

/// The names of the idle states that the first CPU may enter.
fn idle_states() -> Option<String> {
    let states = fs::read_dir("/sys/devices/system/cpu/cpu0/cpuidle").ok()?;
    let mut names: Vec<(String, String)> = states
        .flatten()
        .filter(|state| read(state.path().join("disable")).as_deref() != Some("1"))
        .filter_map(|state| {
            let place = state.file_name().to_string_lossy().into_owned();
            Some((place, read(state.path().join("name"))?))
        })
        .collect();
    names.sort();
    let names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// The file system and the block device that hold `dir`; `None` if it cannot be looked at.
pub fn device(dir: &Path) -> Option<Value> {
    let number = fs::metadata(dir).ok()?.dev();
    let (major, minor) = (libc::major(number), libc::minor(number));
    let mounts = read("/proc/self/mountinfo").unwrap_or_default();
    let mount = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(2) == Some(&format!("{major}:{minor}")));
    // Behind the dash: type, source, options of the file system (proc_pid_mountinfo(5)).
    let mount = mount.and_then(|line| line.split_once(" - "));
    let (before, after) = mount.unwrap_or_default();
    let mut after = after.split(' ').map(str::to_owned);
    // A partition's queue is its disk's.
    let own = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let disk = match own.join("queue").exists() {
        true => own,
        false => own.join(".."),
    };
    let queue = |name: &str| read(disk.join("queue").join(name));
    Some(json!({
        "dir": dir,
        "file_system": after.next(),
        "source": after.next(),
        "mount_options": before.split(' ').nth(5),
        "model": read(disk.join("device/model")).or_else(|| {
            let link = fs::canonicalize(&disk).ok()?;
            Some(link.file_name()?.to_string_lossy().into_owned())
        }),
        "write_cache": queue("write_cache"),
        "fua": queue("fua"),
        "scheduler": queue("scheduler"),
        "rotational": queue("rotational"),
        "io_poll": queue("io_poll"),
    }))
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':')
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_host_tells_its_kernel_and_memory() {
        let facts = facts();
        assert!(
            facts["kernel"]
                .as_str()
                .is_some_and(|text| text.contains('.'))
        );
        assert!(
            facts["memory"]
                .as_str()
                .is_some_and(|text| text.ends_with("kB"))
        );
        let device = device(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(device["file_system"].is_string(), "{device}");
        assert_eq!(super::device(Path::new("/no/such/folder")), None);
        assert_eq!(field("a : 1\nb\t: 2\n", "b"), Some("2".to_owned()));
    }
}
