//! Drives: what a reader of committed records sees of a partition.

use std::collections::HashSet;

use corelane::wire::batch::{BatchView, Records, batches};
use corelane::wire::codec::messages::fetch_response::AbortedTransaction;
use corelane_testing::Client;
use corelane_testing::requests::fetch;

use crate::SHARDS;

const VERSION: i16 = 12;

/// A client of the shard that leads a partition, if one answers for it.
pub fn leader(port: u16, topic: &str, partition: i32) -> Option<Client> {
    (0..SHARDS as u16).find_map(|shard| {
        let mut client = Client::try_connect(port + shard).ok()?;
        let answer = client.try_call(VERSION, &fetch(topic, partition, 0)).ok()?;
        let code = answer.responses[0].partitions[0].error_code;
        (code == 0).then_some(client)
    })
}

/// The values of all committed records up to the last stable offset, in order.
pub fn read_committed(port: u16, topic: &str, partition: i32) -> Result<Vec<Vec<u8>>, String> {
    let mut client = leader(port, topic, partition)
        .ok_or_else(|| format!("nothing serves partition {partition} of {topic}"))?;
    let mut values = Vec::new();
    let mut next = 0;
    loop {
        let request = fetch(topic, partition, next).with_isolation_level(1);
        let answer = client.call(VERSION, &request);
        let found = &answer.responses[0].partitions[0];
        if found.error_code != 0 {
            return Err(format!("{topic}-{partition}: error {}", found.error_code));
        }
        let from = next;
        let aborted = found.aborted_transactions.as_deref().unwrap_or_default();
        let mut aborts = Aborts::new(aborted);
        for batch in batches(found.records.as_deref().unwrap_or_default()) {
            let batch = batch.map_err(|error| error.to_string())?;
            batch.verify_crc().map_err(|error| error.to_string())?;
            next = batch.next_offset();
            if next > found.last_stable_offset {
                return Err(format!(
                    "{topic}-{partition}: a batch behind what is stable"
                ));
            }
            if aborts.hides(&batch) {
                continue;
            }
            for record in Records::of(&batch) {
                let record = record.map_err(|error| error.to_string())?;
                if record.offset(&batch) >= from {
                    values.push(record.value.unwrap_or_default().to_vec());
                }
            }
        }
        if next == from {
            return Ok(values);
        }
    }
}

/// Which batches belong to aborted transactions, as a consumer finds out.
struct Aborts {
    /// Producer and first offset, the last one first.
    coming: Vec<(i64, i64)>,
    aborted: HashSet<i64>,
}

impl Aborts {
    fn new(told: &[AbortedTransaction]) -> Aborts {
        let told = told.iter().map(|it| (it.producer_id.0, it.first_offset));
        let mut coming: Vec<(i64, i64)> = told.collect();
        coming.sort_by_key(|(_, first)| std::cmp::Reverse(*first));
        Aborts {
            coming,
            aborted: HashSet::new(),
        }
    }

    /// Whether a reader passes over the batch: it is a marker, or was aborted.
    fn hides(&mut self, batch: &BatchView<'_>) -> bool {
        while let Some((producer, first)) = self.coming.last().copied()
            && first <= batch.last_offset()
        {
            self.aborted.insert(producer);
            self.coming.pop();
        }
        let producer = batch.producer_id();
        if batch.attributes().is_control() {
            self.aborted.remove(&producer);
            return true;
        }
        batch.attributes().is_transactional() && self.aborted.contains(&producer)
    }
}
