//! Drives: the control executor: the controller, the admin pages, what must not touch a data core.

mod balance;
mod local;
mod moves;
mod quorum;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::admin::{self, Admin};
use super::move_numbers::MoveNumbers;
use super::scrape::Scrape;
use super::start::StartError;
use crate::base::config::BrokerConfig;
use crate::base::life::Life;
use crate::base::{PartitionIndex, TopicId};
use crate::host::device::DeviceFacts;
use crate::io::channel::{Receiver, Sender};
use crate::io::cores::{self, Core, CoreOptions};
use crate::io::disk::Disk;
use crate::io::listener::{Bound, Listener};
use crate::io::net::Net;
use crate::metadata::controller::{
    Controller, LoadError, LocalController, NodeDir, QuorumController, finish_moves,
};
use crate::metadata::image::Image;
use crate::shard::mesh::{ControlMessage, ToShard};

/// Memory registered for the metadata log's writes, in bytes.
const IO_MEMORY_BYTES: usize = 1 << 20;

/// All that the control executor starts with.
pub struct ControlStart {
    /// The broker's settings.
    pub config: Arc<BrokerConfig>,
    /// The folders of partitions that can be used.
    pub dirs: Vec<PathBuf>,
    /// The ports that clients are told, one for each shard.
    pub ports: Vec<u16>,
    /// The ways to the shards, in order.
    pub shards: Vec<ToShard>,
    /// What lies under the data folders.
    pub devices: Vec<DeviceFacts>,
    /// What it is asked.
    pub inbox: Receiver<ControlMessage>,
    /// How far the process is.
    pub life: Arc<Life>,
    /// Where it reports what it has loaded.
    pub started: Sender<Result<Cluster, StartError>>,
}

/// What a start finds out from the metadata.
pub struct Cluster {
    /// The cluster as it is.
    pub image: Arc<Image>,
    /// Each node's folders that can be used.
    pub directories: Vec<Vec<NodeDir>>,
}

/// Starts the control executor, which serves the admin pages on `admin`.
pub fn start(start: ControlStart, admin: Option<Bound>) -> Result<Core<()>, StartError> {
    let options = CoreOptions {
        name: "control".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: IO_MEMORY_BYTES,
    };
    let main = move || run(start, Disk::direct(), Net::ring(), admin.map(Bound::listen));
    cores::start(options, main).map_err(StartError::Executor)
}

/// Serves as the controller on `disk` and its executor, or in place of one that is reached over
/// `net`, until it is told to stop.
pub async fn run(start: ControlStart, disk: Disk, net: Net, admin: Option<Listener>) {
    let runtime = disk.runtime().clone();
    let loaded = Rc::new(OnceCell::new());
    let moves = Rc::<MoveNumbers>::default();
    let _admin = admin.map(|listener| {
        let admin = Admin {
            runtime: runtime.clone(),
            config: start.config.clone(),
            controller: loaded.clone(),
            devices: start.devices.clone(),
            shards: start.shards.clone(),
            life: start.life.clone(),
            scrape: Scrape::new(moves.clone()),
        };
        admin::start(admin, listener)
    });
    let (controller, planned) = match load(&start, &disk, &net).await {
        Ok(loaded) => loaded,
        Err(error) => {
            // The main thread waits for this and for nothing else.
            let _ = start.started.send(Err(StartError::Metadata(error)));
            return;
        }
    };
    let image = controller.image();
    let first_end = image.end_offset;
    let _ = start.started.send(Ok(Cluster {
        image,
        directories: controller.directories().to_vec(),
    }));
    let _ = loaded.set(controller.clone());
    match controller {
        Controller::Local(controller) => {
            let serving = local::Serving {
                runtime,
                config: start.config,
                controller,
                shards: start.shards,
                life: start.life,
                moves,
            };
            local::serve(serving, planned, start.inbox).await;
        }
        Controller::Quorum(controller) => {
            if start.config.shard.balance {
                tracing::warn!(
                    "corelane.shard.balance.enable has no effect: the controllers of the cluster \
                     decide where partitions are"
                );
            }
            let serving = quorum::Serving {
                runtime,
                controller,
                shards: start.shards,
                life: start.life,
                first_end,
            };
            quorum::serve(serving, start.inbox).await;
        }
    }
}

/// Finds out what the cluster is, and which partitions are to go from shard to shard.
async fn load(
    start: &ControlStart,
    disk: &Disk,
    net: &Net,
) -> Result<(Controller, Vec<(TopicId, PartitionIndex)>), LoadError> {
    let ControlStart {
        config,
        dirs,
        ports,
        ..
    } = start;
    match &config.cluster {
        None => {
            let now = disk.runtime().wall_ms();
            let local = LocalController::load(disk, config, dirs, ports, now).await?;
            let planned = finish_moves(&local, disk, now).await?;
            Ok((Controller::Local(Rc::new(local)), planned))
        }
        Some(cluster) => {
            let load = QuorumController::load(net, disk, config, cluster, dirs, ports);
            Ok((Controller::Quorum(load.await?), Vec::new()))
        }
    }
}
