//! Drives: a broker of a cluster: the metadata log of its controller quorum is followed, each node
//! of this process is a member, and what the active controller decides is asked of it.
//! May use: `base`, `wire`, `io`, `metadata::{image, record, source}`. Never: decides anything
//! about the cluster.

mod alter;
mod assign;
mod calls;
mod cleanly;
mod forward;
mod isr;
mod member;
mod node;
mod waiting;

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use crate::base::config::{BrokerConfig, ClusterConfig};
use crate::base::faults::{Fault, FaultKind, Faults};
use crate::base::ids::Uuid;
use crate::base::{NodeId, ProducerId};
use crate::io::disk::Disk;
use crate::io::event::Bell;
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::io::semaphore::Semaphore;
use crate::metadata::image::Image;
use crate::metadata::record::Endpoint;
use crate::metadata::source::quorum::{Address, Asker, Following, Watch, follow};
use crate::wire::codec::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, AssignReplicasToDirsResponse, BrokerId,
};

use super::decide::Random;
use super::folder::{LoadError, NodeDir};
use super::formatted::{self, Found};
use super::request::{
    AlterPartition, AlterPartitionFailure, AlterPartitionReply, AssignDirectories,
};
use super::standing::Standing;
use calls::Line;
use forward::Forwards;
use isr::Changes;
use member::{Facts, Member};
use node::Session;

pub use calls::{Forward, ForwardError};
pub use node::Node;

#[cfg(test)]
mod tests;

/// How long the active controller may be silent before the health page tells of it.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The most producer ids in a block that are believed; Kafka gives out 1000.
const PRODUCER_IDS_MAX: i32 = 1_000_000;
/// How long controlled shutdown may take; after it, and where no controller is active, the broker
/// stops all the same.
const LEAVE_WITHIN: Duration = Duration::from_secs(20);
/// As much as it takes to find out that no controller is active.
const LEAVE_ALONE_WITHIN: Duration = Duration::from_secs(2);

/// What a broker of a cluster asks its quorum for.
pub struct QuorumController {
    runtime: Runtime,
    watch: Watch,
    nodes: Vec<Rc<Node>>,
    directories: Vec<Vec<NodeDir>>,
    changes: Vec<Rc<Changes>>,
    forwards: Forwards,
    producer_ids: Line,
    directories_told: Line,
    /// Taken by the request that tells of directories, one at a time.
    directories_turn: Rc<Semaphore>,
    /// Taken by the request for a block of them, one at a time.
    producer_ids_turn: Rc<Semaphore>,
    /// Why the broker cannot be part of the cluster any more.
    failure: RefCell<Option<String>>,
    failed: Bell,
    faults: Faults,
}

// === impl QuorumController: start ===

impl QuorumController {
    /// Registers the nodes, and waits until the metadata log up to there is known. `dirs` are those
    /// of `config.log_dirs` that can be used; clients are told the advertised host of `config` and
    /// `ports`, one for each shard.
    pub async fn load(
        net: &Net,
        disk: &Disk,
        config: &BrokerConfig,
        cluster: &ClusterConfig,
        dirs: &[PathBuf],
        ports: &[u16],
    ) -> Result<Rc<QuorumController>, LoadError> {
        let ids = config.nodes();
        let Found {
            cluster_id,
            nodes: directories,
        } = formatted::check(disk, dirs, &ids).await?;
        let runtime = disk.runtime().clone();
        let mut random = Random::new(runtime.random_bytes());
        let interval = Duration::from_millis(cluster.heartbeat_interval_ms);
        let mut nodes = Vec::new();
        for ((id, dirs), port) in ids.iter().zip(&directories).zip(ports) {
            let facts = Facts {
                node: *id,
                cluster_id: cluster_id.to_string(),
                incarnation: random.uuid(),
                endpoint: endpoint(config, *port),
                rack: config.rack.clone(),
                log_dirs: dirs.iter().filter_map(NodeDir::id).collect(),
                previous_epoch: cleanly::previous_epoch(disk, dirs).await,
                interval,
            };
            nodes.push(Node::new(Member::new(facts), interval));
        }
        let watch = Watch::new(&cluster_id);
        let line = |node: &Rc<Node>| {
            let name = format!("corelane-{}-alter-partition", node.id());
            let line = Line::new(net, &runtime, &watch, name);
            Changes::new(node.clone(), line)
        };
        let name = |what: &str| format!("corelane-{}-{what}", config.first_node_id);
        let controller = Rc::new(QuorumController {
            changes: nodes.iter().map(line).collect(),
            forwards: Forwards::new(net, &runtime, &watch, name("forward")),
            producer_ids: Line::new(net, &runtime, &watch, name("producer-ids")),
            producer_ids_turn: Semaphore::new(1),
            directories_told: Line::new(net, &runtime, &watch, name("directories")),
            directories_turn: Semaphore::new(1),
            failure: RefCell::default(),
            failed: Bell::default(),
            faults: Faults::default(),
            runtime,
            watch,
            nodes,
            directories,
        });
        let asker = Asker {
            cluster_id,
            replica: None,
            directory: random.uuid(),
        };
        controller.start(net, cluster, asker);
        controller.joined().await.map_err(LoadError::Quorum)?;
        Ok(controller)
    }

