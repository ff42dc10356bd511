//! Drives: the task that reads the requests of one connection and begins them.

use super::desk::Desk;
use super::dispatch;
use super::receive::ReceiveBuffer;
use crate::base::limits;
use crate::io::budget::{Reserved, Use};
use crate::io::{free, turn};
use crate::server::api::refused::Refused;

/// The memory of a large request that is arriving.
#[derive(Default)]
struct Arrival {
    reserved: Option<Reserved>,
    /// Bytes that were asked for; the budget may have granted fewer.
    asked: usize,
}

/// Reads and begins requests until the client ends, or sends what is no request.
pub async fn read(desk: &Desk, buffer: &mut ReceiveBuffer) -> Result<(), Refused> {
    let max_bytes = desk.hub.server.shard.config().network.request_bytes_max;
    let mut arrival = Arrival::default();
    loop {
        begin_all(desk, buffer, max_bytes, &mut arrival).await?;
        reserve(desk, buffer, &mut arrival).await;
        if let Some(large) = buffer.make_space() {
            free::list(large).await;
        }
        if buffer.partial_bytes() > 0 {
            desk.lifetime.lacks_rest(buffer.announced_bytes());
        }
        match desk.client.outlet.stream().read(buffer.spare()).await {
            Ok(0) => return Ok(()),
            Ok(count) => {
                buffer.filled(count);
                // This turn began when the bytes were there.
                desk.lifetime.received(count, turn::began());
            }
            Err(_) => {
                desk.client.outlet.shut();
                return Ok(());
            }
        }
        // A large request comes in faster than it is read.
        let is_large = buffer.announced_bytes() > limits::CONNECTION_FREE_BYTES;
        if is_large && turn::is_due() {
            turn::give_way().await;
        }
    }
}

/// Begins all requests that are there whole. While too many have no answer none is begun.
async fn begin_all(
    desk: &Desk,
    buffer: &mut ReceiveBuffer,
    max_bytes: usize,
    arrival: &mut Arrival,
) -> Result<(), Refused> {
    while let Some(frame) = buffer.next_frame(max_bytes).map_err(Refused::Frame)? {
        desk.lifetime.has_all();
        let most = limits::CONNECTION_PENDING_MAX - 1;
        desk.queue.wait_for_length(most).await;
        let now = desk.hub.server.now();
        // Of many requests that came at once the next are for a later turn.
        if turn::is_due_at(now) {
            desk.hub.server.shard.runtime().yield_now().await;
        }
        let frame = buffer.bytes(frame);
        let slot = dispatch::begin(desk, frame, &mut arrival.reserved, now).await?;
        if let Some(slot) = slot {
            desk.queue.push(slot);
        }
    }
    Ok(())
}

/// Reserves the memory of a large request: all at once, and before most of it is there. A
/// connection that had a part of its memory and waited for the rest would keep others from theirs.
async fn reserve(desk: &Desk, buffer: &ReceiveBuffer, arrival: &mut Arrival) {
    let announced = buffer.announced_bytes();
    if buffer.wanted_bytes() <= limits::CONNECTION_FREE_BYTES {
        arrival.reserved = None;
        desk.lifetime.holds_no_memory();
    } else if announced > limits::CONNECTION_FREE_BYTES {
        let bytes = dispatch::memory_of(buffer.announced_key(), announced);
        if arrival.reserved.is_none() || arrival.asked < bytes {
            arrival.asked = bytes;
            drop(arrival.reserved.take());
            // While it waits for memory it is the broker that does not read.
            desk.lifetime.has_all();
            let budget = &desk.hub.server.shard.budget;
            arrival.reserved = Some(budget.reserve(Use::Requests, bytes).await);
            desk.lifetime.holds_memory(desk.hub.server.now());
        }
    }
}
