//! Drives: a produce request between its arrival and its answer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use std::task::Waker;

use super::{ROW, pace_at};
use crate::base::{ErrorCode, Instant, Offset, TopicId, WallMs};
use crate::io::budget::Reserved;
use crate::io::turn;
use crate::partition::Partition;
use crate::partition::append::AppendError;
use crate::partition::validate::{self, Invalid};
use crate::server::api::errors;
use crate::server::api::spares::Reusable;
use crate::server::state::ServerState;
use crate::shard::partitions::{LookupError, Partitions, Topic};
use crate::wire::field::CurrentLeader;
use crate::wire::produce::{self, Encoder, Head, Item, PartitionAnswer};
use crate::wire::{frame, header};

/// A produce request whose batches are in their logs' hands.
#[derive(Default)]
pub struct Pending {
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) taken_up: Option<Instant>,
    pub(super) topics: Vec<TopicOut>,
    pub(super) partitions: Vec<PartitionOut>,
    /// Scratch room to find repeated topics and partitions in.
    pub(super) order: Vec<u32>,
    /// What the first batches say of the request as a whole.
    pub(super) first_batches: FirstBatches,
    /// The memory of a very long request.
    paid: Option<Reserved>,
}

/// Topics and partitions that are put in order, or dropped, in one turn.
const SORTED_MAX: usize = 1_000;

pub(super) struct TopicOut {
    pub(super) name: Name,
    pub(super) id: TopicId,
    /// Partitions that are answered for.
    pub(super) partitions: usize,
}

/// A topic's name: known ones are shared with the topic.
pub(super) enum Name {
    Known(Rc<Topic>),
    Unknown(String),
}

pub(super) struct PartitionOut {
    /// Which of the request's topics it belongs to.
    pub(super) topic: u32,
    pub(super) index: i32,
    pub(super) result: Outcome,
}

pub(super) enum Outcome {
    /// Its batches are to be appended: not looked at yet, or the log had no room before its
    /// device has caught up.
    Due(Rc<Partition>),
    /// As before, and it takes long to validate its batches: for a moment only.
    Long(Rc<Partition>),
    /// Its batches are in the log.
    Accepted(Accepted),
    /// They are not, for good.
    Failed(Failed),
    /// The same partition comes again in the request, which counts instead.
    Repeated,
}

pub(super) struct Accepted {
    pub(super) partition: Rc<Partition>,
    pub(super) base_offset: Offset,
    /// Everything below must be acked before the answer.
    pub(super) upto: Offset,
    pub(super) log_append_time: WallMs,
}

/// Boxed: rare, and large.
pub(super) struct Failed(pub(super) Box<Failure>);

pub(super) struct Failure {
    pub(super) error: ErrorCode,
    pub(super) log_start_offset: Offset,
    pub(super) record_errors: Vec<(i32, Option<String>)>,
    pub(super) message: Option<Cow<'static, str>>,
    pub(super) leader: Option<CurrentLeader>,
}

/// What the first batches of a request's partitions say of the request as a whole. Kafka looks
/// at them one after another until one is transactional, before it looks at any partition.
#[derive(Default)]
pub(super) enum FirstBatches {
    /// Nothing.
    #[default]
    Good,
    /// It belongs to a transaction, and nothing was malformed before that shows.
    Transactional,
    /// One can be no batch of any format, for this reason.
    Malformed(&'static str),
}

impl FirstBatches {
    fn look_at(&mut self, records: &[u8]) {
        if let FirstBatches::Good = self {
            *self = match validate::first_look(records) {
                Ok(false) => FirstBatches::Good,
                Ok(true) => FirstBatches::Transactional,
                Err(reason) => FirstBatches::Malformed(reason),
            };
        }
    }
}

// === impl Pending ===

impl Pending {
    /// Notes a topic or partition of the request.
    pub(super) fn take(&mut self, partitions: &Partitions, item: Item<'_>) {
        match item {
            Item::Topic { name, id } => self.topics.push(TopicOut {
                name: Name::find(partitions, name, id, self.version),
                id,
                partitions: 0,
            }),
            Item::Partition { index, records } => {
                // The walk gives a topic before its partitions.
                let Some(topic) = self.topics.last_mut() else {
                    return;
                };
                topic.partitions += 1;
                let found = match &topic.name {
                    Name::Known(topic) => topic.partition(index),
                    Name::Unknown(_) if self.version >= produce::TOPIC_ID_FROM => {
                        Err(LookupError::UnknownTopicId)
                    }
                    Name::Unknown(_) => Err(LookupError::UnknownTopicOrPartition),
                };
                self.partitions.push(PartitionOut {
                    topic: self.topics.len() as u32 - 1,
                    index,
                    result: found
                        .map_or_else(|error| Outcome::Failed(Failed::lookup(error)), Outcome::Due),
                });
                self.first_batches.look_at(records.unwrap_or_default());
            }
        }
    }

