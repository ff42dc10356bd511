//! Pure: for each request the type of its answer, and what decides it.

use std::ops::Range;

use crate::base::ProducerId;

use super::decide::{
    self, AlterConfigsError, AlteredQuotas, CreatePartitionsError, CreateTopicResult, Deciding,
    Decision, DeleteTopicResult, ReassignError, UpdateFeaturesError,
};
use super::request::{
    AllocateProducerIds, AlterClientQuotas, AlterConfigs, AssignDirectories, CreatePartitions,
    CreateTopics, DeleteTopics, EndMove, FailDirectories, Reassign, RenewLeaders, UpdateFeatures,
};

/// The metadata log cannot be written; the reason is in the broker's own log. Where its disk is
/// full, that ends by itself, and what was asked may be done then; else nothing was decided, and
/// nothing will be until the broker is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotWrite;

/// A change of the cluster that the controller can be asked for.
pub trait Change {
    /// The answer. What it says is on disk, and in the image that was published before.
    type Reply;

    /// The records that the request leads to, and the answer.
    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply>;
}

impl Change for CreateTopics {
    /// A result per topic, in the order that [`CreateTopics::topics`] says.
    type Reply = Vec<CreateTopicResult>;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::create_topics(with, self)
    }
}

impl Change for DeleteTopics {
    /// A result per topic, in no order that means anything.
    type Reply = Vec<DeleteTopicResult>;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::delete_topics(with, &self.0)
    }
}

impl Change for CreatePartitions {
    /// A result per topic: its name and how it went.
    type Reply = Vec<(String, Result<(), CreatePartitionsError>)>;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::create_partitions(with, self)
    }
}

impl Change for AlterConfigs {
    /// A result per resource, in the order of the request.
    type Reply = Vec<Result<(), AlterConfigsError>>;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::alter_configs(with, self)
    }
}

impl Change for AlterClientQuotas {
    /// A result for each entity.
    type Reply = AlteredQuotas;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::alter_client_quotas(with, self)
    }
}

impl Change for UpdateFeatures {
    /// How all of it went.
    type Reply = Result<(), UpdateFeaturesError>;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::update_features(with, self)
    }
}

impl Change for Reassign {
    /// A result per partition, in the order of the request.
    type Reply = Vec<Result<(), ReassignError>>;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::reassign(with, self)
    }
}

impl Change for EndMove {
    /// Whether the partition was to go there.
    type Reply = bool;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::end_move(with, self)
    }
}

impl Change for AllocateProducerIds {
    /// The ids, or none where all 2^63 have been handed out.
    type Reply = Option<Range<ProducerId>>;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::allocate_producer_ids(with, self.0)
    }
}

impl Change for RenewLeaders {
    /// How many partitions began a new term.
    type Reply = usize;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::renew_leaders(with, self.0)
    }
}

impl Change for FailDirectories {
    /// How many partitions lost their leader.
    type Reply = usize;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::fail_directories(with, self.node, &self.directories)
    }
}

impl Change for AssignDirectories {
    /// Whether the directory is one of the node's.
    type Reply = bool;

    fn decide(&self, with: &mut Deciding<'_>) -> Decision<Self::Reply> {
        decide::assign_directories(with, self)
    }
}
