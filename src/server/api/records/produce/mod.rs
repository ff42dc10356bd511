//! Drives: Produce, versions 3 to 13 (KIP-98, KIP-467, KIP-516, KIP-951).
//!
//! The hot path: a request is begun as it is read, its batches go into their logs at once, and
//! it is answered when all of them are acked. Steady state allocates nothing: a pending request
//! and its lists are used again when it is answered. The first batch of a transaction waits until
//! its coordinator knows of the partition (KIP-890).

mod outcome;
mod pending;
mod repeated;
mod verify;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::{ErrorCode, WallMs, limits};
use crate::io::budget::Use;
use crate::io::runtime::Runtime;
use crate::io::turn;
use crate::partition::append::{AppendError, Appended, Origin};
use crate::partition::producers::Guard;
use crate::partition::validate::{self, Checked};
use crate::partition::{Acks, Partition};
use crate::server::api::authorizer::Operation::Write;
use crate::server::api::authorizer::Resource::{Topic, TransactionalId};
use crate::server::api::client::Client;
use crate::server::api::refused::{CallError, Refused};
use crate::server::api::row::{Row, Run};
use crate::server::api::spares::Spares;
use crate::server::api::steps::{Arrived, TwoSteps};
use crate::server::state::answer_memory;
use crate::wire::cursor::Short;
use crate::wire::produce::{Item, Items};
use outcome::{Accepted, Failed, Outcome};
pub use pending::Pending;

/// The table's row. Versions 0 to 2 are advertised since old clients look for them; they are
/// refused like any other version that is not served (KIP-896).
pub const ROW: Row = Row {
    key: 0,
    name: "Produce",
    versions: (3, 13),
    advertised_min: 0,
    memory_estimate: |_| 0,
    is_forwarded: false,
    asks: &[(Write, TransactionalId), (Write, Topic)],
    run: Run::Produce,
};

/// Topics and partitions that are dealt with before there is a look at how long that takes.
const AT_ONCE: usize = 32;
/// Bytes of records that are appended before there is such a look.
const BYTES_AT_ONCE: usize = 64 << 10;
/// Topics and partitions beyond this many count against the shard's memory, so many at a time.
const PAID_AT_ONCE: usize = 1024;
/// What a topic or partition takes until it is answered, in bytes: its error is told by itself.
const ITEM_BYTES: usize = 256;

/// Kafka's own admin client may write to internal topics (`AdminUtils.ADMIN_CLIENT_ID`).
const ADMIN_CLIENT: &[u8] = b"__admin_client";

/// How produce requests are served.
#[derive(Default)]
pub struct Produce {
    spares: Spares<Box<Pending>>,
}

impl TwoSteps for Produce {
    type Begun = Box<Pending>;
    /// The answer is all in the writer's buffer.
    type Answer = ();

    /// Reads the request whole, then appends batch by batch, waiting only where a log has no
    /// space.
    async fn begin(
        &self,
        client: &Client,
        request: Arrived<'_>,
    ) -> Result<Option<Box<Pending>>, Refused> {
        let server = &client.server;
        let header = &request.header;
        let (version, body) = (header.api_version, header.body);
        let mut pending = self.spares.take();
        pending.version = version;
        pending.correlation_id = header.correlation_id;
        pending.taken_up = Some(request.now);
        let partitions = &server.shard.partitions;
        let malformed = |Short| Refused::Malformed(ROW.name, version);
        let mut items = Items::new(body, version).map_err(malformed)?;
        let mut count: usize = 0;
        while let Some(item) = items.next().map_err(malformed)? {
            pending.take(partitions, item);
            count += 1;
            if count.is_multiple_of(PAID_AT_ONCE) {
                let paid = answer_memory::reserve(
                    server.shard.runtime(),
                    &server.shard.budget,
                    PAID_AT_ONCE * ITEM_BYTES,
                );
                let paid = paid.await.map_err(CallError::NotMade);
                pending.pay(paid.map_err(|error| Refused::Call(ROW.name, version, error))?);
            }
            pace_at(count).await;
        }
        let head = items.head();
        pending.acks = Acks::from_wire(head.acks);
        pending.timeout = Duration::from_millis(head.timeout_ms.max(0) as u64);
        pending.mark_repeated().await;
        let in_transaction = head.transactional_id.filter(|_| pending.is_transactional());
        pending.refuse_whole(&head).await;
        if let Some(id) = in_transaction {
            pending.verify(&server.shard, id, body).await;
        }
        let appender = Appender {
            runtime: server.shard.runtime(),
            acks: match head.acks {
                -1 => Acks::All,
                _ => Acks::Leader,
            },
            internal_allowed: header.client_id == Some(ADMIN_CLIENT),
            version,
            wall_ms: server.wall_ms(),
        };
        appender.append_due(&mut pending, body).await;
        while let Some(busy) = pending.due() {
            busy.wait_for_space().await;
            appender.append_due(&mut pending, body).await;
        }
        pending.gather_topics();
        if head.acks != 0 {
            return Ok(Some(pending));
        }
        // The client reads no answer. Kafka shows it a failure by closing the connection.
        let refused = pending
            .failure()
            .map(|error| Refused::NoAnswerWanted(error.name()));
        pending.shrink().await;
        self.spares.keep(pending);
        refused.map_or(Ok(None), Err)
    }

