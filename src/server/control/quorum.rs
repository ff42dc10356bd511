//! Drives: the control executor of a broker of a cluster: images come from the controller quorum
//! and go to each shard by itself, and what the active controller decides is asked of it.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::base::Offset;
use crate::base::life::Life;
use crate::io::channel::{Call, Receiver};
use crate::io::runtime::Runtime;
use crate::io::signal;
use crate::metadata::controller::{CannotWrite, Node, QuorumController};
use crate::shard::mesh::{ControlMessage, ToShard};

/// How often it is looked whether the shards serve by an image.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What the tasks share.
#[derive(Clone)]
pub struct Serving {
    /// The executor.
    pub runtime: Runtime,
    /// The cluster.
    pub controller: Rc<QuorumController>,
    /// The ways to the shards, in order.
    pub shards: Vec<ToShard>,
    /// How far the process is.
    pub life: Arc<Life>,
    /// End of the image that the shards start with.
    pub first_end: Offset,
}

/// Does what it is asked, until it is told to stop.
pub async fn serve(serving: Serving, mut inbox: Receiver<ControlMessage>) {
    while let Some(message) = inbox.next().await {
        if let Some(stop) = serving.take(message) {
            stop.answer(());
            return;
        }
    }
}

// === impl Serving ===

impl Serving {
    /// Begins what `message` asks for, beside all else. Returns the call that asks the executor to
    /// end, if it is that.
    fn take(&self, message: ControlMessage) -> Option<Call<(), ()>> {
        let controller = self.controller.clone();
        match message {
            // A shard sends these where the controller is part of the process; where it is not, it
            // forwards them.
            ControlMessage::CreateTopics(call) => call.answer(Err(CannotWrite)),
            ControlMessage::DeleteTopics(call) => call.answer(Err(CannotWrite)),
            ControlMessage::CreatePartitions(call) => call.answer(Err(CannotWrite)),
            ControlMessage::Reassign(call) => call.answer(Err(CannotWrite)),
            ControlMessage::AlterConfigs(call) => call.answer(Err(CannotWrite)),
            ControlMessage::AlterClientQuotas(call) => call.answer(Err(CannotWrite)),
            ControlMessage::UpdateFeatures(call) => call.answer(Err(CannotWrite)),
            ControlMessage::AllocateProducerIds(call) => self.begin(async move {
                let (asked, answer) = call.split();
                let block = controller.allocate_producer_ids(asked.0).await;
                answer(block.map(Some).ok_or(CannotWrite));
            }),
            ControlMessage::FailDirectories(call) => {
                controller.lose_dirs(call.request.node, &call.request.directories);
                call.answer(Ok(0));
            }
            ControlMessage::AlterPartition(call) => self.begin(async move {
                let (changes, answer) = call.split();
                answer(controller.alter_partition(changes).await);
            }),
            ControlMessage::AssignDirectories(call) => self.begin(async move {
                let (asked, answer) = call.split();
                answer(controller.assign_directories(&asked).await);
            }),
            ControlMessage::Forward(call) => self.begin(async move {
                let (request, answer) = call.split();
                answer(controller.forward(request).await);
            }),
            ControlMessage::Understood(call) => call.answer(controller.watch().ranges()),
            ControlMessage::Open(call) => {
                let serving = self.clone();
                self.begin(async move { call.answer(serving.open().await) });
            }
            ControlMessage::Leave(call) => {
                self.begin(async move { call.answer(controller.leave().await) });
            }
            ControlMessage::Stop(call) => return Some(call),
        }
        None
    }

    fn begin(&self, work: impl Future<Output = ()> + 'static) {
        self.runtime.spawn(work);
    }

    /// Has the nodes lead, and waits until they may and their shards serve by an image that says
    /// so.
    async fn open(&self) -> Result<(), String> {
        for (node, shard) in self.controller.nodes().iter().zip(&self.shards) {
            node.has_opened();
            self.begin(self.clone().publish(node.clone(), shard.clone()));
            self.begin(self.clone().watch(node.clone(), shard.clone()));
        }
        let opening = pin!(async {
            self.controller.unfenced().await;
            let end = self.controller.image().highest_offset();
            let nodes = self.controller.nodes();
            while nodes.iter().any(|node| node.applied() < end) {
                self.runtime.sleep(LOOK_AGAIN).await;
            }
        });
        match select(opening, pin!(self.controller.failure())).await {
            Either::Left(_) => {
                self.begin(self.clone().stop_on_failure());
                Ok(())
            }
            Either::Right((why, _)) => Err(why),
        }
    }

    /// Stops the process, cleanly, once it cannot be part of the cluster any more.
    async fn stop_on_failure(self) {
        let why = self.controller.failure().await;
        tracing::error!("{why}: the broker stops");
        self.life.is_cast_out(why);
        signal::request_stop();
    }

    /// Has a shard serve by each new image, the newest where several came meanwhile.
    async fn publish(self, node: Rc<Node>, shard: ToShard) {
        let mut end = self.first_end;
        loop {
            let newer = self.controller.watch();
            let image = newer.image_where(|image| image.end_offset > end).await;
            if shard.publish(image.clone()).await.is_err() {
                return;
            }
            end = image.end_offset;
            node.has_applied(image.highest_offset());
        }
    }

    /// Asks a shard again and again whether it is there.
    async fn watch(self, node: Rc<Node>, shard: ToShard) {
        loop {
            node.is_alive(self.runtime.now());
            self.runtime.sleep(node.interval() / 2).await;
            if shard.alive().await.is_err() {
                return;
            }
        }
    }
}
