//! Drives: facts of this host that a figure is worth nothing without.

use std::fs;
use std::path::Path;

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
        "clocksource": read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "load_average_at_start": read("/proc/loadavg"),
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
        assert_eq!(field("a : 1\nb\t: 2\n", "b"), Some("2".to_owned()));
    }
}
