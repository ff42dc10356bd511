//! Drives: a whole broker in a simulated world: its real connections, shards and controller over
//! a disk, a network and a clock that follow from a seed.

mod client;
mod cluster;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, Group};

use super::bring_up::{Parts, Running, bring_up};
use super::loggers::Loggers;
use super::start::StartError;
use super::{control, node};
use crate::base::config::{BrokerConfig, ConfigFile, Flags, HostFacts, load};
use crate::base::life::Life;
use crate::io::cores::Task;
use crate::io::disk::Disk;
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::io::sim::{Fault, SimDisk, World};
use crate::metadata::controller::shard_dir;

const SHARDS: usize = 2;
const DATA: &str = "/data";
const TOPIC: &str = "orders";
const GROUP: &str = "billing";
const PARTITIONS: i32 = SHARDS as i32;
/// Frames of a whole story, with the times at which clients sent and received them.
type Transcript = Rc<RefCell<Vec<u8>>>;
/// What is acked: partition and offset, and the record's value.
type Acked = Rc<RefCell<BTreeMap<(i32, i64), Vec<u8>>>>;
type Broker = Running<Task<()>, Task<()>>;

/// What the tasks of a story reach of their world.
#[derive(Clone)]
struct Machine {
    runtime: Runtime,
    disk: Disk,
    net: Net,
    transcript: Transcript,
}

fn config() -> Arc<BrokerConfig> {
    let flags = Flags {
        data_dir: Some(DATA.into()),
        shards: Some(SHARDS),
        port: Some(9092),
        ..Flags::default()
    };
    let host = HostFacts {
        name: "host".into(),
        cpus: 2,
        cores: 2,
    };
    let file = ConfigFile {
        name: "test",
        // Small segments, so that a disk in memory stays small.
        text: "offsets.topic.num.partitions=4\n\
               log.segment.bytes=1048576\n\
               corelane.journal.bytes=1048576\n\
               offsets.topic.segment.bytes=1048576\n",
    };
    load(Some(file), &flags, &host).unwrap().into()
}

fn address(shard: usize) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 9), 9092 + shard as u16).into()
}

// === impl Machine ===

impl Machine {
    fn of(world: &World, transcript: &Transcript) -> Machine {
        Machine {
            runtime: world.runtime(),
            disk: Disk::simulated(world.disk().clone()),
            net: Net::simulated(world.net().clone()),
            transcript: Rc::clone(transcript),
        }
    }

    /// Starts a broker, and waits until it serves.
    async fn start(&self) -> Broker {
        let config = config();
        for shard in 0..SHARDS {
            let dir = shard_dir(DATA.as_ref(), shard);
            self.disk.create_dir(&dir).await.unwrap();
        }
        let parts = Parts {
            dirs: vec![PathBuf::from(DATA)],
            lost_dirs: Vec::new(),
            ports: (0..SHARDS).map(|shard| address(shard).port()).collect(),
            devices: Vec::new(),
            loggers: Arc::new(Loggers::new("info", |_| ())),
            life: Arc::new(Life::new(SHARDS)),
            config,
        };
        let (runtime, disk) = (&self.runtime, || self.disk.with_new_pool());
        let control =
            |start| Ok(runtime.spawn(control::run(start, disk(), self.net.clone(), None)));
        let node = |start: node::NodeStart| {
            let listener = self.net.listen(address(start.index));
            let listener = listener.map_err(StartError::Executor)?;
            Ok(runtime.spawn(node::run(start, disk(), self.net.clone(), listener)))
        };
        let brought_up = bring_up(parts, pending(), control, node).await;
        brought_up.unwrap().expect("nothing asks it to stop")
    }

    async fn connect(&self, shard: usize) -> Client {
        let stream = self.net.connect(address(shard)).await.unwrap();
        Client::new(self.runtime.clone(), stream, Rc::clone(&self.transcript))
    }

