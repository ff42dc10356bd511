//! Drives: the control executor: the controller, the admin pages, what must not touch a data core.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use futures_util::future::join_all;

use super::start::StartError;
use crate::base::config::BrokerConfig;
use crate::io::channel::Receiver;
use crate::io::clock;
use crate::io::cores::{self, Core, CoreOptions};
use crate::io::disk::Disk;
use crate::metadata::controller::LocalController;
use crate::metadata::image::Image;
use crate::shard::mesh::{ControlMessage, ToShard};

/// Memory registered for the metadata log's writes, in bytes.
const IO_MEMORY_BYTES: usize = 1 << 20;

type Started = mpsc::Sender<Result<Arc<Image>, StartError>>;

/// Starts the control executor; it reports the image it has loaded.
pub fn start(
    config: &Arc<BrokerConfig>,
    shards: Vec<ToShard>,
    inbox: Receiver<ControlMessage>,
    started: Started,
) -> Result<Core<()>, StartError> {
    let config = config.clone();
    let options = CoreOptions {
        name: "control".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: IO_MEMORY_BYTES,
    };
    cores::start(options, move || run(config, shards, inbox, started)).map_err(StartError::Executor)
}

async fn run(
    config: Arc<BrokerConfig>,
    shards: Vec<ToShard>,
    mut inbox: Receiver<ControlMessage>,
    started: Started,
) {
    let disk = Disk::direct();
    let loaded = LocalController::load(&disk, &config, clock::wall_ms()).await;
    let controller = match loaded {
        Ok(controller) => Rc::new(controller),
        Err(error) => {
            // The main thread waits for this and for nothing else.
            let _ = started.send(Err(StartError::Metadata(error)));
            return;
        }
    };
    let _ = started.send(Ok(controller.image()));
    while let Some(message) = inbox.next().await {
        match message {
            ControlMessage::Decide(call) => {
                let (request, answer) = call.split();
                let before = controller.image();
                let reply = controller.handle(request, clock::wall_ms()).await;
                let image = controller.image();
                if !Arc::ptr_eq(&before, &image) {
                    // Who asked shall find what was decided on every shard.
                    join_all(shards.iter().map(|shard| shard.publish(image.clone()))).await;
                }
                answer(reply);
            }
            ControlMessage::Stop(call) => {
                if let Err(error) = controller.close().await {
                    tracing::error!(%error, "cannot close the metadata log cleanly");
                }
                call.answer(());
                return;
            }
        }
    }
}
