//! Drives: the control executor of a broker that runs alone: it decides what it is asked, and has
//! every shard serve by it before it answers.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};

use super::moves::Moves;
use crate::base::{NodeId, PartitionIndex, TopicId};
use crate::io::channel::{Call, Receiver};
use crate::io::runtime::Runtime;
use crate::metadata::controller::{
    AlterPartitionFailure, Change, ForwardError, LocalController, Move, moves_in,
};
use crate::metadata::image::Image;
use crate::shard::handover::{Arrive, Leave};
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

/// Does what it is asked, until it is told to stop. The partitions that are `planned` go to other
/// shards first.
pub async fn serve(
    runtime: &Runtime,
    controller: Rc<LocalController>,
    shards: &[ToShard],
    planned: Vec<(TopicId, PartitionIndex)>,
    mut inbox: Receiver<ControlMessage>,
) {
    runtime.spawn(seek_space(runtime.clone(), controller.clone()));
    let mut published = controller.image();
    let mut moves = Moves::default();
    moves.plan(planned);
    loop {
        let next = {
            let next = pin!(inbox.next());
            let finished = pin!(controller.stuck_finished());
            let due = pin!(moves.due(runtime));
            match select(next, select(finished, due)).await {
                Either::Left((message, _)) => Next::Message(message),
                Either::Right((Either::Left(_), _)) => Next::Finished,
                Either::Right((Either::Right((partition, _)), _)) => Next::Move(partition),
            }
        };
        let mut cluster = Changing {
            runtime,
            controller: &controller,
            shards,
            published: &mut published,
            moves: &mut moves,
        };
        let message = match next {
            Next::Message(Some(message)) => message,
            Next::Message(None) => return,
            Next::Finished => {
                cluster.publish().await;
                continue;
            }
            Next::Move((topic_id, index)) => {
                cluster.hand_over(topic_id, index).await;
                continue;
            }
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

/// What is to be done next.
enum Next {
    /// Do what is asked; `None` where no shard can ask any more.
    Message(Option<ControlMessage>),
    /// Publish what has become part of the image meanwhile.
    Finished,
    /// Have this partition go to another node.
    Move((TopicId, PartitionIndex)),
}

/// The cluster while a request changes it.
struct Changing<'a> {
    runtime: &'a Runtime,
    controller: &'a LocalController,
    shards: &'a [ToShard],
    published: &'a mut Arc<Image>,
    moves: &'a mut Moves,
}

impl Changing<'_> {
    /// Does what `message` asks for. Returns the call that asks the executor to end, if it is that.
    async fn serve(&mut self, message: ControlMessage) -> Option<Call<(), ()>> {
        match message {
            ControlMessage::CreateTopics(call) => self.answer(call).await,
            ControlMessage::DeleteTopics(call) => self.answer(call).await,
            ControlMessage::CreatePartitions(call) => self.answer(call).await,
            ControlMessage::Reassign(call) => self.answer(call).await,
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
            ControlMessage::Leave(call) => {
                self.moves.stop();
                call.answer(vec![-1; self.shards.len()]);
            }
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
        self.publish().await;
        answer(reply);
    }

    /// Has all shards serve by the controller's image, if that is another one than they know. The
    /// partitions that are to go to other shards by it are planned.
    async fn publish(&mut self) {
        let image = self.controller.image();
        if !Arc::ptr_eq(self.published, &image) {
            join_all(self.shards.iter().map(|shard| shard.publish(image.clone()))).await;
            let changes = image.topics.changes_since(&self.published.topics);
            let changed = changes.iter().filter_map(|change| change.after.as_deref());
            self.moves.plan(moves_in(changed));
            *self.published = image;
        }
    }

    /// Has a partition go where it is to go, if that can be done now.
    async fn hand_over(&mut self, topic_id: TopicId, index: PartitionIndex) {
        let Some(planned) = self.controller.next_move(topic_id, index) else {
            return;
        };
        let gone = match planned {
            Ok(planned) => self.try_to_hand_over(planned).await,
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = gone {
            self.moves.put_off(self.runtime, (topic_id, index), &reason);
        }
    }

    async fn try_to_hand_over(&mut self, planned: Move) -> Result<(), String> {
        let shard = |node: NodeId| {
            let image = self.controller.image();
            let at = image.brokers.iter().position(|one| one.id == node);
            at.and_then(|at| self.shards.get(at))
        };
        let (Some(from), Some(to)) = (shard(planned.from), shard(planned.to)) else {
            return Err("there is no such node".to_owned());
        };
        let leave = Leave {
            topic_id: planned.topic_id,
            index: planned.index,
            to_dir: planned.to_dir.clone(),
        };
        let given = from.leave(leave).await.map_err(|_| "the broker stops")?;
        let given = given.map_err(|error| error.to_string())?;
        // From here on its log is where it shall be: a start finds it there.
        let arrive = Arrive {
            topic: planned.topic.clone(),
            index: planned.index,
            directory: planned.directory,
            given,
        };
        let now = self.runtime.wall_ms();
        let (_, ended) = join(
            to.arrive(arrive),
            self.controller.handle(&planned.end(), now),
        )
        .await;
        if ended.is_err() {
            return Err("the metadata log cannot be written".to_owned());
        }
        // Clients are sent there by the other shards' images: it must lead by then.
        let _ = to.publish(self.controller.image()).await;
        self.publish().await;
        Ok(())
    }
}
