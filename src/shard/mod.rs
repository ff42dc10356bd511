//! Drives: one core: everything it owns, in one struct.
//! May use: everything to its left. Never: shares anything with another core but messages.

mod ask_controller;
pub mod auto_create;
pub mod compaction;
pub mod coordinators;
pub mod dir_check;
pub mod dir_moves;
pub mod ending;
pub mod faults;
pub mod handover;
pub mod lifecycle;
pub mod load;
pub mod log_dirs;
pub mod markers;
pub mod mesh;
pub mod nodes;
pub mod numbers;
pub mod partitions;
mod placing;
pub mod probe;
pub mod producer_ids;
pub mod producers;
pub mod removal;
pub mod replication;
pub mod scrub;
mod setbacks;
mod topic_numbers;

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::lock::Mutex;

use crate::base::config::BrokerConfig;
use crate::base::faults::Faults;
use crate::base::life::Life;
use crate::base::metrics::{SampleValue, Snapshot};
use crate::base::{NodeId, WallMs};
use crate::io::budget::{Budget, Use};
use crate::io::disk::Disk;
use crate::io::runtime::Runtime;
use crate::metadata::controller::NodeDir;
use crate::metadata::image::{Image, ResourceKind};
use crate::partition::shared::Shared;
use crate::wire::field::NodeEndpoint;
use auto_create::AutoCreate;
use compaction::Compaction;
use coordinators::Coordinators;
use dir_moves::DirMoves;
use log_dirs::LogDirs;
use mesh::ToControl;
use nodes::Nodes;
use partitions::Partitions;
use probe::Probe;
use producer_ids::ProducerIds;
use replication::Replication;
use topic_numbers::TopicNumbers;

/// What a shard starts with.
pub struct ShardOptions {
    /// Which shard of the process, from 0.
    pub index: usize,
    /// The disk of its executor.
    pub disk: Disk,
    /// The broker's settings.
    pub config: Arc<BrokerConfig>,
    /// Its folders that can be used, in the order of the settings.
    pub dirs: Vec<NodeDir>,
    /// Those that cannot.
    pub lost_dirs: Vec<PathBuf>,
    /// The way to the controller.
    pub control: ToControl,
    /// The ways to the other nodes.
    pub nodes: Nodes,
    /// How far the process is.
    pub life: Arc<Life>,
}

/// One core and what it owns. Verbs live in the files beside this one.
pub struct Shard {
    /// The Kafka node this shard is.
    pub node: NodeId,
    /// The partitions that have a replica here, and where the others are.
    pub partitions: Partitions,
    /// What it coordinates.
    pub coordinators: Coordinators,
    /// The way to the controller.
    pub control: ToControl,
    /// The ways to the other nodes.
    pub nodes: Nodes,
    /// Memory that requests may take.
    pub budget: Rc<Budget>,
    /// What became of its compactions.
    pub compaction: Compaction,
    /// Its numbers.
    pub probe: Probe,
    /// Its folders of logs.
    pub dirs: LogDirs,
    /// Held by the scrape that takes in how the topics stand.
    topic_numbers: Mutex<TopicNumbers>,
    /// Since when what is wrong.
    pub faults: Faults,
    /// How far the process is.
    pub life: Arc<Life>,
    /// The topics that it has created because a client asks for them.
    pub auto_create: AutoCreate,
    /// Its replicas that go from one of its folders to another.
    pub dir_moves: DirMoves,
    /// How its replicas follow their leaders.
    pub(crate) replication: Replication,
    /// What its partitions share of replication.
    pub(crate) replicas: Rc<Shared>,
    /// The ids that it may give to producers.
    producer_ids: ProducerIds,
    /// Held while partitions are opened or closed: one task at a time does that.
    changes: Mutex<()>,
    runtime: Runtime,
    config: RefCell<Rc<BrokerConfig>>,
    image: RefCell<Arc<Image>>,
}

