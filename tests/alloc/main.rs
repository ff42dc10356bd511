//! The path of a record allocates nothing: a produce request from its frame to its answer on the
//! socket, and a fetch of what was just written, in a shard on a real disk and a real executor, with
//! a journal and without.
//!
//! Counted twice. While the request's own code runs nothing at all is allocated. In the whole
//! executor, with the log's writer and flusher and the runtime's bookkeeping of I/O, one request
//! in twenty may see an allocation: lookups grow as a log does, and its space is prepared ahead.
//! What brings the journal's records to the logs' own files begins by the clock, however many
//! requests there are: its list and its timers are counted for each of its rounds.
#![allow(unsafe_code)] // A global allocator, even one that only counts, is an unsafe trait.

mod frames;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use corelane::base::config::{Flags, load};
use corelane::base::ids::Uuid;
use corelane::base::life::Life;
use corelane::base::{NodeId, TopicId};
use corelane::io::cores::{self, Core, CoreOptions};
use corelane::io::disk::Disk;
use corelane::io::listener::{self, SocketOptions};
use corelane::io::net::Net;
use corelane::io::turn::{self, Work};
use corelane::log::{Folder, Logs, LogsOptions, Opening};
use corelane::metadata::controller::{Identity, NodeDir};
use corelane::partition::{Name, Partition, PartitionOptions};
use corelane::server::api::table;
use corelane::server::connection::Connection;
use corelane::server::connection::hub::Hub;
use corelane::server::connection::{dispatch, writer};
use corelane::server::loggers::Loggers;
use corelane::server::session::Session;
use corelane::server::state::ServerState;
use corelane::shard::nodes::Nodes;
use corelane::shard::partitions::{Place, Topic};
use corelane::shard::{Shard, ShardOptions, mesh};
use corelane_testing::{Here, host_facts};
use frames::{fetch_frame, produce_frame};

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Requests before counting: lists and maps find their size.
const WARM_UP: u64 = 500;
/// Most partitions of a request.
const PARTITIONS: i32 = 3;
const TOPIC: TopicId = TopicId(Uuid::from_u128(7));

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's own; the count is a plain cell of the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A future of which only its own turns are counted.
struct Counted<'a, F>(Pin<&'a mut F>, &'a Cell<u64>);

impl<F: Future> Future for Counted<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let before = ALLOCATIONS.get();
        let result = self.0.as_mut().poll(cx);
        self.1.set(self.1.get() + ALLOCATIONS.get() - before);
        result
    }
}

async fn counted<F: Future>(count: &Cell<u64>, future: F) -> F::Output {
    let future = std::pin::pin!(future);
    Counted(future, count).await
}

/// A shard with one topic and a connection to it.
struct Scene {
    logs: Logs,
    server: Rc<ServerState>,
    connection: Rc<Connection>,
}

