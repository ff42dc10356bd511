//! Drives: Produce, versions 3 to 13 (KIP-98, KIP-467, KIP-516, KIP-951).
//!
//! The hot path: a request is begun as it is read, its batches go into their logs at once, and
//! it is answered when all of them are acked. Steady state allocates nothing: a pending request
//! and its lists go back to the shard when it is answered. Left out: transactions.

use std::borrow::Cow;
use std::rc::Rc;

use super::super::{Row, Run, errors};
use crate::base::{ErrorCode, Instant, Offset, TopicId, WallMs};
use crate::partition::Partition;
use crate::partition::append::{AppendError, Appended, Origin};
use crate::partition::validate::{self, Invalid};
use crate::server::ServerState;
use crate::server::connection::Connection;
use crate::server::dispatch::{Refused, Slot};
use crate::shard::partitions::LookupError;
use crate::wire::field::CurrentLeader;
use crate::wire::frame;
use crate::wire::header::{self, RequestHeader};
use crate::wire::produce::{self, Encoder, Item, PartitionAnswer};

/// The table's row. Versions 0 to 2 are advertised since old clients look for them; they are
/// refused like any other version that is not served (KIP-896).
pub const ROW: Row = Row {
    key: 0,
    name: "Produce",
    versions: (3, 13),
    advertised_min: 0,
    memory_estimate: |frame_bytes| frame_bytes,
    run: Run::Produce,
};

/// Kafka's own admin client may write to internal topics (`AdminUtils.ADMIN_CLIENT_ID`).
const ADMIN_CLIENT: &[u8] = b"__admin_client";

/// A produce request whose batches are in their logs' hands.
#[derive(Default)]
pub struct Pending {
    version: i16,
    correlation_id: i32,
    taken_up: Option<Instant>,
    topics: Vec<TopicOut>,
    partitions: Vec<PartitionOut>,
}

struct TopicOut {
    name: Name,
    id: TopicId,
    partitions: usize,
}

/// A topic's name: known ones are shared with the topic.
enum Name {
    Known(Rc<Partition>),
    Unknown(String),
}

struct PartitionOut {
    index: i32,
    result: Outcome,
}

enum Outcome {
    /// Its batches are in the log.
    Accepted(Accepted),
    /// They are not, for good.
    Failed(Failed),
    /// They are not yet: the log has no room before its device has caught up.
    Busy(Rc<Partition>),
}

struct Accepted {
    partition: Rc<Partition>,
    base_offset: Offset,
    /// Everything below must be acked before the answer.
    upto: Offset,
    log_append_time: WallMs,
}

/// Boxed: rare, and large.
struct Failed(Box<Failure>);

struct Failure {
    error: ErrorCode,
    log_start_offset: Offset,
    record_errors: Vec<(i32, Option<String>)>,
    message: Option<Cow<'static, str>>,
    leader: Option<CurrentLeader>,
}

/// Begins a request: validates it whole, then appends batch by batch, waiting only where a log
/// has no room. `Ok(None)` when the client wants no answer.
pub async fn begin(
    connection: &Rc<Connection>,
    header: &RequestHeader<'_>,
) -> Result<Option<Slot>, Refused> {
    let version = header.api_version;
    let malformed = |_| Refused::Malformed(ROW.name, version);
    let head = produce::walk(header.body, version, |_| ()).map_err(malformed)?;
    let server = &connection.server;
    let mut pending = server.spare_produce();
    pending.version = version;
    pending.correlation_id = header.correlation_id;
    pending.taken_up = Some(server.now());
    let appender = Appender {
        server,
        valid_acks: (-1..=1).contains(&head.acks),
        internal_allowed: header.client_id == Some(ADMIN_CLIENT),
        version,
        wall_ms: server.wall_ms(),
    };
    produce::walk(header.body, version, |item| {
        appender.take(&mut pending, item)
    })
    .map_err(malformed)?;
    while let Some(busy) = pending.busy() {
        busy.log().wait_for_room().await;
        let mut outs = pending.partitions.iter_mut();
        let retried = produce::walk(header.body, version, |item| {
            if let Item::Partition { records, .. } = item
                && let Some(out) = outs.next()
                && let Outcome::Busy(partition) = &out.result
            {
                out.result = appender.append_to(partition.clone(), records.unwrap_or_default());
            }
        });
        retried.map_err(malformed)?;
    }
    if head.acks != 0 {
        return Ok(Some(Slot::Produce(pending)));
    }
    // Nobody reads an answer. A failure must show all the same, and Kafka shows it by closing.
    let failed = pending.partitions.iter().find_map(|out| match &out.result {
        Outcome::Failed(Failed(failure)) => Some(failure.error),
        _ => None,
    });
    let refused = failed.map(|error| Refused::NoAnswerWanted(error.name()));
    server.keep_produce(pending);
    refused.map_or(Ok(None), Err)
}

/// Waits until the request's batches are acked and appends the answer's frame to `out`.
pub async fn answer(
    connection: &Rc<Connection>,
    mut pending: Pending,
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    for out in &mut pending.partitions {
        if let Outcome::Accepted(accepted) = &out.result
            && let Err(error) = accepted.partition.wait_committed(accepted.upto).await
        {
            out.result = Outcome::Failed(Failed::append(&error, &accepted.partition));
        }
    }
    let server = &connection.server;
    pending.encode(server, out);
    if let Some(taken_up) = pending.taken_up {
        server.probe.note(ROW.key, taken_up, server.now());
    }
    server.keep_produce(pending);
    Ok(())
}

