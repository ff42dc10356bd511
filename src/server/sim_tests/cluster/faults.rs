//! Drives: what goes wrong in a simulated cluster, as the seed has it.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::nodes::{Cluster, broker_ip};
use super::{BROKERS, PARTITIONS};
use crate::io::sim::{Link, Weather};

/// How many faults a run has; several may be at work at a time.
const FAULTS: usize = 10;
const CUT: Link = Link {
    is_cut: true,
    delay: None,
};

/// Lets faults happen one after another and beside each other, until all have passed.
pub async fn happen(cluster: &Cluster) {
    let open = Rc::new(Cell::new(FAULTS));
    for _ in 0..FAULTS {
        cluster.runtime.sleep(cluster.between(50, 4_000)).await;
        let (cluster, open) = (cluster.clone(), open.clone());
        cluster.clone().runtime.spawn(async move {
            one(&cluster).await;
            open.set(open.get() - 1);
        });
    }
    while open.get() > 0 {
        cluster.runtime.sleep(Duration::from_millis(50)).await;
    }
}

async fn one(cluster: &Cluster) {
    let broker = cluster.below(BROKERS);
    let leader = cluster
        .state(cluster.below(PARTITIONS as usize) as i32)
        .leader;
    // Leaders are worth more.
    let broker = match leader.0 {
        1.. if cluster.below(2) == 0 => leader.0 as usize - 1,
        _ => broker,
    };
    let other = (broker + 1 + cluster.below(BROKERS - 1)) % BROKERS;
    let mine = broker_ip(broker);
    let within = Duration::from_millis(300 * cluster.below(2) as u64);
    let kind = cluster.below(20);
    cluster.tell(format_args!(
        "fault {kind}, broker {broker}, {other}; {cluster:?}"
    ));
    match kind {
        0..=2 => down(cluster, &[broker], within).await,
        3 => down(cluster, &[broker, other], within).await,
        4 => down(cluster, &[0, 1, 2], within).await,
        5 => {
            // It leads on in its own eyes.
            let controllers = (0..3).map(|index| cluster.quorum.socket(index).ip());
            apart(cluster, &[mine], &controllers.collect::<Vec<_>>(), CUT).await;
        }
        6 => {
            let others: Vec<IpAddr> = others(broker).map(broker_ip).collect();
            apart(cluster, &[mine], &others, CUT).await;
        }
        7 => {
            let all = cluster.addresses();
            let all: Vec<IpAddr> = all.into_iter().filter(|it| *it != mine).collect();
            apart(cluster, &[mine], &all, CUT).await;
        }
        8 => {
            let slow = Link {
                is_cut: false,
                delay: Some((Duration::from_millis(20), cluster.between(50, 600))),
            };
            apart(cluster, &[mine], &[broker_ip(other)], slow).await;
        }
        9 => {
            for _ in 0..1 + cluster.below(4) {
                let index = cluster.below(PARTITIONS as usize) as i32;
                cluster.move_leader(index, cluster.below(BROKERS));
                cluster.runtime.sleep(cluster.between(5, 400)).await;
            }
        }
        10 | 11 => part(cluster).await,
        12 | 13 => stuck(cluster, broker).await,
        14 => match cluster.below(2) {
            0 => {
                cluster.quorum.elect(None, 0);
                cluster.runtime.sleep(cluster.between(500, 8_000)).await;
                cluster.quorum.elected(cluster.below(3));
            }
            _ => {
                let lost_one_in = 20 + cluster.below(100);
                cluster.net.set_weather(Weather {
                    lost_one_in,
                    ..Weather::default()
                });
                cluster.runtime.sleep(cluster.between(500, 6_000)).await;
                cluster.net.set_weather(Weather::default());
            }
        },
        15 => {
            if cluster.is_up(broker) {
                cluster.stop(broker).await;
                cluster.runtime.sleep(cluster.between(50, 3_000)).await;
                if cluster.below(2) == 0 {
                    let length = cluster.between(1, 2_000);
                    cluster.start_and_stop(broker, length).await;
                }
                cluster.start_again(broker);
            }
        }
        16 => cluster.fill(broker, cluster.between(200, 8_000)).await,
        17 | 18 => full(cluster, leader.0 as usize).await,
        _ => cluster.set_clock(broker),
    }
}

