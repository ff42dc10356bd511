//! Drives: one shard's executor from start to stop: open, accept, follow the image, close.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::api::table;
use super::api::transactions::joining;
use super::connection::Connections;
use super::housekeeping;
use super::loggers::Loggers;
use super::session::Session;
use super::start::StartError;
use super::state::ServerState;
use crate::base::config::BrokerConfig;
use crate::base::life::Life;
use crate::base::metrics::Snapshot;
use crate::base::seldom::Seldom;
use crate::base::{NodeId, limits};
use crate::io::channel::{Call, Receiver, Sender};
use crate::io::cores::{self, Core, CoreOptions};
use crate::io::disk::Disk;
use crate::io::listener::{Bound, Listener};
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::io::turn::{self, Work};
use crate::metadata::controller::NodeDir;
use crate::metadata::image::Image;
use crate::shard::mesh::{Inbox, ShardMessage, ShardQuestion, ToControl, ToShard};
use crate::shard::nodes::Nodes;
use crate::shard::{self, Shard, ShardOptions, handover, lifecycle, markers, numbers};

/// Memory registered for disk writes, in bytes; what does not fit is written all the same.
const IO_MEMORY_BYTES: usize = 4 << 20;

/// All that a shard starts with.
pub struct NodeStart {
    /// Which shard.
    pub index: usize,
    /// The broker's settings.
    pub config: Arc<BrokerConfig>,
    /// The cluster as it is now.
    pub image: Arc<Image>,
    /// The shard's folders that can be used.
    pub dirs: Vec<NodeDir>,
    /// Those that cannot.
    pub lost_dirs: Vec<PathBuf>,
    /// What it is told and asked.
    pub inbox: Inbox,
    /// How far the process is.
    pub life: Arc<Life>,
    /// The way to the controller.
    pub control: ToControl,
    /// The ways to all shards of the process, in order.
    pub shards: Vec<ToShard>,
    /// The levels of the log.
    pub loggers: Arc<Loggers>,
    /// Where it reports that it serves, or why not.
    pub started: Sender<Result<(), StartError>>,
}

/// Starts a shard's executor, pinned to `cpu`, which accepts connections from `socket`.
pub fn start(start: NodeStart, cpu: Option<usize>, socket: Bound) -> Result<Core<()>, StartError> {
    let options = CoreOptions {
        name: format!("shard-{}", start.index),
        cpu,
        spin: Duration::from_micros(start.config.shard.spin_us),
        io_memory_bytes: IO_MEMORY_BYTES,
    };
    let main = move || {
        poll_network(start.index, &start.config);
        run(start, Disk::direct(), Net::ring(), socket.listen())
    };
    cores::start(options, main).map_err(StartError::Executor)
}

/// Sets `corelane.busy.poll.us` on the current executor. A kernel that cannot do it costs latency,
/// not service.
fn poll_network(shard: usize, config: &BrokerConfig) {
    let length = Duration::from_micros(config.shard.busy_poll_us);
    if length.is_zero() {
        return;
    }
    if let Err(error) = cores::busy_poll_network(length) {
        tracing::warn!(
            shard,
            %error,
            "corelane.busy.poll.us has no effect: the kernel cannot poll network cards from \
             io_uring, which needs Linux 6.9"
        );
    }
}

/// Serves as a shard on `disk` and its executor, until it is told to stop. Over `net` it reaches
/// other nodes.
pub async fn run(start: NodeStart, disk: Disk, net: Net, listener: Listener) {
    turn::measured(Work::job("start"), serve_shard(start, disk, net, listener)).await;
}

/// The shards of the process, by node.
fn siblings(config: &BrokerConfig, shards: Vec<ToShard>) -> BTreeMap<NodeId, ToShard> {
    let shards = shards.into_iter().enumerate();
    let named = shards.map(|(index, shard)| (NodeId(config.node_id(index)), shard));
    named.collect()
}

