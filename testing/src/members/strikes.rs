//! Drives: what befalls a cluster of three while its clients go on: machines that coordinate
//! something die, stop in order or stand still, and their leaderships are moved to others.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;

use super::cluster::Cluster;
use super::member::Kind;
use crate::Here;
use crate::quorum::Quorum;

/// The topics whose leaders coordinate transactions and groups.
pub const COORDINATORS: [&str; 2] = ["__transaction_state", "__consumer_offsets"];

/// Two of three replicas must have a record before it is acked.
pub const TWO: &[(&str, &str)] = &[("min.insync.replicas", "2")];

/// Of controllers and members: one that is killed is soon missed, and every topic is as [`TWO`].
const CONTROLLERS: [&str; 3] = [
    "broker.session.timeout.ms=1500",
    "broker.heartbeat.interval.ms=300",
    MIN_IN_SYNC,
];
const MIN_IN_SYNC: &str = "min.insync.replicas=2";
const TWO_NODES: &str = "corelane.shards=2";
/// The same of the topic of transactions' states, which has a setting of its own.
const MIN_OF_STATES: &str = "transaction.state.log.min.isr=2";

/// How often what has befallen a cluster.
#[derive(Debug)]
pub struct Strikes {
    random: Rng,
    kills: usize,
    stops: usize,
    pauses: usize,
    moves: usize,
}

/// What strikes a machine.
enum Strike {
    Kill,
    Stop,
    Pause,
}

/// Three members of ours in `dir`, each of two nodes, of whose replicas two must have what is
/// acked. `lines` are settings more.
pub fn three(here: &Here, dir: &Path, lines: &[&str]) -> Cluster {
    let quorum = Quorum::start_with(dir, 1, &CONTROLLERS);
    let own = [MIN_IN_SYNC, MIN_OF_STATES, TWO_NODES];
    let lines = [&own, lines].concat();
    Cluster::of(here, dir, quorum, &[Kind::Corelane; 3], &lines)
}

impl Strikes {
    /// None so far.
    pub fn new(random: Rng) -> Strikes {
        Strikes {
            random,
            kills: 0,
            stops: 0,
            pauses: 0,
            moves: 0,
        }
    }

    /// Lets clients work for a while, then strikes: in turn the leaders of a topic of coordinators
    /// are moved, some of them there and back at once, and a machine that leads some of it dies.
    /// `wait` is told how long to wait.
    pub fn strike(&mut self, cluster: &mut Cluster, wait: &mut dyn FnMut(Duration)) {
        // Some die that have just been made leaders, and may not have loaded anything yet.
        let pause = if self.random.u8(..4) > 0 { 2_500 } else { 100 };
        wait(Duration::from_millis(self.random.u64(..pause)));
        let topic = COORDINATORS[self.random.usize(..COORDINATORS.len())];
        let struck = self.kills + self.stops + self.pauses;
        if self.moves <= struck {
            self.moves += 1;
            let back = self.random.u8(..3) == 0;
            return cluster.move_leaders(topic, back);
        }
        let partitions = cluster.view(topic).len();
        let partition = self.random.usize(..partitions.max(1));
        let leader = cluster.leader(topic, partition, &[]);
        let strike = match self.random.u8(..6) {
            // The first is a death.
            0..4 => Strike::Kill,
            _ if struck == 0 => Strike::Kill,
            4 => Strike::Stop,
            _ => Strike::Pause,
        };
        self.hit(cluster, leader, &strike, wait);
        // Most often before the next one all is well again.
        if self.random.u8(..4) > 0 {
            self.settle(cluster, &[]);
        }
    }

    fn hit(
        &mut self,
        cluster: &mut Cluster,
        node: i32,
        strike: &Strike,
        wait: &mut dyn FnMut(Duration),
    ) {
        // Some are back before they are missed.
        let away = Duration::from_millis(self.random.u64(500..4_000));
        match strike {
            Strike::Kill => {
                self.kills += 1;
                cluster.node(node).kill();
            }
            Strike::Stop => {
                self.stops += 1;
                cluster.node(node).stop();
            }
            Strike::Pause => {
                self.pauses += 1;
                cluster.node(node).pause();
                wait(away);
                cluster.node(node).resume();
                return;
            }
        }
        wait(away);
        cluster.node(node).start();
        cluster.node(node).wait_ready();
    }

    /// Waits until all is well, and all members know the leaders of these topics.
    pub fn settle(&self, cluster: &Cluster, topics: &[&str]) {
        let topics = COORDINATORS.iter().chain(topics);
        topics.for_each(|topic| cluster.wait_in_sync(topic, 3));
    }

    /// Stops the members, once all is well; the replicas of topics with so many partitions must be
    /// the same then.
    pub fn end(&self, mut cluster: Cluster, topics: &[&str], partitions: usize) {
        self.settle(&cluster, topics);
        cluster.stop();
        for topic in topics {
            cluster.replicas_agree(topic, partitions);
        }
    }

    /// Whether there were kills and moves.
    pub fn is_enough(&self) -> bool {
        self.kills > 0 && self.moves > 0
    }
}

impl fmt::Display for Strikes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "coordinators moved {} times, {} kills, {} stops, {} pauses of machines that led some",
            self.moves, self.kills, self.stops, self.pauses
        )
    }
}
