//! Drives: a double of a controller quorum for tests: it serves a metadata log in memory as the
//! leader and its followers do, registers brokers, and keeps the rules of partitions.

mod members;
mod partitions;
mod serve;

use members::Members;
pub use members::SESSION;
use partitions::Partitions;
pub use partitions::State as PartitionState;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::download::SnapshotId;
use super::download::tests::snapshot;
use super::messages::Address;
use super::{METADATA_TOPIC, METADATA_TOPIC_ID};
use crate::base::{ErrorCode, LeaderEpoch, Offset};
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::io::sim::World;
use crate::metadata::image::Image;
use crate::metadata::record::{FeatureLevel, MetadataRecord, encode_batch};
use crate::metadata::source::Loader;
use crate::wire::batch::{BatchView, stamp};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
    SnapshotId as FetchedId,
};
use crate::wire::codec::messages::fetch_snapshot_response as snapshots;
use crate::wire::codec::messages::{
    BrokerId, FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, TopicName,
};

pub const CLUSTER: &str = "cluster";
/// The first controller's id; the others follow.
pub const FIRST_ID: i32 = 3000;
const PORT: u16 = 9093;
/// Small, so that snapshots come in pieces and logs in several answers.
const PIECE_BYTES: usize = 300;

/// A quorum; clones share it.
#[derive(Clone)]
pub struct Quorum(Rc<Inner>);

struct Inner {
    runtime: Runtime,
    count: usize,
    leader: Cell<Option<usize>>,
    epoch: Cell<LeaderEpoch>,
    log: RefCell<Vec<Batch>>,
    committed: Cell<usize>,
    /// Batches before it are in the snapshot only.
    first: Cell<usize>,
    snapshot: RefCell<Option<(SnapshotId, Bytes)>>,
    cluster_id: RefCell<String>,
    members: Members,
    partitions: Partitions,
    /// Requests that were answered.
    answers: Cell<u64>,
}

#[derive(Clone)]
struct Batch {
    bytes: Vec<u8>,
    base: Offset,
    end: Offset,
    epoch: LeaderEpoch,
}

impl Quorum {
    /// A quorum of three in `world`, of which the first leads, and the network that it is on.
    pub fn in_world(world: &World) -> (Quorum, Net) {
        let net = Net::simulated(world.net().clone());
        let quorum = Quorum::start(&net, &world.runtime(), 3);
        quorum.elect(Some(0), 0);
        (quorum, net)
    }

    /// A quorum of `count` controllers without a leader, which listen.
    pub fn start(net: &Net, runtime: &Runtime, count: usize) -> Quorum {
        let quorum = Quorum(Rc::new(Inner {
            runtime: runtime.clone(),
            count,
            leader: Cell::new(None),
            epoch: Cell::new(0),
            log: RefCell::default(),
            committed: Cell::new(0),
            first: Cell::new(0),
            snapshot: RefCell::default(),
            cluster_id: RefCell::new(CLUSTER.to_owned()),
            members: Members::default(),
            partitions: Partitions::default(),
            answers: Cell::new(0),
        }));
        runtime.spawn(quorum.clone().fence_the_silent());
        for index in 0..count {
            let address = quorum.socket(index);
            let listener = net.listen(address).unwrap();
            let quorum = quorum.clone();
            runtime.clone().spawn(async move {
                while let Ok(stream) = listener.accept().await {
                    let serving = quorum.clone().serve(index, stream);
                    quorum.0.runtime.spawn(serving);
                }
            });
        }
        quorum
    }

    pub fn socket(&self, index: usize) -> std::net::SocketAddr {
        ([10, 0, 1, index as u8], PORT).into()
    }

    /// Where the controllers are.
    pub fn addresses(&self) -> Vec<Address> {
        let address = |index| Address {
            host: self.socket(index).ip().to_string(),
            port: PORT,
        };
        (0..self.0.count).map(address).collect()
    }

    /// Where they are, as `controller.quorum.bootstrap.servers` has it.
    pub fn bootstrap_servers(&self) -> String {
        let addresses = self.addresses();
        let servers = addresses
            .iter()
            .map(|at| format!("{}:{}", at.host, at.port));
        servers.collect::<Vec<_>>().join(",")
    }

    pub fn set_cluster_id(&self, id: &str) {
        *self.0.cluster_id.borrow_mut() = id.to_owned();
    }

