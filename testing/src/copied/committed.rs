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

/// Committed records from an offset on, as far as they are stable.
#[derive(Debug, Default)]
pub struct Committed {
    /// Offsets and values, in order.
    pub records: Vec<(i64, Vec<u8>)>,
    /// The offset behind what was read.
    pub next: i64,
    /// Whether nothing is behind that.
    pub is_all: bool,
}

/// The values of all committed records up to the last stable offset, in order.
pub fn committed(client: &mut Client, topic: &str, partition: i32) -> Result<Values, String> {
    let found = committed_after(client, topic, partition, 0)?;
    let values = found.records.into_iter().map(|(_, value)| value);
    Ok(values.collect())
}

/// All committed records from `offset` up to the last stable offset, in order.
pub fn committed_after(
    client: &mut Client,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Committed, String> {
    let mut committed = Committed {
        next: offset,
        ..Committed::default()
    };
    loop {
        let from = committed.next;
        let request = fetch(topic, partition, from).with_isolation_level(1);
        let answer = client.try_call(VERSION, &request.with_max_wait_ms(5));
        let answer = answer.map_err(|error| error.to_string())?;
        let found = &answer.responses[0].partitions[0];
        if found.error_code != 0 {
            return Err(format!("{topic}-{partition}: error {}", found.error_code));
        }
        let aborted = found.aborted_transactions.as_deref().unwrap_or_default();
        let mut aborts = Aborts::new(aborted);
        for batch in batches(found.records.as_deref().unwrap_or_default()) {
            let batch = batch.map_err(|error| error.to_string())?;
            batch.verify_crc().map_err(|error| error.to_string())?;
            committed.next = batch.next_offset();
            if committed.next > found.last_stable_offset {
                return Err(format!(
                    "{topic}-{partition}: a batch behind what is stable"
                ));
            }
            if aborts.hides(&batch) {
                continue;
            }
            for record in Records::of(&batch) {
                let record = record.map_err(|error| error.to_string())?;
                let at = record.offset(&batch);
                if at >= from {
                    let value = record.value.unwrap_or_default().to_vec();
                    committed.records.push((at, value));
                }
            }
        }
        if committed.next == from {
            committed.is_all = from == found.high_watermark;
            return Ok(committed);
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
