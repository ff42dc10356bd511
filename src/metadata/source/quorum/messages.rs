//! Pure: what is asked about the metadata log, and answers as far as they matter here.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::ids::Uuid;
use crate::base::{ErrorCode, LeaderEpoch, NodeId, Offset};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use crate::wire::codec::messages::fetch_snapshot_request::{
    PartitionSnapshot, SnapshotId as AskedId, TopicSnapshot,
};
use crate::wire::codec::messages::{
    BrokerId, FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, TopicName,
};

use super::download::SnapshotId;
use super::{METADATA_TOPIC, METADATA_TOPIC_ID};

/// Most bytes of records, or of a snapshot, in one answer; a batch that is larger comes alone.
pub const PIECE_BYTES: i32 = 1 << 20;
/// How long a leader holds an answer back while it has nothing new, in milliseconds.
pub const WAIT_MS: i32 = 500;
/// First version of Fetch that says how far the asker knows the log to be committed.
const HIGH_WATERMARK_FROM: i16 = 18;

/// Where a process listens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Address {
    /// Its host: a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The cluster that it belongs to.
    pub cluster_id: Arc<str>,
    /// The id under which the quorum shall know it; `None` to be none of its observers.
    pub replica: Option<NodeId>,
    /// An id of a folder of its own.
    pub directory: Uuid,
}

/// How far the asker is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The term of the quorum that it knows.
    pub leader_epoch: LeaderEpoch,
    /// The offset that it wants.
    pub offset: Offset,
    /// The term of the batch before.
    pub last_epoch: LeaderEpoch,
    /// What it knows to be committed; -1 where it knows nothing.
    pub high_watermark: Offset,
}

/// Who leads the quorum, as an answer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaidLeader {
    /// The term; -1 where the answer says nothing.
    pub epoch: LeaderEpoch,
    /// The leader; `None` while one is being elected.
    pub id: Option<NodeId>,
    /// Where it listens, if the answer says it.
    pub address: Option<Address>,
}

/// What an answer to a Fetch says about the metadata log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// The error of the log.
    pub error: ErrorCode,
    /// Who leads.
    pub leader: SaidLeader,
    /// Up to where the asker's log and the leader's are the same, at most: a term and its end.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// The snapshot that is to be fetched first.
    pub snapshot: Option<SnapshotId>,
    /// What is committed.
    pub high_watermark: Offset,
    /// Batches.
    pub records: Bytes,
}

/// What an answer to a FetchSnapshot says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The error of the log.
    pub error: ErrorCode,
    /// Who leads.
    pub leader: SaidLeader,
    /// The snapshot's size in bytes.
    pub size: i64,
    /// Where the piece stands in it.
    pub position: i64,
    /// The piece.
    pub bytes: Bytes,
}

/// An answer that says nothing about the metadata log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// It is an error as a whole.
    Error(ErrorCode),
    /// It is about something else.
    Other,
}

// === impl Asker ===

impl Asker {
    fn replica_id(&self) -> BrokerId {
        BrokerId(self.replica.map_or(-1, |node| node.0))
    }

    fn cluster(&self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.cluster_id.to_string()))
    }

    /// A Fetch of `version` of the metadata log.
    pub fn fetch(&self, version: i16, progress: &Progress) -> FetchRequest {
        let mut partition = FetchPartition::default()
            .with_partition(0)
            .with_current_leader_epoch(progress.leader_epoch)
            .with_fetch_offset(progress.offset)
            .with_last_fetched_epoch(progress.last_epoch)
            .with_log_start_offset(-1)
            .with_partition_max_bytes(PIECE_BYTES)
            .with_replica_directory_id(self.directory);
        if version >= HIGH_WATERMARK_FROM {
            partition.high_watermark = progress.high_watermark;
        }
        let topic = FetchTopic::default()
            .with_topic_id(METADATA_TOPIC_ID.0)
            .with_partitions(vec![partition]);
        let replica = ReplicaState::default()
            .with_replica_id(self.replica_id())
            .with_replica_epoch(-1);
        FetchRequest::default()
            .with_cluster_id(self.cluster())
            .with_replica_state(replica)
            .with_max_wait_ms(WAIT_MS)
            .with_max_bytes(PIECE_BYTES)
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(vec![topic])
    }

    /// A FetchSnapshot of version 1.
    pub fn fetch_snapshot(
        &self,
        leader_epoch: LeaderEpoch,
        id: SnapshotId,
        position: i64,
    ) -> FetchSnapshotRequest {
        let asked = AskedId::default()
            .with_end_offset(id.end_offset)
            .with_epoch(id.epoch);
        let partition = PartitionSnapshot::default()
            .with_partition(0)
            .with_current_leader_epoch(leader_epoch)
            .with_snapshot_id(asked)
            .with_position(position)
            .with_replica_directory_id(self.directory);
        let topic = TopicSnapshot::default()
            .with_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC)))
            .with_partitions(vec![partition]);
        FetchSnapshotRequest::default()
            .with_cluster_id(self.cluster())
            .with_replica_id(self.replica_id())
            .with_max_bytes(PIECE_BYTES)
            .with_topics(vec![topic])
    }
}

