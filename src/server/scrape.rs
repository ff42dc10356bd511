//! Drives: the part of `/metrics` that is no shard's: the cluster as the controller knows it, the
//! process, its file systems, and how far groups are behind.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::lag;
use super::move_numbers::MoveNumbers;
use crate::base::config::BrokerConfig;
use crate::base::limits;
use crate::base::metrics::{SampleValue, Snapshot};
use crate::io::checks::{self, Space};
use crate::io::event::Bell;
use crate::io::process::{self, Process};
use crate::io::runtime::Runtime;
use crate::metadata::image::Image;
use crate::shard::mesh::ToShard;

/// What is kept from one scrape for the next.
#[derive(Default)]
pub struct Scrape {
    moves: Rc<MoveNumbers>,
    cluster: RefCell<Option<(Arc<Image>, Cluster)>>,
    host: Rc<HostNumbers>,
}

/// How many of what the image of a cluster has.
#[derive(Clone, Copy, Default)]
struct Cluster {
    topics: u64,
    partitions: u64,
    offline: u64,
    under_min: u64,
}

/// What the kernel said the last time. It is asked on another thread, one question at a time: a
/// file system that does not answer holds up that thread and nothing else.
#[derive(Default)]
struct HostNumbers {
    known: RefCell<Option<Rc<Measured>>>,
    asking: Cell<bool>,
    answered: Bell,
}

struct Measured {
    process: Option<Process>,
    spaces: Vec<(PathBuf, Space)>,
}

/// The answer of a shard, if it comes in time.
pub async fn in_time<T, E>(
    runtime: &Runtime,
    answer: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    let wait = Duration::from_millis(limits::ADMIN_SHARD_WAIT_MS);
    runtime.within(wait, answer).await?.ok()
}

// === impl Scrape ===

impl Scrape {
    /// Tells of these moves, too.
    pub fn new(moves: Rc<MoveNumbers>) -> Scrape {
        Scrape {
            moves,
            ..Scrape::default()
        }
    }

    /// Adds what is no shard's to a snapshot.
    pub async fn export(
        &self,
        runtime: &Runtime,
        config: &BrokerConfig,
        image: &Arc<Image>,
        shards: &[ToShard],
        to: &mut Snapshot,
    ) {
        self.cluster(runtime, image).await.export(image, to);
        if let Some(measured) = self.host.ask(runtime, config).await {
            measured.export(to);
        }
        if config.cluster.is_none() {
            self.moves.export(to);
        }
        lag(runtime, shards, to).await;
    }

    /// Counted anew only where the image is another one.
    async fn cluster(&self, runtime: &Runtime, image: &Arc<Image>) -> Cluster {
        let known = self.cluster.borrow().clone();
        if let Some((of, cluster)) = known
            && Arc::ptr_eq(&of, image)
        {
            return cluster;
        }
        let cluster = Cluster::count(runtime, image).await;
        *self.cluster.borrow_mut() = Some((image.clone(), cluster));
        cluster
    }
}

/// Adds how far groups are behind.
async fn lag(runtime: &Runtime, shards: &[ToShard], to: &mut Snapshot) {
    let asked = shards
        .iter()
        .map(|shard| in_time(runtime, shard.committed(limits::METRICS_COMMITTED_MAX)));
    let committed: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    let named = Arc::new(lag::partitions(&committed));
    let mut ends = BTreeMap::new();
    if !named.is_empty() {
        let asked = shards
            .iter()
            .map(|shard| in_time(runtime, shard.ends(named.clone())));
        for answer in join_all(asked).await.into_iter().flatten() {
            let known = named.iter().zip(answer);
            ends.extend(known.filter_map(|(name, end)| Some((name.clone(), end?))));
        }
    }
    lag::export(&committed, &ends, limits::METRICS_LAGS_MAX, to);
}

// === impl Cluster ===

impl Cluster {
    async fn count(runtime: &Runtime, image: &Image) -> Cluster {
        let mut cluster = Cluster::default();
        for topic in image.topics.iter() {
            cluster.topics += 1;
            for partition in &topic.partitions {
                cluster.partitions += 1;
                cluster.offline += u64::from(partition.leader.0 < 0);
                // As in Kafka the minimum is at most the count of replicas, which is one here.
                cluster.under_min += u64::from(partition.isr.is_empty());
                if cluster.partitions.is_multiple_of(4096) {
                    runtime.yield_now().await;
                }
            }
        }
        cluster
    }

