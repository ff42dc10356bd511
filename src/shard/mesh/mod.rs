//! Drives: calls between cores: metadata, coordination, numbers. Never a record.
//! May use: `io::channel`, `metadata`. Never: carries bytes that a client produced or fetches.

mod message;

pub use message::{ChangeCall, ControlMessage, Joining, ShardMessage, ShardQuestion};

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::faults::Fault;
use crate::base::ids::Uuid;
use crate::base::{ErrorCode, NodeId, Offset, ProducerId};
use crate::coordinator::CommittedOffsets;
use crate::io::channel::{Call, Disconnected, Receiver, Sender, channel};
use crate::log::HandedOver;
use crate::metadata::controller::decide::{
    AlterConfigsError, AlteredQuotas, CreatePartitionsError, ReassignError, UpdateFeaturesError,
};
use crate::metadata::controller::{
    AllocateProducerIds, AlterClientQuotas, AlterConfigs, AlterPartition, AlterPartitionFailure,
    AlterPartitionReply, AssignDirectories, CannotWrite, Change, CreatePartitions,
    CreateTopicResult, CreateTopics, DeleteTopicResult, DeleteTopics, FailDirectories, Forward,
    ForwardError, Reassign, TopicRef, UpdateFeatures,
};
use crate::metadata::image::Image;
use crate::metadata::source::quorum::ApiRanges;
use crate::shard::handover::{Arrive, Leave, LeaveError};
use crate::shard::load::Load;
#[allow(unused_imports)] // A link of the documentation.
use crate::shard::markers;
use crate::shard::markers::{Marker, Targets, Written};
use crate::shard::numbers::{ClientNumbers, Named};

/// The way from any core to the control executor.
#[derive(Clone)]
pub struct ToControl(Sender<ControlMessage>);

/// The way from the control executor, or the main thread, to one shard.
#[derive(Clone)]
pub struct ToShard {
    orders: Sender<ShardMessage>,
    questions: Sender<ShardQuestion>,
}

/// What comes to a shard.
pub struct Inbox {
    /// Done one after the other.
    pub orders: Receiver<ShardMessage>,
    /// Answered beside them.
    pub questions: Receiver<ShardQuestion>,
}

/// A channel to the control executor.
pub fn control() -> (ToControl, Receiver<ControlMessage>) {
    let (sender, receiver) = channel();
    (ToControl(sender), receiver)
}

/// A channel to a shard.
pub fn shard() -> (ToShard, Inbox) {
    let (orders, next_orders) = channel();
    let (questions, next_questions) = channel();
    let inbox = Inbox {
        orders: next_orders,
        questions: next_questions,
    };
    (ToShard { orders, questions }, inbox)
}

/// Why the controller decided nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// The broker stops.
    #[error("the broker stops")]
    Stopping,
    /// The metadata log cannot be written: see [`CannotWrite`].
    #[error("the metadata log cannot be written")]
    Failed,
}

// === impl ToControl ===

impl ToControl {
    /// Creates topics: a result for each, in the order that [`CreateTopics`] says.
    pub async fn create_topics(
        &self,
        topics: CreateTopics,
    ) -> Result<Vec<CreateTopicResult>, Undecided> {
        self.ask(topics, ControlMessage::CreateTopics).await
    }

    /// Deletes topics: a result for each, in no order that means anything.
    pub async fn delete_topics(
        &self,
        topics: Vec<TopicRef>,
    ) -> Result<Vec<DeleteTopicResult>, Undecided> {
        let topics = DeleteTopics(topics);
        self.ask(topics, ControlMessage::DeleteTopics).await
    }

    /// Adds partitions to topics: how it went for each, with its name.
    pub async fn create_partitions(
        &self,
        topics: CreatePartitions,
    ) -> Result<Vec<(String, Result<(), CreatePartitionsError>)>, Undecided> {
        self.ask(topics, ControlMessage::CreatePartitions).await
    }

    /// Has partitions go to other nodes: how it went for each, in their order. It is noted where
    /// they shall go, and they go later.
    pub async fn reassign(
        &self,
        partitions: Reassign,
    ) -> Result<Vec<Result<(), ReassignError>>, Undecided> {
        self.ask(partitions, ControlMessage::Reassign).await
    }

