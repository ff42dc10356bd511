//! Drives: one shard's executor from start to stop: open, accept, follow the image, close.

use std::cell::{Cell, OnceCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::connection::{Connection, Ended};
use super::loggers::Loggers;
use super::session::Session;
use super::start::StartError;
use super::{ServerState, housekeeping};
use crate::base::config::BrokerConfig;
use crate::base::life::Life;
use crate::base::limits;
use crate::base::metrics::Snapshot;
use crate::base::seldom::Seldom;
use crate::io::channel::Receiver;
use crate::io::clock;
use crate::io::cores::{self, Core, CoreOptions};
use crate::io::listener::{Bound, Listener};
use crate::io::turn::{self, Work};
use crate::metadata::controller::NodeDir;
use crate::metadata::image::Image;
use crate::shard::mesh::{Inbox, ShardMessage, ShardQuestion, ToControl};
use crate::shard::{self, Shard, ShardOptions, numbers, partitions};

/// Memory registered for disk writes, in bytes; what does not fit is written all the same.
const IO_MEMORY_BYTES: usize = 4 << 20;

/// All that a shard starts with.
pub struct NodeStart {
    /// Which shard.
    pub index: usize,
    /// The CPU to be pinned to.
    pub cpu: Option<usize>,
    /// The broker's settings.
    pub config: Arc<BrokerConfig>,
    /// The cluster as it is now.
    pub image: Arc<Image>,
    /// The shard's folders that can be used.
    pub dirs: Vec<NodeDir>,
    /// Those that cannot.
    pub lost_dirs: Vec<PathBuf>,
    /// Its listening socket.
    pub listener: Bound,
    /// What it is told and asked.
    pub inbox: Inbox,
    /// How far the process is.
    pub life: Arc<Life>,
    /// The way to the controller.
    pub control: ToControl,
    /// The levels of the log.
    pub loggers: Arc<Loggers>,
    /// Where it reports that it serves, or why not.
    pub started: mpsc::Sender<Result<(), StartError>>,
}

/// Starts a shard's executor.
pub fn start(start: NodeStart) -> Result<Core<()>, StartError> {
    let options = CoreOptions {
        name: format!("shard-{}", start.index),
        cpu: start.cpu,
        spin: Duration::from_micros(start.config.shard.spin_us),
        io_memory_bytes: IO_MEMORY_BYTES,
    };
    let work = || Work::job("start");
    cores::start(options, move || turn::measured(work(), run(start))).map_err(StartError::Executor)
}

async fn run(start: NodeStart) {
    let NodeStart {
        index,
        config,
        image,
        dirs,
        lost_dirs,
        listener,
        inbox,
        control,
        life,
        loggers,
        started,
        ..
    } = start;
    let Inbox {
        mut orders,
        questions,
    } = inbox;
    let opened = Rc::new(OnceCell::new());
    // From the first moment on: during a long start an operator wants to know that it goes on.
    let answering = answer(questions, opened.clone());
    drop(cores::spawn(turn::measured(
        Work::job("questions"),
        answering,
    )));
    let options = ShardOptions {
        index,
        config,
        dirs,
        lost_dirs,
        control,
        life,
    };
    let shard = match Shard::open(options, image, clock::wall_ms()).await {
        Ok(shard) => shard,
        Err((path, error)) => {
            // The main thread waits for this and for nothing else.
            let _ = started.send(Err(StartError::Folder { path, error }));
            return;
        }
    };
    let server = ServerState::new(shard.clone(), loggers, clock::now().0 as u32);
    let _ = opened.set(server.clone());
    let accepting = accept(server.clone(), listener.listen());
    let accepting = cores::spawn(turn::measured(Work::job("accept"), accepting));
    let jobs = housekeeping::start(&server);
    let _ = started.send(Ok(()));
    while let Some(message) = orders.next().await {
        match message {
            ShardMessage::Publish(call) => {
                turn::spent_on(Work::job("image"));
                let (image, answer) = call.split();
                partitions::apply(&shard, image, clock::wall_ms()).await;
                answer(());
            }
            ShardMessage::Stop(call) => {
                turn::spent_on(Work::job("stop"));
                accepting.cancel().await;
                drain(&server).await;
                jobs.stop().await;
                shard.close().await;
                call.answer(());
                return;
            }
        }
    }
}

/// Answers what the shard is asked, beside everything else that it does; nothing before its logs
/// are open.
async fn answer(mut questions: Receiver<ShardQuestion>, opened: Rc<OnceCell<Rc<ServerState>>>) {
    while let Some(question) = questions.next().await {
        let server = opened.get().cloned();
        match (question, server) {
            (ShardQuestion::Faults(call), Some(server)) => gather(async move {
                let now = server.wall_ms();
                call.answer(shard::faults::current(&server.shard, now).await);
            }),
            (ShardQuestion::Faults(call), None) => call.answer(Vec::new()),
            (ShardQuestion::Metrics(call), Some(server)) => {
                gather(async move { call.answer(server.snapshot().await) });
            }
            (ShardQuestion::Metrics(call), None) => call.answer(Snapshot::default()),
            (ShardQuestion::Committed(call), Some(server)) => {
                let (most, answer) = call.split();
                gather(async move { answer(server.shard.groups.committed(most).await) });
            }
            (ShardQuestion::Ends(call), Some(server)) => {
                let (wanted, answer) = call.split();
                gather(async move { answer(numbers::ends(&server.shard, &wanted).await) });
            }
            // Who asks hears that there is no answer.
            (ShardQuestion::Committed(_) | ShardQuestion::Ends(_), None) => {}
        }
    }
}

/// Gathers numbers in steps, beside the next message.
fn gather(numbers: impl Future<Output = ()> + 'static) {
    drop(cores::spawn(turn::measured(Work::job("metrics"), numbers)));
}

async fn accept(server: Rc<ServerState>, listener: Listener) {
    let name: Arc<str> = server.shard.config().listener.listener.as_str().into();
    let accepting = Cell::new(true);
    let failures = Seldom::default();
    while accepting.get() {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                // Out of descriptors, most likely: those who are connected are served on.
                if let Some(times) = failures.happens(server.now()) {
                    tracing::warn!(%error, times, "cannot accept a connection");
                }
                cores::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(address) = stream.peer() else { continue };
        server.probe.accepted_connections.add(1);
        if let Err(limit) = server.admit(address.ip()) {
            server.log_closing(address, Some(limit), &limit.name());
            stream.shutdown().await;
            continue;
        }
        let now = server.now();
        let session = Session::anonymous(address, name.clone());
        let connection = Rc::new(Connection::new(server.clone(), stream, session, now));
        let serving = serve(server.clone(), connection);
        cores::spawn(turn::measured(Work::job("connection"), serving));
        // Of many that come at once the next are for a later turn.
        turn::pace().await;
    }
}

async fn serve(server: Rc<ServerState>, connection: Rc<Connection>) {
    let number = server.enter(&connection);
    let session = connection.session.clone();
    if let Ended::Refused(reason) = connection.serve().await {
        server.log_closing(session.address, reason.closing(), &reason);
    }
    server.leave(number);
}

/// Lets what is under way be answered, then closes every connection.
async fn drain(server: &ServerState) {
    let deadline = server.now().after_ms(limits::STOP_GRACE_MS);
    // A parked fetch would keep its connection busy for its whole wait: woken, it answers.
    server
        .shard
        .partitions
        .local()
        .iter()
        .for_each(|partition| partition.wake_readers());
    while server.now() < deadline && server.connections().iter().any(|one| one.has_produce()) {
        cores::sleep(Duration::from_millis(1)).await;
    }
    for connection in server.connections() {
        connection.close().await;
    }
    while server.now() < deadline && server.connection_count() > 0 {
        cores::sleep(Duration::from_millis(1)).await;
    }
}
