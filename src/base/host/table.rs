//! Pure: the rows of what to set on a host, in the order in which it tends to pay.

use super::knobs::{self, Find, Found, Group, Host, Knob};

const CPU: &str = "/sys/devices/system/cpu";

/// All knobs.
pub static TABLE: &[Group] = &[
    ("Kernel", KERNEL),
    ("Power", POWER),
    ("Cores", CORES),
    ("Memory", MEMORY),
    ("Network", NETWORK),
    (knobs::DISK, DISK),
    ("Limits", LIMITS),
];

const KERNEL: &[Knob] = &[
    Knob {
        name: "kernel",
        wanted: "7.0 or later, with `lazytime`; 6.19 is half of it",
        why: "up to 6.18 a direct write crosses two kernel threads, on the way in for its \
              timestamp and on the way out for its completion. 6.19 completes it from the \
              interrupt, 7.0 also notes the time without waiting where `lazytime` is set",
        how: "install a newer kernel; boot the old one",
        find: Find::By(kernel),
    },
    Knob {
        name: "io_uring",
        wanted: "`kernel.io_uring_disabled` is 0",
        why: "Corelane does not start without it",
        how: "`sysctl kernel.io_uring_disabled=0`; in containers `seccomp.json` beside this, or \
              another profile that lets `io_uring_*` through",
        // Older kernels have no such switch: there it is allowed.
        find: Find::Is("/proc/sys/kernel/io_uring_disabled", &["0"]),
    },
];

const POWER: &[Knob] = &[
    Knob {
        name: "CPU frequency governor",
        wanted: "`performance`",
        why: "a core that was idle else takes tens to hundreds of µs to reach full speed",
        how: "`cpupower frequency-set -g performance`; `-g schedutil`, or what was there",
        find: Find::By(governor),
    },
    Knob {
        name: "turbo",
        wanted: "on for the lowest median, off for the narrowest spread: measure both",
        why: "clocks that change with heat and neighbours show as jitter",
        how: "write 0 or 1 to `/sys/devices/system/cpu/cpufreq/boost`, or to \
              `intel_pstate/no_turbo` beside it; write the old value",
        find: Find::ByHand,
    },
    Knob {
        name: "deep C-states",
        wanted: "none slower than 10 µs",
        why: "waking from C1 takes about 2 µs, from C6 50 to 150",
        how: "hold `/dev/cpu_dma_latency` open with 0 in it, or boot with \
              `processor.max_cstate=1 intel_idle.max_cstate=0`; close the file, boot without",
        find: Find::By(sleep_states),
    },
    Knob {
        name: "NVMe power states",
        wanted: "off",
        why: "a dozing drive answers its first request milliseconds late",
        how: "boot with `nvme_core.default_ps_max_latency_us=0`; boot without",
        find: Find::By(nvme_power),
    },
    Knob {
        name: "PCIe power saving",
        wanted: "`performance`",
        why: "a sleeping link costs µs for each transfer after a pause",
        how: "write `performance` to `/sys/module/pcie_aspm/parameters/policy`, or boot with \
              `pcie_aspm=off`; write `default`",
        find: Find::Chosen("/sys/module/pcie_aspm/parameters/policy", "performance"),
    },
];

