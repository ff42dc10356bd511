//! Pure: what an ack means on this device, for each class of acks.

use std::fmt;

use super::device::DeviceFacts;

/// When a topic's records are acked (`flush.messages`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AckClass {
    /// Written and flushed: `flush.messages` is 1.
    Flushed,
    /// Written by direct I/O; a flush follows later.
    Written,
}

/// The worst that acked records survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Survives {
    /// It cannot be told.
    Unknown,
    /// A crash of the broker, not one of the kernel.
    BrokerCrash,
    /// A crash of the broker and of the kernel, not a power cut.
    KernelCrash,
    /// A power cut.
    PowerCut,
}

/// What an ack means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// The class of acks.
    pub class: AckClass,
    /// The worst that acked records survive, by the device's own word.
    pub survives: Survives,
    /// One sentence with the reason.
    pub text: String,
}

/// File systems on another machine, or run by a process of this one.
const REMOTE: [&str; 10] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "9p",
    "virtiofs",
    "fuse",
    "glusterfs",
    "lustre",
];

// === impl AckClass ===

impl AckClass {
    /// The class of a topic with this `flush.messages`.
    pub fn of(flush_messages: u64) -> AckClass {
        if flush_messages <= 1 {
            AckClass::Flushed
        } else {
            AckClass::Written
        }
    }

    /// One word for metrics.
    pub fn word(self) -> &'static str {
        match self {
            AckClass::Flushed => "flushed",
            AckClass::Written => "written",
        }
    }
}

// === impl Survives ===

impl Survives {
    /// One word for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Survives::Unknown => "unknown",
            Survives::BrokerCrash => "broker_crash",
            Survives::KernelCrash => "kernel_crash",
            Survives::PowerCut => "power_cut",
        }
    }
}

impl fmt::Display for Survives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Survives::Unknown => "what it survives is not known",
            Survives::BrokerCrash => "survives a crash of the broker, not one of the kernel",
            Survives::KernelCrash => {
                "survives a crash of the broker and of the kernel, not a power cut"
            }
            Survives::PowerCut => "on stable storage, survives a power cut",
        })
    }
}

/// What an ack of this class means on the device.
pub fn guarantee(facts: &DeviceFacts, class: AckClass) -> Guarantee {
    let (survives, reason) = match class {
        AckClass::Flushed => flushed(facts),
        AckClass::Written => written(facts),
    };
    let mut text = format!("{survives}: {reason}");
    let host_decides = facts.disk().is_some_and(|disk| disk.is_virtual);
    if survives == Survives::PowerCut && host_decides {
        text += " (a virtual disk: as far as its host keeps its word)";
    }
    Guarantee {
        class,
        survives,
        text,
    }
}

/// A device beneath the mounted one that has a cache of which that one knows nothing.
fn hidden_cache(facts: &DeviceFacts) -> Option<(&str, &str)> {
    let (top, below) = facts.layers.split_first()?;
    let hides = top.volatile_cache == Some(false);
    let hidden = below.iter().find(|it| it.volatile_cache == Some(true));
    hidden
        .filter(|_| hides)
        .map(|hidden| (top.name.as_str(), hidden.name.as_str()))
}

/// Where the file system does not hand flushes on, or there is nothing to hand them to.
fn without_flushes(facts: &DeviceFacts) -> Option<(Survives, String)> {
    let fs = facts.fs();
    if matches!(fs, "tmpfs" | "ramfs") {
        return Some((Survives::BrokerCrash, format!("{fs} is memory")));
    }
    if facts.layers.is_empty() {
        let what = if REMOTE.iter().any(|it| fs.split('.').next() == Some(it)) {
            "is kept elsewhere"
        } else {
            "does not say which device it is on"
        };
        let reason = format!("{fs} {what}; flushes are sent, what becomes of them is not known");
        return Some((Survives::Unknown, reason));
    }
    if let Some((top, below)) = hidden_cache(facts) {
        let reason = format!(
            "{top} says that it has no volatile cache, but {below} beneath it has one, and no \
             flush comes through to that"
        );
        return Some((Survives::KernelCrash, reason));
    }
    let silent = facts.layers[0].volatile_cache != Some(false);
    if silent && (facts.has_option("nobarrier") || facts.has_option("barrier=0")) {
        let reason = format!(
            "{fs} is mounted without barriers, so that no flush reaches {}: mount it with them",
            facts.name()
        );
        return Some((Survives::KernelCrash, reason));
    }
    None
}

