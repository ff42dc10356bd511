//! Drives: what the host under the broker is, what an ack means on it, and what costs latency.
//! May use: `base`, `io`. Never: changes the host, knows of topics or partitions.
//!
//! All but two files are pure and decide from texts and numbers: [`this`] reads those of this
//! machine, [`measure`] writes to its devices.

pub mod device;
mod finders;
pub mod guarantee;
pub mod knobs;
pub mod measure;
pub mod mounts;
pub mod report;
mod table;
pub mod this;

use std::collections::BTreeMap;

/// Reads of a host's small files; those of this machine are [`this::ThisHost`]'s.
pub trait Look {
    /// The text of a file, without the white space around it.
    fn text(&self, path: &str) -> Option<String>;
    /// The names in a folder.
    fn list(&self, path: &str) -> Vec<String>;
    /// Where a path leads when every link is followed.
    fn real(&self, path: &str) -> Option<String>;
    /// Major and minor number of the device: the one that a device node stands for, or else
    /// the one that holds the file or folder.
    fn device(&self, path: &str) -> Option<(u32, u32)>;
}

/// A host written down: texts by path. For tests and offline reports.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The files.
    pub files: BTreeMap<String, String>,
    /// Where links lead.
    pub links: BTreeMap<String, String>,
    /// Numbers of devices by path.
    pub devices: BTreeMap<String, (u32, u32)>,
}

impl Look for Written {
    fn text(&self, path: &str) -> Option<String> {
        self.files.get(path).map(|text| text.trim().to_owned())
    }

    fn list(&self, path: &str) -> Vec<String> {
        let folder = format!("{path}/");
        let inside = self.files.keys().filter_map(|it| it.strip_prefix(&folder));
        let mut names: Vec<String> = inside
            .filter_map(|rest| rest.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        names
    }

    fn real(&self, path: &str) -> Option<String> {
        self.links.get(path).cloned()
    }

    fn device(&self, path: &str) -> Option<(u32, u32)> {
        self.devices.get(path).copied()
    }
}
