//! Networks that are cut between controller and brokers, and between brokers, under load: each
//! process is a host of its own.

use std::path::Path;
use std::thread;
use std::time::Duration;

use corelane_testing::followed::Load;
use corelane_testing::members::Cluster;
use corelane_testing::net::Net;
use corelane_testing::quorum::Quorum;

use crate::HERE;
use crate::options::kinds;
use crate::replication::{TOPIC, finish, load};

/// The cases: what holds, and what panics when it does not.
pub const ALL: &[(&str, fn())] = &[
    (
        "cut_off_from_the_controller_nothing_acked_is_lost",
        from_controller,
    ),
    (
        "cut_off_from_the_followers_nothing_acked_is_lost",
        from_followers,
    ),
];

/// More than the controllers' `broker.session.timeout.ms`.
const LONGER_THAN_SESSION: Duration = Duration::from_secs(6);

/// The host of the controller; that of node `id` has its number.
const CONTROLLER: usize = 0;

fn cluster(net: &Net, dir: &Path) -> Cluster {
    let hosts: Vec<_> = (0..4).map(|index| net.host(index)).collect();
    let quorum = Quorum::start_on(&hosts[..1], dir, &[]);
    Cluster::on(&hosts[1..], &HERE, dir, quorum, &kinds(3), &[])
}

/// The nodes beside one.
fn others(id: i32) -> impl Iterator<Item = usize> {
    (1..=3).filter(move |other| *other != id as usize)
}

/// What was cut is healed: all replicas are in sync, and producers go on.
fn heals(net: &Net, cluster: &Cluster, running: &Load) {
    net.heal();
    cluster.wait_in_sync(TOPIC, 3);
    running.wait_acks(20);
}

fn from_controller() {
    let dir = HERE.data_dir();
    let net = Net::new(4);
    let mut cluster = cluster(&net, dir.path());
    let running = load(&cluster);
    running.wait_acks(20);

    // The leader still reaches its followers, and clients it: another leads all the same.
    let leader = cluster.leader(TOPIC, 0, &[]);
    net.cut(CONTROLLER, leader as usize);
    cluster.node(leader).is_cut_off = true;
    let next = cluster.leader(TOPIC, 0, &[leader]);
    thread::sleep(LONGER_THAN_SESSION);
    running.wait_acks(20);
    cluster.node(leader).is_cut_off = false;
    heals(&net, &cluster, &running);

    // One that reaches nothing but clients.
    net.cut(CONTROLLER, next as usize);
    others(next).for_each(|other| net.cut(next as usize, other));
    cluster.node(next).is_cut_off = true;
    cluster.leader(TOPIC, 0, &[next]);
    thread::sleep(LONGER_THAN_SESSION);
    running.wait_acks(20);
    cluster.node(next).is_cut_off = false;
    heals(&net, &cluster, &running);

    // All reach each other, and none the controller.
    (1..=3).for_each(|node| net.cut(CONTROLLER, node));
    thread::sleep(LONGER_THAN_SESSION);
    heals(&net, &cluster, &running);
    finish("cut off from the controller", running, cluster);
}

fn from_followers() {
    let dir = HERE.data_dir();
    let net = Net::new(4);
    let cluster = cluster(&net, dir.path());
    let running = load(&cluster);
    running.wait_acks(20);
    // The controller hears of all: it leads on, alone, and none of its writes is acked.
    let leader = cluster.leader(TOPIC, 0, &[]);
    others(leader).for_each(|other| net.cut(leader as usize, other));
    cluster.wait(TOPIC, "the leader is alone", |seen| {
        seen.iter().any(|it| it.isr == [leader]) && seen.iter().all(|it| it.leader >= 0)
    });
    thread::sleep(LONGER_THAN_SESSION);
    heals(&net, &cluster, &running);

    // What it sends is lost, what it is sent arrives: it fetches from none, is fetched from by none.
    let leader = cluster.leader(TOPIC, 1, &[]);
    others(leader).for_each(|other| net.cut_one_way(leader as usize, other));
    thread::sleep(LONGER_THAN_SESSION);
    heals(&net, &cluster, &running);

    // One pair does not reach each other, the third reaches both.
    let leader = cluster.leader(TOPIC, 2, &[]);
    let other = others(leader).next().unwrap();
    net.cut(leader as usize, other);
    cluster.wait(TOPIC, "one is missed", |seen| {
        seen.iter()
            .any(|it| it.leader == leader && it.isr.len() == 2)
    });
    running.wait_acks(20);
    heals(&net, &cluster, &running);
    finish("cut off from followers", running, cluster);
}
