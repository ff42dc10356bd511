//! Drives: the control executor of a broker that runs alone: it decides what it is asked, and has
//! every shard serve by it before it answers.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};

use super::balance::{self, Balance, Sight, Wanted};
use super::moves::Moves;
use crate::base::config::BrokerConfig;
use crate::base::life::Life;
use crate::base::{NodeId, PartitionIndex, TopicId};
use crate::io::channel::{Call, Receiver};
use crate::io::runtime::Runtime;
use crate::metadata::controller::{
    AlterPartitionFailure, Change, ForwardError, LocalController, Move, Reassign, Reassignment,
    moves_in,
};
use crate::metadata::image::Image;
use crate::server::move_numbers::MoveNumbers;
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

/// What the control executor works with.
pub struct Serving {
    /// The executor.
    pub runtime: Runtime,
    /// The settings that the broker was started with.
    pub config: Arc<BrokerConfig>,
    /// The controller.
    pub controller: Rc<LocalController>,
    /// The ways to the shards, in order.
    pub shards: Vec<ToShard>,
    /// How far the process is.
    pub life: Arc<Life>,
    /// What is known of moves.
    pub moves: Rc<MoveNumbers>,
}

/// Does what it is asked, until it is told to stop. The partitions that are `planned` go to other
/// shards first.
pub async fn serve(
    serving: Serving,
    planned: Vec<(TopicId, PartitionIndex)>,
    mut inbox: Receiver<ControlMessage>,
) {
    let Serving {
        runtime,
        controller,
        moves: numbers,
        ..
    } = &serving;
    runtime.spawn(seek_space(runtime.clone(), controller.clone()));
    let balance = serving.balance();
    let mut published = controller.image();
    let mut moves = Moves::new(numbers.clone());
    moves.plan(planned);
    loop {
        let next = next(&mut inbox, &serving, &mut moves, &balance).await;
        let mut cluster = Changing {
            runtime,
            controller,
            shards: &serving.shards,
            published: &mut published,
            moves: &mut moves,
            numbers,
            balance: &balance,
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
            Next::Wanted(wanted) => {
                cluster.begin_move(&wanted).await;
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
    /// Note that this partition is to go to another node.
    Wanted(Wanted),
}

/// Waits for what is to be done next.
async fn next(
    inbox: &mut Receiver<ControlMessage>,
    serving: &Serving,
    moves: &mut Moves,
    balance: &Balance,
) -> Next {
    let next = pin!(inbox.next());
    let finished = pin!(serving.controller.stuck_finished());
    let due = pin!(moves.due(&serving.runtime));
    let wanted = pin!(balance.wanted());
    match select(select(next, finished), select(due, wanted)).await {
        Either::Left((Either::Left((message, _)), _)) => Next::Message(message),
        Either::Left((Either::Right(_), _)) => Next::Finished,
        Either::Right((Either::Left((partition, _)), _)) => Next::Move(partition),
        Either::Right((Either::Right((wanted, _)), _)) => Next::Wanted(wanted),
    }
}

// === impl Serving ===

impl Serving {
    /// Starts the balancer.
    fn balance(&self) -> Rc<Balance> {
        let balance = Balance::new(self.moves.clone());
        let sight = Sight {
            runtime: self.runtime.clone(),
            config: self.config.clone(),
            controller: self.controller.clone(),
            shards: self.shards.clone(),
            life: self.life.clone(),
        };
        self.runtime.spawn(balance::run(sight, balance.clone()));
        balance
    }
}

/// The cluster while a request changes it.
struct Changing<'a> {
    runtime: &'a Runtime,
    controller: &'a LocalController,
    shards: &'a [ToShard],
    published: &'a mut Arc<Image>,
    moves: &'a mut Moves,
    numbers: &'a MoveNumbers,
    balance: &'a Balance,
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
            ControlMessage::AssignDirectories(call) => {
                let (asked, answer) = call.split();
                let now = self.runtime.wall_ms();
                let taken = self.controller.handle(&asked, now).await;
                self.publish().await;
                answer(taken.unwrap_or(false));
            }
            ControlMessage::Forward(call) => call.answer(Err(ForwardError::NoCluster)),
            ControlMessage::Understood(call) => call.answer(Arc::default()),
            // The nodes of a broker that runs alone serve as soon as their logs are open, and have
            // no other to leave their partitions to.
            ControlMessage::Open(call) => {
                self.moves.begin();
                call.answer(Ok(()));
            }
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
            self.numbers.is_given_up();
            return;
        };
        let gone = match planned {
            Ok(planned) => self.try_to_hand_over(planned).await,
            Err(error) => Err(error.to_string()),
        };
        match gone {
            Ok(held_up) => {
                self.numbers.is_done(held_up);
                self.balance.has_moved((topic_id, index));
            }
            Err(reason) => self.moves.put_off(self.runtime, (topic_id, index), &reason),
        }
    }

    /// Returns for how long the partition's requests waited.
    async fn try_to_hand_over(&mut self, planned: Move) -> Result<Duration, String> {
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
        let begun = self.runtime.now();
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
        Ok(self.runtime.now().since(begun))
    }

    /// Notes that the balancer wants a partition to go, as if an operator had asked for it.
    async fn begin_move(&mut self, wanted: &Wanted) {
        let (topic_id, index) = wanted.key;
        let image = self.controller.image();
        let topic = image.topics.with_id(topic_id);
        let partition = topic.and_then(|topic| topic.partition(index));
        // An operator may have been faster.
        let is_here = partition.is_some_and(|it| it.leader == wanted.from && it.adding.is_empty());
        let Some(topic) = topic.filter(|_| is_here) else {
            return;
        };
        let percent = |share: f64| format!("{:.0}%", 100.0 * share);
        let (from, to, cost) = (wanted.from_busy, wanted.to_busy, wanted.cost);
        tracing::info!(topic = %topic.name, partition = index, from = %wanted.from, to = %wanted.to,
            from_busy = percent(from), to_busy = percent(to),
            from_expected = percent(from - cost), to_expected = percent(to + cost),
            "a partition goes to another shard, since its own has been the busier one");
        let request = Reassign {
            any_factor: false,
            partitions: vec![Reassignment {
                topic: topic.name.clone(),
                index,
                replicas: Some(vec![wanted.to]),
            }],
        };
        let noted = self.controller.handle(&request, self.runtime.wall_ms());
        match noted.await.as_deref() {
            Ok([Ok(())]) => self.numbers.is_balanced(),
            // The metadata log has said why it cannot be written.
            Ok([]) | Err(_) => {}
            Ok([result, ..]) => tracing::warn!(?result, "the partition stays where it is"),
        }
        self.publish().await;
    }
}
