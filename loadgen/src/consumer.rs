//! Drives: one consumer of all partitions: a fetch always under way to each leader.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use core_affinity::CoreId;
use corelane::wire::batch::{BatchError, BatchView, Codec, Records, batches};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::client::{self, ClientError, Clock, Connection, FETCH, Home};
use crate::latency::{Kind, Recorder};
use crate::producer::{self, Shared};
use crate::schedule::Schedule;
use crate::verify::{Ledger, Stamp};

/// What the consumer records.
pub const KINDS: &[Kind] = &[Kind::EndToEnd];

/// How long the broker may hold a fetch that finds nothing, in milliseconds.
const MAX_WAIT_MS: i32 = 500;
const PARTITION_MAX_BYTES: i32 = 4 << 20;
const SLEEP_NS: u64 = 50_000_000;

/// The consumer's part of the run.
pub struct Job {
    /// All partitions.
    pub homes: Vec<Home>,
    /// The topic.
    pub topic: String,
    /// The run's mark in each record.
    pub run: u64,
    /// Each producer's schedule: what can have been sent at all.
    pub schedules: Vec<Schedule>,
    /// The run's clock.
    pub clock: Clock,
    /// How long to wait for the rest once the producers are done.
    pub drain_ns: u64,
    /// The core to be pinned to.
    pub core: Option<CoreId>,
}

/// What became of it.
pub struct Outcome {
    /// What was seen.
    pub ledger: Ledger,
    /// Why it ended early.
    pub failure: Option<String>,
}

struct Consumer<'a> {
    job: &'a Job,
    connections: Vec<Connection>,
    routes: Vec<usize>,
    /// The next offset of each home's partition.
    offsets: Vec<i64>,
    sent_max: Vec<u64>,
    ledger: Ledger,
    recorder: Recorder,
}

/// Reads from the present end of the topic on until all that was promised is there, or it is
/// too late. `connected` is called when reading can begin: what is sent later is seen.
pub fn run(job: &Job, shared: &Shared, recorder: Recorder, connected: impl FnOnce()) -> Outcome {
    producer::settle(job.core);
    let opened = open(job);
    connected();
    let (connections, routes, offsets) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let ledger = Ledger::new(job.schedules.len());
            return Outcome {
                ledger,
                failure: Some(error.to_string()),
            };
        }
    };
    let mut consumer = Consumer {
        job,
        connections,
        routes,
        offsets,
        sent_max: job
            .schedules
            .iter()
            .map(|own| own.due_before(u64::MAX))
            .collect(),
        ledger: Ledger::new(job.schedules.len()),
        recorder,
    };
    let failure = consumer.drive(shared).err().map(|error| error.to_string());
    consumer.recorder.finish();
    Outcome {
        ledger: consumer.ledger,
        failure,
    }
}

type Opened = (Vec<Connection>, Vec<usize>, Vec<i64>);

fn open(job: &Job) -> Result<Opened, ClientError> {
    let (mut connections, routes) = producer::connect(&job.homes)?;
    let offsets = job.homes.iter().zip(&routes).map(|(home, route)| {
        client::end_offset(&mut connections[*route], &job.topic, home.partition)
    });
    let offsets = offsets.collect::<Result<_, _>>()?;
    Ok((connections, routes, offsets))
}

