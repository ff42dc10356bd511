//! Drives: the whole broker: start and stop, in order.
//! May use: everything. Never: decides; that is done to the left.
//!
//! Inside, `use` arrows go one way (`tests/tidy.rs` checks it):
//!
//! ```text
//! loggers, session ← state ← api ← connection ← housekeeping ← node ┐
//! start ← formatted ────────────────────────────────────────────────┼← bring_up ← mod.rs
//! guarantee, health, lag, guests, move_numbers ← scrape ← admin ← control ┘
//! ```

mod admin;
pub mod api;
mod bring_up;
mod client_metrics;
pub mod connection;
mod control;
pub mod formatted;
pub mod guarantee;
mod guests;
mod health;
mod housekeeping;
mod lag;
pub mod loggers;
mod move_numbers;
mod node;
mod scrape;
pub mod session;
mod start;
pub mod state;

pub use start::{Ready, StartError};

use std::sync::Arc;

use bring_up::{Parts, bring_up};
use loggers::Loggers;
use node::NodeStart;

use crate::base::config::BrokerConfig;
use crate::base::life::Life;
use crate::io::signal::{self, StopSignals};
use crate::io::{checks, cpus};

/// Runs the broker until it is told to stop. `loggers` changes the levels of the log; `on_ready`
/// is called once all shards serve.
pub fn serve(
    config: BrokerConfig,
    loggers: Loggers,
    on_ready: impl FnOnce(Ready),
) -> Result<(), StartError> {
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
    let life = Arc::new(Life::new(config.shards));
    let parts = Parts {
        dirs: folders.usable.clone(),
        lost_dirs: folders.lost.clone(),
        ports: start::advertised_ports(&config, &listeners),
        devices,
        loggers: Arc::new(loggers),
        life: life.clone(),
        config,
    };
    let cpus = cpus::allowed();
    start::tell_of_spin(parts.config.shard.spin_us, &cpus);
    let (mut sockets, admin) = (listeners.nodes.into_iter(), listeners.admin);
    let start_node = |it: NodeStart| {
        let socket = sockets.next().expect("a socket was bound for each shard");
        let cpu = start::cpu_of(it.index, &cpus);
        node::start(it, cpu, socket)
    };
    let start_control = |it| control::start(it, admin);
    let mut signals = StopSignals::listen().map_err(StartError::Executor)?;
    let stop = async {
        // Not in the line itself: one that is not logged waits for nothing.
        let signal = signals.next().await;
        tracing::info!(signal, "stopping before it served");
    };
    let brought_up = signal::block_on(bring_up(parts, stop, start_control, start_node))?;
    let Some(running) = brought_up else {
        return Ok(());
    };
    on_ready(ready);

    let signal = signal::block_on(signals.next());
    tracing::info!(signal, "stopping");
    life.stops();
    signal::block_on(running.stop());
    for core in running.nodes {
        core.join().map_err(StartError::Executor)?;
    }
    running.controller.join().map_err(StartError::Executor)?;
    if let Some(why) = life.cast_out() {
        return Err(StartError::Cluster(why.to_owned()));
    }
    if life.has_no_folder() {
        return Err(StartError::NoFolderLeft);
    }
    tracing::info!("stopped cleanly");
    Ok(())
}

#[cfg(test)]
mod sim_tests;
