//! Pure: who may change the cluster: a controller, which turns requests into records.
//! May use: `base`, `io`, `log`, `metadata::{record, image, source}`. Never: answers before what
//! it says is on disk.

mod change;
pub mod decide;
mod folder;
pub mod formatted;
mod identity;
mod local;
mod moves;
mod quorum;
mod request;
mod standing;

pub use change::{CannotWrite, Change};
pub use decide::{CreateTopicResult, CreatedTopic, DeleteTopicResult, Random};
pub use folder::{LoadError, NodeDir, metadata_dir, shard_dir};
pub use identity::{FILE as IDENTITY_FILE, Identity, IdentityError};
pub use local::{EPOCH, LocalController};
pub use moves::{Move, MoveError, finish_moves, moves_in};
pub use quorum::{Forward, ForwardError, Node, QuorumController};
pub use request::{
    AllocateProducerIds, AlterClientQuotas, AlterConfigs, AlterPartition, AlterPartitionError,
    AlterPartitionFailure, AlterPartitionReply, AlteredPartition, AssignDirectories, ConfigChange,
    CreatePartitions, CreateTopics, DeleteTopics, EndMove, FailDirectories, FeatureChange,
    IsrChange, MorePartitions, NewTopic, QuotaChange, Reassign, Reassignment, RenewLeaders,
    ResourceChange, TopicRef, UpdateFeatures,
};

pub use standing::Standing;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::WallMs;
use crate::base::faults::Fault;
use crate::metadata::image::Image;

/// Where the cluster is decided about.
#[derive(Clone)]
pub enum Controller {
    /// In this process, which is all of its cluster.
    Local(Rc<LocalController>),
    /// By an Apache Kafka controller quorum.
    Quorum(Rc<QuorumController>),
}

impl Controller {
    /// The newest image.
    pub fn image(&self) -> Arc<Image> {
        match self {
            Controller::Local(controller) => controller.image(),
            Controller::Quorum(controller) => controller.image(),
        }
    }

    /// Each node's folders, in the order of the settings.
    pub fn directories(&self) -> &[Vec<NodeDir>] {
        match self {
            Controller::Local(controller) => controller.directories(),
            Controller::Quorum(controller) => controller.directories(),
        }
    }

    /// How this process stands to the controller.
    pub fn standing(&self) -> Standing {
        match self {
            Controller::Local(controller) => {
                let image = controller.image();
                Standing {
                    is_local: true,
                    controller: image.brokers.iter().next().map(|broker| broker.id),
                    epoch: 0,
                    address: String::new(),
                    end_offset: image.end_offset,
                    committed_end: image.end_offset,
                    silence: Some(Duration::ZERO),
                    fenced: Vec::new(),
                }
            }
            Controller::Quorum(controller) => controller.standing(),
        }
    }

    /// Why the cluster cannot be changed now, for the health page.
    pub fn faults(&self, now: WallMs) -> Vec<Fault> {
        match self {
            Controller::Local(controller) => controller.faults(now),
            Controller::Quorum(controller) => controller.faults(now),
        }
    }
}

#[cfg(test)]
mod tests;
