//! Starts that cannot end yet: they say what they wait for, and can be stopped.

use std::path::Path;
use std::time::{Duration, Instant};

use corelane_testing::quorum::{CLUSTER_ID, Quorum};
use corelane_testing::{Broker, Start};

use crate::HERE;

/// The cases that need no controllers: what holds, and what panics when it does not.
pub const ALONE: &[(&str, fn())] = &[(
    "a_start_that_finds_no_controller_says_so_and_stops_when_asked",
    without_controllers,
)];

/// Those that do.
pub const ALL: &[(&str, fn())] = &[(
    "a_start_that_waits_for_a_session_says_so_and_stops_when_asked",
    before_the_session_ends,
)];

/// How long a start that waits may take to end.
const SOON: Duration = Duration::from_secs(5);

/// The session of a broker that was killed; longer than it takes until a start says that it waits.
const SESSION: &str = "broker.session.timeout.ms=60000";

fn formatted(dir: &Path, controllers: &str) -> Start {
    let start = HERE.start(&dir.join("data")).shards(2);
    let start = start.in_cluster(5, controllers, &[]);
    assert!(start.format(CLUSTER_ID, &[]).status.success());
    start
}

/// Asks a broker that is starting to stop: it does so at once, and without a complaint.
fn stops_at_once(mut starting: Broker) {
    let begun = Instant::now();
    starting.terminate();
    let status = starting.ends();
    assert!(status.success(), "{status}: {}", starting.log());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    starting.wait_log(&["stopping before it served", "SIGTERM"]);
    assert_eq!(starting.complaint(), None);
}

fn without_controllers() {
    let dir = HERE.data_dir();
    let start = formatted(dir.path(), "127.0.0.1:1");
    let starting = start.spawn();
    starting.wait_log(&["the start waits for a controller", "none of"]);
    stops_at_once(starting);
}

fn before_the_session_ends() {
    let dir = HERE.data_dir();
    let quorum = Quorum::start_with(dir.path(), 1, &[SESSION]);
    let start = formatted(dir.path(), &quorum.addresses());
    start.ready().kill();
    let starting = start.spawn();
    starting.wait_log(&[
        "the start waits for the active controller",
        "the nodes 5, 6",
    ]);
    stops_at_once(starting);
}
