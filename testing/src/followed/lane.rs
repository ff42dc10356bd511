//! Drives: one idempotent producer with `acks=all` that follows its leader, with several batches
//! under way, and sends what was not acked again in order, as Kafka's own does.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka_protocol::messages::ProduceRequest;

use super::book::Sent;
use super::shared::Shared;
use crate::checked::broker::Connection;
use crate::checked::record::{self, Shape};
use crate::requests::{PRODUCE, produce};

/// What the records are like.
pub(super) const SHAPE: Shape = Shape::Small;

/// How long a broker may wait for the replicas.
const TIMEOUT_MS: i32 = 4_000;

/// A sequence that the leader does not expect.
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;

/// What a producer tries again after: UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE,
/// NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT, NETWORK_EXCEPTION, NOT_ENOUGH_REPLICAS, the same
/// after the append, KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, and [`OUT_OF_ORDER_SEQUENCE_NUMBER`]
/// behind a batch that was refused.
const RETRIABLE: [i16; 10] = [3, 5, 6, 7, 13, 19, 20, 56, 74, OUT_OF_ORDER_SEQUENCE_NUMBER];

/// A producer between its connections.
pub(super) struct Lane {
    number: usize,
    name: u32,
    partition: usize,
    /// Most batches under way.
    depth: usize,
    /// How long an answer may take.
    patience: Duration,
    id: Option<i64>,
    /// Whether the leader has acked a batch of this id: before, one that is passed over would not
    /// be missed, so only one is under way.
    is_known: bool,
    turn: usize,
    acked: Instant,
}

impl Lane {
    pub fn new(load: &Shared, number: usize) -> Lane {
        let book = load.book.lock().unwrap();
        Lane {
            number,
            name: book.name_of(number),
            partition: book.partition_of(number),
            depth: [1, 3, 5][number % 3],
            // One of them does not give up where a leader stands still, and asks it again when it
            // goes on.
            patience: Duration::from_secs([5, 6, 40][number % 3]),
            id: None,
            is_known: false,
            turn: number,
            acked: Instant::now(),
        }
    }

    /// Sends until the load is told to stop and all is acked.
    pub fn run(mut self, load: &Shared) {
        while !load.has_failed() {
            match self.session(load) {
                Ok(()) => return,
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    load.fails(format!("lane {}: {error}", self.name));
                }
                Err(error) => load.notes(error.to_string()),
            }
            self.turn += 1;
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// One connection. An error ends it; of the kind `InvalidData` it is a defect.
    fn session(&mut self, load: &Shared) -> Result<()> {
        let id = match self.id {
            Some(id) => id,
            None => {
                self.is_known = false;
                *self.id.insert(load.leaders.producer_id(self.turn)?)
            }
        };
        let leaders = &load.leaders;
        let mut leader = leaders.connect(self.partition, self.turn, self.patience)?;
        let mut again: VecDeque<Sent> = load.book.lock().unwrap().pending(self.number).into();
        let mut under_way: VecDeque<Sent> = VecDeque::new();
        let mut is_first = true;
        loop {
            let depth = if self.is_known { self.depth } else { 1 };
            while under_way.len() < depth && (!again.is_empty() || !load.is_ending()) {
                let batch = again.pop_front().unwrap_or_else(|| self.next(load));
                self.send(load, &mut leader, id, &batch)?;
                under_way.push_back(batch);
            }
            let Some(oldest) = under_way.pop_front() else {
                return Ok(());
            };
            let (_, answer) = leader.client.answer::<ProduceRequest>(PRODUCE)?;
            let answer = &answer.responses[0].partition_responses[0];
            match answer.error_code {
                0 => self.note_ack(load, &oldest, answer.base_offset)?,
                OUT_OF_ORDER_SEQUENCE_NUMBER if is_first => {
                    // The leader knows less of this producer than it has sent: as Kafka's does, it
                    // goes on under another id.
                    load.book.lock().unwrap().give_up(self.number);
                    self.id = None;
                    return Err(Error::other("Produce: error 45 of the first batch"));
                }
                code if RETRIABLE.contains(&code) => {
                    return Err(Error::other(format!("Produce: error {code}")));
                }
                code => {
                    let error = format!("Produce of {oldest:?} was answered with error {code}");
                    return Err(Error::new(ErrorKind::InvalidData, error));
                }
            }
            is_first = false;
            if again.is_empty() && !load.is_ending() {
                thread::sleep(load.pace);
            }
        }
    }

    fn note_ack(&mut self, load: &Shared, batch: &Sent, base: i64) -> Result<()> {
        let noted = load
            .book
            .lock()
            .unwrap()
            .acked(self.number, batch.first, base);
        noted.map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
        self.is_known = true;
        load.note_gap(self.acked.elapsed());
        load.count_ack(self.number);
        self.acked = Instant::now();
        Ok(())
    }

    fn next(&self, load: &Shared) -> Sent {
        let mut book = load.book.lock().unwrap();
        let first = book.next_of(self.number);
        let count = record::batch_count(self.name, first);
        book.sends(self.number, first, count);
        Sent {
            first,
            count,
            state: super::book::State::Pending,
        }
    }

    fn send(&self, load: &Shared, leader: &mut Connection, id: i64, batch: &Sent) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.unwrap_or_default().as_millis() as i64;
        let Sent { first, count, .. } = *batch;
        let bytes = record::batch(self.name, first, count, SHAPE, Some(id), now_ms);
        let topic = load.leaders.topic;
        let request = produce(topic, self.partition as i32, -1, bytes.into());
        let request = request.with_timeout_ms(TIMEOUT_MS);
        leader.client.send(PRODUCE, &request)
    }
}
