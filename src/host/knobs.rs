//! Pure: what on a host costs latency: for each knob the value that is wanted, why, and how to
//! find and change it. The rows are in `table.rs`; the table in `tuning/README.md` and the list
//! that `tuning/apply.sh` goes through are made from them.

use std::fmt::Write;

use super::Look;
use super::device::DeviceFacts;
pub use super::table::TABLE;

/// The group of the rows that are of a disk.
pub const DISK: &str = "Disk";

/// Rows of one kind.
pub type Group = (&'static str, &'static [Knob]);

/// One thing to set on a host.
pub struct Knob {
    /// Its name, in markdown.
    pub name: &'static str,
    /// The value that is wanted.
    pub wanted: &'static str,
    /// What it is good for.
    pub why: &'static str,
    /// How to look at it.
    pub see: &'static str,
    /// How to set it.
    pub how: &'static str,
    /// How to go back.
    pub back: &'static str,
    /// How its value is found.
    pub find: Find,
    /// What `tuning/apply.sh` does about it.
    pub apply: Apply,
}

/// What a script may write on a running host.
pub enum Apply {
    /// Nothing: it needs a reboot, depends on the topology, or can lose data.
    ByHand,
    /// What [`Find`] takes for fine, into the file that it looks at.
    Wanted,
    /// Into each of these files (a pattern of the shell) one of these values, with `|` between
    /// them: any of them may stay, and the first one is what is written else.
    Write(&'static str, &'static str),
}