    /// Starts the tasks.
    fn start(self: &Rc<Self>, net: &Net, cluster: &ClusterConfig, asker: Asker) {
        let bootstrap = cluster.controllers.iter().map(|endpoint| Address {
            host: endpoint.host.clone(),
            port: endpoint.port,
        });
        let following = Following {
            net: net.clone(),
            runtime: self.runtime.clone(),
            asker,
            nodes: self.node_ids(),
            bootstrap: bootstrap.collect(),
        };
        let (controller, watch) = (self.clone(), self.watch.clone());
        self.runtime.spawn(async move {
            let stopped = follow(following, watch).await;
            controller.fail(stopped.to_string());
        });
        for node in &self.nodes {
            let session = Session {
                net: net.clone(),
                runtime: self.runtime.clone(),
                watch: self.watch.clone(),
                registration_within: Duration::from_millis(cluster.registration_timeout_ms),
            };
            let (controller, node) = (self.clone(), node.clone());
            self.runtime.spawn(async move {
                let fatal = node::run(node, session).await;
                controller.fail(fatal.to_string());
            });
        }
        for changes in &self.changes {
            self.runtime.spawn(changes.clone().run());
        }
    }

    fn node_ids(&self) -> RangeInclusive<i32> {
        let id = |node: Option<&Rc<Node>>| node.map_or(0, |node| node.id().0);
        id(self.nodes.first())..=id(self.nodes.last())
    }
}

/// Where a node listens.
fn endpoint(config: &BrokerConfig, port: u16) -> Endpoint {
    Endpoint {
        name: config.advertised.listener.clone(),
        host: config.advertised.host.clone(),
        port,
        security_protocol: 0,
    }
}

// === impl QuorumController: what is known ===

impl QuorumController {
    /// Each node's folders, in the order of the settings.
    pub fn directories(&self) -> &[Vec<NodeDir>] {
        &self.directories
    }

    /// The nodes of this process, in order.
    pub fn nodes(&self) -> &[Rc<Node>] {
        &self.nodes
    }

    /// What is known of the cluster and its active controller.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The newest image.
    pub fn image(&self) -> Arc<Image> {
        self.watch.image()
    }

    /// What is wrong, for the health page.
    pub fn faults(&self, now: crate::base::WallMs) -> Vec<Fault> {
        let silence = self.silence();
        let is_silent = silence.is_none_or(|silence| silence > SILENCE_MAX);
        let fault = is_silent.then(|| {
            let why = match silence {
                Some(silence) => format!("no answer for {} s", silence.as_secs()),
                None => "none has answered".to_owned(),
            };
            (
                FaultKind::MetadataWaits,
                "the active controller".to_owned(),
                why,
            )
        });
        self.faults.are(fault.into_iter().collect(), now)
    }

    /// How long the active controller has been silent; `None` where it has never answered.
    fn silence(&self) -> Option<Duration> {
        let now = self.runtime.now();
        self.watch.answered().map(|last| now.since(last))
    }

