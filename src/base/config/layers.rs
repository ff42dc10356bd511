//! Pure: the places a broker setting may come from, and which of them wins.

use std::collections::BTreeMap;

use super::setting::Setting;
use super::value::Value;

/// Names and texts, as they were set.
pub type Texts = BTreeMap<String, String>;

/// What was set for one node, by where it was set. The later field wins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layers {
    /// The file, with the flags over it.
    pub fixed: Texts,
    /// Changed while running, for all nodes.
    pub cluster: Texts,
    /// Changed while running, for this node.
    pub node: Texts,
}

impl Layers {
    /// The text that was set last, if any was.
    pub fn text(&self, name: &str) -> Option<&str> {
        let layers = [&self.node, &self.cluster, &self.fixed];
        layers
            .iter()
            .find_map(|layer| layer.get(name))
            .map(String::as_str)
    }

    /// What was set, read as a value: a text that does not fit counts as not set.
    pub fn set(&self, row: &Setting) -> Option<Value> {
        let layers = [&self.node, &self.cluster, &self.fixed];
        layers
            .iter()
            .filter_map(|layer| layer.get(row.name))
            .find_map(|text| row.parse(text).ok())
    }

    /// What was set, or else the default.
    pub fn value(&self, row: &Setting) -> Option<Value> {
        self.set(row).or_else(|| row.default_value())
    }
}
