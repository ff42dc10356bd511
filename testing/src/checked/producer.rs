//! Drives: one producer of the load, and what it does after a crash.

use std::collections::VecDeque;
use std::io::{Error, Result};
use std::time::{SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use kafka_protocol::messages::ProduceRequest;

use super::broker::{Connection, produce};
use super::entries::Sent;
use super::load::Load;
use super::record;
use crate::requests::PRODUCE;

/// As in Kafka, a snapshot keeps each producer's last batch only: a producer that sends an older
/// one again after a restart is told this, of a batch that is in the log.
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as i64
}

impl Load {
    /// Sends until it is told to stop: up to five batches under way, as Kafka's have.
    pub(super) fn produce(&self, number: usize) -> Result<()> {
        let (place, idempotent, mut random) = {
            let mut ledger = self.ledger.lock().unwrap();
            let tick = ledger.clock.tick();
            let lane = &mut ledger.lanes[number];
            lane.session += 1;
            (
                lane.place,
                lane.idempotent,
                Rng::with_seed(self.seed ^ tick << 8 ^ number as u64),
            )
        };
        let mut broker = self.leader(place)?;
        if idempotent {
            self.take_producer_id(number, &mut broker)?;
        }
        let depth = 1 + random.usize(..5);
        // What was sent before and not acked is sent again by those who may.
        let mut again: VecDeque<Sent> = match idempotent {
            true => self.ledger.lock().unwrap().pending(number).into(),
            false => VecDeque::new(),
        };
        let mut under_way: VecDeque<Sent> = VecDeque::new();
        loop {
            while under_way.len() < depth && !self.stopped() {
                let batch = self.next_batch(number, &mut again);
                let (topic, index, bytes) = self.encode(number, &batch);
                under_way.push_back(batch);
                let acks = if random.u64(..2) == 0 { 1 } else { -1 };
                let request = produce(topic, index, acks, bytes);
                broker.client.send(PRODUCE, &request)?;
            }
            let Some(oldest) = under_way.pop_front() else {
                return Ok(());
            };
            let (_, answer) = broker.client.answer::<ProduceRequest>(PRODUCE)?;
            let answer = &answer.responses[0].partition_responses[0];
            if answer.error_code == OUT_OF_ORDER_SEQUENCE_NUMBER
                && self.ledger.lock().unwrap().is_known(number, oldest.first)
            {
                continue;
            }
            if answer.error_code != 0 {
                let code = answer.error_code;
                return Err(Error::other(format!(
                    "lane {number}: Produce of {oldest:?} was answered with error {code}"
                )));
            }
            let mut ledger = self.ledger.lock().unwrap();
            let noted = ledger.promise(number, oldest.first, answer.base_offset, true);
            noted.map_err(Error::other)?;
        }
    }

    fn take_producer_id(&self, lane: usize, broker: &mut Connection) -> Result<()> {
        // Asked for in each session, so that an id handed out twice is seen.
        let id = broker.producer_id()?;
        let mut ledger = self.ledger.lock().unwrap();
        if ledger.producer_ids.contains(&id) {
            let error = format!("producer id {id} was handed out twice");
            return Err(Error::other(error));
        }
        ledger.producer_ids.push(id);
        ledger.lanes[lane].producer.get_or_insert(id);
        Ok(())
    }

    fn next_batch(&self, number: usize, again: &mut VecDeque<Sent>) -> Sent {
        if let Some(batch) = again.pop_front() {
            return batch;
        }
        let mut ledger = self.ledger.lock().unwrap();
        let sent = ledger.clock.tick();
        let lane = &mut ledger.lanes[number];
        let last = lane.batches.last();
        let first = last.map_or(0, |last| last.first + u64::from(last.count));
        let batch = Sent {
            first,
            count: record::batch_count(number as u32, first),
            session: lane.session,
            sent,
            promised: None,
            acked: false,
            dead: false,
        };
        lane.batches.push(batch.clone());
        batch
    }

    fn encode(&self, number: usize, batch: &Sent) -> (&'static str, i32, Vec<u8>) {
        let ledger = self.ledger.lock().unwrap();
        let lane = &ledger.lanes[number];
        let place = &ledger.places[lane.place];
        let (topic, index, shape) = (place.topic, place.index, place.shape);
        let producer = lane.producer.filter(|_| lane.idempotent);
        drop(ledger);
        let lane = number as u32;
        let bytes = record::batch(lane, batch.first, batch.count, shape, producer, now_ms());
        (topic, index, bytes)
    }
}
