//! Drives: a thread of consumers: a fetch always under way to each leader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use bytes::Bytes;
use core_affinity::CoreId;
use corelane::wire::batch::{BatchError, BatchView, Codec, Records, batches};
use corelane::wire::compress::decompress;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::client::{self, ClientError, Clock, Connection};
use crate::cluster::{Cluster, Home};
use crate::latency::{Interval, Kind, Recorder};
use crate::link::dial;
use crate::verify::{Ledger, Stamp};
use crate::worker::{Begin, Shared, settle};

/// What a consumer records.
pub const KINDS: &[Kind] = &[Kind::EndToEnd];

/// How long the broker may hold a fetch that finds nothing, in milliseconds.
const MAX_WAIT_MS: i32 = 500;
const PARTITION_MAX_BYTES: i32 = 4 << 20;
const FETCH_MAX_BYTES: i32 = 16 << 20;
/// A batch that says it is larger when uncompressed is not believed.
const PLAIN_MAX_BYTES: usize = 256 << 20;
const SLEEP_NS: u64 = 50_000_000;
/// A pause after what failed.
const PAUSE: Duration = Duration::from_millis(50);
const OFFSET_OUT_OF_RANGE: i16 = 1;

/// When to stop reading.
#[derive(Clone, Debug)]
pub enum Until {
    /// Once the group has seen all that producers were promised.
    Promised,
    /// At these offsets of the homes.
    Offsets(Arc<[i64]>),
}

/// What one thread has to do.
pub struct Job {
    /// The brokers and topics.
    pub cluster: Arc<Cluster>,
    /// All partitions.
    pub homes: Arc<[Home]>,
    /// The thread's consumers: the number of the group, and the homes that each reads.
    pub readers: Vec<(usize, Vec<usize>)>,
    /// Where to begin in each home.
    pub from: Arc<[i64]>,
    /// When to stop.
    pub until: Until,
    /// How many producers there are.
    pub producers: usize,
    /// Whether checksums cover whole values.
    pub whole: bool,
    /// The run's mark in each record.
    pub run: u64,
    /// The run's clock.
    pub clock: Clock,
    /// How long to wait for the rest once the producers are done, or for the next record of a
    /// topic that is read back.
    pub drain_ns: u64,
    /// Different records that each group has seen.
    pub seen: Arc<[AtomicU64]>,
    /// The core to be pinned to.
    pub core: Option<CoreId>,
}

/// What became of it.
pub struct Outcome {
    /// What was seen, by the number of the group.
    pub ledgers: Vec<(usize, Ledger)>,
    /// Why it ended early.
    pub failure: Option<String>,
}

struct Link {
    address: String,
    connection: Connection,
    own: Vec<usize>,
}

struct Reader {
    group: usize,
    own: Vec<usize>,
    links: Vec<Link>,
    /// The next offset of each of the run's homes.
    offsets: Vec<i64>,
    ledger: Ledger,
}

struct Consumer<'a> {
    job: &'a Job,
    recorder: Option<Recorder>,
    /// Uncompressed bytes of the last batch.
    plain: Vec<u8>,
    /// When something was last read.
    fruitful_ns: u64,
}

/// Reads until all is there, or it is too late. `connected` is called when reading can begin.
pub fn run(
    job: &Job,
    shared: &Shared,
    out: Option<Sender<Interval>>,
    connected: impl FnOnce() -> Option<Begin>,
) -> Outcome {
    settle(job.core);
    let mut readers: Vec<Reader> = job
        .readers
        .iter()
        .map(|(group, own)| Reader {
            group: *group,
            own: own.clone(),
            links: Vec::new(),
            offsets: job.from.to_vec(),
            ledger: Ledger::new(job.producers),
        })
        .collect();
    let mut opened = readers.iter_mut();
    let opened = opened.try_for_each(|reader| reader.open(job, &job.homes));
    let begin = connected();
    let recorder = begin.zip(out);
    let mut consumer = Consumer {
        job,
        recorder: recorder
            .map(|(begin, out)| Recorder::new(KINDS, begin.window, out).starting(begin.start_ns)),
        plain: Vec::new(),
        fruitful_ns: job.clock.now_ns(),
    };
    let failure = opened
        .and_then(|()| consumer.drive(&mut readers, shared))
        .err();
    if let Some(recorder) = consumer.recorder {
        recorder.finish();
    }
    Outcome {
        ledgers: readers
            .into_iter()
            .map(|own| (own.group, own.ledger))
            .collect(),
        failure: failure.map(|error| error.to_string()),
    }
}

impl Reader {
    /// Connects to the leaders of its homes and asks each for records.
    fn open(&mut self, job: &Job, homes: &[Home]) -> Result<(), ClientError> {
        self.links.clear();
        for number in &self.own {
            let address = &homes[*number].address;
            match self.links.iter_mut().find(|link| link.address == *address) {
                Some(link) => link.own.push(*number),
                None => self.links.push(Link {
                    address: address.clone(),
                    connection: dial(address)?,
                    own: vec![*number],
                }),
            }
        }
        for at in 0..self.links.len() {
            self.fetch(job, at)?;
        }
        Ok(())
    }