impl Scene {
    /// Its logs have a journal of so many bytes; none if that is 0.
    async fn set(dir: PathBuf, journal_bytes: usize) -> Scene {
        let config = load(None, &Flags::default(), &host_facts()).expect("defaults are good");
        let topic_config = config.topic_config(&BTreeMap::new()).expect("defaults");
        let (control, _) = mesh::control();
        let options = ShardOptions {
            index: 0,
            disk: Disk::direct(),
            config: Arc::new(config),
            dirs: vec![NodeDir {
                unclean: false,
                path: dir.clone(),
                identity: Some(Identity {
                    in_cluster: false,
                    cluster_id: "c".into(),
                    node: NodeId(1),
                    directory: Uuid::from_u128(1000),
                }),
            }],
            lost_dirs: Vec::new(),
            control,
            nodes: Nodes::new(BTreeMap::new(), Net::ring()),
            life: Arc::new(Life::new(1)),
        };
        let shard = Shard::open(options, Arc::default(), 0).await;
        let shard = shard.expect("an empty folder opens");
        // Small, so that it is full before anything is counted: from then on the chunks that
        // hold the newest records come back from what was evicted.
        // With a journal it keeps the records of a second or two, until these are home.
        let cache_bytes = match journal_bytes {
            0 => 256 << 10,
            _ => 4 << 20,
        };
        let options = LogsOptions {
            cache_bytes,
            cache_bytes_max: cache_bytes,
            ..LogsOptions::default()
        };
        let folder = Folder::open(&Disk::direct(), &dir.join("logs")).await;
        let folder = folder.expect("an empty folder opens");
        let logs = Logs::new(&Disk::direct(), options);
        let logs = folder.begin_journal(&logs, journal_bytes);
        let mut partitions = Vec::new();
        for index in 0..PARTITIONS {
            let name = Name {
                topic: "orders".into(),
                topic_id: TOPIC,
                index,
            };
            let options = PartitionOptions {
                name,
                dir: &folder.path("orders", index),
                opening: Opening::default(),
                node: corelane::base::NodeId(1),
                term: corelane::partition::replicas::Term::alone(corelane::base::NodeId(1), 0),
                shared: Rc::default(),
                config: topic_config.clone(),
                producer_expiration_ms: 86_400_000,
            };
            let opened = Partition::open(&logs, options, 0).await;
            partitions.push(Place::Here(opened.expect("an empty folder opens")));
        }
        shard.partitions.insert(Topic {
            name: "orders".into(),
            id: TOPIC,
            partitions,
        });
        let loggers = Arc::new(Loggers::new("info", |_| ()));
        let server = ServerState::new(shard, loggers, table::SERVED, 1);
        let address = ([127, 0, 0, 1], 0).into();
        let bound = listener::bind(address, SocketOptions::default()).expect("a free port");
        let address = bound.address();
        let listener = bound.listen();
        let client = Net::ring().connect(address).await.expect("it listens");
        let stream = listener.accept().await.expect("the client connects");
        cores::spawn(async move {
            let mut bytes = vec![0; 1 << 16];
            while client.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        });
        let now = server.now();
        let session = Session::anonymous(address, "PLAINTEXT".into());
        let connection = Rc::new(Connection::new(
            Hub::new(server.clone()),
            session,
            stream,
            now,
        ));
        Scene {
            logs,
            server,
            connection,
        }
    }

    /// One request from its frame to its answer in `out`; what its own code allocated.
    async fn request(&self, frame: &[u8], out: &mut Vec<u8>) -> u64 {
        let count = Cell::new(0);
        let mut reserved = None;
        let now = corelane::io::clock::now();
        let desk = self.connection.desk();
        let beginning = dispatch::begin(desk, frame, &mut reserved, now);
        let Ok(Some(slot)) = counted(&count, beginning).await else {
            panic!("the request is good");
        };
        let answered = counted(&count, writer::finish(desk, slot, out)).await;
        answered.expect("it is answered");
        count.get()
    }

    /// Writes to the journal so far.
    fn entries(&self) -> u64 {
        self.logs.probe().journal_entries_count.get()
    }

    /// Rounds so far in which the journal's records were brought to the logs' own files.
    fn rounds(&self) -> u64 {
        self.logs.probe().journal_rounds_count.get()
    }

    /// The end of partition 0.
    fn end_offset(&self) -> i64 {
        let partition = self.server.shard.partitions.lookup_id(TOPIC, 0);
        partition.expect("it is here").high_watermark()
    }
}

async fn produces(scene: &Scene, version: i16, partitions: i32, times: u64, sequence: &mut i32) {
    let mut out = Vec::new();
    let mut tally = Tally::begin(scene);
    for round in 0..WARM_UP + times {
        let frame = produce_frame(version, partitions, *sequence);
        *sequence += 1;
        let before = ALLOCATIONS.get();
        let own = scene.request(&frame, &mut out).await;
        tally.note(round, own, ALLOCATIONS.get() - before);
    }
    let what = format!("produce v{version}, {partitions} partitions");
    tally.judge(scene, &what, times);
}