// === impl SaidLeader ===

impl SaidLeader {
    fn new(id: i32, epoch: i32, endpoints: impl Iterator<Item = (i32, Address)>) -> SaidLeader {
        let known = (id >= 0).then_some(NodeId(id));
        SaidLeader {
            epoch,
            id: known,
            address: endpoints
                .filter(|(of, _)| known == Some(NodeId(*of)))
                .map(|(_, address)| address)
                .last(),
        }
    }
}

// === impl Fetched, Piece ===

/// The one element of a list.
fn only<T>(list: Vec<T>) -> Result<T, Unusable> {
    let one: Result<[T; 1], _> = list.try_into();
    one.map(|[one]| one).map_err(|_| Unusable::Other)
}

fn whole(error: i16) -> Result<(), Unusable> {
    match ErrorCode(error) {
        ErrorCode::NONE => Ok(()),
        error => Err(Unusable::Error(error)),
    }
}

impl Fetched {
    /// Reads an answer.
    pub fn read(answer: FetchResponse) -> Result<Fetched, Unusable> {
        whole(answer.error_code)?;
        let endpoints = answer.node_endpoints.into_iter().filter_map(|node| {
            let host = node.host.to_string();
            let port = u16::try_from(node.port).ok()?;
            Some((node.node_id.0, Address { host, port }))
        });
        let topic = only(answer.responses)?;
        let partition = only(topic.partitions)?;
        if topic.topic_id != METADATA_TOPIC_ID.0 || partition.partition_index != 0 {
            return Err(Unusable::Other);
        }
        let (leader, diverging) = (partition.current_leader, partition.diverging_epoch);
        let snapshot = partition.snapshot_id;
        Ok(Fetched {
            error: ErrorCode(partition.error_code),
            leader: SaidLeader::new(leader.leader_id.0, leader.leader_epoch, endpoints),
            diverging: (diverging.epoch >= 0 && diverging.end_offset >= 0)
                .then_some((diverging.epoch, diverging.end_offset)),
            snapshot: (snapshot.epoch >= 0 && snapshot.end_offset >= 0).then_some(SnapshotId {
                end_offset: snapshot.end_offset,
                epoch: snapshot.epoch,
            }),
            high_watermark: partition.high_watermark,
            records: partition.records.unwrap_or_default(),
        })
    }
}

impl Piece {
    /// Reads an answer; one about another snapshot than `id` is unusable.
    pub fn read(answer: FetchSnapshotResponse, id: SnapshotId) -> Result<Piece, Unusable> {
        whole(answer.error_code)?;
        let endpoints = answer.node_endpoints.into_iter().map(|node| {
            let (host, port) = (node.host.to_string(), node.port);
            (node.node_id.0, Address { host, port })
        });
        let topic = only(answer.topics)?;
        let partition = only(topic.partitions)?;
        let error = ErrorCode(partition.error_code);
        let is_it = &*topic.name == METADATA_TOPIC && partition.index == 0;
        let (end_offset, epoch) = (
            partition.snapshot_id.end_offset,
            partition.snapshot_id.epoch,
        );
        if !is_it || (!error.is_error() && id != SnapshotId { end_offset, epoch }) {
            return Err(Unusable::Other);
        }
        let leader = partition.current_leader;
        Ok(Piece {
            error,
            leader: SaidLeader::new(leader.leader_id.0, leader.leader_epoch, endpoints),
            size: partition.size,
            position: partition.position,
            bytes: partition.unaligned_records,
        })
    }
}
