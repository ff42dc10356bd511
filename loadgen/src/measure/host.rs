//! Drives: facts of this host that a figure is worth nothing without.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What can be found out without asking a user. Facts that this host does not tell are `None`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct Host {
    /// Its host name.
    pub name: Option<String>,
    /// The release of the kernel.
    pub kernel: Option<String>,
    /// What the kernel was started with.
    pub kernel_command_line: Option<String>,
    /// The model of the CPU.
    pub cpu: Option<String>,
    /// Whether it is a virtual machine.
    pub hypervisor: Option<bool>,
    /// The CPUs that loadgen may use.
    pub cpus_allowed: Option<Vec<usize>>,
    /// Memory, as /proc/meminfo writes it.
    pub memory: Option<String>,
    /// The frequency governor of the first CPU.
    pub governor: Option<String>,
    /// Whether cores have two threads.
    pub smt: Option<String>,
    /// The names of the idle states that the first CPU may enter.
    pub idle_states: Option<String>,
    /// Whether the CPU may go above its base frequency.
    pub turbo: Option<String>,
    /// The NUMA nodes, as a list.
    pub numa_nodes: Option<String>,
    /// What the kernel's clock is read from.
    pub clocksource: Option<String>,
    /// The load average when the run began.
    pub load_average_at_start: Option<String>,
}

/// The file system and the block device that hold a folder, as far as the kernel tells.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct Device {
    /// The folder.
    pub dir: PathBuf,
    /// The file system's type.
    pub file_system: Option<String>,
    /// What is mounted.
    pub source: Option<String>,
    /// How it is mounted.
    pub mount_options: Option<String>,
    /// The device's model, or its name where it has none.
    pub model: Option<String>,
    /// `write back` where the device has a volatile cache.
    pub write_cache: Option<String>,
    /// Whether the device can write past its cache (1 or 0).
    pub fua: Option<String>,
    /// The I/O scheduler.
    pub scheduler: Option<String>,
    /// Whether the device turns (1 or 0).
    pub rotational: Option<String>,
    /// Whether the device is polled (1 or 0).
    pub io_poll: Option<String>,
}

/// The facts of this host, as they are now.
pub fn facts() -> Host {
    let cpu_info = read("/proc/cpuinfo");
    let memory = read("/proc/meminfo");
    Host {
        name: read("/proc/sys/kernel/hostname"),
        kernel: read("/proc/sys/kernel/osrelease"),
        kernel_command_line: read("/proc/cmdline"),
        cpu: cpu_info
            .as_deref()
            .and_then(|text| field(text, "model name")),
        hypervisor: cpu_info.as_deref().map(|text| text.contains(" hypervisor")),
        cpus_allowed: core_affinity::get_core_ids()
            .map(|ids| ids.into_iter().map(|core| core.id).collect()),
        memory: memory.as_deref().and_then(|text| field(text, "MemTotal")),
        governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        smt: read("/sys/devices/system/cpu/smt/control"),
        idle_states: idle_states(),
        turbo: read("/sys/devices/system/cpu/cpufreq/boost").or_else(|| {
            read("/sys/devices/system/cpu/intel_pstate/no_turbo")
                .map(|off| format!("no_turbo={off}"))
        }),
        numa_nodes: read("/sys/devices/system/node/online"),
        clocksource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        load_average_at_start: read("/proc/loadavg"),
    }
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
pub fn device(dir: &Path) -> Option<Device> {
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
    Some(Device {
        dir: dir.to_owned(),
        file_system: after.next(),
        source: after.next(),
        mount_options: before.split(' ').nth(5).map(str::to_owned),
        model: read(disk.join("device/model")).or_else(|| {
            let link = fs::canonicalize(&disk).ok()?;
            Some(link.file_name()?.to_string_lossy().into_owned())
        }),
        write_cache: queue("write_cache"),
        fua: queue("fua"),
        scheduler: queue("scheduler"),
        rotational: queue("rotational"),
        io_poll: queue("io_poll"),
    })
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
        assert!(facts.kernel.is_some_and(|text| text.contains('.')));
        assert!(facts.memory.is_some_and(|text| text.ends_with("kB")));
        let device = device(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(device.file_system.is_some(), "{device:?}");
        assert_eq!(super::device(Path::new("/no/such/folder")), None);
        assert_eq!(field("a : 1\nb\t: 2\n", "b"), Some("2".to_owned()));
    }
}