    /// Changes settings: how it went for each resource, in their order.
    pub async fn alter_configs(
        &self,
        configs: AlterConfigs,
    ) -> Result<Vec<Result<(), AlterConfigsError>>, Undecided> {
        self.ask(configs, ControlMessage::AlterConfigs).await
    }

    /// Changes what users, clients and addresses may use: how it went for each of them.
    pub async fn alter_client_quotas(
        &self,
        quotas: AlterClientQuotas,
    ) -> Result<AlteredQuotas, Undecided> {
        self.ask(quotas, ControlMessage::AlterClientQuotas).await
    }

    /// Changes the levels of features, or none of them.
    pub async fn update_features(
        &self,
        features: UpdateFeatures,
    ) -> Result<Result<(), UpdateFeaturesError>, Undecided> {
        self.ask(features, ControlMessage::UpdateFeatures).await
    }

    /// A block of producer ids for `node`, or none where all have been handed out.
    pub async fn allocate_producer_ids(
        &self,
        node: NodeId,
    ) -> Result<Option<Range<ProducerId>>, Undecided> {
        let block = AllocateProducerIds(node);
        self.ask(block, ControlMessage::AllocateProducerIds).await
    }

    /// Says that log directories of `node` have failed: how many partitions lost their leader.
    pub async fn fail_directories(
        &self,
        node: NodeId,
        directories: Vec<Uuid>,
    ) -> Result<usize, Undecided> {
        let failed = FailDirectories { node, directories };
        self.ask(failed, ControlMessage::FailDirectories).await
    }

    /// Asks the controller and waits until its decision is durable, and published to every shard.
    async fn ask<C: Change>(
        &self,
        change: C,
        message: fn(ChangeCall<C>) -> ControlMessage,
    ) -> Result<C::Reply, Undecided> {
        let (call, answer) = Call::new(change);
        self.0.send(message(call))?;
        Ok(answer.wait().await??)
    }

    /// Changes replicas in sync: a result for each change, in their order.
    pub async fn alter_partition(&self, changes: AlterPartition) -> AlterPartitionReply {
        let (call, answer) = Call::new(changes);
        let sent = self.0.send(ControlMessage::AlterPartition(call));
        let unanswered = |_| AlterPartitionFailure::Unanswered;
        sent.map_err(unanswered)?;
        answer.wait().await.map_err(unanswered)?
    }

    /// Tells the controller of the cluster in which directory replicas lie; whether it has taken
    /// all of that.
    pub async fn assign_directories(&self, asked: AssignDirectories) -> bool {
        let (call, answer) = Call::new(asked);
        let sent = self.0.send(ControlMessage::AssignDirectories(call));
        sent.is_ok() && answer.wait().await.unwrap_or(false)
    }

    /// Has the active controller answer a client's request.
    pub async fn forward(&self, request: Forward) -> Result<Bytes, ForwardError> {
        let (call, answer) = Call::new(request);
        let sent = self.0.send(ControlMessage::Forward(call));
        let unreachable = |_| ForwardError::Unreachable;
        sent.map_err(unreachable)?;
        answer.wait().await.map_err(unreachable)?
    }

    /// Which versions the active controller understands, as far as is known.
    pub async fn understood(&self) -> Result<Arc<ApiRanges>, Disconnected> {
        let (call, answer) = Call::new(());
        self.0.send(ControlMessage::Understood(call))?;
        answer.wait().await
    }

    /// Says that all shards have opened their logs, and waits until clients may come; the error
    /// says why they never may.
    pub async fn open(&self) -> Result<Result<(), String>, Disconnected> {
        let (call, answer) = Call::new(());
        self.0.send(ControlMessage::Open(call))?;
        answer.wait().await
    }

    /// Has all leaderships moved away; the epochs of the nodes' registrations.
    pub async fn leave(&self) -> Result<Vec<i64>, Disconnected> {
        let (call, answer) = Call::new(());
        self.0.send(ControlMessage::Leave(call))?;
        answer.wait().await
    }

    /// Ends the control executor once everything asked before is done.
    pub async fn stop(&self) -> Result<(), Disconnected> {
        let (call, answer) = Call::new(());
        self.0.send(ControlMessage::Stop(call))?;
        answer.wait().await
    }
}

// === impl ToShard ===