    /// A connection to the shard that leads each partition, in their order.
    async fn connect_to_leaders(&self) -> Vec<Client> {
        let mut any = self.connect(0).await;
        let mut clients = Vec::new();
        for leader in any.leaders(TOPIC).await {
            clients.push(self.connect(leader as usize - 1).await);
        }
        clients
    }

    /// A connection to the shard that coordinates the group.
    async fn connect_to_coordinator(&self) -> Client {
        let mut any = self.connect(0).await;
        let node = any.coordinator(GROUP).await;
        self.connect(node as usize - 1).await
    }
}

fn value(writer: usize, number: usize) -> Vec<u8> {
    format!("{writer}/{number}/").repeat(1 + number % 50).into()
}

/// Appends records to a partition, several requests at a time; notes what is acked.
async fn write(mut client: Client, partition: i32, count: usize, acked: Acked) {
    let mut sent = 0;
    let mut answered = 0;
    while answered < count {
        while sent < count && sent < answered + 3 {
            let value = value(partition as usize, sent);
            client.send_produce(TOPIC, partition, &value).await;
            sent += 1;
        }
        let offset = client.produced().await;
        let value = value(partition as usize, answered);
        let before = acked.borrow_mut().insert((partition, offset), value);
        assert!(before.is_none(), "two records have offset {offset}");
        answered += 1;
    }
}

/// Reads everything, and checks that what was acked is there.
async fn check_all(machine: &Machine, acked: &Acked) {
    let clients = machine.connect_to_leaders().await;
    for (partition, mut client) in clients.into_iter().enumerate() {
        let found = client.read_all(TOPIC, partition as i32).await;
        for ((of, offset), value) in acked.borrow().iter() {
            if *of == partition as i32 {
                assert_eq!(found.get(offset), Some(value), "{partition} at {offset}");
            }
        }
    }
}