    /// Of a partition that comes more than once the last mention counts, also where its topic
    /// comes more than once: Kafka holds a request in maps.
    pub(super) async fn settle_repeated(&mut self) {
        if self.partitions.len() < 2 {
            return;
        }
        if self.partitions.len().max(self.topics.len()) > SORTED_MAX {
            return self.settle_many().await;
        }
        let Pending {
            topics,
            partitions,
            order,
            ..
        } = self;
        order.clear();
        order.extend(0..topics.len() as u32);
        let key = |at: u32| topics[at as usize].key();
        order.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)).then(a.cmp(b)));
        let is_repeated = order.windows(2).any(|pair| key(pair[0]) == key(pair[1]));
        if is_repeated {
            let mut first_of = vec![0; topics.len()];
            for same in order.chunk_by(|a, b| key(*a) == key(*b)) {
                same.iter().for_each(|at| first_of[*at as usize] = same[0]);
            }
            topics.iter_mut().for_each(|topic| topic.partitions = 0);
            for out in partitions.iter_mut() {
                out.topic = first_of[out.topic as usize];
                topics[out.topic as usize].partitions += 1;
            }
        }
        order.clear();
        order.extend(0..partitions.len() as u32);
        let key = |at: u32| (partitions[at as usize].topic, partitions[at as usize].index);
        order.sort_unstable_by_key(|at| (key(*at), *at));
        for pair in order.windows(2) {
            let (this, next) = (pair[0] as usize, pair[1] as usize);
            let (topic, index) = (partitions[this].topic, partitions[this].index);
            if (topic, index) == (partitions[next].topic, partitions[next].index) {
                partitions[this].result = Outcome::Repeated;
                topics[topic as usize].partitions -= 1;
            }
        }
    }

    /// The same for a request that is too long to be put in order in one go.
    async fn settle_many(&mut self) {
        let Pending {
            topics, partitions, ..
        } = self;
        let mut first_of = Vec::with_capacity(topics.len());
        let mut places = HashMap::new();
        for (at, topic) in topics.iter().enumerate() {
            first_of.push(*places.entry(topic.key()).or_insert(at));
            pace_at(at).await;
        }
        drop(places);
        topics.iter_mut().for_each(|topic| topic.partitions = 0);
        let mut last_of = HashMap::new();
        for at in 0..partitions.len() {
            let topic = first_of[partitions[at].topic as usize];
            partitions[at].topic = topic as u32;
            match last_of.insert((topic, partitions[at].index), at) {
                Some(before) => partitions[before].result = Outcome::Repeated,
                None => topics[topic].partitions += 1,
            }
            pace_at(at).await;
        }
    }

    /// Counts memory for what it holds.
    pub(super) fn pay(&mut self, paid: Reserved) {
        match &mut self.paid {
            Some(before) => before.join(paid),
            None => self.paid = Some(paid),
        }
    }

    /// Drops what is too much to be dropped in one go.
    pub(super) async fn shrink(&mut self) {
        while self.partitions.len() > SORTED_MAX {
            self.partitions.truncate(self.partitions.len() - SORTED_MAX);
            turn::pace().await;
        }
        while self.topics.len() > SORTED_MAX {
            self.topics.truncate(self.topics.len() - SORTED_MAX);
            turn::pace().await;
        }
    }

    /// Fails what is wrong with the request as a whole, before any batch is appended.
    pub(super) async fn refuse_whole(&mut self, head: &Head<'_>) {
        let whole = match std::mem::take(&mut self.first_batches) {
            FirstBatches::Malformed(message) => Some((ErrorCode::CORRUPT_MESSAGE, Some(message))),
            FirstBatches::Transactional if head.transactional_id.is_none() => {
                Some((ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, None))
            }
            FirstBatches::Good | FirstBatches::Transactional => None,
        };
        let bad_acks = !(-1..=1).contains(&head.acks);
        if whole.is_none() && !bad_acks {
            return;
        }
        for (at, out) in self.partitions.iter_mut().enumerate() {
            pace_at(at + 1).await;
            match (&out.result, whole) {
                (Outcome::Repeated, _) => continue,
                (_, Some((error, message))) => {
                    let mut failed = Failed::code(error);
                    failed.0.message = message.map(Cow::Borrowed);
                    out.result = Outcome::Failed(failed);
                }
                (Outcome::Failed(Failed(known)), None) if known.leader.is_none() => {}
                _ => {
                    let failed = Failed::code(ErrorCode::INVALID_REQUIRED_ACKS);
                    out.result = Outcome::Failed(failed);
                }
            }
        }
    }

    /// Puts the partitions of topics that came more than once together.
    pub(super) fn gather_topics(&mut self) {
        if !self.partitions.is_sorted_by_key(|out| out.topic) {
            self.partitions.sort_by_key(|out| out.topic);
        }
    }

    /// Whether every batch is acked, or never will be.
    pub fn is_settled(&self) -> bool {
        self.partitions.iter().all(|out| match &out.result {
            Outcome::Accepted(accepted) => accepted.partition.committed(accepted.upto).is_some(),
            Outcome::Failed(_) | Outcome::Due(_) | Outcome::Long(_) | Outcome::Repeated => true,
        })
    }

    /// Has `waker` woken by the ack that the answer waits for first; `false` where it may not
    /// have to wait.
    pub fn park(&self, waker: &Waker) -> bool {
        let Some(Outcome::Accepted(first)) = self.partitions.first().map(|out| &out.result) else {
            return false;
        };
        first.partition.park_committed(first.upto, waker)
    }

    pub(super) fn due(&self) -> Option<Rc<Partition>> {
        self.partitions.iter().find_map(|out| match &out.result {
            Outcome::Due(partition) => Some(partition.clone()),
            _ => None,
        })
    }

    /// Waits until every batch is acked, or never will be.
    pub(super) async fn wait_for_acks(&mut self) {
        for (at, out) in self.partitions.iter_mut().enumerate() {
            pace_at(at + 1).await;
            if let Outcome::Accepted(accepted) = &out.result
                && let Err(error) = accepted.partition.wait_committed(accepted.upto).await
            {
                out.result = Outcome::Failed(Failed::append(&error, &accepted.partition));
            }
        }
    }

    /// The first error of a partition.
    pub(super) fn failure(&self) -> Option<ErrorCode> {
        self.partitions.iter().find_map(|out| match &out.result {
            Outcome::Failed(Failed(failure)) => Some(failure.error),
            _ => None,
        })
    }

    pub(super) async fn encode(&self, server: &ServerState, listener: &str, out: &mut Vec<u8>) {
        let open = frame::open(out);
        header::put_response_header(out, ROW.key, self.version, self.correlation_id);
        let named = self.topics.iter().filter(|topic| topic.partitions > 0);
        let mut encoder = Encoder::new(out, self.version, named.clone().count());
        let answered = |out: &&PartitionOut| !matches!(out.result, Outcome::Repeated);
        let mut partitions = self.partitions.iter().filter(answered);
        let (mut leaders, mut count) = (Vec::new(), 0);
        for topic in named {
            encoder.topic(topic.name.as_str(), topic.id, topic.partitions);
            for partition in partitions.by_ref().take(topic.partitions) {
                let answer = partition.answer();
                server.probe.note_error(ROW.key, answer.error);
                encoder.partition(&answer);
                leaders.extend(partition.leader());
                count += 1;
                pace_at(count).await;
            }
            encoder.end_topic();
        }
        let leaders = leaders.iter().map(|leader| leader.leader_id);
        let endpoints = server.shard.endpoints_of(listener, leaders);
        encoder.end(0, &endpoints);
        frame::close(out, open, 0);
    }
}

