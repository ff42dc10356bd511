//! Drives: the whole broker: start and stop, in order.
//! May use: everything. Never: decides; that is done to the left.
//!
//! Inside, `use` arrows go one way (`tests/tidy.rs` checks it):
//!
//! ```text
//! loggers, session ← state ← api ← connection ← housekeeping ← node ┐
//! start ────────────────────────────────────────────────────────────┼← mod.rs
//! guarantee, health, lag, guests ← scrape ← admin ← control ────────┘
//! ```

pub mod adopt;
mod admin;
pub mod api;
pub mod check;
pub mod connection;
mod control;
mod guarantee;
mod guests;
mod health;
mod housekeeping;
mod lag;
pub mod loggers;
mod node;
mod scrape;
pub mod session;
mod start;
pub mod state;

pub use start::{Ready, StartError};

use std::sync::{Arc, mpsc};

use loggers::Loggers;

use crate::base::config::BrokerConfig;
use crate::base::life::Life;
use crate::io::{checks, cores, signal};
use crate::metadata::controller::shard_dir;
use crate::shard::mesh;

/// Runs the broker until it is told to stop. `loggers` changes the levels of the log; `on_ready`
/// is called once all shards serve.
pub fn serve(
    config: BrokerConfig,
    loggers: Loggers,
    on_ready: impl FnOnce(Ready),
) -> Result<(), StartError> {
    let loggers = Arc::new(loggers);
    start::tell_of_start(&config);
    // What can go wrong is found out before anything is started.
    checks::kernel().map_err(StartError::Host)?;
    let segment_bytes = config.topic_defaults.segment_bytes;
    checks::limits(config.shards + 1, segment_bytes).map_err(StartError::Host)?;
    start::descriptors(config.shards)?;
    let config = Arc::new(config);
    let folders = start::folders(&config)?;
    let devices = start::devices(&config, &folders.usable);
    let listeners = start::bind(&config)?;
    let ready = Ready::new(&config, &listeners);

    // The control executor first: it knows what the cluster is.
    let (control, control_inbox) = mesh::control();
    let (to_shards, inboxes): (Vec<_>, Vec<_>) = (0..config.shards).map(|_| mesh::shard()).unzip();
    let (started, starts) = mpsc::channel();
    let life = Arc::new(Life::new(config.shards));
    let controller = control::start(control::ControlStart {
        config: config.clone(),
        dirs: folders.usable.clone(),
        ports: start::advertised_ports(&config, &listeners),
        shards: to_shards.clone(),
        devices,
        inbox: control_inbox,
        admin: listeners.admin,
        life: life.clone(),
        started,
    })?;
    let cluster = starts.recv().map_err(|_| StartError::Gone)??;
    let topics = cluster.image.topics.iter();
    start::tell_of_descriptors(topics.map(|topic| topic.partitions.len()).sum());

    // Then the shards, each with what it owns.
    let (started, starts) = mpsc::channel();
    let mut shards = Vec::new();
    let cpus = cores::cpus();
    for (index, (inbox, (listener, dirs))) in inboxes
        .into_iter()
        .zip(listeners.nodes.into_iter().zip(cluster.directories))
        .enumerate()
    {
        shards.push(node::start(node::NodeStart {
            index,
            cpu: start::cpu_of(index, &cpus),
            config: config.clone(),
            image: cluster.image.clone(),
            dirs,
            lost_dirs: folders
                .lost
                .iter()
                .map(|dir| shard_dir(dir, index))
                .collect(),
            listener,
            inbox,
            control: control.clone(),
            life: life.clone(),
            loggers: loggers.clone(),
            started: started.clone(),
        })?);
    }
    drop(started);
    for _ in &shards {
        starts.recv().map_err(|_| StartError::Gone)??;
    }
    life.serves();
    on_ready(ready);

    let signal = signal::wait_for_stop();
    tracing::info!(signal, "stopping");
    life.stops();
    start::stop(&to_shards, &control);
    for core in shards {
        core.join().map_err(StartError::Executor)?;
    }
    controller.join().map_err(StartError::Executor)?;
    if life.has_no_folder() {
        return Err(StartError::NoFolderLeft);
    }
    tracing::info!("stopped cleanly");
    Ok(())
}