    /// Requests that were answered so far.
    pub fn answers(&self) -> u64 {
        self.0.answers.get()
    }

    /// Another term, led by this controller or none yet. What was not committed of the log but its
    /// first `keep` batches is lost.
    pub fn elect(&self, leader: Option<usize>, keep: usize) {
        self.0.epoch.set(self.0.epoch.get() + 1);
        self.0.leader.set(leader);
        let mut log = self.0.log.borrow_mut();
        log.truncate(self.0.committed.get() + keep);
    }

    /// The leader of the current term is known now.
    pub fn elected(&self, leader: usize) {
        self.0.leader.set(Some(leader));
        self.all_are_alive();
    }

    /// Whether this controller leads.
    fn is_active(&self, index: usize) -> bool {
        self.0.leader.get() == Some(index)
    }

    fn log_end(&self) -> Offset {
        self.0.log.borrow().last().map_or(0, |batch| batch.end)
    }

    /// Appends a batch, which is not committed yet.
    pub fn append(&self, records: &[MetadataRecord]) {
        let epoch = self.0.epoch.get();
        let base = self.log_end();
        let mut log = self.0.log.borrow_mut();
        let mut bytes = encode_batch(records, epoch, 0);
        stamp(&mut bytes, base, epoch);
        let end = base + records.len() as Offset;
        log.push(Batch {
            bytes,
            base,
            end,
            epoch,
        });
    }

    /// Commits all that was appended.
    pub fn commit(&self) {
        self.0.committed.set(self.0.log.borrow().len());
    }

    /// Offset after what is committed.
    pub fn high_watermark(&self) -> Offset {
        let committed = self.0.committed.get();
        let log = self.0.log.borrow();
        log[..committed].last().map_or(0, |batch| batch.end)
    }

    /// The image of everything committed before `end`.
    pub fn image_at(&self, end: Offset) -> Image {
        let mut loader = Loader::new(&Image::empty(CLUSTER));
        let log = self.0.log.borrow();
        for batch in log[..self.0.committed.get()].iter() {
            if batch.end <= end {
                loader
                    .feed(&BatchView::parse(&batch.bytes).unwrap())
                    .unwrap();
            }
        }
        loader.finish().image
    }

    /// Makes a snapshot of what is committed and deletes that part of the log.
    pub fn make_snapshot(&self) {
        let end_offset = self.high_watermark();
        let image = self.image_at(end_offset);
        let level = |(name, level): (&String, &i16)| -> MetadataRecord {
            let (name, feature_level) = (name.clone(), *level);
            FeatureLevel {
                name,
                feature_level,
            }
            .into()
        };
        let records: Vec<MetadataRecord> = image.features.iter().map(level).collect();
        let committed = self.0.committed.get();
        let Some(last) = committed.checked_sub(1) else {
            return;
        };
        let epoch = self.0.log.borrow()[last].epoch;
        self.0.first.set(committed);
        let id = SnapshotId { end_offset, epoch };
        *self.0.snapshot.borrow_mut() = Some((id, snapshot(&records).into()));
    }

