//! Drives: the list of a shard's background jobs: name, period, function.

use std::rc::Rc;
use std::time::Duration;

use super::ServerState;
use super::probe::Closing;
use crate::base::limits;
use crate::io::cores::{self, Task};
use crate::shard::{self, compaction, partitions};

/// Share of the core that background jobs get beside the 1000 of requests.
const SHARES: usize = 100;

/// Share that compaction gets: it has all the time there is.
const COMPACTION_SHARES: usize = 20;
/// Share of the core that reading sealed segments through gets.
const SCRUB_SHARES: usize = 10;
/// Every sealed segment is read through once in this time, in seconds.
const SCRUB_ROUND_S: u64 = 24 * 3600;

/// The running jobs.
pub struct Jobs(Vec<Task<()>>);

/// Starts all jobs of a shard.
pub fn start(server: &Rc<ServerState>) -> Jobs {
    let class = cores::background("housekeeping", SHARES);
    let compaction = cores::background("compaction", COMPACTION_SHARES);
    let retention = server.shard.config().retention_check_ms.max(1) as u64;
    Jobs(vec![
        cores::spawn_into(class, slow_senders(server.clone(), Duration::from_secs(1))),
        cores::spawn_into(
            class,
            idle_connections(server.clone(), Duration::from_secs(5)),
        ),
        cores::spawn_into(
            class,
            logs(server.clone(), Duration::from_millis(retention)),
        ),
        cores::spawn_into(
            cores::background("scrub", SCRUB_SHARES),
            scrub(server.clone(), Duration::from_secs(60)),
        ),
        cores::spawn_into(class, log_dirs(server.clone(), Duration::from_secs(2))),
        cores::spawn_into(
            class,
            written_files(server.clone(), Duration::from_millis(100)),
        ),
        cores::spawn_into(compaction, compact(server.clone())),
    ])
}

/// Closes connections that are silent for `connections.max.idle.ms`, or have left a request
/// half sent for too long.
async fn idle_connections(server: Rc<ServerState>, period: Duration) {
    loop {
        cores::sleep(period).await;
        let now = server.now();
        for connection in server.connections() {
            let silent = now.since(connection.active()).as_millis() as i64;
            let idle_max = server.shard.config().network.idle_max_ms;
            let (why, reason) = if connection.is_partial()
                && silent > limits::PARTIAL_REQUEST_MAX_MS
            {
                (Closing::HalfSent, "a request was left half sent")
            } else if connection.is_ending() && silent > limits::LINGER_MAX_MS {
                let reason = "requests of a client that has ended could not be answered in time";
                (Closing::Ended, reason)
            } else if connection.is_idle() && idle_max.is_some_and(|max| silent > max) {
                (Closing::Idle, "idle for connections.max.idle.ms")
            } else {
                continue;
            };
            tracing::info!(peer = %connection.peer.address, reason, "closing connection");
            server.probe.note_closing(why);
            connection.close().await;
        }
    }
}

/// Closes connections that hold memory for a large request and hardly send it, while others
/// wait for memory.
async fn slow_senders(server: Rc<ServerState>, period: Duration) {
    loop {
        cores::sleep(period).await;
        if !server.shard.budget.is_short() {
            continue;
        }
        let now = server.now();
        for connection in server.connections() {
            if connection.dawdles(now) {
                let reason = "a large request comes in too slowly while others wait for memory";
                tracing::warn!(peer = %connection.peer.address, reason, "closing connection");
                server.probe.note_closing(Closing::SlowSender);
                connection.close().await;
            }
        }
    }
}

/// Rolls segments that are old enough, deletes what retention lets go, forgets idle producers.
async fn logs(server: Rc<ServerState>, period: Duration) {
    loop {
        cores::sleep(period).await;
        partitions::maintain(&server.shard, server.wall_ms()).await;
    }
}

/// Reads the sealed segments through for damage, slowly, once a day.
async fn scrub(server: Rc<ServerState>, delay: Duration) {
    let rate = server.shard.config().shard.scrub_bytes_per_second;
    if rate == 0 {
        return;
    }
    cores::sleep(delay).await;
    loop {
        let begun = server.now();
        shard::scrub::round(&server.shard, rate).await;
        let lasted = server.now().since(begun);
        let rest = Duration::from_secs(SCRUB_ROUND_S).saturating_sub(lasted);
        cores::sleep(rest.max(delay)).await;
    }
}

/// Looks whether the folders of logs still work.
async fn log_dirs(server: Rc<ServerState>, period: Duration) {
    loop {
        cores::sleep(period).await;
        shard::log_dirs::check(&server.shard).await;
    }
}

/// Looks whether the files that were just written to are still there: what is acked must not go
/// to one that somebody has removed.
async fn written_files(server: Rc<ServerState>, period: Duration) {
    loop {
        cores::sleep(period).await;
        server.shard.dirs.look_for_files();
    }
}

/// Compacts one log after the other, and sleeps when none is dirty enough.
async fn compact(server: Rc<ServerState>) {
    loop {
        let config = server.shard.config();
        if !config.compaction.enabled {
            return;
        }
        if !compaction::clean_dirtiest(&server.shard, server.wall_ms()).await {
            cores::sleep(Duration::from_millis(config.compaction.backoff_ms.max(10))).await;
        }
    }
}

// === impl Jobs ===

impl Jobs {
    /// Stops all jobs.
    pub async fn stop(self) {
        for job in self.0 {
            job.cancel().await;
        }
    }
}