async fn serve_shard(start: NodeStart, disk: Disk, net: Net, listener: Listener) {
    let NodeStart {
        index,
        config,
        image,
        dirs,
        lost_dirs,
        inbox,
        control,
        shards,
        life,
        loggers,
        started,
    } = start;
    let Inbox {
        mut orders,
        questions,
    } = inbox;
    let opened = Rc::new(OnceCell::new());
    // From the first moment on: during a long start an operator wants to know that it goes on.
    let runtime = disk.runtime().clone();
    let answering = answer(runtime.clone(), questions, opened.clone());
    runtime.spawn(turn::measured(Work::job("questions"), answering));
    let options = ShardOptions {
        index,
        nodes: Nodes::new(siblings(&config, shards), net),
        disk,
        config,
        dirs,
        lost_dirs,
        control,
        life,
    };
    let shard = match Shard::open(options, image, runtime.wall_ms()).await {
        Ok(shard) => shard,
        Err((path, error)) => {
            // The main thread waits for this and for nothing else.
            let _ = started.send(Err(StartError::Folder { path, error }));
            return;
        }
    };
    let seed = runtime.random() as u32;
    let server = ServerState::new(shard.clone(), loggers, table::SERVED, seed);
    let connections = Connections::new(server);
    let _ = opened.set(connections.clone());
    let accepting = accept(connections.clone(), listener);
    let accepting = runtime.spawn(turn::measured(Work::job("accept"), accepting));
    let jobs = housekeeping::start(&connections);
    let _ = started.send(Ok(()));
    while let Some(message) = orders.next().await {
        if let Some(stop) = obey(&shard, message).await {
            turn::spent_on(Work::job("stop"));
            accepting.cancel().await;
            drain(&connections).await;
            jobs.stop().await;
            let (broker_epoch, answer) = stop.split();
            shard.close(broker_epoch).await;
            answer(());
            return;
        }
    }
}

/// Does what a shard is told. Returns the call that asks it to end, if it is that.
async fn obey(shard: &Shard, message: ShardMessage) -> Option<Call<i64, ()>> {
    match message {
        ShardMessage::Publish(call) => {
            turn::spent_on(Work::job("image"));
            let (image, answer) = call.split();
            lifecycle::apply(shard, image, shard.runtime().wall_ms()).await;
            answer(());
        }
        ShardMessage::Leave(call) => {
            turn::spent_on(Work::job("handover"));
            let (leave, answer) = call.split();
            answer(handover::leave(shard, &leave).await);
        }
        ShardMessage::Arrive(call) => {
            turn::spent_on(Work::job("handover"));
            let (arrive, answer) = call.split();
            handover::arrive(shard, &arrive).await;
            answer(());
        }
        ShardMessage::Stop(call) => return Some(call),
    }
    None
}

