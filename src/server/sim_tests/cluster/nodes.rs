//! Drives: the brokers of a simulated cluster: how they start, stop and crash, and who reaches whom.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{BROKERS, PARTITIONS, SECOND, node, topic_id};
use crate::base::config::{BrokerConfig, ConfigFile, Flags, HostFacts, load};
use crate::base::ids::Uuid;
use crate::base::life::Life;
use crate::io::cores::Task;
use crate::io::disk::Disk;
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::io::sim::{Fault, Link, Random, SimMachine, SimNet, World};
use crate::metadata::controller::{IDENTITY_FILE, Identity, shard_dir};
use crate::metadata::source::quorum::double::{CLUSTER, PartitionState, Quorum};
use crate::server::bring_up::{Parts, Running, bring_up};
use crate::server::loggers::Loggers;
use crate::server::start::StartError;
use crate::server::{control, node as shard_node};

const DATA: &str = "/data";
const PORT: u16 = 9092;
/// How long what must happen may take once nothing is wrong any more.
const PATIENCE: Duration = Duration::from_secs(90);

/// How far the wall clock of a machine is off at the most.
const CLOCK_OFF_MS: usize = 5 * 60 * 1_000;

type Broker = Running<Task<()>, Task<()>>;

/// The brokers, their quorum, and the network between them; clones share them.
#[derive(Clone)]
pub struct Cluster {
    pub seed: u64,
    pub runtime: Runtime,
    pub net: SimNet,
    pub quorum: Quorum,
    pub random: Rc<RefCell<Random>>,
    members: Rc<Vec<Member>>,
}

struct Member {
    machine: SimMachine,
    config: Arc<BrokerConfig>,
    running: RefCell<Option<Rc<Broker>>>,
    /// A fault is at work on it.
    busy: Cell<bool>,
}

fn machine(world: &World, clocks: &mut Random) -> SimMachine {
    let machine = world.machine();
    machine.set_clock(clocks.below(2 * CLOCK_OFF_MS + 1) as i64 - CLOCK_OFF_MS as i64);
    machine
}

pub fn broker_ip(broker: usize) -> IpAddr {
    [10, 0, 0, 11 + broker as u8].into()
}

fn config(broker: usize, quorum: &Quorum) -> Arc<BrokerConfig> {
    let text = format!(
        "process.roles=broker\nnode.id={}\ncorelane.shards=1\nlog.dirs={DATA}\n\
         listeners=PLAINTEXT://:{PORT}\nadvertised.listeners=PLAINTEXT://{}:{PORT}\n\
         controller.listener.names=CONTROLLER\nbroker.heartbeat.interval.ms=1000\n\
         initial.broker.registration.timeout.ms=300000\nmin.insync.replicas=2\n\
         replica.lag.time.max.ms=3000\nreplica.socket.timeout.ms=3000\n\
         log.segment.bytes=1048576\ncorelane.journal.bytes=1048576\ncontroller.quorum.bootstrap.servers={}\n",
        node(broker),
        broker_ip(broker),
        quorum.bootstrap_servers()
    );
    let file = ConfigFile {
        name: "test",
        text: &text,
    };
    let host = HostFacts::of_cores(1);
    load(Some(file), &Flags::default(), &host).unwrap().into()
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for index in 0..PARTITIONS {
            writeln!(to, "{index}: {:?}", self.state(index))?;
        }
        for (broker, member) in self.members.iter().enumerate() {
            let is_up = member.running.borrow().is_some();
            let may_lead = self.quorum.may_lead(node(broker));
            writeln!(to, "broker {broker}: up {is_up}, may lead {may_lead}")?;
        }
        Ok(())
    }
}

// === impl Cluster ===

