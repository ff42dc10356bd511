//! Drives: the executors of a broker from start to stop, in order: the controller first, which
//! knows what the cluster is, then the shards. How an executor is started is the caller's
//! business: on a thread of its own, or as a task of a simulated world.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};

use super::control::{Cluster, ControlStart};
use super::loggers::Loggers;
use super::node::NodeStart;
use super::start::{self, StartError};
use crate::base::config::BrokerConfig;
use crate::base::life::Life;
use crate::host::device::DeviceFacts;
use crate::io::channel::channel;
use crate::metadata::controller::shard_dir;
use crate::shard::mesh::{self, ToControl, ToShard};

/// What a broker is brought up with.
pub struct Parts {
    /// The settings of this start.
    pub config: Arc<BrokerConfig>,
    /// The folders of `log.dirs` that can be used.
    pub dirs: Vec<PathBuf>,
    /// Those that cannot.
    pub lost_dirs: Vec<PathBuf>,
    /// The ports that clients are told, one for each shard.
    pub ports: Vec<u16>,
    /// What lies under the folders.
    pub devices: Vec<DeviceFacts>,
    /// The levels of the log.
    pub loggers: Arc<Loggers>,
    /// How far the process is.
    pub life: Arc<Life>,
}

/// A broker that serves, with whatever its executors are to the caller.
pub struct Running<C, N> {
    /// The controller's executor.
    pub controller: C,
    /// Those of the shards, in order.
    pub nodes: Vec<N>,
    control: ToControl,
    shards: Vec<ToShard>,
}

/// Brings a broker up; returns once all shards serve, in a cluster as nodes that may lead. `None`
/// where `stop` ended while the cluster was waited for: what had been started is stopped then, or
/// has done nothing yet that a stop would have to end.
pub async fn bring_up<C, N>(
    parts: Parts,
    stop: impl Future<Output = ()>,
    start_control: impl FnOnce(ControlStart) -> Result<C, StartError>,
    mut start_node: impl FnMut(NodeStart) -> Result<N, StartError>,
) -> Result<Option<Running<C, N>>, StartError> {
    let mut stop = pin!(stop);
    let config = parts.config;
    let (control, control_inbox) = mesh::control();
    let (shards, inboxes): (Vec<_>, Vec<_>) = (0..config.shards).map(|_| mesh::shard()).unzip();
    let (started, mut starts) = channel();
    let controller = start_control(ControlStart {
        config: config.clone(),
        dirs: parts.dirs,
        ports: parts.ports,
        shards: shards.clone(),
        devices: parts.devices,
        inbox: control_inbox,
        life: parts.life.clone(),
        started,
    })?;
    let Cluster { image, directories } = match select(pin!(starts.next()), stop.as_mut()).await {
        Either::Left((loaded, _)) => loaded.ok_or(StartError::Gone)??,
        Either::Right(_) => return Ok(None),
    };
    let topics = image.topics.iter();
    start::tell_of_descriptors(topics.map(|topic| topic.partitions.len()).sum());

    // Then the shards, each with what it owns.
    let (started, mut starts) = channel();
    let mut nodes = Vec::new();
    for (index, (inbox, dirs)) in inboxes.into_iter().zip(directories).enumerate() {
        let lost_dirs = parts.lost_dirs.iter().map(|dir| shard_dir(dir, index));
        nodes.push(start_node(NodeStart {
            index,
            config: config.clone(),
            image: image.clone(),
            dirs,
            lost_dirs: lost_dirs.collect(),
            inbox,
            control: control.clone(),
            shards: shards.clone(),
            life: parts.life.clone(),
            loggers: parts.loggers.clone(),
            started: started.clone(),
        })?);
    }
    drop(started);
    for _ in &nodes {
        starts.next().await.ok_or(StartError::Gone)??;
    }
    let running = Running {
        controller,
        nodes,
        control,
        shards,
    };
    let opened = match select(pin!(running.control.open()), stop).await {
        Either::Left((opened, _)) => opened.map_err(|_| StartError::Gone)?,
        Either::Right(_) => {
            parts.life.stops();
            running.stop().await;
            return Ok(None);
        }
    };
    opened.map_err(StartError::Cluster)?;
    parts.life.serves();
    Ok(Some(running))
}

impl<C, N> Running<C, N> {
    /// Has leaderships moved away, stops the shards, then the controller, and waits until all is on
    /// disk.
    pub async fn stop(&self) {
        let epochs = self.control.leave().await.unwrap_or_default();
        let epochs = epochs.into_iter().chain(std::iter::repeat(-1));
        let shards = self.shards.iter().zip(epochs);
        let stopping: Vec<_> = shards.map(|(shard, epoch)| shard.stop(epoch)).collect();
        for stopped in stopping {
            // A shard that is gone already has nothing left to flush.
            let _ = stopped.await;
        }
        let _ = self.control.stop().await;
    }
}