/// How the value of a knob is found.
pub enum Find {
    /// By hand: nothing that can be read without harm tells.
    ByHand,
    /// The text of a file is one of these.
    Is(&'static str, &'static [&'static str]),
    /// A file lists the choices, and this one is in brackets.
    Chosen(&'static str, &'static str),
    /// The last number in a file is at least this.
    AtLeast(&'static str, u64),
    /// As this says.
    By(fn(&Host<'_>) -> Option<Found>),
}

/// What a row looks at.
pub struct Host<'a> {
    /// The host's files.
    pub look: &'a dyn Look,
    /// What lies under the data folder.
    pub device: &'a DeviceFacts,
}

/// A value and whether it is as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub value: String,
    /// Whether nothing is to be done.
    pub fine: bool,
}

/// A knob and what was found of it.
pub struct Finding {
    /// Its row.
    pub knob: &'static Knob,
    /// Which rows it stands with, and the disk where it is one's.
    pub group: String,
    /// What was found; `None` where this host has no such knob.
    pub found: Option<Found>,
}

/// Goes through all rows that can be read.
pub fn examine(host: &Host<'_>) -> Vec<Finding> {
    let groups = TABLE.iter();
    groups
        .flat_map(|group| examine_group(host, group))
        .collect()
}

/// Goes through the rows that are of a disk.
pub fn examine_disk(host: &Host<'_>) -> Vec<Finding> {
    let groups = TABLE.iter().filter(|(name, _)| *name == DISK);
    groups
        .flat_map(|group| examine_group(host, group))
        .collect()
}

fn examine_group(host: &Host<'_>, (name, knobs): &'static Group) -> Vec<Finding> {
    let group = match host.device.disk() {
        Some(disk) if *name == DISK => format!("{name} {}", disk.name),
        _ => (*name).to_owned(),
    };
    let knobs = knobs.iter();
    knobs
        .filter(|knob| !matches!(knob.find, Find::ByHand))
        .map(|knob| Finding {
            knob,
            group: group.clone(),
            found: find(host, &knob.find),
        })
        .collect()
}

fn find(host: &Host<'_>, find: &Find) -> Option<Found> {
    let text = |path: &str| host.text(path);
    match find {
        Find::ByHand => None,
        Find::Is(path, accepted) => {
            let value = text(path)?;
            let fine = accepted.contains(&value.as_str());
            Some(Found { value, fine })
        }
        Find::Chosen(path, word) => {
            let list = text(path)?;
            let chosen = list.split_once('[').and_then(|(_, it)| it.split_once(']'));
            let value = chosen
                .map_or(list.as_str(), |(chosen, _)| chosen)
                .to_owned();
            let fine = value == *word;
            Some(Found { value, fine })
        }
        Find::AtLeast(path, least) => {
            let text = text(path)?;
            let value = text.split_whitespace().next_back()?.to_owned();
            let number: u64 = value.parse().ok()?;
            let fine = number >= *least;
            Some(Found { value, fine })
        }
        Find::By(how) => how(host),
    }
}

impl Host<'_> {
    /// The text of a file; a path that begins with `queue/` is of the data folder's disk.
    pub fn text(&self, path: &str) -> Option<String> {
        match path.strip_prefix("queue/") {
            Some(name) => {
                let node = &self.device.disk()?.node;
                self.look.text(&format!("{node}/queue/{name}"))
            }
            None => self.look.text(path),
        }
    }
}

/// Where the table stands in `tuning/README.md`.
pub const MARK: &str = "<!-- knobs -->\n";

/// The table in markdown.
pub fn markdown() -> String {
    let mut text =
        String::from("| knob | wanted | why | how to check | how to set | how to revert |\n");
    text += "|---|---|---|---|---|---|\n";
    for (group, knobs) in TABLE {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| **{group}** | | | | | |");
        for knob in *knobs {
            let Knob {
                name,
                wanted,
                why,
                see,
                how,
                back,
                ..
            } = knob;
            let _ = writeln!(
                text,
                "| {name} | {wanted} | {why} | {see} | {how} | {back} |"
            );
        }
    }
    text
}

/// What `tuning/apply.sh` reads: a line for each knob that it may set, with tabs between group,
/// name, `is` or `least`, file, and value. Files of the data folder's disk begin with `queue/`.
pub fn script() -> String {
    let mut text = String::from(
        "# Read by apply.sh, made from src/host/table.rs: change it there, then\n\
         # CORELANE_RENEW_DOCS=1 cargo test --lib tuning_\n",
    );
    for (group, knobs) in TABLE {
        for knob in *knobs {
            if let Some((rule, file, value)) = knob.written() {
                let name = knob.name.replace('`', "");
                let group = group.to_lowercase();
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{group}\t{name}\t{rule}\t{file}\t{value}");
            }
        }
    }
    text
}

// === impl Knob ===

impl Knob {
    /// What a script writes: the rule, the file, the value.
    fn written(&self) -> Option<(&'static str, &'static str, String)> {
        match (&self.apply, &self.find) {
            (Apply::ByHand, _) => None,
            (Apply::Write(file, values), _) => Some(("is", file, (*values).to_owned())),
            (Apply::Wanted, Find::Is(file, accepted)) => Some(("is", file, accepted.join("|"))),
            (Apply::Wanted, Find::Chosen(file, word)) => Some(("is", file, (*word).to_owned())),
            (Apply::Wanted, Find::AtLeast(file, least)) => Some(("least", file, least.to_string())),
            // A test sees to it that there is no such row.
            (Apply::Wanted, Find::ByHand | Find::By(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Written;
    use super::super::device::tests::disk;
    use super::*;

    fn found(files: &[(&str, &str)], name: &str) -> Option<Found> {
        let mut look = Written::default();
        for (path, text) in files {
            look.files.insert((*path).into(), (*text).into());
        }
        let device = disk("ext4", "rw", "write back");
        let host = Host {
            look: &look,
            device: &device,
        };
        let all = examine(&host);
        let finding = all.into_iter().find(|one| one.knob.name.contains(name));
        finding.expect("a row of the table").found
    }

    fn fine(files: &[(&str, &str)], name: &str) -> Option<bool> {
        found(files, name).map(|found| found.fine)
    }

    #[test]
    fn values_are_found_and_judged() {
        let queue = "/sys/sda/queue/scheduler";
        assert_eq!(fine(&[(queue, "[none] bfq")], "I/O scheduler"), Some(true));
        assert_eq!(fine(&[(queue, "none [bfq]")], "I/O scheduler"), Some(false));
        assert_eq!(fine(&[(queue, "none")], "I/O scheduler"), Some(true));
        assert_eq!(fine(&[], "I/O scheduler"), None);
        let thp = "/sys/kernel/mm/transparent_hugepage/enabled";
        assert_eq!(fine(&[(thp, "always [madvise] never")], "huge"), Some(true));
        assert_eq!(
            fine(&[(thp, "[always] madvise never")], "huge"),
            Some(false)
        );
        let rmem = "/proc/sys/net/ipv4/tcp_rmem";
        assert_eq!(
            fine(&[(rmem, "4096 131072 6291456")], "tcp_rmem"),
            Some(false)
        );
        assert_eq!(
            fine(&[(rmem, "4096 131072 33554432")], "tcp_rmem"),
            Some(true)
        );
    }

    #[test]
    fn cores_are_looked_at_one_by_one() {
        let governor = |cpu| format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
        let two = |a, b| found(&[(&governor(0), a), (&governor(1), b)], "governor").unwrap();
        assert!(two("performance", "performance").fine);
        let mixed = two("performance", "powersave");
        assert_eq!(
            (mixed.fine, mixed.value.as_str()),
            (false, "performance, powersave")
        );
        assert_eq!(fine(&[], "governor"), None);
        let state = |name| format!("/sys/devices/system/cpu/cpu0/cpuidle/state1/{name}");
        let deep = |us, off| {
            let files = [
                (state("latency"), us),
                (state("disable"), off),
                (state("name"), "C6"),
            ];
            let files: Vec<_> = files
                .iter()
                .map(|(path, text)| (path.as_str(), *text))
                .collect();
            found(&files, "C-states").unwrap()
        };
        assert_eq!(
            (deep("130", "0").fine, deep("130", "1").fine),
            (false, true)
        );
        assert_eq!(
            (deep("2", "0").fine, deep("130", "0").value.as_str()),
            (true, "C6 (130 µs)")
        );
    }

    #[test]
    fn kernels_limits_and_mounts() {
        let release = "/proc/sys/kernel/osrelease";
        assert_eq!(fine(&[(release, "7.0.1-amd64")], "kernel"), Some(true));
        let limits = "Limit Soft Hard Units\nMax open files 1024 524288 files \n\
                      Max locked memory 8388608 unlimited bytes \n";
        let limits = [("/proc/self/limits", limits)];
        assert_eq!(fine(&limits, "open files"), Some(false));
        assert_eq!(fine(&limits, "locked memory"), Some(true));
        assert_eq!(found(&[], "mount options").unwrap().value, "rw,noatime");
        let swap = ("/proc/swaps", "Filename Type\n/dev/zram0 partition");
        let swappiness = |is| ("/proc/sys/vm/swappiness", is);
        assert_eq!(fine(&[swap, swappiness("60")], "swap"), Some(false));
        assert_eq!(fine(&[swap, swappiness("1")], "swap"), Some(true));
        assert_eq!(
            fine(&[("/proc/swaps", "Filename Type")], "swap"),
            Some(true)
        );
    }

    #[test]
    fn what_the_script_writes_is_what_check_wants() {
        for (group, knobs) in TABLE {
            for knob in *knobs {
                let name = knob.name;
                if let Find::Is(path, _) | Find::Chosen(path, _) | Find::AtLeast(path, _) =
                    &knob.find
                {
                    assert!(
                        knob.see.contains(path),
                        "{group}, {name}: another file is shown"
                    );
                }
                let Some((_, file, value)) = knob.written() else {
                    assert!(matches!(knob.apply, Apply::ByHand), "{group}, {name}");
                    continue;
                };
                let value = value.split('|').next().unwrap().to_owned();
                let file = file
                    .replace("[0-9]*", "0")
                    .replace("queue/", "/sys/sda/queue/");
                let swaps = ("/proc/swaps", "Filename Type\n/dev/zram0 partition");
                let fine = fine(&[(&file, &value), swaps], name);
                assert_eq!(fine, Some(true), "{group}, {name}: {value}");
            }
        }
    }

    fn assert_fresh(name: &str, wanted: impl Fn(&str) -> String) {
        let path = format!("{}/tuning/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let wanted = wanted(&text);
        if std::env::var_os("CORELANE_RENEW_DOCS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        } else {
            let renew = "CORELANE_RENEW_DOCS=1 cargo test --lib tuning_";
            assert!(text == wanted, "tuning/{name} is stale: {renew}");
        }
    }

    #[test]
    fn tuning_readme_is_fresh() {
        assert_fresh("README.md", |text| {
            let mut parts = text.split(MARK);
            let (front, back) = (parts.next().unwrap(), parts.nth(1).unwrap_or_default());
            format!("{front}{MARK}{}{MARK}{back}", markdown())
        });
    }

    #[test]
    fn tuning_list_of_the_script_is_fresh() {
        assert_fresh("knobs.tsv", |_| script());
    }
}