fn flushed(facts: &DeviceFacts) -> (Survives, String) {
    if let Some(found) = without_flushes(facts) {
        return found;
    }
    let name = facts.name();
    let mut reason = match facts.layers[0].volatile_cache {
        Some(true) => format!(
            "the volatile write cache of {name} is flushed before each ack (flush.messages=1)"
        ),
        Some(false) => format!("{name} has no volatile write cache: what is written is stable"),
        None => {
            let reason = format!(
                "{name} does not tell of its write cache; a flush is sent before each ack \
                 (flush.messages=1)"
            );
            return (Survives::Unknown, reason);
        }
    };
    if !facts.overwrites_in_place() {
        reason += &format!(
            "; {} does not write in place, so that each flush has more to do, which is slower",
            facts.fs()
        );
    }
    (Survives::PowerCut, reason)
}

fn written(facts: &DeviceFacts) -> (Survives, String) {
    if facts.layers.is_empty()
        && let Some(found) = without_flushes(facts)
    {
        return found;
    }
    // Batches that go past the journal are written to space that the file system takes for
    // unwritten until its own journal says otherwise.
    let reason = format!(
        "a crash of the kernel may undo in {} what is flushed later (flush.messages above 1, \
         flush.ms)",
        facts.fs()
    );
    (Survives::BrokerCrash, reason)
}

#[cfg(test)]
mod tests {
    use super::super::device::Layer;
    use super::super::device::tests::disk;
    use super::*;

    fn says(facts: &DeviceFacts) -> (Survives, Survives) {
        let of = |class| guarantee(facts, class).survives;
        (of(AckClass::Flushed), of(AckClass::Written))
    }

    #[test]
    fn a_cache_is_flushed_and_no_cache_needs_none() {
        use Survives::{BrokerCrash, KernelCrash, PowerCut, Unknown};
        let back = disk("ext4", "rw", "write back");
        assert_eq!(says(&back), (PowerCut, BrokerCrash));
        let text = guarantee(&back, AckClass::Flushed).text;
        assert_eq!(
            text,
            "on stable storage, survives a power cut: the volatile write cache of sda is \
             flushed before each ack (flush.messages=1)"
        );
        assert_eq!(
            says(&disk("xfs", "rw", "write through")),
            (PowerCut, BrokerCrash)
        );
        assert_eq!(says(&disk("ext4", "rw", "?")), (Unknown, BrokerCrash));
        let no_barrier = disk("ext4", "rw,nobarrier", "write back");
        assert_eq!(says(&no_barrier), (KernelCrash, BrokerCrash));
        let through = disk("ext4", "rw,barrier=0", "write through");
        assert_eq!(says(&through), (PowerCut, BrokerCrash));
        let cow = disk("btrfs", "rw", "write back");
        assert_eq!(says(&cow), (PowerCut, BrokerCrash));
        assert!(
            guarantee(&cow, AckClass::Flushed)
                .text
                .contains("does not write in place")
        );
        let journal = disk("ext4", "rw,data=journal", "write back");
        assert_eq!(says(&journal), (PowerCut, BrokerCrash));
    }

    #[test]
    fn what_is_beneath_counts() {
        use Survives::{BrokerCrash, KernelCrash, Unknown};
        let mut hidden = disk("ext4", "rw", "write through");
        hidden.layers.push(Layer {
            name: "sdb".into(),
            volatile_cache: Some(true),
            ..Layer::default()
        });
        assert_eq!(says(&hidden), (KernelCrash, BrokerCrash));
        let mut guest = disk("ext4", "rw", "write back");
        guest.layers[0].is_virtual = true;
        let text = guarantee(&guest, AckClass::Flushed).text;
        assert!(
            text.ends_with("as far as its host keeps its word)"),
            "{text}"
        );
        for (fs, expected) in [
            ("tmpfs", BrokerCrash),
            ("nfs4", Unknown),
            ("overlay", Unknown),
        ] {
            let mut nowhere = disk(fs, "rw", "write back");
            nowhere.layers.clear();
            assert_eq!(says(&nowhere), (expected, expected), "{fs}");
        }
    }

    #[test]
    fn one_message_is_one_class_and_more_the_other() {
        assert_eq!(AckClass::of(1), AckClass::Flushed);
        assert_eq!(AckClass::of(2), AckClass::Written);
        assert_eq!(AckClass::of(u64::MAX), AckClass::Written);
        assert!(Survives::PowerCut > Survives::KernelCrash);
    }
}
