//! Pure: how those knobs are found that take more than one look at one file.

use super::knobs::{Found, Host};

const CPU: &str = "/sys/devices/system/cpu";

/// Major and minor version of a kernel release such as `6.18.4-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn found(value: impl Into<String>, fine: bool) -> Option<Found> {
    let value = value.into();
    Some(Found { value, fine })
}

pub(super) fn kernel(host: &Host<'_>) -> Option<Found> {
    let release = host.text("/proc/sys/kernel/osrelease")?;
    let fine = version(&release).is_some_and(|version| version >= (7, 0));
    found(release, fine)
}

/// The texts of a file of every CPU, each once.
fn of_cpus(host: &Host<'_>, file: &str) -> Vec<String> {
    let is_cpu = |name: &String| {
        let number = name.strip_prefix("cpu").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let cpus = host.look.list(CPU).into_iter().filter(is_cpu);
    let mut texts: Vec<String> = cpus
        .filter_map(|cpu| host.text(&format!("{CPU}/{cpu}/{file}")))
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

pub(super) fn governor(host: &Host<'_>) -> Option<Found> {
    let all = of_cpus(host, "cpufreq/scaling_governor");
    if all.is_empty() {
        return None;
    }
    let fine = all == ["performance"];
    found(all.join(", "), fine)
}

pub(super) fn sleep_states(host: &Host<'_>) -> Option<Found> {
    const SLOW_US: u64 = 10;
    let dir = format!("{CPU}/cpu0/cpuidle");
    let states = host.look.list(&dir);
    if states.is_empty() {
        return None;
    }
    let slow = states.iter().filter_map(|state| {
        let text = |name: &str| host.text(&format!("{dir}/{state}/{name}"));
        let latency: u64 = text("latency")?.parse().ok()?;
        let on = text("disable").as_deref() != Some("1");
        let name = text("name").unwrap_or_else(|| state.clone());
        (latency > SLOW_US && on).then(|| format!("{name} ({latency} µs)"))
    });
    let slow: Vec<String> = slow.collect();
    match slow.is_empty() {
        true => found("none", true),
        false => found(slow.join(", "), false),
    }
}

pub(super) fn nvme_power(host: &Host<'_>) -> Option<Found> {
    host.device
        .disk()
        .filter(|it| it.name.starts_with("nvme"))?;
    let us = host.text("/sys/module/nvme_core/parameters/default_ps_max_latency_us")?;
    let fine = us == "0";
    found(format!("up to {us} µs"), fine)
}

pub(super) fn isolation(host: &Host<'_>) -> Option<Found> {
    let cpus = host.text(&format!("{CPU}/isolated"))?;
    match cpus.is_empty() {
        true => found("no CPU is isolated", false),
        false => found(cpus, true),
    }
}

pub(super) fn numa(host: &Host<'_>) -> Option<Found> {
    let names = host.look.list("/sys/devices/system/node");
    let count = names
        .iter()
        .filter_map(|name| name.strip_prefix("node"))
        .filter(|rest| rest.parse::<u32>().is_ok())
        .count();
    match count {
        0 => None,
        1 => found("one node", true),
        _ => found(format!("{count} nodes: look where each is"), false),
    }
}

pub(super) fn irqbalance(host: &Host<'_>) -> Option<Found> {
    let names = host.look.list("/proc");
    let mut processes = names
        .iter()
        .filter(|name| name.parse::<u32>().is_ok())
        .filter_map(|id| host.text(&format!("/proc/{id}/comm")))
        .peekable();
    processes.peek()?;
    match processes.any(|name| name == "irqbalance") {
        true => found("irqbalance runs", false),
        false => found("no irqbalance", true),
    }
}

pub(super) fn swap(host: &Host<'_>) -> Option<Found> {
    let swaps = host.text("/proc/swaps")?;
    if swaps.lines().count() < 2 {
        return found("no swap", true);
    }
    let swappiness = host.text("/proc/sys/vm/swappiness")?;
    let fine = matches!(swappiness.as_str(), "0" | "1");
    found(format!("swap is on, vm.swappiness {swappiness}"), fine)
}

pub(super) fn block_size(host: &Host<'_>) -> Option<Found> {
    let disk = host.device.disk().filter(|it| it.logical_block_bytes > 0)?;
    let bytes = disk.logical_block_bytes;
    found(bytes.to_string(), bytes == 4096)
}

pub(super) fn file_system(host: &Host<'_>) -> Option<Found> {
    host.device.mount.as_ref()?;
    found(host.device.fs(), host.device.overwrites_in_place())
}

pub(super) fn mount_options(host: &Host<'_>) -> Option<Found> {
    host.device.mount.as_ref()?;
    let fine = ["noatime", "lazytime"]
        .iter()
        .all(|option| host.device.has_option(option));
    found(host.device.options(), fine)
}

pub(super) fn discard(host: &Host<'_>) -> Option<Found> {
    host.device.mount.as_ref()?;
    match host.device.has_option("discard") {
        true => found("mounted with discard", false),
        false => found("no discard", true),
    }
}

pub(super) fn limit(host: &Host<'_>, name: &str, least: u64) -> Option<Found> {
    let limits = host.text("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let value = line.split_whitespace().next()?;
    let fine = value == "unlimited" || value.parse().is_ok_and(|number: u64| number >= least);
    found(format!("{value} (of this process)"), fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert_eq!(version("6.18.44-fc"), Some((6, 18)));
        assert_eq!(version("10.2"), Some((10, 2)));
        assert!(version("6.9").unwrap() < version("6.19").unwrap());
        assert_eq!(version("next"), None);
    }
}