/// Answers what the shard is asked, beside everything else that it does; nothing before its logs
/// are open.
async fn answer(
    runtime: Runtime,
    mut questions: Receiver<ShardQuestion>,
    opened: Rc<OnceCell<Rc<Connections>>>,
) {
    while let Some(question) = questions.next().await {
        let connections = opened.get().cloned();
        match (question, connections) {
            (ShardQuestion::Alive(call), _) => call.answer(()),
            (ShardQuestion::Faults(call), Some(connections)) => gather(&runtime, async move {
                let server = connections.server();
                let now = server.wall_ms();
                call.answer(shard::faults::current(&server.shard, now).await);
            }),
            (ShardQuestion::Faults(call), None) => call.answer(Vec::new()),
            (ShardQuestion::Metrics(call), Some(connections)) => gather(&runtime, async move {
                let count = connections.count();
                call.answer(connections.server().snapshot(count).await);
            }),
            (ShardQuestion::Metrics(call), None) => call.answer(Snapshot::default()),
            (ShardQuestion::Load(call), Some(connections)) => gather(&runtime, async move {
                call.answer(shard::load::current(&connections.server().shard).await);
            }),
            (ShardQuestion::Clients(call), Some(connections)) => {
                let server = connections.server();
                let newest = server.telemetry.borrow_mut().newest(server.wall_ms());
                call.answer(newest);
            }
            (ShardQuestion::Clients(call), None) => call.answer(Vec::new()),
            (ShardQuestion::Committed(call), Some(connections)) => {
                let (most, answer) = call.split();
                let shard = connections.server().shard.clone();
                gather(&runtime, async move {
                    answer(shard.coordinators.groups.committed(most).await)
                });
            }
            (ShardQuestion::Ends(call), Some(connections)) => {
                let (wanted, answer) = call.split();
                let shard = connections.server().shard.clone();
                gather(&runtime, async move {
                    answer(numbers::ends(&shard, &wanted).await)
                });
            }
            (ShardQuestion::Join(call), Some(connections)) => {
                let (joining, answer) = call.split();
                let shard = connections.server().shard.clone();
                let asking = async move { answer(joining::ask_here(&shard, joining).await) };
                runtime.spawn(turn::measured(Work::job("transactions"), asking));
            }
            (ShardQuestion::WriteMarkers(call), Some(connections)) => {
                let ((marker, targets), answer) = call.split();
                let shard = connections.server().shard.clone();
                let writing = async move {
                    answer(markers::write_here(&shard, marker, targets).await);
                };
                runtime.spawn(turn::measured(Work::job("markers"), writing));
            }
            // A call that is dropped tells its caller that there is no answer.
            (
                ShardQuestion::Load(_)
                | ShardQuestion::Committed(_)
                | ShardQuestion::Ends(_)
                | ShardQuestion::Join(_)
                | ShardQuestion::WriteMarkers(_),
                None,
            ) => {}
        }
    }
}

/// Gathers numbers in steps, beside the next message.
fn gather(runtime: &Runtime, numbers: impl Future<Output = ()> + 'static) {
    runtime.spawn(turn::measured(Work::job("metrics"), numbers));
}

async fn accept(connections: Rc<Connections>, listener: Listener) {
    let server = connections.server().clone();
    let name: Arc<str> = server.shard.config().listener.listener.as_str().into();
    let accepting = Cell::new(true);
    let failures = Seldom::default();
    while accepting.get() {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                // Most likely there are no descriptors left. Connections that there are go on.
                if let Some(times) = failures.happens(server.now()) {
                    tracing::warn!(%error, times, "cannot accept a connection");
                }
                server
                    .shard
                    .runtime()
                    .sleep(Duration::from_millis(100))
                    .await;
                continue;
            }
        };
        let Ok(address) = stream.peer() else { continue };
        server.probe.accepted_connections.add(1);
        if let Err(limit) = connections.admit(address.ip()) {
            server.log_closing(address, Some(limit), &limit.name());
            stream.shutdown().await;
            continue;
        }
        let session = Session::anonymous(address, name.clone());
        let connection = connections.open(session, stream);
        let connections = connections.clone();
        let serving = async move { connections.serve(connection).await };
        let runtime = server.shard.runtime();
        runtime.spawn(turn::measured(Work::job("connection"), serving));
        // Of many that come at once the others are accepted in a later turn.
        turn::pace().await;
    }
}

/// Lets what is under way be answered, then closes every connection.
async fn drain(connections: &Connections) {
    let server = connections.server();
    let deadline = server.now().after_ms(limits::STOP_GRACE_MS);
    // A parked fetch would keep its connection busy for its whole wait: woken, it answers.
    server
        .shard
        .partitions
        .local()
        .iter()
        .for_each(|partition| partition.wake_readers());
    while server.now() < deadline && connections.all().iter().any(|one| one.has_batches()) {
        server.shard.runtime().sleep(Duration::from_millis(1)).await;
    }
    for connection in connections.all() {
        connection.close().await;
    }
    while server.now() < deadline && connections.count() > 0 {
        server.shard.runtime().sleep(Duration::from_millis(1)).await;
    }
}