const CORES: &[Knob] = &[
    Knob {
        name: "isolation",
        wanted: "the shards' CPUs",
        why: "no tick, no RCU work, no strangers on a shard's core. But the kernel completes \
              direct writes in a worker of the CPU that took the disk's interrupt (up to 6.18): \
              **never** run shards as `SCHED_FIFO` there, since the worker would starve and \
              writes never end",
        how: "boot with the shards' CPUs in `isolcpus=domain,managed_irq,…`, `nohz_full=` and \
              `rcu_nocbs=` of the same, `irqaffinity=` of the others; boot without",
        find: Find::By(isolation),
    },
    Knob {
        name: "unbound kernel work",
        wanted: "the other CPUs",
        why: "housekeeping stays off the shards' cores",
        how: "write their mask to `/sys/devices/virtual/workqueue/cpumask`; write the old mask",
        find: Find::ByHand,
    },
    Knob {
        name: "scheduler slice",
        wanted: "500000 ns",
        why: "the completion worker waits less behind a busy shard",
        how: "write it to `/sys/kernel/debug/sched/base_slice_ns`; write the old value",
        find: Find::ByHand,
    },
    Knob {
        name: "`kernel.sched_autogroup_enabled`",
        wanted: "0",
        why: "grouping by session has no use for pinned threads",
        how: "`sysctl kernel.sched_autogroup_enabled=0`; 1",
        find: Find::Is("/proc/sys/kernel/sched_autogroup_enabled", &["0"]),
    },
    Knob {
        name: "`kernel.numa_balancing`",
        wanted: "0",
        why: "it unmaps pages to see who uses them, and each use then takes a fault",
        how: "`sysctl kernel.numa_balancing=0`; 1",
        find: Find::Is("/proc/sys/kernel/numa_balancing", &["0"]),
    },
    Knob {
        name: "NUMA",
        wanted: "shards, network card and drive on one node",
        why: "each access across costs 80 to 150 ns more, and the card's direct cache writes miss",
        how: "`lstopo` shows it; choose slots and CPUs (`taskset`, `CPUAffinity=`) of one node",
        find: Find::By(numa),
    },
    Knob {
        name: "interrupts",
        wanted: "`irqbalance` off, or told to leave network and drive alone",
        why: "packets are handled near who wants them and stay there: queue n of the card on \
              the sibling of shard n's core",
        how: "`systemctl stop irqbalance`, masks in `/proc/irq/*/smp_affinity_list`; start it, \
              write the old masks",
        find: Find::By(irqbalance),
    },
    Knob {
        name: "clock source",
        wanted: "`tsc` (`kvm-clock` in a VM)",
        why: "reading time takes some 20 ns; with `hpet` or `acpi_pm` a µs",
        how: "write it to `current_clocksource` under \
              `/sys/devices/system/clocksource/clocksource0/`; write the old value",
        find: Find::Is(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource",
            &["tsc", "kvm-clock", "arch_sys_counter"],
        ),
    },
    Knob {
        name: "mitigations",
        wanted: "your policy; know what they cost",
        why: "a system call takes 60 ns without, 200 to 700 with",
        how: "`/sys/devices/system/cpu/vulnerabilities/*` shows them; boot with \
              `mitigations=off`, boot without",
        find: Find::ByHand,
    },
];

const MEMORY: &[Knob] = &[
    Knob {
        name: "swap",
        wanted: "none, or `vm.swappiness` 1",
        why: "a page that has to be read back stalls its shard",
        how: "`swapoff -a`, or `sysctl vm.swappiness=1`; `swapon -a`, 60",
        find: Find::By(swap),
    },
    Knob {
        name: "transparent huge pages",
        wanted: "`madvise`",
        why: "the collector's work in the background stalls who did not ask for it",
        how: "write `madvise` to `/sys/kernel/mm/transparent_hugepage/enabled`; write the old \
              value",
        find: Find::Chosen("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"),
    },
    Knob {
        name: "`vm.stat_interval`",
        wanted: "120",
        why: "fewer wake-ups of each CPU for statistics",
        how: "`sysctl vm.stat_interval=120`; 1",
        find: Find::AtLeast("/proc/sys/vm/stat_interval", 10),
    },
];

