//! Pure: the dynamic settings of an image, by resource.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::metadata::record;

use super::ReplayError;
use super::shared::SharedMap;

/// The settings of one resource, by name. Shared by all images in which they are the same.
pub type Overrides = Arc<BTreeMap<String, String>>;

static NONE: LazyLock<Overrides> = LazyLock::new(Overrides::default);

/// A kind of resource that has dynamic settings; the numbers are those of `ConfigResource.Type`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResourceKind {
    /// A topic, by its name.
    Topic = 2,
    /// A broker, by its id; the empty name is the default of all brokers.
    Broker = 4,
    /// The log levels of a broker; never stored.
    BrokerLogger = 8,
    /// A subscription to clients' metrics (KIP-714).
    ClientMetrics = 16,
    /// A group.
    Group = 32,
}

/// All dynamic settings.
#[derive(Clone, Debug, Default)]
pub struct Configs {
    topics: SharedMap<Arc<str>, Overrides>,
    /// The other kinds, which are few.
    others: Arc<BTreeMap<ResourceKind, BTreeMap<Arc<str>, Overrides>>>,
}

// === impl ResourceKind ===

impl ResourceKind {
    const ALL: [ResourceKind; 5] = [
        ResourceKind::Topic,
        ResourceKind::Broker,
        ResourceKind::BrokerLogger,
        ResourceKind::ClientMetrics,
        ResourceKind::Group,
    ];

    /// The kind with this number.
    pub fn from_id(id: i8) -> Option<ResourceKind> {
        ResourceKind::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The number of this kind.
    pub fn id(self) -> i8 {
        self as i8
    }
}

// === impl Configs ===

impl Configs {
    /// The settings of a resource; empty where it has none.
    pub fn of(&self, kind: ResourceKind, name: &str) -> &Overrides {
        let found = match kind {
            ResourceKind::Topic => self.topics.get(name),
            kind => self.others.get(&kind).and_then(|named| named.get(name)),
        };
        found.unwrap_or(&NONE)
    }

    /// The settings of a topic; empty where it has none.
    pub fn topic(&self, name: &str) -> &Overrides {
        self.of(ResourceKind::Topic, name)
    }

    /// The settings that are the default of all brokers.
    pub fn all_brokers(&self) -> &Overrides {
        self.of(ResourceKind::Broker, "")
    }

    /// Names of the resources of this kind that have settings, by rising names.
    pub fn names(&self, kind: ResourceKind) -> Vec<&Arc<str>> {
        match kind {
            ResourceKind::Topic => {
                let mut names: Vec<_> = self.topics.iter().map(|(name, _)| name).collect();
                names.sort_unstable();
                names
            }
            kind => self
                .others
                .get(&kind)
                .into_iter()
                .flat_map(BTreeMap::keys)
                .collect(),
        }
    }

    /// Names of the topics whose settings differ from those in an `older` image. Costs what
    /// differs, not what there is.
    pub fn topics_changed_since(&self, older: &Configs) -> Vec<Arc<str>> {
        let differing = self.topics.differing(&older.topics);
        let mut names: Vec<_> = differing
            .filter(|(_, name, _)| self.topic(name) != older.topic(name))
            .map(|(_, name, _)| Arc::clone(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(super) fn replay(&mut self, record: &record::Config) -> Result<(), ReplayError> {
        let kind = ResourceKind::from_id(record.resource_type)
            .ok_or(ReplayError::UnknownResource(record.resource_type))?;
        let name: &str = &record.resource_name;
        let mut overrides = Arc::clone(self.of(kind, name));
        let settings = Arc::make_mut(&mut overrides);
        match &record.value {
            Some(value) => settings.insert(record.name.clone(), value.clone()),
            None => settings.remove(&record.name),
        };
        match kind {
            ResourceKind::Topic if overrides.is_empty() => self.remove_topic(name),
            ResourceKind::Topic => {
                self.topics.insert(name.into(), overrides);
            }
            kind => {
                let named = Arc::make_mut(&mut self.others).entry(kind).or_default();
                if overrides.is_empty() {
                    named.remove(name);
                } else {
                    named.insert(name.into(), overrides);
                }
            }
        }
        Ok(())
    }

    /// Forgets the settings of a topic that is gone.
    pub(super) fn remove_topic(&mut self, name: &str) {
        self.topics.remove(name);
    }
}
