//! Drives: the coordinators of a shard: the state machines whose partitions it leads.

use std::rc::Rc;
use std::sync::Arc;

use super::partitions::Partitions;
use crate::base::config::BrokerConfig;
use crate::base::metrics::Snapshot;
use crate::coordinator::group::{Change, GroupConfig, Topics};
use crate::coordinator::transaction::TransactionConfig;
use crate::coordinator::{GroupCoordinator, Transactions};
use crate::io::budget::Budget;
use crate::metadata::image::{Image, Topic, TopicChange};

/// The topic that keeps groups and their offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// The topic that keeps transactional ids.
pub const TRANSACTIONS_TOPIC: &str = "__transaction_state";
/// The feature that says how far a cluster is with KIP-890.
pub const TRANSACTION_VERSION: &str = "transaction.version";

/// What a shard coordinates, each kind over a topic of its own.
pub struct Coordinators {
    /// The groups whose partitions of `__consumer_offsets` it leads.
    pub groups: GroupCoordinator,
    /// The transactional ids whose partitions of `__transaction_state` it leads.
    pub transactions: Transactions,
}

// === impl Coordinators ===

impl Coordinators {
    /// Coordinators with the broker's settings, of nothing yet.
    pub(super) fn new(config: &BrokerConfig, budget: &Rc<Budget>) -> Coordinators {
        let groups = config.offsets.topic_partitions;
        let transactions = config.transactions.topic_partitions;
        Coordinators {
            groups: GroupCoordinator::new(GroupConfig::of(config), groups, budget),
            transactions: Transactions::new(TransactionConfig::of(config), transactions, budget),
        }
    }

    /// Serves what is kept in the partitions that are led here now.
    pub(super) fn lead(&self, partitions: &Partitions) {
        let led = |name: &str| {
            let topic = partitions.topic(name)?;
            let led = topic.local().filter(|partition| partition.is_leader());
            Some((topic.partitions.len() as i32, led.cloned().collect()))
        };
        if let Some((count, led)) = led(OFFSETS_TOPIC) {
            self.groups.set_partition_count(count);
            self.groups.lead(led);
        }
        if let Some((count, led)) = led(TRANSACTIONS_TOPIC) {
            self.transactions.set_partition_count(count);
            self.transactions.lead(led);
        }
    }

    /// Follows a change of the cluster to `image`: the topics that are not as they were are in
    /// `changes`. What is led here now is served, the groups' topics are looked at anew, and the
    /// offsets of topics that are gone are forgotten.
    pub(super) fn apply(
        &self,
        partitions: &Partitions,
        image: &Arc<Image>,
        changes: &[TopicChange],
    ) {
        let version = image.features.get(TRANSACTION_VERSION);
        self.transactions.set_version(version.copied().unwrap_or(0));
        // First, so that groups that are loaded from now on know the topics.
        let name = |topic: &Arc<Topic>| -> Rc<str> { (&*topic.name).into() };
        let gone = changes.iter().filter(|change| change.after.is_none());
        let gone = gone.filter_map(|change| change.before.as_ref());
        let any = |change: &TopicChange| change.after.as_ref().or(change.before.as_ref()).map(name);
        self.groups.follow(&Change {
            topics: Topics::of(Arc::clone(image)),
            names: changes.iter().filter_map(any).collect(),
            gone: gone.map(|topic| (name(topic), topic.id)).collect(),
            has_new: changes.iter().any(|change| change.before.is_none()),
        });
        self.lead(partitions);
    }

    /// Adds all counts to a snapshot, in steps.
    pub(super) async fn export(&self, to: &mut Snapshot) {
        self.groups.export(to).await;
        self.transactions.export(to).await;
    }

    /// Serves nothing any more.
    pub(super) fn stop(&self) {
        self.groups.stop();
        self.transactions.stop();
    }
}
