//! Pure: the nodes of an image: who is registered, where they listen, whether they serve.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::NodeId;
use crate::base::ids::Uuid;
use crate::metadata::record::{self, Endpoint, FeatureRange};

use super::ReplayError;

/// All registered brokers.
#[derive(Clone, Debug, Default)]
pub struct Brokers {
    by_id: Arc<BTreeMap<NodeId, Arc<Broker>>>,
}

/// One registered broker. Shared by all images in which it is the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    /// Its node id.
    pub id: NodeId,
    /// Its epoch: rises with each registration.
    pub epoch: i64,
    /// The process that registered.
    pub incarnation: Uuid,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// The features it can work with.
    pub features: Vec<FeatureRange>,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it may not lead.
    pub fenced: bool,
    /// Whether it is about to stop.
    pub in_controlled_shutdown: bool,
    /// Ids of its log directories.
    pub log_dirs: Vec<Uuid>,
}

// === impl Brokers ===

impl Brokers {
    /// Count of registered brokers.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is registered.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The broker with this id.
    pub fn get(&self, id: NodeId) -> Option<&Arc<Broker>> {
        self.by_id.get(&id)
    }

    /// All brokers by rising ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.by_id.values()
    }

    /// The brokers that serve, by rising ids.
    pub fn alive(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.iter().filter(|broker| !broker.fenced)
    }

    /// Whether the broker with this id is registered and serves.
    pub fn is_alive(&self, id: NodeId) -> bool {
        self.get(id).is_some_and(|broker| !broker.fenced)
    }

    /// Whether the broker with this id may be in sync: it serves, and is not about to stop.
    pub fn may_be_in_sync(&self, id: NodeId) -> bool {
        let broker = self.get(id);
        broker.is_some_and(|broker| !broker.fenced && !broker.in_controlled_shutdown)
    }

    /// Whether the same brokers, in the same registrations, may be in sync.
    pub fn are_as_eligible_as(&self, other: &Brokers) -> bool {
        let eligible = |brokers: &Brokers| -> Vec<(NodeId, i64)> {
            let those = brokers.iter().filter(|it| brokers.may_be_in_sync(it.id));
            those.map(|it| (it.id, it.epoch)).collect()
        };
        Arc::ptr_eq(&self.by_id, &other.by_id) || eligible(self) == eligible(other)
    }

    pub(super) fn register(&mut self, record: &record::RegisterBroker) {
        let broker = Broker {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation: record.incarnation_id,
            endpoints: record.end_points.clone(),
            features: record.features.clone(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: record.log_dirs.clone(),
        };
        Arc::make_mut(&mut self.by_id).insert(broker.id, Arc::new(broker));
    }

    pub(super) fn unregister(&mut self, id: NodeId, epoch: i64) -> Result<(), ReplayError> {
        self.current(id, epoch)?;
        Arc::make_mut(&mut self.by_id).remove(&id);
        Ok(())
    }

    pub(super) fn fence(
        &mut self,
        id: NodeId,
        epoch: i64,
        fenced: bool,
    ) -> Result<(), ReplayError> {
        self.current(id, epoch)?.fenced = fenced;
        Ok(())
    }

    pub(super) fn change(
        &mut self,
        record: &record::BrokerRegistrationChange,
    ) -> Result<(), ReplayError> {
        let broker = self.current(record.broker_id, record.broker_epoch)?;
        if record.fenced != 0 {
            broker.fenced = record.fenced > 0;
        }
        if record.in_controlled_shutdown != 0 {
            broker.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            broker.log_dirs.clone_from(&record.log_dirs);
        }
        Ok(())
    }

    /// The registration of `id`, if it is the one with `epoch`.
    fn current(&mut self, id: NodeId, epoch: i64) -> Result<&mut Broker, ReplayError> {
        Arc::make_mut(&mut self.by_id)
            .get_mut(&id)
            .map(Arc::make_mut)
            .filter(|broker| broker.epoch == epoch)
            .ok_or(ReplayError::UnknownBroker(id, epoch))
    }
}

// === impl Broker ===

impl Broker {
    /// Where it listens under this listener name.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.name == listener)
    }
}