const NETWORK: &[Knob] = &[
    Knob {
        name: "interrupt coalescing",
        wanted: "off; up to 8 µs where the CPU is short",
        why: "by default a packet may wait 20 to 120 µs for company",
        how: "`ethtool -C N adaptive-rx off rx-usecs 0 tx-usecs 0`; the old values (`ethtool -c`)",
        find: Find::ByHand,
    },
    Knob {
        name: "rings, pause frames",
        wanted: "1024 to 2048 slots, pause off",
        why: "what is in flight fits into the cache; one slow peer does not stop the link",
        how: "`ethtool -G N rx 1024 tx 1024`, `ethtool -A N rx off tx off`; the old values",
        find: Find::ByHand,
    },
    Knob {
        name: "`net.core.somaxconn`",
        wanted: "4096 or more",
        why: "many clients that connect at once are not refused",
        how: "`sysctl net.core.somaxconn=4096`; the old value",
        find: Find::AtLeast("/proc/sys/net/core/somaxconn", 4096),
    },
    Knob {
        name: "`net.ipv4.tcp_max_syn_backlog`",
        wanted: "4096 or more",
        why: "the same, one step earlier",
        how: "`sysctl net.ipv4.tcp_max_syn_backlog=4096`; the old value",
        find: Find::AtLeast("/proc/sys/net/ipv4/tcp_max_syn_backlog", 4096),
    },
    Knob {
        name: "`net.ipv4.tcp_rmem`",
        wanted: "largest value 16 MiB or more",
        why: "a long fat connection is not held back by its window",
        how: "`sysctl net.ipv4.tcp_rmem='4096 131072 16777216'`; the old values",
        find: Find::AtLeast("/proc/sys/net/ipv4/tcp_rmem", 16 << 20),
    },
    Knob {
        name: "`net.ipv4.tcp_wmem`",
        wanted: "largest value 16 MiB or more",
        why: "the same, the other way",
        how: "`sysctl net.ipv4.tcp_wmem='4096 16384 16777216'`; the old values",
        find: Find::AtLeast("/proc/sys/net/ipv4/tcp_wmem", 16 << 20),
    },
    Knob {
        name: "`net.ipv4.tcp_slow_start_after_idle`",
        wanted: "0",
        why: "a burst after a pause need not grow its window again",
        how: "`sysctl net.ipv4.tcp_slow_start_after_idle=0`; 1",
        find: Find::Is("/proc/sys/net/ipv4/tcp_slow_start_after_idle", &["0"]),
    },
    Knob {
        name: "`net.ipv4.tcp_autocorking`",
        wanted: "0, if it measures better",
        why: "small answers are not held back while the card is busy",
        how: "`sysctl net.ipv4.tcp_autocorking=0`; 1",
        find: Find::ByHand,
    },
];

const DISK: &[Knob] = &[
    Knob {
        name: "write cache",
        wanted: "as the drive says; none is best",
        why: "each durable ack waits for a flush of a volatile cache: 10 µs on a drive with \
              power-loss protection, 0.3 to 2 ms on one without",
        how: "a drive with power-loss protection. Write `write through` to \
              `/sys/block/X/queue/write_cache` **only** of such a drive (`nvme id-ctrl`, vwc): \
              on any other a power cut then loses acked records; write `write back`",
        find: Find::Is("queue/write_cache", &["write through"]),
    },
    Knob {
        name: "I/O scheduler",
        wanted: "`none`",
        why: "shards order their own writes; a scheduler only adds a queue",
        how: "write `none` to `/sys/block/X/queue/scheduler`; write the old name",
        find: Find::Chosen("queue/scheduler", "none"),
    },
    Knob {
        name: "`nomerges`",
        wanted: "2",
        why: "no search for neighbours that are not there",
        how: "write 2 to `/sys/block/X/queue/nomerges`; 0",
        find: Find::Is("queue/nomerges", &["2"]),
    },
    Knob {
        name: "`wbt_lat_usec`",
        wanted: "0",
        why: "the kernel's throttle of background writes holds back the log's too",
        how: "write 0 to `/sys/block/X/queue/wbt_lat_usec`; -1, its default",
        find: Find::Is("queue/wbt_lat_usec", &["0"]),
    },
    Knob {
        name: "`iostats`",
        wanted: "0",
        why: "50 to 100 ns less for each request; `iostat` then shows nothing",
        how: "write 0 to `/sys/block/X/queue/iostats`; 1",
        find: Find::Is("queue/iostats", &["0"]),
    },
    Knob {
        name: "`add_random`",
        wanted: "0",
        why: "no entropy gathered from each request",
        how: "write 0 to `/sys/block/X/queue/add_random`; 1",
        find: Find::Is("queue/add_random", &["0"]),
    },
    Knob {
        name: "`rq_affinity`",
        wanted: "from kernel 6.19 on 2; before, measure 1 against 2",
        why: "2 completes on the CPU that asked, which is good unless a shard is busy there",
        how: "write it to `/sys/block/X/queue/rq_affinity`; 1",
        find: Find::ByHand,
    },
    Knob {
        name: "block size of the drive",
        wanted: "4096",
        why: "a write of 4 KiB is one block of it",
        how: "`nvme id-ns -H` shows what it can. Formatting **destroys all data**",
        find: Find::By(block_size),
    },
    Knob {
        name: "file system",
        wanted: "`xfs` (`mkfs.xfs -m reflink=0,rmapbt=0`) or `ext4`",
        why: "they overwrite in place, so that one flush of the device serves all partitions of \
              a shard",
        how: "move the data folder",
        find: Find::By(file_system),
    },
    Knob {
        name: "mount options",
        wanted: "`noatime,lazytime`",
        why: "no timestamp to be written for each read and write",
        how: "`mount -o remount,noatime,lazytime`, and in `/etc/fstab`; remount with the old ones",
        find: Find::By(mount_options),
    },
    Knob {
        name: "trim",
        wanted: "`fstrim.timer`, off-peak; not `discard`",
        why: "inline discards stall writes",
        how: "`mount -o remount,nodiscard`, `systemctl enable --now fstrim.timer`; remount",
        find: Find::By(discard),
    },
];