impl Reusable for Pending {
    fn clear(&mut self) {
        self.topics.clear();
        self.partitions.clear();
        self.first_batches = FirstBatches::Good;
        self.paid = None;
    }

    fn capacity(&self) -> usize {
        self.partitions.capacity().max(self.topics.capacity())
    }
}

// === impl TopicOut ===

impl TopicOut {
    /// What tells it from other topics: its id where the request has one, else its name.
    fn key(&self) -> (TopicId, &str) {
        match self.id {
            TopicId::ZERO => (self.id, self.name.as_str()),
            id => (id, ""),
        }
    }
}

// === impl Name ===

impl Name {
    /// Keeps a topic's name without copying it where the topic is known.
    fn find(partitions: &Partitions, name: &str, id: TopicId, version: i16) -> Name {
        let topic = if version >= produce::TOPIC_ID_FROM {
            partitions.topic_by_id(id)
        } else {
            partitions.topic(name)
        };
        topic.map_or_else(|| Name::Unknown(name.to_owned()), Name::Known)
    }

    fn as_str(&self) -> &str {
        match self {
            Name::Known(topic) => &topic.name,
            Name::Unknown(name) => name,
        }
    }
}

// === impl PartitionOut ===

impl PartitionOut {
    fn leader(&self) -> Option<CurrentLeader> {
        match &self.result {
            Outcome::Failed(Failed(failure)) => failure.leader,
            _ => None,
        }
    }