impl Cluster {
    pub fn new(world: &World, seed: u64) -> Cluster {
        let (quorum, _) = Quorum::in_world(world);
        // Nothing may hang on what the clocks of others say.
        let mut clocks = Random::new(seed ^ 0xC10C);
        let mut member = |broker| Member {
            machine: machine(world, &mut clocks),
            config: config(broker, &quorum),
            running: RefCell::default(),
            busy: Cell::default(),
        };
        Cluster {
            seed,
            runtime: world.runtime(),
            net: world.net().clone(),
            members: Rc::new((0..BROKERS).map(&mut member).collect()),
            quorum,
            random: Rc::new(RefCell::new(Random::new(seed ^ 0xC1))),
        }
    }

    /// Says what happens, where one looks for the reason of something: `SIM_TELL=2`; 3 has the logs of
    /// the brokers, too.
    pub fn tell(&self, what: std::fmt::Arguments<'_>) {
        if std::env::var("SIM_TELL").is_ok_and(|it| it == "2" || it == "3") {
            eprintln!("{:.3} s: {what}", self.runtime.now().0 as f64 / 1e9);
        }
    }

    pub fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    /// A time between these, in milliseconds.
    pub fn between(&self, least: usize, most: usize) -> Duration {
        Duration::from_millis((least + self.below(most - least)) as u64)
    }

    /// Writes the identity of each folder.
    pub async fn format(&self) {
        for (broker, member) in self.members.iter().enumerate() {
            let disk = Disk::simulated(member.machine.disk());
            let dir = shard_dir(DATA.as_ref(), 0);
            let identity = Identity {
                cluster_id: CLUSTER.to_owned(),
                node: node(broker),
                directory: Uuid::from_u128((1 << 100) + broker as u128),
                in_cluster: true,
            };
            disk.create_dir(&dir).await.unwrap();
            let text = identity.text().into_bytes();
            disk.write(&dir.join(IDENTITY_FILE), text).await.unwrap();
            disk.sync_dir(&dir).await.unwrap();
        }
    }

    /// Starts a broker on what its disk has.
    pub fn start(&self, broker: usize) {
        let (cluster, members) = (self.clone(), self.members.clone());
        self.members[broker].machine.spawn(async move {
            let running = cluster.bring_up(broker, pending()).await;
            *members[broker].running.borrow_mut() = running.map(Rc::new);
        });
    }

    async fn bring_up(&self, broker: usize, stop: impl Future<Output = ()>) -> Option<Broker> {
        let member = &self.members[broker];
        let net = Net::simulated(self.net.seen_from(broker_ip(broker)));
        let disk = Disk::simulated(member.machine.disk());
        let parts = Parts {
            dirs: vec![PathBuf::from(DATA)],
            lost_dirs: Vec::new(),
            ports: vec![PORT],
            devices: Vec::new(),
            loggers: Arc::new(Loggers::new("info", |_| ())),
            life: Arc::new(Life::new(1)),
            config: member.config.clone(),
        };
        let runtime = &self.runtime;
        let control =
            |start| Ok(runtime.spawn(control::run(start, disk.with_new_pool(), net.clone(), None)));
        let node = |start: shard_node::NodeStart| {
            let listener = net.listen((broker_ip(broker), PORT).into());
            let listener = listener.map_err(StartError::Executor)?;
            let disk = disk.with_new_pool();
            Ok(runtime.spawn(shard_node::run(start, disk, net.clone(), listener)))
        };
        bring_up(parts, stop, control, node).await.unwrap()
    }

    /// Whether a broker serves, and no fault is at work on it.
    pub fn is_up(&self, broker: usize) -> bool {
        self.members[broker].running.borrow().is_some() && !self.members[broker].busy.get()
    }

    /// Whether a fault may be at work on it: it may be about to start.
    pub fn is_free(&self, broker: usize) -> bool {
        !self.members[broker].busy.get()
    }

    pub fn all_are_up(&self) -> bool {
        (0..BROKERS).all(|broker| self.is_up(broker))
    }