impl ToShard {
    /// Hands over a new image; answered when the shard serves by it.
    pub async fn publish(&self, image: Arc<Image>) -> Result<(), Disconnected> {
        let (call, answer) = Call::new(image);
        self.orders.send(ShardMessage::Publish(call))?;
        answer.wait().await
    }

    /// Has a partition leave for another shard, and returns what that one must know.
    pub async fn leave(
        &self,
        leave: Leave,
    ) -> Result<Result<HandedOver, LeaveError>, Disconnected> {
        let (call, answer) = Call::new(leave);
        self.orders.send(ShardMessage::Leave(call))?;
        answer.wait().await
    }

    /// Tells a shard of a partition that comes from another one, before the image does.
    pub async fn arrive(&self, arrive: Arrive) -> Result<(), Disconnected> {
        let (call, answer) = Call::new(arrive);
        self.orders.send(ShardMessage::Arrive(call))?;
        answer.wait().await
    }

    /// Answered as soon as the shard looks.
    pub async fn alive(&self) -> Result<(), Disconnected> {
        let (call, answer) = Call::new(());
        self.questions.send(ShardQuestion::Alive(call))?;
        answer.wait().await
    }

    /// The shard's numbers.
    pub async fn metrics(&self) -> Result<crate::base::metrics::Snapshot, Disconnected> {
        let (call, answer) = Call::new(());
        self.questions.send(ShardQuestion::Metrics(call))?;
        answer.wait().await
    }

    /// How busy it is, and what with, since it was last asked.
    pub async fn load(&self) -> Result<Load, Disconnected> {
        let (call, answer) = Call::new(());
        self.questions.send(ShardQuestion::Load(call))?;
        answer.wait().await
    }

    /// The newest numbers that its clients have pushed.
    pub async fn clients(&self) -> Result<Vec<ClientNumbers>, Disconnected> {
        let (call, answer) = Call::new(());
        self.questions.send(ShardQuestion::Clients(call))?;
        answer.wait().await
    }

    /// What is wrong with the shard.
    pub async fn faults(&self) -> Result<Vec<Fault>, Disconnected> {
        let (call, answer) = Call::new(());
        self.questions.send(ShardQuestion::Faults(call))?;
        answer.wait().await
    }

    /// What its groups have committed, at most `most` offsets of it.
    pub async fn committed(&self, most: usize) -> Result<CommittedOffsets, Disconnected> {
        let (call, answer) = Call::new(most);
        self.questions.send(ShardQuestion::Committed(call))?;
        answer.wait().await
    }

    /// Where the records of these partitions end, in their order; `None` for those that it does
    /// not lead.
    pub async fn ends(&self, of: Arc<Vec<Named>>) -> Result<Vec<Option<Offset>>, Disconnected> {
        let (call, answer) = Call::new(of);
        self.questions.send(ShardQuestion::Ends(call))?;
        answer.wait().await
    }

    /// Asks the coordinator of a transaction about partitions; a code for each, in their order.
    pub async fn join(&self, joining: Joining) -> Result<Vec<ErrorCode>, Disconnected> {
        let (call, answer) = Call::new(joining);
        self.questions.send(ShardQuestion::Join(call))?;
        answer.wait().await
    }

    /// Ends a transaction in these partitions, which it leads: see [`markers::write_here`].
    pub async fn write_markers(
        &self,
        marker: Marker,
        targets: Targets,
    ) -> Result<Vec<Written>, Disconnected> {
        let (call, answer) = Call::new((marker, targets));
        self.questions.send(ShardQuestion::WriteMarkers(call))?;
        answer.wait().await
    }

    /// Stops serving, flushes and closes every log; answered when all is on disk. `broker_epoch`
    /// is that of the node's registration in a cluster, -1 for none.
    pub async fn stop(&self, broker_epoch: i64) -> Result<(), Disconnected> {
        let (call, answer) = Call::new(broker_epoch);
        self.orders.send(ShardMessage::Stop(call))?;
        answer.wait().await
    }
}

// === impl Undecided ===

impl From<CannotWrite> for Undecided {
    fn from(_: CannotWrite) -> Undecided {
        Undecided::Failed
    }
}

impl From<Disconnected> for Undecided {
    fn from(_: Disconnected) -> Undecided {
        Undecided::Stopping
    }
}
