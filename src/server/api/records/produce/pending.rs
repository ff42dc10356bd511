//! Drives: a produce request between its arrival and its answer.

use std::borrow::Cow;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::outcome::{Accepted, Failed, Outcome, PartitionOut};
use super::{ROW, pace_at};
use crate::base::{ErrorCode, Instant, TopicId};
use crate::io::budget::Reserved;
use crate::io::runtime::Runtime;
use crate::io::turn;
use crate::partition::validate;
use crate::partition::{Acks, Partition};
use crate::server::api::spares::Reusable;
use crate::server::state::ServerState;
use crate::shard::partitions::{LookupError, Partitions, Topic};
use crate::wire::produce::{self, Encoder, Head, Item};
use crate::wire::{frame, header};

/// A produce request that was begun: its batches are appended and not acked.
#[derive(Default)]
pub struct Pending {
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) taken_up: Option<Instant>,
    /// What its producer waits for.
    pub(super) acks: Acks,
    /// For how long.
    pub(super) timeout: Duration,
    pub(super) topics: Vec<TopicOut>,
    pub(super) partitions: Vec<PartitionOut>,
    /// Scratch memory to find repeated topics and partitions in.
    pub(super) order: Vec<u32>,
    /// What the first batches say of the request as a whole.
    pub(super) first_batches: FirstBatches,
    /// The memory of a very long request.
    paid: Option<Reserved>,
}

/// Topics and partitions that are put in order, or dropped, in one turn.
pub(super) const SORTED_MAX: usize = 1_000;

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
                    guard: None,
                    result: found
                        .map_or_else(|error| Outcome::Failed(Failed::lookup(error)), Outcome::Due),
                });
                self.first_batches.look_at(records.unwrap_or_default());
            }
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

    /// Whether it has batches of a transaction, as far as its first batches say.
    pub(super) fn is_transactional(&self) -> bool {
        matches!(self.first_batches, FirstBatches::Transactional)
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
    pub fn is_decided(&self) -> bool {
        self.partitions.iter().all(|out| match &out.result {
            Outcome::Accepted(accepted) => {
                let Accepted { upto, tenure, .. } = *accepted;
                accepted.partition.acked(self.acks, upto, tenure).is_some()
            }
            Outcome::Failed(_) | Outcome::Due(_) | Outcome::Long(_) | Outcome::Repeated => true,
        })
    }

    /// Has `waker` woken by the ack that the answer waits for first; `false` where it may not
    /// have to wait.
    pub fn park(&self, waker: &Waker) -> bool {
        let Some(Outcome::Accepted(first)) = self.partitions.first().map(|out| &out.result) else {
            return false;
        };
        if self.waits_for_others(&first.partition) {
            return false;
        }
        let Accepted { upto, tenure, .. } = *first;
        first.partition.park_acked(self.acks, upto, tenure, waker)
    }

    pub(super) fn due(&self) -> Option<Rc<Partition>> {
        self.partitions.iter().find_map(|out| match &out.result {
            Outcome::Due(partition) => Some(partition.clone()),
            _ => None,
        })
    }

    /// Waits until every batch is acked, or never will be.
    pub(super) async fn wait_for_acks(&mut self, runtime: &Runtime) {
        for at in 0..self.partitions.len() {
            pace_at(at + 1).await;
            let Outcome::Accepted(accepted) = &self.partitions[at].result else {
                continue;
            };
            let Accepted { upto, tenure, .. } = *accepted;
            let acked = accepted.partition.wait_acked(self.acks, upto, tenure);
            // A disk is waited for; other replicas as long as the producer does.
            let verdict = match self.waits_for_others(&accepted.partition) {
                true => runtime.within(self.time_left(runtime), acked).await,
                false => Some(acked.await),
            };
            let failed = match verdict {
                Some(Ok(())) => continue,
                Some(Err(error)) => Failed::append(&error, &accepted.partition),
                None => Failed::code(ErrorCode::REQUEST_TIMED_OUT),
            };
            self.partitions[at].result = Outcome::Failed(failed);
        }
    }

    /// Whether its producer waits for other replicas of the partition, and only for so long.
    fn waits_for_others(&self, partition: &Partition) -> bool {
        self.acks == Acks::All && partition.in_sync().is_some_and(|(_, all)| all > 1)
    }

    fn time_left(&self, runtime: &Runtime) -> Duration {
        let waited = self.taken_up.map(|begun| runtime.now().since(begun));
        self.timeout.saturating_sub(waited.unwrap_or_default())
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
    pub(super) fn key(&self) -> (TopicId, &str) {
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