    /// Its power is lost, or its process dies; it stays down.
    pub fn crash(&self, broker: usize) {
        let member = &self.members[broker];
        member.busy.set(true);
        match self.below(4) {
            0 => member.machine.kill(),
            _ => {
                let seed = self.random.borrow_mut().next();
                member.machine.crash(seed);
            }
        }
        member.running.take();
    }

    /// The disk of a broker does nothing for so long.
    pub fn stick(&self, broker: usize, length: Duration) {
        self.members[broker].machine.stick(length);
    }

    /// The disk of a broker that is up has no room for so long, or until that crashes: a start would
    /// refuse such a folder.
    pub async fn fill(&self, broker: usize, length: Duration) {
        if !self.is_up(broker) {
            return;
        }
        let disk = self.members[broker].machine.disk();
        disk.inject(Fault::Room);
        self.runtime.sleep(length).await;
        disk.repair();
    }

    /// Sets the wall clock of a broker anew, as one that was wrong is set right, or wrong.
    pub fn set_clock(&self, broker: usize) {
        let off = self.below(2 * CLOCK_OFF_MS + 1) as i64 - CLOCK_OFF_MS as i64;
        self.members[broker].machine.set_clock(off);
    }

    /// Starts a broker that was crashed.
    pub fn start_again(&self, broker: usize) {
        self.members[broker].busy.set(false);
        self.start(broker);
    }

    /// Stops a broker cleanly, within a time.
    pub async fn stop(&self, broker: usize) {
        let member = &self.members[broker];
        member.busy.set(true);
        if let Some(running) = member.running.take() {
            self.to_its_end(broker, async move { running.stop().await })
                .await;
        }
    }

    /// Starts a broker that was stopped, and asks it after so long to stop again, wherever its start
    /// has come.
    pub async fn start_and_stop(&self, broker: usize, length: Duration) {
        let cluster = self.clone();
        let lived = async move {
            let stop = cluster.runtime.sleep(length);
            if let Some(running) = cluster.bring_up(broker, stop).await {
                running.stop().await;
            }
        };
        self.to_its_end(broker, lived).await;
    }

    /// Runs what ends the process of a broker, within a time.
    async fn to_its_end(&self, broker: usize, work: impl Future<Output = ()> + 'static) {
        let ended = Rc::new(Cell::new(false));
        let ends = ended.clone();
        let machine = &self.members[broker].machine;
        machine.spawn(async move {
            work.await;
            ends.set(true);
        });
        for _ in 0..600 {
            if ended.get() {
                break;
            }
            self.runtime.sleep(SECOND / 20).await;
        }
        machine.kill();
    }

    pub fn set_link(&self, one: IpAddr, other: IpAddr, link: Link) {
        self.net.set_link(one, other, link);
    }

    /// Every address.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = (0..BROKERS).map(broker_ip).collect();
        all.extend((0..3).map(|index| self.quorum.socket(index).ip()));
        all.push([10, 0, 0, 1].into());
        all
    }

    /// Nothing is cut off or slow any more.
    pub fn mend(&self) {
        let all = self.addresses();
        for one in &all {
            for other in &all {
                self.set_link(*one, *other, Link::default());
            }
        }
        self.net.set_weather(Default::default());
    }

    /// Waits until something is so.
    pub async fn within(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = self.runtime.now();
        while !is_so() {
            let late = self.runtime.now().since(begun) > PATIENCE;
            assert!(
                !late,
                "seed {}: not within a time: {what}; {self:?}",
                self.seed
            );
            self.runtime.sleep(SECOND / 20).await;
        }
    }

    pub fn state(&self, index: i32) -> PartitionState {
        self.quorum.partition(topic_id(), index)
    }

    pub fn all_in_sync(&self) -> bool {
        (0..PARTITIONS).all(|index| self.state(index).isr.len() == BROKERS)
    }

    /// Has a broker lead; whether it does.
    pub fn move_leader(&self, index: i32, broker: usize) -> bool {
        self.quorum.move_leader(topic_id(), index, node(broker))
    }
}