    /// How this process stands to the active controller.
    pub fn standing(&self) -> Standing {
        let leader = self.watch.leader();
        let address = leader.address.map(|at| format!("{}:{}", at.host, at.port));
        let fenced = self.nodes.iter().filter(|node| !node.is_unfenced());
        Standing {
            is_local: false,
            controller: leader.id,
            epoch: leader.epoch,
            address: address.unwrap_or_default(),
            end_offset: self.image().end_offset,
            committed_end: self.watch.high_watermark(),
            silence: self.silence(),
            fenced: fenced.map(|node| node.id()).collect(),
        }
    }

    /// Waits until the broker cannot be part of the cluster any more; why, as a sentence.
    pub async fn failure(&self) -> String {
        loop {
            if let Some(why) = &*self.failure.borrow() {
                return why.clone();
            }
            self.failed.wait().await;
        }
    }

    fn fail(&self, why: String) {
        self.failure.borrow_mut().get_or_insert(why);
        self.failed.ring();
    }

    /// Has the leaderships of all nodes moved away, which must be done within a time; the epochs
    /// that the nodes have, to be noted when they are stopped cleanly.
    pub async fn leave(&self) -> Vec<i64> {
        let limit = match self.watch.leader().address {
            Some(_) => LEAVE_WITHIN,
            None => LEAVE_ALONE_WITHIN,
        };
        let leaving = join_all(self.nodes.iter().map(|node| node.leave()));
        if self.runtime.within(limit, leaving).await.is_none() {
            tracing::warn!(
                "no controller has let this broker go: it stops all the same, and partitions that \
                 it leads have no leader until its session ends"
            );
        }
        let epoch = |node: &Rc<Node>| node.epoch().unwrap_or(-1);
        self.nodes.iter().map(epoch).collect()
    }
}

// === impl QuorumController: what is asked ===

impl QuorumController {
    /// Has the active controller answer a client's request.
    pub async fn forward(&self, forward: Forward) -> Result<Bytes, ForwardError> {
        self.forwards.forward(forward).await
    }

    /// Has the active controller change replicas in sync.
    pub async fn alter_partition(&self, request: AlterPartition) -> AlterPartitionReply {
        let index = self.nodes.iter().position(|node| node.id() == request.node);
        match index {
            Some(index) => self.changes[index].make(request.changes).await,
            None => Err(AlterPartitionFailure::Unanswered),
        }
    }

    /// A block of producer ids for `node`; `None` where the controller gave none.
    pub async fn allocate_producer_ids(&self, node: NodeId) -> Option<Range<ProducerId>> {
        let _turn = self.producer_ids_turn.take(1).await;
        let epoch = self.nodes.iter().find(|it| it.id() == node)?.epoch()?;
        let request = AllocateProducerIdsRequest::default()
            .with_broker_id(BrokerId(node.0))
            .with_broker_epoch(epoch);
        let code = |answer: &AllocateProducerIdsResponse| answer.error_code;
        let answer = self.producer_ids.ask((0, 0), &request, code).await?;
        let (start, count) = (answer.producer_id_start.0, answer.producer_id_len);
        let is_block = start >= 0 && (1..=PRODUCER_IDS_MAX).contains(&count);
        let end = start.checked_add(count.into());
        match end {
            Some(end) if is_block && answer.error_code == 0 => Some(start..end),
            _ => None,
        }
    }

    /// Tells the controller where replicas lie; whether it has taken all of that.
    pub async fn assign_directories(&self, asked: &AssignDirectories) -> bool {
        let _turn = self.directories_turn.take(1).await;
        let node = self.nodes.iter().find(|it| it.id() == asked.node);
        let Some(epoch) = node.and_then(|node| node.epoch()) else {
            return false;
        };
        let request = assign::request(asked, epoch);
        let code = |answer: &AssignReplicasToDirsResponse| answer.error_code;
        let answer = self.directories_told.ask((0, 0), &request, code).await;
        answer.is_some_and(|answer| assign::is_all_taken(&answer))
    }

    /// Tells the controller that folders of `node` have failed.
    pub fn lose_dirs(&self, node: NodeId, dirs: &[Uuid]) {
        let node = self.nodes.iter().find(|it| it.id() == node);
        node.into_iter().for_each(|node| node.lose_dirs(dirs));
    }
}