    /// Waits until the request's batches are acked.
    async fn finish(
        &self,
        client: &Client,
        mut pending: Box<Pending>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let server = &client.server;
        pending.wait_for_acks(server.shard.runtime()).await;
        pending.encode(server, &client.session.listener, out).await;
        if let Some(taken_up) = pending.taken_up {
            server.probe.note(ROW.key, taken_up, server.now());
        }
        pending.shrink().await;
        self.spares.keep(pending);
        Ok(())
    }

    async fn send(&self, client: &Client, (): (), out: &[u8]) -> Result<(), Refused> {
        let budget = &client.server.shard.budget;
        let is_large = out.len() >= limits::LARGE_ANSWER_BYTES;
        let _memory = is_large.then(|| budget.hold(Use::Answers, out.len()));
        client.outlet.send(out).await.map_err(Refused::Gone)
    }
}

/// Lets others run behind every so many items, of which `done` are dealt with.
async fn pace_at(done: usize) {
    if done.is_multiple_of(AT_ONCE) {
        turn::pace().await;
    }
}

/// The same replica in the folder of this shard that it has gone to: what waited for it goes on
/// there. What a guard vouches for is known to the one alone that has given it.
fn successor(partition: &Partition, guard: Option<Guard>) -> Option<Rc<Partition>> {
    partition.successor().filter(|_| guard.is_none())
}

struct Appender<'a> {
    runtime: &'a Runtime,
    /// How many replicas must be in sync.
    acks: Acks,
    internal_allowed: bool,
    version: i16,
    wall_ms: WallMs,
}

impl Appender<'_> {
    /// Tries to append what has not been. Others run between batches where those are many, or
    /// large.
    async fn append_due(&self, pending: &mut Pending, body: &[u8]) {
        let mut outs = pending.partitions.iter_mut();
        let Ok(mut items) = Items::new(body, self.version) else {
            debug_assert!(false, "the body was walked before");
            return;
        };
        let (mut count, mut bytes) = (0, 0);
        while let Ok(Some(item)) = items.next() {
            let Item::Partition { records, .. } = item else {
                continue;
            };
            let Some(out) = outs.next() else { break };
            if let Outcome::Due(partition) = &out.result {
                let guard = out.guard;
                let successor = successor(partition, guard);
                let partition = successor.as_ref().unwrap_or(partition);
                let records = records.unwrap_or_default();
                if bytes + records.len() > BYTES_AT_ONCE {
                    bytes = 0;
                    turn::pace().await;
                }
                bytes += records.len();
                out.result = match self.append(partition.clone(), records, guard) {
                    Outcome::Long(partition) => self.append_long(partition, records, guard).await,
                    outcome => outcome,
                };
            }
            count += 1;
            pace_at(count).await;
        }
    }

    fn origin(&self) -> Origin {
        match self.internal_allowed {
            true => Origin::Admin,
            false => Origin::Client,
        }
    }

    fn append(&self, partition: Rc<Partition>, records: &[u8], guard: Option<Guard>) -> Outcome {
        if let Err(invalid) = validate::check_version(records, self.version) {
            let mut failed = Failed::append(&AppendError::Invalid(invalid), &partition);
            failed.0.log_start_offset = -1;
            return Outcome::Failed(failed);
        }
        let appended = partition.check_in_sync(self.acks);
        let (origin, now) = (self.origin(), self.wall_ms);
        let appended =
            appended.and_then(|()| partition.append_in_transaction(records, origin, guard, now));
        Self::outcome(partition, appended)
    }

    /// Appends records that are validated beside the core before.
    async fn append_long(
        &self,
        mut partition: Rc<Partition>,
        records: &[u8],
        guard: Option<Guard>,
    ) -> Outcome {
        let bytes = Bytes::copy_from_slice(records);
        loop {
            let (rules, now, bytes) = (partition.rules(), self.wall_ms, bytes.clone());
            let checked = self
                .runtime
                .offload(move || Checked::new(&bytes, &rules, now))
                .await;
            let Ok(checked) = checked else {
                return Outcome::Failed(Failed::code(ErrorCode::UNKNOWN_SERVER_ERROR));
            };
            loop {
                let appended =
                    partition.append_checked(records, &checked, self.origin(), guard, now);
                match appended {
                    Err(AppendError::Busy) => {
                        partition.wait_for_space().await;
                        if let Some(successor) = successor(&partition, guard) {
                            partition = successor;
                        }
                    }
                    // The topic's settings have changed meanwhile.
                    Err(AppendError::Long) => break,
                    appended => return Self::outcome(partition, appended),
                }
            }
        }
    }

    fn outcome(partition: Rc<Partition>, appended: Result<Appended, AppendError>) -> Outcome {
        match appended {
            Ok(Appended {
                base_offset,
                upto,
                tenure,
                log_append_time,
            }) => Outcome::Accepted(Accepted {
                partition,
                base_offset,
                upto,
                tenure,
                log_append_time,
            }),
            Err(AppendError::Busy) => Outcome::Due(partition),
            Err(AppendError::Long) => Outcome::Long(partition),
            Err(error) => Outcome::Failed(Failed::append(&error, &partition)),
        }
    }
}