impl Shard {
    /// Opens the shard's partitions and puts them into service.
    pub async fn open(
        options: ShardOptions,
        image: Arc<Image>,
        now: WallMs,
    ) -> Result<Rc<Shard>, (PathBuf, io::Error)> {
        let ShardOptions {
            index,
            disk,
            config,
            dirs,
            lost_dirs,
            control,
            nodes,
            life,
        } = options;
        let runtime = disk.runtime().clone();
        let begun = runtime.now();
        let budget = Budget::new(config.shard.memory_bytes);
        let dirs = LogDirs::open(&disk, dirs, lost_dirs, &budget, &config.shard).await?;
        let replica = config.cluster.as_ref().map(|cluster| &cluster.replica);
        let lag_time_max = Duration::from_millis(replica.map_or(0, |it| it.lag_time_max_ms));
        let shard = Rc::new(Shard {
            node: NodeId(config.node_id(index)),
            partitions: Partitions::default(),
            coordinators: Coordinators::new(&config, &budget),
            control,
            nodes,
            budget,
            compaction: Compaction::default(),
            probe: Probe::default(),
            dirs,
            topic_numbers: Mutex::default(),
            faults: Faults::default(),
            life,
            auto_create: AutoCreate::default(),
            dir_moves: DirMoves::default(),
            replication: Replication::default(),
            replicas: Rc::new(Shared::new(lag_time_max)),
            producer_ids: ProducerIds::default(),
            changes: Mutex::new(()),
            runtime,
            config: RefCell::new(Rc::new((*config).clone())),
            image: RefCell::new(Arc::new(Image::default())),
        });
        lifecycle::apply(&shard, image.clone(), now).await;
        lifecycle::set_strays_aside(&shard, &image).await;
        let opening_us = shard.runtime.us_since(begun);
        shard.probe.opening_us.add(opening_us);
        let millis = opening_us / 1_000;
        let count = shard.partitions.local().len();
        shard.dirs.tell_of_start(shard.node, count, millis);
        lifecycle::tell_of_homeless(&shard);
        dir_moves::go_on(&shard).await;
        Ok(shard)
    }

    /// Its executor: time, tasks and random numbers.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The cluster as this shard serves it now.
    pub fn image(&self) -> Arc<Image> {
        self.image.borrow().clone()
    }

    /// The broker's settings as they are on this node now.
    pub fn config(&self) -> Rc<BrokerConfig> {
        self.config.borrow().clone()
    }

    fn set_config(&self, image: &Image) {
        let node = self.node.to_string();
        let own = image.configs.of(ResourceKind::Broker, &node);
        let config = self.config().with_dynamic(image.configs.all_brokers(), own);
        *self.config.borrow_mut() = Rc::new(config);
    }

    fn set_image(&self, image: Arc<Image>) {
        *self.image.borrow_mut() = image;
    }

    /// Endpoints, on the listener of this name, of the nodes that an answer names; each once
    /// (KIP-951).
    pub fn endpoints_of(
        &self,
        listener: &str,
        nodes: impl Iterator<Item = i32>,
    ) -> Vec<NodeEndpoint> {
        let mut endpoints: Vec<NodeEndpoint> = Vec::new();
        for node_id in nodes {
            if endpoints.iter().any(|known| known.node_id == node_id) {
                continue;
            }
            let image = self.image.borrow();
            let broker = image.brokers.get(NodeId(node_id));
            let endpoint = broker.and_then(|broker| broker.endpoint(listener));
            if let (Some(broker), Some(endpoint)) = (broker, endpoint) {
                endpoints.push(NodeEndpoint {
                    node_id,
                    host: endpoint.host.clone(),
                    port: i32::from(endpoint.port),
                    rack: broker.rack.clone(),
                });
            }
        }
        endpoints
    }

    /// Adds all counts of this core to a snapshot, in steps.
    pub async fn export(&self, to: &mut Snapshot) {
        self.probe.export(&self.runtime, to);
        to.gauge(
            "corelane_node_metadata_offset",
            "The offset in the metadata log that this node serves by. \
             Kafka: kafka.server:type=broker-metadata-metrics last-applied-record-offset",
            self.image.borrow().highest_offset() as f64,
        );
        for used_for in Use::ALL {
            to.push(
                "corelane_memory_bytes",
                "Memory that clients make a shard hold, by what for.",
                vec![("use", used_for.name().to_owned())],
                SampleValue::Gauge(self.budget.used_by(used_for) as f64),
            );
        }
        to.gauge(
            "corelane_memory_limit_bytes",
            "The bound of all uses of corelane_memory_bytes together.",
            self.budget.total_bytes() as f64,
        );
        to.gauge(
            "corelane_memory_waiting_tasks",
            "Requests and answers that wait for memory within corelane_memory_limit_bytes.",
            self.budget.waiting_count() as f64,
        );
        self.dirs.export(to);
        self.dir_moves.export(to);
        self.compaction.export(to);
        self.replication.export(self, to);
        self.coordinators.export(to).await;
        numbers::export(self, to).await;
    }

    /// Takes every partition out of service and closes its log cleanly; see [`lifecycle::close`].
    pub async fn close(&self, broker_epoch: i64) {
        lifecycle::close(self, broker_epoch).await;
    }
}
