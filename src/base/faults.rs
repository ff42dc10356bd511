//! Pure: what is wrong now, as plain values: what kind, with what, why, since when.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::WallMs;
use super::metrics::{SampleValue, Snapshot};

/// What kind of thing is wrong. All of them keep some request from being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The metadata log takes no more writes until a restart: nothing about the cluster changes.
    MetadataFailed,
    /// The metadata log has no disk space, or lacks something of the host: changes are refused.
    MetadataWaits,
    /// A folder of `log.dirs` cannot be used.
    FolderOffline,
    /// A partition could not be opened, or lies in a folder that cannot be used.
    PartitionOffline,
    /// A partition takes no more writes until a restart; what it acked can be read.
    PartitionFailed,
    /// A partition takes no more records: its device is full.
    DiskFull,
    /// A partition takes no more records: the host is short of descriptors or memory.
    HostShort,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of thing.
    pub kind: FaultKind,
    /// With what: a folder, or a topic and a partition.
    pub with: String,
    /// Why, as far as is known; else the log said so at the time.
    pub why: String,
    /// Since when, by the wall clock.
    pub since_ms: WallMs,
}

/// Remembers since when things are wrong.
#[derive(Debug, Default)]
pub struct Faults(RefCell<BTreeMap<(FaultKind, String), WallMs>>);

// === impl FaultKind ===

impl FaultKind {
    /// Every kind, the worst first.
    pub const ALL: [FaultKind; 7] = [
        FaultKind::MetadataFailed,
        FaultKind::MetadataWaits,
        FaultKind::FolderOffline,
        FaultKind::PartitionOffline,
        FaultKind::PartitionFailed,
        FaultKind::DiskFull,
        FaultKind::HostShort,
    ];

    /// Its name on pages and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::MetadataFailed => "metadata log failed",
            FaultKind::MetadataWaits => "metadata log waits",
            FaultKind::FolderOffline => "folder offline",
            FaultKind::PartitionOffline => "partition offline",
            FaultKind::PartitionFailed => "partition takes no writes",
            FaultKind::DiskFull => "disk full",
            FaultKind::HostShort => "host short of descriptors or memory",
        }
    }

    /// Whether a restart of the process is the cure, and nothing else is.
    pub fn wants_restart(self) -> bool {
        self == FaultKind::MetadataFailed
    }

    /// Whether the control executor finds it, and not a shard.
    pub fn is_of_control(self) -> bool {
        matches!(self, FaultKind::MetadataFailed | FaultKind::MetadataWaits)
    }
}

// === impl Faults ===

impl Faults {
    /// What is wrong `now`, given as kind, thing and reason; what was wrong at the last call keeps
    /// its time, what is no longer wrong loses it.
    pub fn are(&self, found: Vec<(FaultKind, String, String)>, now: WallMs) -> Vec<Fault> {
        let mut known = self.0.borrow_mut();
        let before = std::mem::take(&mut *known);
        let since = |(kind, with, why): (FaultKind, String, String)| {
            let key = (kind, with.clone());
            let since_ms = before.get(&key).copied().unwrap_or(now);
            known.insert(key, since_ms);
            Fault {
                kind,
                with,
                why,
                since_ms,
            }
        };
        let mut faults: Vec<Fault> = found.into_iter().map(since).collect();
        faults.sort_by(|a, b| (a.kind, &a.with).cmp(&(b.kind, &b.with)));
        faults
    }
}

/// Adds to a snapshot how many faults of each kind there are; those of the control executor or
/// those of a shard, none of which is left out where there are none.
pub fn export(faults: &[Fault], of_control: bool, to: &mut Snapshot) {
    let kinds = FaultKind::ALL.into_iter();
    for kind in kinds.filter(|kind| kind.is_of_control() == of_control) {
        let count = faults.iter().filter(|fault| fault.kind == kind).count();
        to.push(
            "corelane_faults",
            "What is wrong now and keeps requests from being served, by kind; /health names it.",
            vec![("kind", kind.name().to_owned())],
            SampleValue::Gauge(count as f64),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_keeps_its_time_until_it_is_gone() {
        let faults = Faults::default();
        let full = |with: &str| (FaultKind::DiskFull, with.to_owned(), "full".to_owned());
        let first = faults.are(vec![full("t-1")], 100);
        assert_eq!(first[0].since_ms, 100);
        let both = faults.are(vec![full("t-1"), full("t-0")], 200);
        let since: Vec<_> = both.iter().map(|it| (&*it.with, it.since_ms)).collect();
        assert_eq!(since, [("t-0", 200), ("t-1", 100)]);
        assert!(faults.are(Vec::new(), 300).is_empty());
        assert_eq!(faults.are(vec![full("t-1")], 400)[0].since_ms, 400);
    }

    #[test]
    fn each_kind_is_exported_once_also_when_there_is_none() {
        let mut snapshot = Snapshot::default();
        export(&[], true, &mut snapshot);
        export(&[], false, &mut snapshot);
        let text = super::super::metrics::to_prometheus(&[snapshot]);
        let lines = text
            .lines()
            .filter(|line| line.starts_with("corelane_faults{"));
        assert_eq!(lines.count(), FaultKind::ALL.len(), "{text}");
    }
}
