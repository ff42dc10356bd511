//! Drives: a machine from the log of its partition.

use std::cell::Cell;

use crate::partition::Partition;

use super::batches;
use super::machine::{Factory, Machine};
use super::unloadable::Unloadable;

/// Bytes of a log that are replayed before other tasks get their turn.
const LOAD_CHUNK_BYTES: usize = 256 * 1024;

/// Replays the log from its start, a chunk at a time, unless the driver has resigned. Returns the
/// machine, and the largest batch that its log takes.
pub(super) async fn load<F: Factory>(
    factory: &F,
    partition: &Partition,
    resigned: &Cell<bool>,
) -> Result<(F::Machine, usize), Unloadable> {
    let batch_bytes_max = partition.config().max_message_bytes;
    let mut machine = factory.make(batch_bytes_max);
    let runtime = partition.disk().runtime();
    let started = runtime.now();
    let mut offset = partition.start_offset();
    let (mut slices, mut bytes) = (Vec::new(), Vec::new());
    // Also what is not committed yet: it will be, as long as this node leads.
    let upto = partition.end_offset();
    while offset < upto && !resigned.get() {
        slices.clear();
        bytes.clear();
        let read = partition.read(offset, upto, LOAD_CHUNK_BYTES, &mut slices);
        read.await.map_err(Unloadable::Read)?;
        for slice in &slices {
            bytes.extend_from_slice(slice);
        }
        let next = batches::replay(&mut machine, &bytes, offset);
        let next = next.map_err(Unloadable::Contents)?;
        if next <= offset {
            return Err(Unloadable::Short);
        }
        offset = next;
        runtime.yield_now().await;
    }
    let count = machine.count();
    if count > 0 {
        let index = partition.name().index;
        let ms = runtime.now().since(started).as_millis() as u64;
        let kept = F::Machine::NAME;
        tracing::info!(
            partition = index,
            count,
            records = offset,
            ms,
            "{kept} loaded"
        );
    }
    Ok((machine, batch_bytes_max))
}
