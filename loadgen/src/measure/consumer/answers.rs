//! Drives: takes in what a fetch brought: batches, stamps, end-to-end latencies.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use corelane_wire::batch::{BatchError, BatchView, Codec, Records, batches};
use corelane_wire::compress::decompress;
use kafka_protocol::messages::FetchResponse;

use super::Consumer;
use super::reader::Reader;
use crate::load::stamp::Stamp;
use crate::measure::client::{self, ClientError};
use crate::measure::latency::Kind;

/// The most bytes that a batch may have when uncompressed.
const PLAIN_MAX_BYTES: usize = 256 << 20;

const OFFSET_OUT_OF_RANGE: i16 = 1;

impl Consumer<'_> {
    /// Processes an answer that arrived at `now_ns`; the next fetch is sent first.
    pub(super) fn take(
        &mut self,
        reader: &mut Reader,
        at: usize,
        answer: Bytes,
        now_ns: u64,
    ) -> Result<(), ClientError> {
        let (_, answer) = client::open::<FetchResponse>(answer, self.job.cluster.fetch)?;
        if answer.error_code != 0 {
            return Err(ClientError::Refused("Fetch", answer.error_code));
        }
        let mut found: Vec<(usize, i64, Bytes)> = Vec::new();
        for topic in &answer.responses {
            for partition in &topic.partitions {
                let own = reader.links[at].own.iter().copied();
                let mut own = own.filter(|number| {
                    let home = &self.job.homes[*number];
                    home.partition == partition.partition_index
                        && self.job.cluster.topics[home.topic] == topic.topic.as_str()
                });
                let home = own
                    .next()
                    .ok_or_else(|| client::malformed("another partition"))?;
                if partition.error_code == OFFSET_OUT_OF_RANGE {
                    let text = format!(
                        "{}-{} does not go to offset {} any more: shortened by its retention, \
                         or lost",
                        topic.topic.as_str(),
                        partition.partition_index,
                        reader.offsets[home],
                    );
                    return Err(ClientError::Topic(text));
                }
                if partition.error_code != 0 {
                    return Err(ClientError::Refused("Fetch", partition.error_code));
                }
                let records = partition.records.clone().unwrap_or_default();
                let from = reader.offsets[home];
                for batch in whole_batches(&records) {
                    let next = batch?.next_offset();
                    reader.offsets[home] = reader.offsets[home].max(next);
                }
                found.push((home, from, records));
            }
        }
        reader.fetch(self.job, at)?;
        let before = reader.ledger.unique;
        for (home, from, records) in found {
            for batch in whole_batches(&records) {
                self.note(reader, home, from, &batch?, now_ns)?;
                self.fruitful_ns = now_ns;
            }
        }
        let more = reader.ledger.unique - before;
        self.job.seen[reader.group].fetch_add(more, Ordering::Relaxed);
        Ok(())
    }

    fn note(
        &mut self,
        reader: &mut Reader,
        home: usize,
        from: i64,
        batch: &BatchView<'_>,
        now_ns: u64,
    ) -> Result<(), ClientError> {
        batch.verify_crc().map_err(client::malformed)?;
        if batch.attributes().is_control() {
            return Ok(());
        }
        let codec = batch.attributes().codec();
        let codec = codec.map_err(|id| client::malformed(format!("codec {id}")))?;
        let bytes = match codec {
            Codec::None => batch.records_bytes(),
            codec => {
                self.plain.clear();
                decompress(
                    codec,
                    batch.records_bytes(),
                    PLAIN_MAX_BYTES,
                    &mut self.plain,
                )
                .map_err(client::malformed)?;
                &self.plain
            }
        };
        for record in Records::new(batch.record_count(), bytes) {
            let record = record.map_err(client::malformed)?;
            // A batch may begin before the offset that was asked for.
            let value = record.value.filter(|_| record.offset(batch) >= from);
            let Some(value) = value.filter(|v| Stamp::claimed_run(v) == Some(self.job.run)) else {
                continue;
            };
            let Some(stamp) = Stamp::read(value, self.job.whole) else {
                reader.ledger.damaged += 1;
                continue;
            };
            reader.ledger.note(home, &stamp);
            if let Some(recorder) = &mut self.recorder {
                let taken_ns = now_ns.saturating_sub(stamp.intended_ns);
                recorder.record(Kind::EndToEnd, stamp.intended_ns, taken_ns);
            }
        }
        Ok(())
    }
}

/// The batches in `records`; brokers may cut off the last one.
fn whole_batches(records: &[u8]) -> impl Iterator<Item = Result<BatchView<'_>, ClientError>> {
    let whole =
        batches(records).take_while(|batch| !matches!(batch, Err(BatchError::Truncated { .. })));
    whole.map(|batch| batch.map_err(client::malformed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corelane_wire::batch::{BatchBuilder, NewRecord};

    #[test]
    fn a_batch_that_is_cut_off_is_left_for_the_next_fetch() {
        let mut builder = BatchBuilder::new();
        builder.push(NewRecord::new(0, None, Some(b"value")));
        let batch = builder.build();
        let mut bytes = [&batch[..], &batch, &batch[..batch.len() - 1]].concat();
        assert_eq!(whole_batches(&bytes).filter(Result::is_ok).count(), 2);
        bytes[16] = 1; // An old format.
        assert!(whole_batches(&bytes).next().unwrap().is_err());
    }
}