    fn answer(&self) -> PartitionAnswer<'_> {
        let refused = PartitionAnswer {
            index: self.index,
            error: ErrorCode::NONE,
            base_offset: -1,
            log_append_time: -1,
            log_start_offset: -1,
            record_errors: &[],
            message: None,
            leader: None,
        };
        match &self.result {
            Outcome::Accepted(accepted) => PartitionAnswer {
                base_offset: accepted.base_offset,
                log_append_time: accepted.log_append_time,
                log_start_offset: accepted.partition.start_offset(),
                ..refused
            },
            Outcome::Failed(Failed(failure)) => PartitionAnswer {
                error: failure.error,
                log_start_offset: failure.log_start_offset,
                record_errors: &failure.record_errors,
                message: failure.message.as_deref(),
                leader: failure.leader,
                ..refused
            },
            // `begin` waits until nothing is due, and what is repeated is not answered.
            Outcome::Due(_) | Outcome::Long(_) | Outcome::Repeated => PartitionAnswer {
                error: ErrorCode::REQUEST_TIMED_OUT,
                ..refused
            },
        }
    }
}

// === impl Failed ===

impl Failed {
    pub(super) fn code(error: ErrorCode) -> Failed {
        Failed(Box::new(Failure {
            error,
            log_start_offset: -1,
            record_errors: Vec::new(),
            message: None,
            leader: None,
        }))
    }

    fn lookup(error: LookupError) -> Failed {
        let mut failed = Failed::code(errors::lookup(error));
        if let LookupError::NotLeader {
            leader,
            leader_epoch,
        } = error
        {
            failed.0.leader = Some(CurrentLeader {
                leader_id: leader.0,
                leader_epoch,
            });
        }
        failed
    }

    pub(super) fn append(error: &AppendError, partition: &Partition) -> Failed {
        let mut failed = Failed::code(errors::append(error));
        let got_to_the_log = match error {
            AppendError::Invalid(invalid) => !invalid.hides_log_start(),
            AppendError::Producer(_) => true,
            _ => false,
        };
        if got_to_the_log {
            failed.0.log_start_offset = partition.start_offset();
        }
        // As in Kafka, all that is told in words is what is wrong with single records.
        if let AppendError::Invalid(Invalid::Rejected(rejected)) = error {
            let problems = rejected.problems.iter();
            let told = problems.map(|problem| (problem.index, Some(problem.to_string())));
            failed.0.record_errors = told.collect();
            failed.0.message = Some(Cow::Owned(rejected.to_string()));
        }
        failed
    }
}
