//! Drives: the control executor: the controller, the admin pages, what must not touch a data core.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};

use super::admin::{self, Admin};
use super::scrape::Scrape;
use super::start::StartError;
use crate::base::config::BrokerConfig;
use crate::base::life::Life;
use crate::host::device::DeviceFacts;
use crate::io::channel::{Call, Receiver, Sender};
use crate::io::cores::{self, Core, CoreOptions};
use crate::io::disk::Disk;
use crate::io::listener::{Bound, Listener};
use crate::io::runtime::Runtime;
use crate::metadata::controller::{Change, LocalController, NodeDir};
use crate::metadata::image::Image;
use crate::shard::mesh::{ChangeCall, ControlMessage, ToShard};

/// Memory registered for the metadata log's writes, in bytes.
const IO_MEMORY_BYTES: usize = 1 << 20;

/// How often the metadata log looks for disk space that it lacks.
const SPACE_PERIOD: Duration = Duration::from_secs(2);

/// All that the control executor starts with.
pub struct ControlStart {
    /// The broker's settings.
    pub config: Arc<BrokerConfig>,
    /// The folders of partitions that can be used.
    pub dirs: Vec<PathBuf>,
    /// The ports that clients are told, one for each shard.
    pub ports: Vec<u16>,
    /// The ways to the shards, in order.
    pub shards: Vec<ToShard>,
    /// What lies under the data folders.
    pub devices: Vec<DeviceFacts>,
    /// What it is asked.
    pub inbox: Receiver<ControlMessage>,
    /// How far the process is.
    pub life: Arc<Life>,
    /// Where it reports what it has loaded.
    pub started: Sender<Result<Cluster, StartError>>,
}

/// What a start finds out from the metadata.
pub struct Cluster {
    /// The cluster as it is.
    pub image: Arc<Image>,
    /// Each node's folders that can be used.
    pub directories: Vec<Vec<NodeDir>>,
}

/// Starts the control executor, which serves the admin pages on `admin`.
pub fn start(start: ControlStart, admin: Option<Bound>) -> Result<Core<()>, StartError> {
    let options = CoreOptions {
        name: "control".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: IO_MEMORY_BYTES,
    };
    let main = move || run(start, Disk::direct(), admin.map(Bound::listen));
    cores::start(options, main).map_err(StartError::Executor)
}

/// Lets the metadata log go on by itself when a full device has space again.
async fn seek_space(runtime: Runtime, controller: Rc<LocalController>) {
    loop {
        runtime.sleep(SPACE_PERIOD).await;
        controller.seek_space(runtime.wall_ms()).await;
    }
}

/// Serves as the controller on `disk` and its executor, until it is told to stop.
pub async fn run(start: ControlStart, disk: Disk, admin: Option<Listener>) {
    let ControlStart {
        config,
        dirs,
        ports,
        shards,
        devices,
        mut inbox,
        life,
        started,
    } = start;
    let runtime = disk.runtime().clone();
    let loaded = Rc::new(OnceCell::new());
    let _admin = admin.map(|listener| {
        let admin = Admin {
            runtime: runtime.clone(),
            config: config.clone(),
            controller: loaded.clone(),
            devices,
            shards: shards.clone(),
            life,
            scrape: Scrape::default(),
        };
        admin::start(admin, listener)
    });
    let load = LocalController::load(&disk, &config, &dirs, &ports, runtime.wall_ms());
    let controller = match load.await {
        Ok(controller) => Rc::new(controller),
        Err(error) => {
            // The main thread waits for this and for nothing else.
            let _ = started.send(Err(StartError::Metadata(error)));
            return;
        }
    };
    let _ = started.send(Ok(Cluster {
        image: controller.image(),
        directories: controller.directories().to_vec(),
    }));
    let _ = loaded.set(controller.clone());
    runtime.spawn(seek_space(runtime.clone(), controller.clone()));
    let mut published = controller.image();
    loop {
        let message = {
            let next = pin!(inbox.next());
            let finished = pin!(controller.stuck_finished());
            match select(next, finished).await {
                Either::Left((message, _)) => message,
                Either::Right(_) => {
                    publish(&controller, &shards, &mut published).await;
                    continue;
                }
            }
        };
        let Some(message) = message else { return };
        let mut cluster = Changing {
            runtime: &runtime,
            controller: &controller,
            shards: &shards,
            published: &mut published,
        };
        if let Some(stop) = cluster.serve(message).await {
            if let Err(error) = controller.close().await {
                tracing::error!(%error, "cannot close the metadata log cleanly");
            }
            stop.answer(());
            return;
        }
    }
}

/// The cluster while a request changes it.
struct Changing<'a> {
    runtime: &'a Runtime,
    controller: &'a LocalController,
    shards: &'a [ToShard],
    published: &'a mut Arc<Image>,
}

impl Changing<'_> {
    /// Does what `message` asks for. Returns the call that asks the executor to end, if it is that.
    async fn serve(&mut self, message: ControlMessage) -> Option<Call<(), ()>> {
        match message {
            ControlMessage::CreateTopics(call) => self.answer(call).await,
            ControlMessage::DeleteTopics(call) => self.answer(call).await,
            ControlMessage::CreatePartitions(call) => self.answer(call).await,
            ControlMessage::AlterConfigs(call) => self.answer(call).await,
            ControlMessage::AllocateProducerIds(call) => self.answer(call).await,
            ControlMessage::FailDirectories(call) => self.answer(call).await,
            ControlMessage::Stop(call) => return Some(call),
        }
        None
    }

    /// Decides on what `call` asks and answers it.
    async fn answer<C: Change>(&mut self, call: ChangeCall<C>) {
        let (change, answer) = call.split();
        let now = self.runtime.wall_ms();
        let reply = self.controller.handle(&change, now).await;
        // The client that asked must find on every shard what was decided.
        publish(self.controller, self.shards, self.published).await;
        answer(reply);
    }
}

/// Has all shards serve by the controller's image, if that is another one than they know.
async fn publish(controller: &LocalController, shards: &[ToShard], published: &mut Arc<Image>) {
    let image = controller.image();
    if !Arc::ptr_eq(published, &image) {
        join_all(shards.iter().map(|shard| shard.publish(image.clone()))).await;
        *published = image;
    }
}