    /// Why this controller does not answer a request of a replica that knows `epoch`.
    fn refusal(&self, index: usize, epoch: LeaderEpoch) -> Option<ErrorCode> {
        let own = self.0.epoch.get();
        match self.0.leader.get() {
            _ if epoch > own => Some(ErrorCode::UNKNOWN_LEADER_EPOCH),
            _ if epoch < own => Some(ErrorCode::FENCED_LEADER_EPOCH),
            leader if leader != Some(index) => Some(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            _ => None,
        }
    }

    fn leader_id(&self) -> i32 {
        let leader = self.0.leader.get();
        leader.map_or(-1, |index| FIRST_ID + index as i32)
    }

    async fn fetch(&self, index: usize, request: &FetchRequest) -> FetchResponse {
        let cluster = request.cluster_id.as_ref().map(|id| id.to_string());
        if cluster.as_ref() != Some(&*self.0.cluster_id.borrow()) {
            return FetchResponse::default().with_error_code(104);
        }
        assert_eq!(request.topics[0].topic_id, METADATA_TOPIC_ID.0);
        let asked = &request.topics[0].partitions[0];
        assert!(asked.last_fetched_epoch <= asked.current_leader_epoch);
        let wait = Duration::from_millis(request.max_wait_ms as u64);
        let until = self.0.runtime.now().after(wait);
        let partition = loop {
            let refusal = self.refusal(index, asked.current_leader_epoch);
            let high_watermark = self.high_watermark();
            let mut partition = PartitionData::default()
                .with_high_watermark(high_watermark)
                .with_records(Some(Bytes::new()));
            if let Some(error) = refusal {
                break partition.with_error_code(error.0);
            }
            self.fill(&mut partition, asked.fetch_offset, asked.last_fetched_epoch);
            let is_news = partition.records.as_ref().is_some_and(|it| !it.is_empty())
                || partition.snapshot_id.epoch >= 0
                || partition.diverging_epoch.epoch >= 0
                || asked.high_watermark < high_watermark;
            if is_news || self.0.runtime.now() >= until {
                break partition;
            }
            self.0.runtime.sleep(Duration::from_millis(5)).await;
        };
        let leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(self.leader_id()))
            .with_leader_epoch(self.0.epoch.get());
        let endpoints = self.addresses().into_iter().zip(FIRST_ID..);
        let endpoints = endpoints.filter(|(_, id)| *id == self.leader_id());
        let endpoints = endpoints.map(|(address, id)| {
            NodeEndpoint::default()
                .with_node_id(BrokerId(id))
                .with_host(StrBytes::from_string(address.host))
                .with_port(address.port.into())
        });
        let topic = FetchableTopicResponse::default()
            .with_topic_id(METADATA_TOPIC_ID.0)
            .with_partitions(vec![partition.with_current_leader(leader)]);
        FetchResponse::default()
            .with_responses(vec![topic])
            .with_node_endpoints(endpoints.collect())
    }

    /// What the leader has for a replica whose log ends at `offset`, in `epoch`.
    fn fill(&self, partition: &mut PartitionData, offset: Offset, epoch: LeaderEpoch) {
        let log = self.0.log.borrow();
        let first = self.0.first.get();
        if let Some((id, _)) = *self.0.snapshot.borrow()
            && offset < id.end_offset
        {
            partition.snapshot_id = FetchedId::default()
                .with_end_offset(id.end_offset)
                .with_epoch(id.epoch);
            return;
        }
        let up_to = log.iter().rev().find(|batch| batch.epoch <= epoch);
        let (end, end_epoch) = up_to.map_or((0, 0), |batch| (batch.end, batch.epoch));
        if end < offset || end_epoch < epoch {
            partition.diverging_epoch = EpochEndOffset::default()
                .with_epoch(end_epoch)
                .with_end_offset(end);
            return;
        }
        let mut records = Vec::new();
        for batch in log[first..].iter().filter(|batch| batch.base >= offset) {
            if !records.is_empty() && records.len() + batch.bytes.len() > PIECE_BYTES {
                // As Kafka does, part of the next batch comes with it.
                records.extend_from_slice(&batch.bytes[..batch.bytes.len() / 2]);
                break;
            }
            records.extend_from_slice(&batch.bytes);
        }
        partition.records = Some(records.into());
    }

    fn fetch_snapshot(
        &self,
        index: usize,
        request: &FetchSnapshotRequest,
    ) -> FetchSnapshotResponse {
        let asked = &request.topics[0].partitions[0];
        let leader = snapshots::LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(self.leader_id()))
            .with_leader_epoch(self.0.epoch.get());
        let mut partition = snapshots::PartitionSnapshot::default().with_current_leader(leader);
        let wanted = (asked.snapshot_id.end_offset, asked.snapshot_id.epoch);
        let error = self.refusal(index, asked.current_leader_epoch);
        match (error, &*self.0.snapshot.borrow()) {
            (Some(error), _) => partition.error_code = error.0,
            (None, Some((id, bytes))) if (id.end_offset, id.epoch) == wanted => {
                let from = asked.position as usize;
                let to = bytes.len().min(from + PIECE_BYTES);
                partition.snapshot_id.end_offset = id.end_offset;
                partition.snapshot_id.epoch = id.epoch;
                partition.size = bytes.len() as i64;
                partition.position = asked.position;
                partition.unaligned_records = bytes.slice(from..to);
            }
            (None, _) => partition.error_code = ErrorCode::SNAPSHOT_NOT_FOUND.0,
        }
        let topic = snapshots::TopicSnapshot::default()
            .with_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC)))
            .with_partitions(vec![partition]);
        FetchSnapshotResponse::default().with_topics(vec![topic])
    }
}
