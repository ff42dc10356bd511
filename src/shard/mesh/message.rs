//! Pure: every message that crosses cores. A new one shows up here, in review; none has a field
//! for a record.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::faults::Fault;
use crate::base::metrics::Snapshot;
use crate::base::{ErrorCode, Offset, PartitionIndex, ProducerId};
use crate::coordinator::CommittedOffsets;
use crate::io::channel::Call;
use crate::log::HandedOver;
use crate::metadata::controller::{
    AllocateProducerIds, AlterClientQuotas, AlterConfigs, AlterPartition, AlterPartitionReply,
    AssignDirectories, CannotWrite, Change, CreatePartitions, CreateTopics, DeleteTopics,
    FailDirectories, Forward, ForwardError, Reassign, UpdateFeatures,
};
use crate::metadata::image::Image;
use crate::metadata::source::quorum::ApiRanges;
use crate::shard::handover::{Arrive, Leave, LeaveError};
use crate::shard::load::Load;
use crate::shard::markers::{Marker, Targets, Written};
use crate::shard::numbers::{ClientNumbers, Named};

/// A request to change the cluster, with the way back for the answer to just that request.
pub type ChangeCall<C> = Call<C, Result<<C as Change>::Reply, CannotWrite>>;

/// What a shard may be told.
pub enum ShardMessage {
    /// The cluster has changed; answered when the shard serves by the new image.
    Publish(Call<Arc<Image>, ()>),
    /// A partition goes to another shard: close its log, and put it into that one's folder.
    Leave(Call<Leave, Result<HandedOver, LeaveError>>),
    /// A partition comes from another shard, with the next image.
    Arrive(Call<Arrive, ()>),
    /// Stop serving, flush, close, and note the epoch in which the node was registered in a
    /// cluster, -1 for none.
    Stop(Call<i64, ()>),
}

/// What a shard may be asked. It answers at once, whatever it is told meanwhile: who is asked
/// and does not answer is stuck.
pub enum ShardQuestion {
    /// Is it there? For the controller, to which a node that is stuck must not be reported.
    Alive(Call<(), ()>),
    /// What are its numbers?
    Metrics(Call<(), Snapshot>),
    /// How busy is it, and what with?
    Load(Call<(), Load>),
    /// What are the newest numbers of its clients?
    Clients(Call<(), Vec<ClientNumbers>>),
    /// Which offsets have its groups committed? At most so many.
    Committed(Call<usize, CommittedOffsets>),
    /// Where do the records of these partitions end, of those that it leads?
    Ends(Call<Arc<Vec<Named>>, Vec<Option<Offset>>>),
    /// What is wrong with it? Nothing is known before its logs are open.
    Faults(Call<(), Vec<Fault>>),
    /// Are these partitions part of a transaction that it coordinates, or may they be added?
    Join(Call<Joining, Vec<ErrorCode>>),
    /// Will it end a transaction in these partitions that it leads?
    WriteMarkers(Call<(Marker, Targets), Vec<Written>>),
}

/// Partitions that their leader wants to be part of a transaction.
pub struct Joining {
    /// Names the transaction.
    pub transactional_id: Arc<str>,
    /// Its producer.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// Whether they must be part of it already: they are not added.
    pub verify_only: bool,
    /// The partitions, by topic.
    pub partitions: Vec<(Arc<str>, PartitionIndex)>,
}

/// What the control executor may be asked.
pub enum ControlMessage {
    /// Create topics.
    CreateTopics(ChangeCall<CreateTopics>),
    /// Delete topics.
    DeleteTopics(ChangeCall<DeleteTopics>),
    /// Add partitions to topics.
    CreatePartitions(ChangeCall<CreatePartitions>),
    /// Have partitions go to other nodes.
    Reassign(ChangeCall<Reassign>),
    /// Change dynamic settings.
    AlterConfigs(ChangeCall<AlterConfigs>),
    /// Change what users, clients and addresses may use.
    AlterClientQuotas(ChangeCall<AlterClientQuotas>),
    /// Change the levels of features.
    UpdateFeatures(ChangeCall<UpdateFeatures>),
    /// Give a node a block of producer ids.
    AllocateProducerIds(ChangeCall<AllocateProducerIds>),
    /// Take the partitions in failed log directories offline.
    FailDirectories(ChangeCall<FailDirectories>),
    /// Change the replicas in sync of partitions that a node leads.
    AlterPartition(Call<AlterPartition, AlterPartitionReply>),
    /// Tell the controller of the cluster in which directory replicas lie; whether it has taken all
    /// of that.
    AssignDirectories(Call<AssignDirectories, bool>),
    /// Have the active controller of the cluster answer a client's request: its answer is header
    /// and body as they came.
    Forward(Call<Forward, Result<Bytes, ForwardError>>),
    /// Which versions does the active controller of the cluster understand, as far as is known?
    Understood(Call<(), Arc<ApiRanges>>),
    /// All shards have opened their logs; answered when clients may come, or with the reason why
    /// they never may.
    Open(Call<(), Result<(), String>>),
    /// Have all leaderships moved away; answered when that is done, or has taken too long, with the
    /// epochs of the nodes' registrations.
    Leave(Call<(), Vec<i64>>),
    /// End, once everything asked before is done.
    Stop(Call<(), ()>),
}
