//! Drives: what the kernel says of this process, read from `/proc` (proc(5)).

use std::fs;
use std::io;

/// The kernel counts CPU time for programs in hundredths of a second, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the kernel says of this process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// CPU time used, in user space and in the kernel, in seconds.
    pub cpu_seconds: f64,
    /// When it started, in seconds since the Unix epoch.
    pub start_seconds: f64,
    /// Memory that is in RAM, in bytes.
    pub resident_bytes: u64,
    /// Address space, in bytes.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Descriptors open.
    pub open_fds: u64,
    /// Descriptors that may be open; `u64::MAX` for any number.
    pub max_fds: u64,
}

/// Reads it. Some microseconds for each descriptor: not for a core that serves.
pub fn read() -> io::Result<Process> {
    let text = |path| fs::read_to_string(path);
    let [stat, status] = [text("/proc/self/stat")?, text("/proc/self/status")?];
    let [limits, system] = [text("/proc/self/limits")?, text("/proc/stat")?];
    let process = parse(&stat, &status, &limits, &system);
    let mut process = process.ok_or(io::ErrorKind::InvalidData)?;
    process.open_fds = fs::read_dir("/proc/self/fd")?.count() as u64;
    Ok(process)
}

fn parse(stat: &str, status: &str, limits: &str, system: &str) -> Option<Process> {
    // The name in parentheses may hold blanks; what follows it does not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // Counted in proc(5) from 1, the first behind the name being the third.
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let booted: f64 = value(system, "btime ")?.parse().ok()?;
    let kib = |name| value(status, name)?.parse::<u64>().ok();
    let open_max = value(limits, "Max open files")?;
    Some(Process {
        cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
        start_seconds: booted + field(22)? / TICKS_PER_SECOND,
        resident_bytes: kib("VmRSS:")? << 10,
        virtual_bytes: kib("VmSize:")? << 10,
        threads: kib("Threads:")?,
        open_fds: 0,
        max_fds: match open_max {
            "unlimited" => u64::MAX,
            number => number.parse().ok()?,
        },
    })
}

/// The first word behind `name` in the line that begins with it.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_understood() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 9 0 300 1000 200 18";
        let status = "Name:\tb\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t9\n";
        let limits =
            "Limit  Soft  Hard  Units\nMax open files            1024     4096     files\n";
        let system = "cpu 1 2\nbtime 1700000000\n";
        let process = parse(stat, status, limits, system).expect("all is there");
        let wanted = Process {
            cpu_seconds: 3.0,
            start_seconds: 1_700_000_003.0,
            resident_bytes: 1 << 20,
            virtual_bytes: 2 << 20,
            threads: 9,
            open_fds: 0,
            max_fds: 1024,
        };
        assert_eq!(process, wanted);
        assert_eq!(parse(stat, "", limits, system), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let process = read().expect("the kernel says");
        assert!(process.open_fds >= 3 && process.max_fds >= process.open_fds);
        assert!(process.resident_bytes > 1 << 20 && process.start_seconds > 1.6e9);
    }
}
