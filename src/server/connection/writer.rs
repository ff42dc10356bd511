//! Drives: the task that finishes the requests of one connection in order and sends the answers.

use super::desk::Desk;
use super::slot::Slot;
use crate::base::limits;
use crate::io::{free, turn};
use crate::server::api::refused::Refused;

/// Bytes of the buffer for answers of a connection at rest.
const BUFFER_BYTES: usize = 512;

/// Finishes requests until there are none and no more come. An error closes the connection; that
/// the client takes no more answers is none.
pub async fn write(desk: &Desk) -> Result<(), Refused> {
    let mut out = Vec::with_capacity(BUFFER_BYTES);
    while let Some(slot) = desk.queue.next(|| desk.lifetime.is_ending()).await {
        match finish(desk, slot, &mut out).await {
            Ok(()) => {}
            // The reader ends the connection, when it has read what came before the end.
            Err(Refused::Gone(error)) => {
                let session = &desk.client.session;
                tracing::debug!(
                    peer = %session.address,
                    principal = %session.principal,
                    %error,
                    "answers are not taken"
                );
                desk.client.outlet.shut();
            }
            Err(refused) => return Err(refused),
        }
        desk.lifetime.answered(turn::began());
        if !desk.queue.is_empty() && turn::is_due() {
            desk.hub.server.shard.runtime().yield_now().await;
        }
        if out.capacity() > limits::CONNECTION_FREE_BYTES {
            let large = std::mem::replace(&mut out, Vec::with_capacity(BUFFER_BYTES));
            free::list(large).await;
        }
    }
    Ok(())
}

/// Finishes a request and sends its answer, together with the answers of produce requests behind
/// it that were acked by the same flush. `out` is the writer's buffer.
pub fn finish(
    desk: &Desk,
    slot: Slot,
    out: &mut Vec<u8>,
) -> impl Future<Output = Result<(), Refused>> {
    let more = || desk.queue.next_if(Slot::is_acked);
    let handlers = &desk.hub.handlers;
    handlers.finish(&desk.client, slot, more, out)
}