/// The disk of the leader, node `leader`, or of one of its followers is full; most often leaders
/// change or crash meanwhile.
async fn full(cluster: &Cluster, leader: usize) {
    let Some(leader) = leader.checked_sub(1).filter(|it| *it < BROKERS) else {
        return;
    };
    let follower = (leader + 1 + cluster.below(BROKERS - 1)) % BROKERS;
    let broker = [leader, follower][cluster.below(2)];
    let length = cluster.between(200, 8_000);
    let filled = cluster.clone();
    cluster
        .runtime
        .spawn(async move { filled.fill(broker, length).await });
    cluster.runtime.sleep(length / 2).await;
    match cluster.below(4) {
        0 => down(cluster, &[leader], Duration::ZERO).await,
        1 => down(cluster, &[broker], Duration::ZERO).await,
        2 => {
            let index = cluster.below(PARTITIONS as usize) as i32;
            cluster.move_leader(index, follower);
        }
        _ => {}
    }
    cluster.runtime.sleep(length / 2).await;
}

/// The disk of a broker is stuck for a while; most often all lose power before it goes on.
async fn stuck(cluster: &Cluster, broker: usize) {
    let length = cluster.between(50, 2_500);
    cluster.stick(broker, length);
    cluster.runtime.sleep(length * 9 / 10).await;
    if cluster.below(4) > 0 {
        down(cluster, &[0, 1, 2], Duration::ZERO).await;
    }
}

/// Two replicas of a partition come to lead one after the other, of which each has records that the
/// other has not.
async fn part(cluster: &Cluster) {
    let index = cluster.below(PARTITIONS as usize) as i32;
    let leader = cluster.state(index).leader.0 - 1;
    if leader < 0 {
        return;
    }
    let mut followers: Vec<usize> = others(leader as usize).collect();
    if cluster.below(2) == 0 {
        followers.reverse();
    }
    let [behind, ahead] = [followers[0], followers[1]];
    let mine = broker_ip(behind);
    let set = |other: usize, link| cluster.set_link(mine, broker_ip(other), link);
    set(leader as usize, CUT);
    cluster.runtime.sleep(cluster.between(100, 1_200)).await;
    set(ahead, CUT);
    cluster.move_leader(index, behind);
    cluster.runtime.sleep(cluster.between(100, 1_500)).await;
    cluster.move_leader(index, ahead);
    cluster.runtime.sleep(cluster.between(5, 500)).await;
    set(leader as usize, Link::default());
    set(ahead, Link::default());
}

fn others(broker: usize) -> impl Iterator<Item = usize> {
    (0..BROKERS).filter(move |other| *other != broker)
}

/// Connects these with those like this for a while.
async fn apart(cluster: &Cluster, these: &[IpAddr], those: &[IpAddr], link: Link) {
    let set = |link| {
        for one in these {
            those
                .iter()
                .for_each(|it| cluster.set_link(*one, *it, link));
        }
    };
    set(link);
    cluster.runtime.sleep(cluster.between(200, 12_000)).await;
    set(Link::default());
}

/// These crash, each so long after the one before at most, and start again.
async fn down(cluster: &Cluster, brokers: &[usize], within: Duration) {
    let mut downed = Vec::new();
    for broker in brokers {
        if cluster.is_free(*broker) {
            cluster.crash(*broker);
            downed.push(*broker);
            if !within.is_zero() {
                let pause = cluster.between(1, within.as_millis() as usize);
                cluster.runtime.sleep(pause).await;
            }
        }
    }
    for broker in downed {
        cluster.runtime.sleep(cluster.between(10, 5_000)).await;
        cluster.start_again(broker);
    }
}
