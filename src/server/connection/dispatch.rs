//! Drives: from a frame to a request that is begun.

use super::desk::Desk;
use super::slot::{self, Slot};
use crate::base::{ErrorCode, Instant, limits};
use crate::io::budget::{Reserved, Use};
use crate::io::turn;
use crate::server::api::cluster::api_versions;
use crate::server::api::refused::Refused;
use crate::server::api::row::Row;
use crate::server::api::steps::Arrived;
use crate::server::api::table;
use crate::wire::header::{API_VERSIONS_KEY, RequestHeader};

/// Bytes that a request of the API `key` takes of the core's budget, its frame included.
pub fn memory_of(key: Option<i16>, frame_bytes: usize) -> usize {
    let row = key.and_then(table::find);
    let handling = row.map_or(0, |row| (row.memory_estimate)(frame_bytes));
    frame_bytes.saturating_add(handling)
}

/// Begins the request in `frame`. `Ok(None)`: there will be no answer. `reserved` is what was
/// reserved for a large request while it arrived: see [`memory_of`].
pub async fn begin(
    desk: &Desk,
    frame: &[u8],
    reserved: &mut Option<Reserved>,
    now: Instant,
) -> Result<Option<Slot>, Refused> {
    let header = RequestHeader::parse(frame).map_err(Refused::Header)?;
    let is_served = |row: &&Row| desk.hub.server.is_in_cluster || !row.is_in_cluster_only();
    let row = table::find(header.api_key).filter(is_served);
    let row = row.ok_or(Refused::UnknownApi(header.api_key))?;
    turn::spent_on(slot::work(row));
    if !row.serves(header.api_version) {
        if header.api_key != API_VERSIONS_KEY {
            return Err(Refused::UnsupportedVersion(row.name, header.api_version));
        }
        // KIP-511: a version that is not known is answered in the oldest form.
        let probe = &desk.hub.server.probe;
        probe.note_error(row.key, ErrorCode::UNSUPPORTED_VERSION);
        let answer = api_versions::unsupported_version(header.correlation_id);
        return Ok(Some(Slot::Ready(answer)));
    }
    let memory = match (row.memory_estimate)(frame.len()) {
        0 => None,
        bytes if frame.len() > limits::CONNECTION_FREE_BYTES => {
            reserved.as_mut().map(|reserved| reserved.split(bytes))
        }
        bytes => small_memory(desk, bytes).await,
    };
    let request = Arrived {
        row,
        header,
        now,
        memory,
    };
    desk.hub.handlers.begin(&desk.client, request).await
}

/// The memory of a small request. Where none is free it does not wait for other connections, which
/// may wait for this one: it goes uncounted, one at a time.
async fn small_memory(desk: &Desk, bytes: usize) -> Option<Reserved> {
    let budget = &desk.hub.server.shard.budget;
    let memory = budget.try_reserve(Use::Requests, bytes);
    if memory.is_none() {
        desk.queue.wait_for_length(0).await;
    }
    memory
}
