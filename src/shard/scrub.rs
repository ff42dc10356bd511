//! Drives: a shard's sealed segments read through for damage, at a bounded rate.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use crate::io::runtime::Runtime;
use crate::log::{ReadError, Scrubbed};
use crate::partition::Partition;

/// Reads every sealed segment of the shard once, at `bytes_per_second`, and says what is wrong.
pub async fn round(shard: &Shard, bytes_per_second: usize) {
    for partition in shard.partitions.local() {
        if let Err(error) = scrub(shard.runtime(), &partition, bytes_per_second).await {
            partition
                .name()
                .report("cannot read a sealed segment", &error);
        }
        // Logs of one segment only are passed over without a wait.
        shard.runtime().yield_now().await;
    }
}

async fn scrub(
    runtime: &Runtime,
    partition: &Rc<Partition>,
    bytes_per_second: usize,
) -> io::Result<()> {
    let mut after = -1;
    while !partition.is_closed()
        && let Some(mut scrub) = partition.scrub_after(after).await?
    {
        after = scrub.base_offset();
        loop {
            let step = match scrub.step().await {
                Ok(step) => step,
                Err(error) => {
                    // The segments behind it are looked at all the same.
                    partition
                        .name()
                        .report("cannot read a sealed segment", &error);
                    break;
                }
            };
            match step {
                Scrubbed::On(bytes) => {
                    let length = bytes as f64 / bytes_per_second.max(1) as f64;
                    runtime.sleep(Duration::from_secs_f64(length)).await;
                    if partition.is_closed() {
                        return Ok(());
                    }
                }
                Scrubbed::Sound => break,
                Scrubbed::LookupsMended => {
                    let name = partition.name();
                    tracing::warn!(topic = %name.topic, partition = name.index, segment = after,
                        "the index files of a sealed segment did not fit it: made anew");
                    break;
                }
                Scrubbed::Damaged(error) => {
                    if let ReadError::Damaged { is_news: true, .. } = &error {
                        partition
                            .name()
                            .report("found damage in a sealed segment", &error);
                    }
                    break;
                }
            }
        }
    }
    Ok(())
}