/// A first life: a topic, records, a group; it ends while more records are written.
async fn first_life(machine: Machine, acked: Acked) -> i64 {
    let _broker = machine.start().await;
    let mut admin = machine.connect(0).await;
    admin.create_topic(TOPIC, PARTITIONS).await;
    // Two clients write side by side.
    let clients = machine.connect_to_leaders().await;
    let writers = clients.into_iter().enumerate().map(|(at, client)| {
        let writing = write(client, at as i32, 40, Rc::clone(&acked));
        machine.runtime.spawn(writing)
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.join().await;
    }
    check_all(&machine, &acked).await;
    let committed = in_group(&machine).await;
    // What a client has sent is answered, also when it says at once that it sends no more.
    admin.send_api_versions().await;
    admin.end_writes().await;
    admin.api_versions().await;
    assert!(admin.is_at_its_end().await);
    // The machine stops in the midst of these.
    let mut clients = machine.connect_to_leaders().await;
    let client = clients.remove(0);
    let writing = write(client, 0, 1_000, Rc::clone(&acked));
    let before = acked.borrow().len();
    machine.runtime.spawn(writing);
    while acked.borrow().len() < before + 25 {
        machine.runtime.sleep(Duration::from_millis(1)).await;
    }
    committed
}

/// Two members share the topic and commit how far they are; the offset that they commit.
async fn in_group(machine: &Machine) -> i64 {
    let members = [(); 2].map(|()| {
        let machine = machine.clone();
        machine.runtime.clone().spawn(async move {
            let client = machine.connect_to_coordinator().await;
            let mut group = Group::new(client, GROUP);
            group.join().await;
            for _ in 0..3 {
                group.heartbeat().await;
                machine.runtime.sleep(Duration::from_secs(1)).await;
            }
            group.commit(TOPIC, 0, 17).await;
            group
        })
    });
    let mut generations = Vec::new();
    for member in members {
        let group = member.join().await;
        generations.push(group.generation);
        group.leave().await;
    }
    assert_eq!(generations[0], generations[1], "one generation has both");
    17
}

/// A life after the first: everything is there, and all goes on. Ends with a clean stop.
async fn later_life(machine: Machine, acked: Acked, committed: i64) {
    let broker = machine.start().await;
    check_all(&machine, &acked).await;
    let mut coordinator = machine.connect_to_coordinator().await;
    let found = coordinator.committed(GROUP, TOPIC, 0).await;
    assert_eq!(found, committed);
    for (at, client) in machine.connect_to_leaders().await.into_iter().enumerate() {
        write_more(client, at as i32, &acked).await;
    }
    in_group(&machine).await;
    broker.stop().await;
    for node in broker.nodes {
        node.join().await;
    }
    broker.controller.join().await;
    // The listeners are gone with it.
    assert!(machine.net.connect(address(0)).await.is_err());
}

async fn write_more(mut client: Client, partition: i32, acked: &Acked) {
    for number in 0..5 {
        let value = value(7, number);
        client.send_produce(TOPIC, partition, &value).await;
        let offset = client.produced().await;
        acked.borrow_mut().insert((partition, offset), value);
    }
}

/// A story of three lives, of which a crash of the machine ends the first and a clean stop the
/// others. All frames, how the tasks of each life were run, and what is on the disk in the end:
/// lengths and checksums of its files.
fn story(seed: u64) -> Vec<u8> {
    story_with(seed, |_| ())
}

/// As [`story`]; `spoil` is done to the disk of the first life.
fn story_with(seed: u64, spoil: impl Fn(&SimDisk)) -> Vec<u8> {
    let (transcript, acked) = (Transcript::default(), Acked::default());
    let keep = |world: &World| {
        transcript
            .borrow_mut()
            .extend(world.fingerprint().to_be_bytes())
    };
    let world = World::new(seed);
    spoil(world.disk());
    let machine = Machine::of(&world, &transcript);
    let committed = world.run(first_life(machine, Rc::clone(&acked)));
    keep(&world);
    let world = world.crash(seed);
    let machine = Machine::of(&world, &transcript);
    world.run(later_life(machine, Rc::clone(&acked), committed));
    keep(&world);
    let world = world.kill(seed);
    let machine = Machine::of(&world, &transcript);
    world.run(later_life(machine, Rc::clone(&acked), committed));
    keep(&world);
    let disk = world.disk();
    let mut transcript = transcript.take();
    for path in disk.paths() {
        transcript.extend_from_slice(path.as_os_str().as_encoded_bytes());
        let content = disk.content(&path).unwrap_or_default();
        transcript.extend(content.len().to_be_bytes());
        transcript.extend(crc32c::crc32c(&content).to_be_bytes());
    }
    transcript
}

/// The seeds of random worlds: `SIM_RUNS` says how many, `SIM_SEED` the first of them.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SIM_SEED").unwrap_or(0);
    first..first + number("SIM_RUNS").unwrap_or(3)
}

#[test]
fn a_broker_keeps_what_it_acked_and_one_seed_gives_one_run() {
    for seed in seeds() {
        let (first, again) = (story(seed), story(seed));
        let differ = first
            .iter()
            .zip(&again)
            .position(|(one, other)| one != other);
        assert_eq!(
            differ,
            None,
            "seed {seed}: the runs differ, of {} bytes",
            first.len()
        );
        assert_eq!(first.len(), again.len(), "seed {seed}");
        assert_ne!(
            first,
            story(seed + 1_000),
            "seed {seed}: the seed decides nothing"
        );
    }
}

#[test]
fn a_device_that_only_says_it_flushes_is_found_out() {
    let lies = |disk: &SimDisk| disk.inject(Fault::SilentFlush);
    let fails = |seed: &u64| catch_unwind(|| story_with(*seed, lies)).is_err();
    let found = (0..4).filter(fails).count();
    assert!(found > 0, "what was acked was there without a flush");
}