const LIMITS: &[Knob] = &[
    Knob {
        name: "locked memory",
        wanted: "8 MiB at the least, better unlimited",
        why: "io_uring's rings and buffers are locked",
        how: "`LimitMEMLOCK=infinity` in the unit, `ulimit -l` in a shell",
        find: Find::By(|host| limit(host, "Max locked memory", 8 << 20)),
    },
    Knob {
        name: "open files",
        wanted: "65536 at the least, better 1048576",
        why: "one for each connection and each open segment",
        how: "`LimitNOFILE=1048576` in the unit, `ulimit -n` in a shell",
        find: Find::By(|host| limit(host, "Max open files", 65_536)),
    },
];

/// Major and minor version of a kernel release such as `6.18.4-amd64`.
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn found(value: impl Into<String>, fine: bool) -> Option<Found> {
    let value = value.into();
    Some(Found { value, fine })
}

fn kernel(host: &Host<'_>) -> Option<Found> {
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

fn governor(host: &Host<'_>) -> Option<Found> {
    let all = of_cpus(host, "cpufreq/scaling_governor");
    if all.is_empty() {
        return None;
    }
    let fine = all == ["performance"];
    found(all.join(", "), fine)
}

fn sleep_states(host: &Host<'_>) -> Option<Found> {
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

fn nvme_power(host: &Host<'_>) -> Option<Found> {
    host.device
        .disk()
        .filter(|it| it.name.starts_with("nvme"))?;
    let us = host.text("/sys/module/nvme_core/parameters/default_ps_max_latency_us")?;
    let fine = us == "0";
    found(format!("up to {us} µs"), fine)
}

fn isolation(host: &Host<'_>) -> Option<Found> {
    let cpus = host.text(&format!("{CPU}/isolated"))?;
    match cpus.is_empty() {
        true => found("no CPU is isolated", false),
        false => found(cpus, true),
    }
}

fn numa(host: &Host<'_>) -> Option<Found> {
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

fn irqbalance(host: &Host<'_>) -> Option<Found> {
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

fn swap(host: &Host<'_>) -> Option<Found> {
    let swaps = host.text("/proc/swaps")?;
    if swaps.lines().count() < 2 {
        return found("no swap", true);
    }
    let swappiness = host.text("/proc/sys/vm/swappiness")?;
    let fine = matches!(swappiness.as_str(), "0" | "1");
    found(format!("swap is on, vm.swappiness {swappiness}"), fine)
}

fn block_size(host: &Host<'_>) -> Option<Found> {
    let disk = host.device.disk().filter(|it| it.logical_block_bytes > 0)?;
    let bytes = disk.logical_block_bytes;
    found(bytes.to_string(), bytes == 4096)
}

fn file_system(host: &Host<'_>) -> Option<Found> {
    host.device.mount.as_ref()?;
    found(host.device.fs(), host.device.overwrites_in_place())
}

fn mount_options(host: &Host<'_>) -> Option<Found> {
    host.device.mount.as_ref()?;
    let fine = ["noatime", "lazytime"]
        .iter()
        .all(|option| host.device.has_option(option));
    found(host.device.options(), fine)
}

fn discard(host: &Host<'_>) -> Option<Found> {
    host.device.mount.as_ref()?;
    match host.device.has_option("discard") {
        true => found("mounted with discard", false),
        false => found("no discard", true),
    }
}

fn limit(host: &Host<'_>, name: &str, least: u64) -> Option<Found> {
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