impl Consumer<'_> {
    fn drive(&mut self, shared: &Shared) -> Result<(), ClientError> {
        self.connections
            .iter_mut()
            .try_for_each(Connection::never_wait)?;
        for at in 0..self.connections.len() {
            self.fetch(at)?;
        }
        let mut give_up_ns = u64::MAX;
        loop {
            let mut received = false;
            for at in 0..self.connections.len() {
                self.connections[at].flush()?;
                if self.connections[at].receive()? {
                    received = true;
                    let now = self.job.clock.now_ns();
                    while let Some(answer) = self.connections[at].next_frame()? {
                        self.take(at, answer, now)?;
                    }
                }
            }
            let now = self.job.clock.now_ns();
            self.recorder.tick(now);
            if shared.done.load(Ordering::Acquire) == self.job.schedules.len() {
                give_up_ns = give_up_ns.min(now.saturating_add(self.job.drain_ns));
                if self.ledger.unique >= shared.promised.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            if now >= give_up_ns {
                return Ok(());
            }
            if !received {
                client::sleep(&self.connections, SLEEP_NS);
            }
        }
    }

    fn fetch(&mut self, at: usize) -> Result<(), ClientError> {
        let own = (0..self.routes.len()).filter(|home| self.routes[*home] == at);
        let partitions = own.map(|home| {
            FetchPartition::default()
                .with_partition(self.job.homes[home].partition)
                .with_current_leader_epoch(-1)
                .with_fetch_offset(self.offsets[home])
                .with_log_start_offset(-1)
                .with_partition_max_bytes(PARTITION_MAX_BYTES)
        });
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_string(self.job.topic.clone())))
            .with_partitions(partitions.collect());
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(MAX_WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(16 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let frame = client::frame(&request, FETCH, 0)?;
        // The last request was answered, so there is room for this one.
        match self.connections[at].try_send(&frame)? {
            true => Ok(()),
            false => Err(ClientError::Malformed("no room to send a fetch".to_owned())),
        }
    }

    /// Takes in an answer that arrived at `now_ns`; the next fetch goes out first.
    fn take(&mut self, at: usize, answer: Bytes, now_ns: u64) -> Result<(), ClientError> {
        let (_, answer) = client::open::<FetchResponse>(answer, FETCH)?;
        if answer.error_code != 0 {
            return Err(ClientError::Refused("Fetch", answer.error_code));
        }
        let mut found: Vec<(i32, Bytes)> = Vec::new();
        for partition in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            if partition.error_code != 0 {
                return Err(ClientError::Refused("Fetch", partition.error_code));
            }
            let home = self
                .job
                .homes
                .iter()
                .position(|own| own.partition == partition.partition_index);
            let home = home.ok_or_else(|| {
                ClientError::Malformed(format!("partition {}", partition.partition_index))
            })?;
            let records = partition.records.clone().unwrap_or_default();
            for batch in whole_batches(&records) {
                let next = batch?.next_offset();
                self.offsets[home] = self.offsets[home].max(next);
            }
            found.push((partition.partition_index, records));
        }
        self.fetch(at)?;
        for (partition, records) in found {
            for batch in whole_batches(&records) {
                self.note(partition, &batch?, now_ns)?;
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        partition: i32,
        batch: &BatchView<'_>,
        now_ns: u64,
    ) -> Result<(), ClientError> {
        let broken = |reason: String| ClientError::Malformed(reason);
        batch
            .verify_crc()
            .map_err(|error| broken(error.to_string()))?;
        if batch.attributes().is_control() {
            return Ok(());
        }
        if batch.attributes().codec() != Ok(Codec::None) {
            let text = "the topic compresses what loadgen sent plain: set its compression.type \
                        to producer";
            return Err(ClientError::Topic(text.to_owned()));
        }
        for record in Records::of(batch) {
            let record = record.map_err(|error| broken(error.to_string()))?;
            let stamp = record.value.and_then(Stamp::read);
            let Some(stamp) = stamp.filter(|stamp| stamp.run == self.job.run) else {
                continue;
            };
            let sent_max = self
                .sent_max
                .get(stamp.producer as usize)
                .copied()
                .unwrap_or(0);
            self.ledger.note(partition, &stamp, sent_max);
            let taken_ns = now_ns.saturating_sub(stamp.intended_ns);
            self.recorder
                .record(Kind::EndToEnd, stamp.intended_ns, taken_ns);
        }
        Ok(())
    }
}

/// The batches in `records`; brokers may cut off the last one.
fn whole_batches(records: &[u8]) -> impl Iterator<Item = Result<BatchView<'_>, ClientError>> {
    let whole =
        batches(records).take_while(|batch| !matches!(batch, Err(BatchError::Truncated { .. })));
    whole.map(|batch| batch.map_err(|error| ClientError::Malformed(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corelane::wire::batch::{BatchBuilder, NewRecord};

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
