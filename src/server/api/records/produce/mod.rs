//! Drives: Produce, versions 3 to 13 (KIP-98, KIP-467, KIP-516, KIP-951).
//!
//! The hot path: a request is begun as it is read, its batches go into their logs at once, and
//! it is answered when all of them are acked. Steady state allocates nothing: a pending request
//! and its lists go back to the shard when it is answered. Left out: transactions.

mod pending;

use std::rc::Rc;

use super::super::{Row, Run};
use crate::base::{Instant, WallMs};
use crate::partition::Partition;
use crate::partition::append::{AppendError, Appended, Origin};
use crate::partition::validate;
use crate::server::connection::Connection;
use crate::server::dispatch::{Refused, Slot};
use crate::wire::header::RequestHeader;
use crate::wire::produce::{self, Item};
pub use pending::Pending;
use pending::{Accepted, Failed, Outcome};

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

/// Begins a request: reads it whole, then appends batch by batch, waiting only where a log has
/// no room. `Ok(None)` when the client wants no answer.
pub async fn begin(
    connection: &Rc<Connection>,
    header: &RequestHeader<'_>,
    now: Instant,
) -> Result<Option<Slot>, Refused> {
    let server = &connection.server;
    let (version, body) = (header.api_version, header.body);
    let mut pending = server.spare_produce();
    pending.version = version;
    pending.correlation_id = header.correlation_id;
    pending.taken_up = Some(now);
    let partitions = &server.shard.partitions;
    let head = produce::walk(body, version, |item| pending.take(partitions, item));
    let head = head.map_err(|_| Refused::Malformed(ROW.name, version))?;
    pending.settle_repeated();
    pending.refuse_whole(&head);
    let appender = Appender {
        internal_allowed: header.client_id == Some(ADMIN_CLIENT),
        version,
        wall_ms: server.wall_ms(),
    };
    appender.append_due(&mut pending, body);
    while let Some(busy) = pending.due() {
        busy.log().wait_for_room().await;
        appender.append_due(&mut pending, body);
    }
    pending.gather_topics();
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

struct Appender {
    internal_allowed: bool,
    version: i16,
    wall_ms: WallMs,
}

impl Appender {
    /// Tries to append what has not been.
    fn append_due(&self, pending: &mut Pending, body: &[u8]) {
        let mut outs = pending.partitions.iter_mut();
        let walked = produce::walk(body, self.version, |item| {
            if let Item::Partition { records, .. } = item
                && let Some(out) = outs.next()
                && let Outcome::Due(partition) = &out.result
            {
                out.result = self.append(partition.clone(), records.unwrap_or_default());
            }
        });
        debug_assert!(walked.is_ok(), "the body was walked before");
    }

    fn append(&self, partition: Rc<Partition>, records: &[u8]) -> Outcome {
        let origin = if self.internal_allowed {
            Origin::Admin
        } else {
            Origin::Client
        };
        if let Err(invalid) = validate::check_version(records, self.version) {
            let mut failed = Failed::append(&AppendError::Invalid(invalid), &partition);
            failed.0.log_start_offset = -1;
            return Outcome::Failed(failed);
        }
        match partition.append(records, origin, self.wall_ms) {
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
            Err(AppendError::Busy) => Outcome::Due(partition),
            Err(error) => Outcome::Failed(Failed::append(&error, &partition)),
        }
    }
}