    fn fetch(&mut self, job: &Job, at: usize) -> Result<(), ClientError> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        let mut last = None;
        for number in &self.links[at].own {
            let home = &job.homes[*number];
            if let Until::Offsets(ends) = &job.until
                && self.offsets[*number] >= ends[*number]
            {
                continue;
            }
            if last.replace(home.topic) != Some(home.topic) {
                let name = StrBytes::from_string(job.cluster.topics[home.topic].clone());
                topics.push(FetchTopic::default().with_topic(TopicName(name)));
            }
            let partition = FetchPartition::default()
                .with_partition(home.partition)
                .with_fetch_offset(self.offsets[*number])
                .with_partition_max_bytes(PARTITION_MAX_BYTES);
            if let Some(topic) = topics.last_mut() {
                topic.partitions.push(partition);
            }
        }
        if topics.is_empty() {
            return Ok(());
        }
        let request = FetchRequest::default()
            .with_max_wait_ms(MAX_WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_MAX_BYTES)
            .with_topics(topics);
        let frame = client::frame(&request, job.cluster.fetch, 0)?;
        // The last request was answered, so there is room for this one.
        match self.links[at].connection.try_send(&frame)? {
            true => Ok(()),
            false => Err(client::malformed("no room to send a fetch")),
        }
    }

    fn is_done(&self, ends: &[i64]) -> bool {
        self.own
            .iter()
            .all(|home| self.offsets[*home] >= ends[*home])
    }
}

impl Consumer<'_> {
    fn drive(&mut self, readers: &mut [Reader], shared: &Shared) -> Result<(), ClientError> {
        let mut give_up_ns = u64::MAX;
        loop {
            let mut received = false;
            for reader in readers.iter_mut() {
                match self.serve(reader) {
                    Ok(any) => received |= any,
                    Err(error @ ClientError::Topic(_)) => return Err(error),
                    Err(error) => self.mend(reader, error, give_up_ns)?,
                }
            }
            let now = self.job.clock.now_ns();
            if let Some(recorder) = &mut self.recorder {
                recorder.tick(now);
            }
            match &self.job.until {
                Until::Offsets(ends) => {
                    if readers.iter().all(|reader| reader.is_done(ends)) {
                        return Ok(());
                    }
                    if now > self.fruitful_ns.saturating_add(self.job.drain_ns) {
                        let text = "records that are there were not handed out in time";
                        return Err(ClientError::Topic(text.to_owned()));
                    }
                }
                Until::Promised if shared.done.load(Ordering::Acquire) == self.job.producers => {
                    give_up_ns = give_up_ns.min(now.saturating_add(self.job.drain_ns));
                    let promised = shared.promised.load(Ordering::Relaxed);
                    let seen = |reader: &Reader| {
                        self.job.seen[reader.group].load(Ordering::Relaxed) >= promised
                    };
                    if readers.iter().all(seen) {
                        return Ok(());
                    }
                }
                Until::Promised => {}
            }
            if now >= give_up_ns {
                return self.came_to_the_end(readers);
            }
            if !received {
                let links = readers.iter().flat_map(|reader| &reader.links);
                client::sleep(links.map(|link| &link.connection), SLEEP_NS);
            }
        }
    }

    /// What is missing now is lost only if there is nothing more to read.
    fn came_to_the_end(&self, readers: &[Reader]) -> Result<(), ClientError> {
        let cluster = &self.job.cluster;
        let ends = cluster.offsets(&cluster.homes()?, -1)?;
        if readers.iter().all(|reader| reader.is_done(&ends)) {
            return Ok(());
        }
        let text = "records that are there were not handed out within --drain seconds";
        Err(ClientError::Topic(text.to_owned()))
    }

    /// Takes in what has arrived; whether anything had.
    fn serve(&mut self, reader: &mut Reader) -> Result<bool, ClientError> {
        let mut received = false;
        for at in 0..reader.links.len() {
            reader.links[at].connection.flush()?;
            if reader.links[at].connection.receive()? {
                received = true;
                let now = self.job.clock.now_ns();
                if let Some(recorder) = &mut self.recorder {
                    recorder.tick(now);
                }
                while let Some(answer) = reader.links[at].connection.next_frame()? {
                    self.take(reader, at, answer, now)?;
                }
            }
        }
        Ok(received)
    }

    /// Connects anew after `error`, and goes on where it was.
    fn mend(
        &mut self,
        reader: &mut Reader,
        error: ClientError,
        give_up_ns: u64,
    ) -> Result<(), ClientError> {
        let begun_ns = self.job.clock.now_ns();
        // While producers still send, somebody else says when it is enough.
        let most_ns = begun_ns.saturating_add(self.job.drain_ns.max(60_000_000_000));
        loop {
            std::thread::sleep(PAUSE);
            let homes = self.job.cluster.homes();
            if homes
                .and_then(|homes| reader.open(self.job, &homes))
                .is_ok()
            {
                return Ok(());
            }
            let now = self.job.clock.now_ns();
            if now >= give_up_ns.min(most_ns) {
                return Err(error);
            }
        }
    }

    /// Takes in an answer that arrived at `now_ns`; the next fetch goes out first.
    fn take(
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
