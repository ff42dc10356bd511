//! Drives: a thread of consumers: a fetch always under way to each leader.

mod answers;
mod reader;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use core_affinity::CoreId;

use crate::measure::client::{self, ClientError};
use crate::measure::clock::Clock;
use crate::measure::cluster::{Cluster, Home};
use crate::measure::latency::{Interval, Kind, Recorder};
use crate::measure::ledger::Ledger;
use crate::measure::worker::{Begin, Shared, prepare_thread};
use reader::Reader;

/// What a consumer records.
pub const KINDS: &[Kind] = &[Kind::EndToEnd];

const SLEEP_NS: u64 = 50_000_000;

/// A pause after what failed.
const PAUSE: Duration = Duration::from_millis(50);

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

/// The result of a thread of consumers.
pub struct Outcome {
    /// What was seen, by the number of the group.
    pub ledgers: Vec<(usize, Ledger)>,
    /// Why it ended early.
    pub failure: Option<String>,
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
    prepare_thread(job.core);
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

    /// Processes what has arrived; returns whether anything had.
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

    /// Reconnects after `error`, to go on at the same offsets.
    fn mend(
        &mut self,
        reader: &mut Reader,
        error: ClientError,
        give_up_ns: u64,
    ) -> Result<(), ClientError> {
        let begun_ns = self.job.clock.now_ns();
        // While producers still send, the run's own limits end it.
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
}
