//! Drives: what a reader of committed records sees of a partition.

use std::collections::HashSet;

use corelane::wire::batch::{BatchView, Records, batches};
use corelane::wire::codec::messages::fetch_response::AbortedTransaction;

use crate::Client;
use crate::requests::fetch;

/// The version of Fetch.
const VERSION: i16 = 12;

/// Values of records, in their order.
pub type Values = Vec<Vec<u8>>;

/// How a copy is no prefix of its source; `None` where it is.
pub fn differs(copy: &Values, source: &Values) -> Option<String> {
    let same = copy
        .iter()
        .zip(source)
        .take_while(|(one, other)| one == other);
    let same = same.count();
    let text = |of: &Values| {
        of.get(same)
            .map(|it| String::from_utf8_lossy(it).into_owned())
    };
    (same < copy.len()).then(|| {
        let (copy, source) = (text(copy), text(source));
        format!("record {same} of the copy is {copy:?}, of the source {source:?}")
    })
}

/// The values of all committed records up to the last stable offset, in order.
pub fn committed(client: &mut Client, topic: &str, partition: i32) -> Result<Values, String> {
    let mut values = Vec::new();
    let mut next = 0;
    loop {
        let request = fetch(topic, partition, next).with_isolation_level(1);
        let answer = client.try_call(VERSION, &request);
        let answer = answer.map_err(|error| error.to_string())?;
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
