//! Drives: the list of a shard's background jobs: name, period, function.

use std::rc::Rc;
use std::time::Duration;

use super::connection::Connections;
use super::state::ServerState;
use crate::io::budget::Use;
use crate::io::cores::{Task, TaskClass};
use crate::io::runtime::Runtime;
use crate::io::trim::{self, Trimmer};
use crate::io::turn::{self, Work};
use crate::shard::{self, compaction, dir_moves, ending, lifecycle, removal, replication};

/// Share of the core that background jobs get beside the 1000 of requests.
const SHARES: usize = 100;

/// Share that compaction gets: it has all the time there is.
const COMPACTION_SHARES: usize = 20;
/// Share of the core that reading sealed segments through gets.
const SCRUB_SHARES: usize = 10;
/// Every sealed segment is read through once in this time, in seconds.
const SCRUB_ROUND_S: u64 = 24 * 3600;

/// In every so many periods all connections are looked at.
const LOOK_AT_CONNECTIONS: u64 = 5;

/// The running jobs.
pub struct Jobs(Vec<Task<()>>);

/// Starts all jobs of a shard.
pub fn start(connections: &Rc<Connections>) -> Jobs {
    let server = connections.server();
    let runtime = server.shard.runtime();
    let class = runtime.background("housekeeping", SHARES);
    let compaction = runtime.background("compaction", COMPACTION_SHARES);
    let retention = server.shard.config().retention_check_ms.max(1) as u64;
    let scrubbing = runtime.background("scrub", SCRUB_SHARES);
    let (second, server) = (Duration::from_secs(1), || server.clone());
    let retention = Duration::from_millis(retention);
    let mut jobs = vec![
        job(
            runtime,
            class,
            "connections",
            overdue_connections(connections.clone(), second),
        ),
        job(runtime, class, "logs", logs(server(), retention)),
        job(runtime, scrubbing, "scrub", scrub(server(), 60 * second)),
        job(runtime, class, "folders", log_dirs(server(), 2 * second)),
        job(runtime, class, "trash", trash(server(), second / 2)),
        job(
            runtime,
            class,
            "written files",
            written_files(server(), second / 10),
        ),
        job(runtime, class, "memory", memory(server(), second)),
        job(runtime, compaction, "compaction", compact(server())),
    ];
    let shard = &server().shard;
    // Producers wait for these, as for requests.
    let ending = turn::measured(Work::job("markers"), ending::run(shard.clone()));
    jobs.push(runtime.spawn(ending));
    if shard.config().cluster.is_some() {
        // Producers wait for these, as for requests.
        let following = replication::follow(shard.clone());
        let following = turn::measured(Work::job("replication"), following);
        let in_sync = replication::keep_in_sync(shard.clone());
        let in_sync = turn::measured(Work::job("replicas in sync"), in_sync);
        jobs.extend([runtime.spawn(following), runtime.spawn(in_sync)]);
    }
    let telling = replication::tell_of_folders(shard.clone());
    jobs.push(job(runtime, class, "folders of replicas", telling));
    let moves = dir_moves::run(shard.clone());
    jobs.push(job(runtime, class, "moves between folders", moves));
    Jobs(jobs)
}

/// Starts a job, whose turns are counted under `name`.
fn job(
    runtime: &Runtime,
    class: TaskClass,
    name: &'static str,
    work: impl Future<Output = ()> + 'static,
) -> Task<()> {
    runtime.spawn_into(class, turn::measured(Work::job(name), work))
}

/// Closes connections that have lasted too long: that are silent, send or read too slowly. Looks
/// in every fifth `period`, and in each while others wait for memory.
async fn overdue_connections(connections: Rc<Connections>, period: Duration) {
    let server = connections.server();
    for round in 0u64.. {
        server.shard.runtime().sleep(period).await;
        server.log_left_out();
        if round % LOOK_AT_CONNECTIONS != 0 && !server.shard.budget.is_short() {
            continue;
        }
        let now = server.now();
        for connection in connections.all() {
            if let Some(overdue) = connection.overdue(now) {
                connection.close_as(&overdue).await;
            }
        }
    }
}

/// Keeps what is remembered of producers within its bound, gives up records that no reader needs in
/// memory, and gives memory back to the kernel after a storm.
async fn memory(server: Rc<ServerState>, period: Duration) {
    let budget = &server.shard.budget;
    let mut producers = budget.hold(Use::Producers, 0);
    let mut trimmer = Trimmer::default();
    loop {
        server.shard.runtime().sleep(period).await;
        shard::producers::bound(&server.shard, &mut producers).await;
        server.shard.dirs.give_up_unneeded().await;
        if trimmer.is_due(budget.used_bytes()) {
            let begun = server.now();
            server.shard.runtime().blocking(trim::give_back).await;
            let ms = server.now().since(begun).as_millis() as u64;
            tracing::debug!(ms, "gave free memory back to the kernel");
        }
    }
}

/// Rolls segments that are old enough, deletes what retention lets go, forgets idle producers.
async fn logs(server: Rc<ServerState>, period: Duration) {
    loop {
        server.shard.runtime().sleep(period).await;
        lifecycle::maintain(&server.shard, server.wall_ms()).await;
    }
}

/// Deletes the files of deleted topics.
async fn trash(server: Rc<ServerState>, period: Duration) {
    loop {
        server.shard.runtime().sleep(period).await;
        removal::empty_trash(&server.shard).await;
    }
}

/// Reads the sealed segments through for damage, slowly, once a day.
async fn scrub(server: Rc<ServerState>, delay: Duration) {
    let rate = server.shard.config().shard.scrub_bytes_per_second;
    if rate == 0 {
        return;
    }
    server.shard.runtime().sleep(delay).await;
    loop {
        let begun = server.now();
        shard::scrub::round(&server.shard, rate).await;
        let lasted = server.now().since(begun);
        let rest = Duration::from_secs(SCRUB_ROUND_S).saturating_sub(lasted);
        server.shard.runtime().sleep(rest.max(delay)).await;
    }
}

/// Looks whether the folders of logs still work.
async fn log_dirs(server: Rc<ServerState>, period: Duration) {
    loop {
        server.shard.runtime().sleep(period).await;
        shard::dir_check::check(&server.shard).await;
    }
}

/// Looks whether the files that were just written to are still there: what is acked must not go
/// to one that was removed.
async fn written_files(server: Rc<ServerState>, period: Duration) {
    loop {
        server.shard.runtime().sleep(period).await;
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
            server
                .shard
                .runtime()
                .sleep(Duration::from_millis(config.compaction.backoff_ms.max(10)))
                .await;
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
