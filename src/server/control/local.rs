//! Drives: the control executor of a broker that runs alone: it decides what it is asked, and has
//! every shard serve by it before it answers.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};

use crate::io::channel::{Call, Receiver};
use crate::io::runtime::Runtime;
use crate::metadata::controller::{AlterPartitionFailure, Change, ForwardError, LocalController};
use crate::metadata::image::Image;
use crate::shard::mesh::{ChangeCall, ControlMessage, ToShard};

/// How often the metadata log looks for disk space that it lacks.
const SPACE_PERIOD: Duration = Duration::from_secs(2);

/// Lets the metadata log go on by itself when a full device has space again.
async fn seek_space(runtime: Runtime, controller: Rc<LocalController>) {
    loop {
        runtime.sleep(SPACE_PERIOD).await;
        controller.seek_space(runtime.wall_ms()).await;
    }
}

/// Does what it is asked, until it is told to stop.
pub async fn serve(
    runtime: &Runtime,
    controller: Rc<LocalController>,
    shards: &[ToShard],
    mut inbox: Receiver<ControlMessage>,
) {
    runtime.spawn(seek_space(runtime.clone(), controller.clone()));
    let mut published = controller.image();
    loop {
        let message = {
            let next = pin!(inbox.next());
            let finished = pin!(controller.stuck_finished());
            match select(next, finished).await {
                Either::Left((message, _)) => message,
                Either::Right(_) => {
                    publish(&controller, shards, &mut published).await;
                    continue;
                }
            }
        };
        let Some(message) = message else { return };
        let mut cluster = Changing {
            runtime,
            controller: &controller,
            shards,
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
            ControlMessage::AlterClientQuotas(call) => self.answer(call).await,
            ControlMessage::UpdateFeatures(call) => self.answer(call).await,
            ControlMessage::AllocateProducerIds(call) => self.answer(call).await,
            ControlMessage::FailDirectories(call) => self.answer(call).await,
            ControlMessage::AlterPartition(call) => {
                call.answer(Err(AlterPartitionFailure::NoCluster));
            }
            // Alone, a replica stays with its folder.
            ControlMessage::AssignDirectories(call) => call.answer(false),
            ControlMessage::Forward(call) => call.answer(Err(ForwardError::NoCluster)),
            ControlMessage::Understood(call) => call.answer(Arc::default()),
            // The nodes of a broker that runs alone serve as soon as their logs are open, and have
            // no other to leave their partitions to.
            ControlMessage::Open(call) => call.answer(Ok(())),
            ControlMessage::Leave(call) => call.answer(vec![-1; self.shards.len()]),
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