    fn export(&self, image: &Image, to: &mut Snapshot) {
        to.gauge(
            "corelane_metadata_offset",
            "The offset of the newest decision in the metadata log. \
             Kafka: kafka.controller:type=KafkaController,name=LastCommittedRecordOffset",
            image.highest_offset() as f64,
        );
        to.gauge(
            "corelane_topics",
            "Topics of the cluster. \
             Kafka: kafka.controller:type=KafkaController,name=GlobalTopicCount",
            self.topics as f64,
        );
        to.gauge(
            "corelane_cluster_partitions",
            "Partitions of the cluster. \
             Kafka: kafka.controller:type=KafkaController,name=GlobalPartitionCount",
            self.partitions as f64,
        );
        to.gauge(
            "corelane_offline_partitions",
            "Partitions of the cluster that have no leader. \
             Kafka: kafka.controller:type=KafkaController,name=OfflinePartitionsCount",
            self.offline as f64,
        );
        to.gauge(
            "corelane_under_min_isr_partitions",
            "Partitions of the cluster with fewer replicas in sync than acks=all needs. \
             Kafka: kafka.server:type=ReplicaManager,name=UnderMinIsrPartitionCount",
            self.under_min as f64,
        );
    }
}

// === impl HostNumbers ===

impl HostNumbers {
    /// What the kernel says now, or what it said last where it takes too long.
    async fn ask(
        self: &Rc<Self>,
        runtime: &Runtime,
        config: &BrokerConfig,
    ) -> Option<Rc<Measured>> {
        if !self.asking.replace(true) {
            let mut dirs = config.log_dirs.clone();
            if !dirs.contains(&config.data_dir) {
                dirs.push(config.data_dir.clone());
            }
            let (host, beside) = (self.clone(), runtime.clone());
            runtime.spawn(async move {
                let measured = beside.blocking(move || Measured::measure(dirs)).await;
                *host.known.borrow_mut() = Some(Rc::new(measured));
                host.asking.set(false);
                host.answered.ring();
            });
        }
        let wait = Duration::from_millis(limits::METRICS_HOST_WAIT_MS);
        // Answered or not, what is known by then is taken.
        let _ = runtime.within(wait, self.answered.wait()).await;
        self.known.borrow().clone()
    }
}

// === impl Measured ===

impl Measured {
    fn measure(dirs: Vec<PathBuf>) -> Measured {
        let space = |dir: PathBuf| {
            let space = checks::space(&dir).ok()?;
            Some((dir, space))
        };
        Measured {
            process: process::read().ok(),
            spaces: dirs.into_iter().filter_map(space).collect(),
        }
    }

    fn export(&self, to: &mut Snapshot) {
        for (dir, space) in &self.spaces {
            let labels = || vec![("dir", dir.display().to_string())];
            to.push(
                "corelane_disk_free_bytes",
                "Bytes that this process may still use of the file system under a data folder.",
                labels(),
                SampleValue::Gauge(space.usable_bytes as f64),
            );
            to.push(
                "corelane_disk_total_bytes",
                "Bytes of the file system under a data folder.",
                labels(),
                SampleValue::Gauge(space.total_bytes as f64),
            );
        }
        let Some(process) = &self.process else { return };
        to.seconds(
            "process_cpu_seconds_total",
            "CPU time used, in user space and in the kernel.",
            process.cpu_seconds,
        );
        let max_fds = match process.max_fds {
            u64::MAX => f64::INFINITY,
            number => number as f64,
        };
        for (name, help, value) in [
            (
                "process_start_time_seconds",
                "When the process started, in seconds since the Unix epoch.",
                process.start_seconds,
            ),
            (
                "process_resident_memory_bytes",
                "Memory of the process that is in RAM.",
                process.resident_bytes as f64,
            ),
            (
                "process_virtual_memory_bytes",
                "Address space of the process.",
                process.virtual_bytes as f64,
            ),
            (
                "process_threads",
                "Threads of the process.",
                process.threads as f64,
            ),
            (
                "process_open_fds",
                "Descriptors that are open.",
                process.open_fds as f64,
            ),
            ("process_max_fds", "Descriptors that may be open.", max_fds),
        ] {
            to.gauge(name, help, value);
        }
    }
}