async fn fetches(scene: &Scene, times: u64, sequence: &mut i32) {
    let mut out = Vec::new();
    let opening = fetch_frame(0, 0, scene.end_offset() - 1);
    scene.request(&opening, &mut out).await;
    let session = i32::from_be_bytes(out[15..19].try_into().expect("four bytes"));
    assert_ne!(session, 0, "the fetch opened a session");
    let mut tally = Tally::begin(scene);
    for round in 0..WARM_UP + times {
        let offset = scene.end_offset();
        let produce = produce_frame(13, 1, *sequence);
        *sequence += 1;
        scene.request(&produce, &mut out).await;
        let frame = fetch_frame(session, round as i32 + 1, offset);
        let before = ALLOCATIONS.get();
        let own = scene.request(&frame, &mut out).await;
        tally.note(round, own, ALLOCATIONS.get() - before);
    }
    tally.judge(scene, "fetch", times);
    let probe = scene.logs.probe();
    assert!(probe.cached_reads_count.get() >= times);
    assert_eq!(
        probe.disk_reads_count.get(),
        0,
        "a fetch of the newest records read the disk"
    );
}

/// All that is counted of one scene; how many appends that were.
async fn paths(scene: &Scene) -> u64 {
    let mut sequence = scene.end_offset() as i32;
    let first = sequence;
    produces(scene, 13, 1, 10_000, &mut sequence).await;
    produces(scene, 12, 1, 1_000, &mut sequence).await;
    fetches(scene, 2_000, &mut sequence).await;
    // The other partitions have not seen this producer: its first batch may be any. Until the tail is
    // full of theirs, too, their chunks are new ones.
    for _ in 0..4 {
        produces(scene, 13, PARTITIONS, 0, &mut sequence).await;
    }
    produces(scene, 13, PARTITIONS, 1_000, &mut sequence).await;
    (sequence - first) as u64
}

/// A task gives way again and again: what its own code, the rests among it, allocated.
async fn steps(times: u64) {
    let giving_way = async |times| {
        for _ in 0..times {
            turn::give_way().await;
        }
    };
    let work = Work::job("steps");
    // The first steps make the queue and the table of timers.
    turn::measured(work, giving_way(WARM_UP)).await;
    let count = Cell::new(0);
    turn::measured(work, counted(&count, giving_way(times))).await;
    assert_eq!(count.get(), 0, "allocations in {times} steps");
}

/// The most allocations of one round: its list, and timers and an entry for each log.
const ROUND_MAX: u64 = 4 + 2 * PARTITIONS as u64;

/// Allocations after the warm-up.
struct Tally {
    own: u64,
    all: u64,
    /// Rounds before it.
    rounds: u64,
}

impl Tally {
    fn begin(scene: &Scene) -> Tally {
        Tally {
            own: 0,
            all: 0,
            rounds: scene.rounds(),
        }
    }

    fn note(&mut self, round: u64, own: u64, all: u64) {
        if round >= WARM_UP {
            self.own += own;
            self.all += all;
        }
    }

    fn judge(&self, scene: &Scene, what: &str, times: u64) {
        let Tally { own, all, .. } = self;
        let rounds = scene.rounds() - self.rounds;
        println!("{what}: {own} own, {all} in all, in {times} requests and {rounds} rounds");
        assert_eq!(*own, 0, "allocations of {what} in {times} requests");
        assert!(
            *all <= times / 20 + rounds * ROUND_MAX,
            "{all} allocations around {what} in {times} requests and {rounds} rounds"
        );
    }
}

#[test]
fn the_path_of_a_record_allocates_nothing() {
    let folder = HERE.data_dir();
    let dir = folder.path().to_owned();
    let options = CoreOptions {
        name: "alloc-test".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 1 << 20,
    };
    let core = cores::start(options, move || async move {
        steps(100).await;
        let scene = Scene::set(dir.join("without"), 0).await;
        paths(&scene).await;
        assert_eq!(scene.entries(), 0);
        let scene = Scene::set(dir.join("with"), 16 << 20).await;
        // Until the journal's file is there each log is written to its own; and until the tail is
        // full each chunk is a new one.
        let mut sequence = 0;
        while scene.entries() < 5_000 {
            produces(&scene, 13, 1, 0, &mut sequence).await;
        }
        let before = scene.entries();
        let times = paths(&scene).await;
        assert!(scene.entries() - before >= times);
    });
    core.and_then(Core::join).expect("the test does not panic");
}
