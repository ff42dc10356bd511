//! More connections than the process may have descriptors.

use std::time::Duration;

use corelane_testing::Client;
use corelane_testing::requests::create_topic;

use super::LEAST_BOUND;
use crate::Attack;
use crate::arena::{Arena, page};

pub const ALL: &[Attack] = &[Attack {
    name: "300 idle connections where 256 descriptors are allowed",
    bound_bytes: LEAST_BOUND,
    settings: "",
    descriptors: Some(256),
    prepare: |_| {},
    run: idle_connections,
}];

fn idle_connections(arena: &Arena) {
    let mut early = arena.client();
    let idle: Vec<Client> = (0..300)
        .filter_map(|_| Client::try_connect(arena.port).ok())
        .collect();
    std::thread::sleep(Duration::from_secs(3));
    // What a log needs descriptors for goes on: new partitions, in full use.
    assert_eq!(create_topic(&mut early, "made-meanwhile", 4), 0);
    let metrics = page(arena.admin, "/metrics");
    assert!(
        metrics.contains("corelane_log_dirs_offline{node=\"1\"} 0\n"),
        "{metrics}"
    );
    drop(idle);
}