struct Appender<'a> {
    server: &'a ServerState,
    valid_acks: bool,
    internal_allowed: bool,
    version: i16,
    wall_ms: WallMs,
}

impl Appender<'_> {
    fn take(&self, pending: &mut Pending, item: Item<'_>) {
        match item {
            Item::Topic { name, id } => {
                let name = self.name_of(name, id);
                pending.topics.push(TopicOut {
                    name,
                    id,
                    partitions: 0,
                });
            }
            Item::Partition { index, records } => {
                // The walk gives a topic before its partitions.
                let Some(topic) = pending.topics.last_mut() else {
                    return;
                };
                topic.partitions += 1;
                let result = self.append(topic, index, records.unwrap_or_default());
                pending.partitions.push(PartitionOut { index, result });
            }
        }
    }

    /// Keeps a topic's name without copying it where any partition of it is here.
    fn name_of(&self, name: &str, id: TopicId) -> Name {
        let partitions = &self.server.shard.partitions;
        let topic = match id {
            TopicId::ZERO => partitions.topic(name),
            id => partitions.topic_by_id(id),
        };
        let here = topic
            .as_ref()
            .and_then(|topic| topic.local().next().cloned());
        here.map_or_else(|| Name::Unknown(name.to_owned()), Name::Known)
    }

    fn append(&self, topic: &TopicOut, index: i32, records: &[u8]) -> Outcome {
        if !self.valid_acks {
            return Outcome::Failed(Failed::code(ErrorCode::INVALID_REQUIRED_ACKS));
        }
        let partitions = &self.server.shard.partitions;
        let found = match (&topic.name, topic.id) {
            (Name::Known(any), _) => partitions.lookup_id(any.name().topic_id, index),
            (Name::Unknown(name), TopicId::ZERO) => partitions.lookup(name, index),
            (Name::Unknown(_), id) => partitions.lookup_id(id, index),
        };
        match found {
            Ok(partition) => self.append_to(partition, records),
            Err(error) => Outcome::Failed(Failed::lookup(error)),
        }
    }

    fn append_to(&self, partition: Rc<Partition>, records: &[u8]) -> Outcome {
        let origin = if self.internal_allowed {
            Origin::Admin
        } else {
            Origin::Client
        };
        let appended = match validate::check_version(records, self.version) {
            Ok(()) => partition.append(records, origin, self.wall_ms),
            Err(invalid) => Err(AppendError::Invalid(invalid)),
        };
        match appended {
            Ok(Appended {
                base_offset,
                upto,
                log_append_time,
            }) => Outcome::Accepted(Accepted {
                partition,
                base_offset,
                upto,
                log_append_time,
            }),
            Err(AppendError::Busy) => Outcome::Busy(partition),
            Err(error) => Outcome::Failed(Failed::append(&error, &partition)),
        }
    }
}

// === impl Pending ===

impl Pending {
    /// Whether every batch is acked, or never will be.
    pub fn is_settled(&self) -> bool {
        self.partitions.iter().all(|out| match &out.result {
            Outcome::Accepted(accepted) => accepted.partition.committed(accepted.upto).is_some(),
            Outcome::Failed(_) | Outcome::Busy(_) => true,
        })
    }

    fn busy(&self) -> Option<Rc<Partition>> {
        self.partitions.iter().find_map(|out| match &out.result {
            Outcome::Busy(partition) => Some(partition.clone()),
            _ => None,
        })
    }

    /// Empties it for the next request, keeping its room.
    pub fn clear(&mut self) {
        self.topics.clear();
        self.partitions.clear();
    }

    fn encode(&self, server: &ServerState, out: &mut Vec<u8>) {
        let open = frame::open(out);
        header::put_response_header(out, ROW.key, self.version, self.correlation_id);
        let mut encoder = Encoder::new(out, self.version, self.topics.len());
        let mut partitions = self.partitions.iter();
        let mut leaders = Vec::new();
        for topic in &self.topics {
            let name = match &topic.name {
                Name::Known(partition) => &*partition.name().topic,
                Name::Unknown(name) => name,
            };
            encoder.topic(name, topic.id, topic.partitions);
            for partition in partitions.by_ref().take(topic.partitions) {
                encoder.partition(&partition.answer());
                leaders.extend(partition.leader());
            }
            encoder.end_topic();
        }
        let endpoints = server
            .shard
            .endpoints_of(leaders.iter().map(|leader| leader.leader_id));
        encoder.end(0, &endpoints);
        frame::close(out, open, 0);
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
            // `begin` waits until nothing is busy.
            Outcome::Busy(_) => PartitionAnswer {
                error: ErrorCode::REQUEST_TIMED_OUT,
                ..refused
            },
        }
    }
}

// === impl Failed ===

impl Failed {
    fn code(error: ErrorCode) -> Failed {
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

    fn append(error: &AppendError, partition: &Partition) -> Failed {
        let mut failed = Failed::code(errors::append(error));
        if let AppendError::Invalid(invalid) = error {
            if !invalid.hides_log_start() {
                failed.0.log_start_offset = partition.start_offset();
            }
            if let Invalid::Rejected(rejected) = invalid {
                let problems = rejected.problems.iter();
                let told = problems.map(|problem| (problem.index, Some(problem.to_string())));
                failed.0.record_errors = told.collect();
            }
        }
        failed.0.message = Some(Cow::Owned(error.to_string()));
        failed
    }
}
