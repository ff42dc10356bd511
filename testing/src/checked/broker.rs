//! Drives: what the load and the audit ask of a broker, in words of their own.

use std::io::{Error, Result};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane::wire::batch::{BatchView, Records, batches};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    BrokerId, DeleteRecordsRequest, DeleteTopicsRequest, FindCoordinatorRequest, GroupId,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest,
    OffsetFetchRequest, ProduceRequest, ProducerId,
};

use super::entries::Found;
use super::record;
use crate::requests::{self, FETCH, good, text, topic_name};
use crate::{Client, PATIENCE};

/// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE and, while the shard that will be it
/// does not know yet, NOT_COORDINATOR.
const LOADING: [i16; 3] = [14, 15, 16];

/// A connection to one shard.
pub struct Connection {
    pub client: Client,
}

/// What a fetch brought.
#[derive(Default)]
pub struct Fetched {
    pub records: Vec<Found>,
    /// Base offset, lane, first number of each batch, for those read whole.
    pub bytes: u64,
    pub error: i16,
    /// The offset to go on at.
    pub next: i64,
}

/// Asks again while the group's coordinator is being made or loaded.
fn patiently<T>(what: &str, mut ask: impl FnMut() -> Result<(i16, T)>) -> Result<T> {
    let begun = Instant::now();
    loop {
        let (code, answer) = ask()?;
        let loading = LOADING.contains(&code);
        if !loading || begun.elapsed() > PATIENCE {
            return good(what, code).map(|()| answer);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A produce request of one batch, with as much time as a busy machine may take.
pub fn produce(topic: &str, partition: i32, acks: i16, records: Vec<u8>) -> ProduceRequest {
    requests::produce(topic, partition, acks, Bytes::from(records)).with_timeout_ms(30_000)
}

impl Connection {
    pub fn open(port: u16) -> Result<Connection> {
        let client = Client::try_connect(port)?;
        Ok(Connection { client })
    }

    pub fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, String)],
    ) -> Result<()> {
        let configs = configs.iter().map(|(name, value)| (*name, value.as_str()));
        let configs: Vec<_> = configs.collect();
        let code = requests::try_create_topic(&mut self.client, name, partitions, &configs)?;
        good("CreateTopics", code)
    }

    pub fn delete_topic(&mut self, name: &str) -> Result<()> {
        let request = DeleteTopicsRequest::default()
            .with_timeout_ms(10_000)
            .with_topic_names(vec![topic_name(name)]);
        let answer = self.client.try_call(4, &request)?;
        good("DeleteTopics", answer.responses[0].error_code)
    }

    /// All topics: name, and the leader of each partition by index.
    pub fn topics(&mut self) -> Result<Vec<(String, Vec<i32>)>> {
        let request = MetadataRequest::default().with_topics(None);
        let answer = self.client.try_call(9, &request)?;
        let topics = answer.topics.into_iter().map(|mut topic| {
            topic.partitions.sort_by_key(|it| it.partition_index);
            let leaders = topic.partitions.iter().map(|it| it.leader_id.0);
            let name = topic.name.map(|name| name.0.to_string());
            (name.unwrap_or_default(), leaders.collect())
        });
        Ok(topics.collect())
    }

    /// A producer id that no other producer has.
    pub fn producer_id(&mut self) -> Result<i64> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = self.client.try_call(4, &request)?;
        good("InitProducerId", answer.error_code)?;
        Ok(answer.producer_id.0)
    }

    /// An offset by timestamp: -2 for the start, -1 for the end.
    pub fn offset(&mut self, topic: &str, partition: i32, timestamp: i64) -> Result<i64> {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let wanted = ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![wanted]);
        let answer = self.client.try_call(6, &request)?;
        let found = &answer.topics[0].partitions[0];
        good("ListOffsets", found.error_code)?;
        Ok(found.offset)
    }

    /// Records from `offset` on. Every batch and every record is checked byte for byte.
    pub fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        shape: record::Shape,
    ) -> Result<Fetched> {
        self.fetch_in_term(-1, topic, partition, offset, shape)
    }

    /// As [`Connection::fetch`], from the leader of this term and no other; -1 for any.
    pub fn fetch_in_term(
        &mut self,
        leader_epoch: i32,
        topic: &str,
        partition: i32,
        offset: i64,
        shape: record::Shape,
    ) -> Result<Fetched> {
        let mut request = requests::fetch(topic, partition, offset)
            .with_max_wait_ms(20)
            .with_max_bytes(8 << 20);
        let wanted = &mut request.topics[0].partitions[0];
        wanted.partition_max_bytes = 4 << 20;
        wanted.current_leader_epoch = leader_epoch;
        let answer = self.client.try_call(FETCH, &request)?;
        let partition = &answer.responses[0].partitions[0];
        let mut fetched = Fetched {
            error: partition.error_code,
            next: offset,
            ..Fetched::default()
        };
        for batch in batches(partition.records.as_deref().unwrap_or_default()) {
            // The last batch of a fetch may be cut short.
            let Ok(batch) = batch else { break };
            let added = fetched.add(&batch, offset, shape);
            added.map_err(|what| Error::other(format!("{topic} at {}: {what}", fetched.next)))?;
        }
        Ok(fetched)
    }

    /// The node that coordinates a group.
    pub fn coordinator(&mut self, group: &str) -> Result<i32> {
        let request = FindCoordinatorRequest::default()
            .with_key(text(group))
            .with_key_type(0);
        patiently("FindCoordinator", || {
            let answer = self.client.try_call(3, &request)?;
            Ok((answer.error_code, answer.node_id.0))
        })
    }

    pub fn commit(&mut self, group: &str, topic: &str, index: i32, offset: i64) -> Result<()> {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text("")));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        patiently("OffsetCommit", || {
            let answer = self.client.try_call(8, &request)?;
            Ok((answer.topics[0].partitions[0].error_code, ()))
        })
    }

    /// The committed offset, -1 where there is none.
    pub fn committed(&mut self, group: &str, topic: &str, index: i32) -> Result<i64> {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partition_indexes(vec![index]);
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(Some(vec![topic]));
        patiently("OffsetFetch", || {
            let answer = self.client.try_call(7, &request)?;
            let found = answer.topics.first().map(|topic| &topic.partitions[0]);
            let of_it = found.map_or(0, |found| found.error_code);
            let code = if answer.error_code != 0 {
                answer.error_code
            } else {
                of_it
            };
            Ok((code, found.map_or(-1, |found| found.committed_offset)))
        })
    }

    /// Asks for deletion of what lies before `offset`; the new start.
    pub fn delete_records(&mut self, topic: &str, index: i32, offset: i64) -> Result<i64> {
        let partition = DeleteRecordsPartition::default()
            .with_partition_index(index)
            .with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default()
            .with_timeout_ms(10_000)
            .with_topics(vec![topic]);
        let answer = self.client.try_call(2, &request)?;
        let answer = &answer.topics[0].partitions[0];
        good("DeleteRecords", answer.error_code)?;
        Ok(answer.low_watermark)
    }
}

impl Fetched {
    /// Adds the records of a batch from `offset` on; the error says what is wrong with it.
    fn add(
        &mut self,
        batch: &BatchView<'_>,
        offset: i64,
        shape: record::Shape,
    ) -> std::result::Result<(), String> {
        batch.verify_crc().map_err(|error| format!("{error:?}"))?;
        for found in Records::of(batch) {
            let found = found.map_err(|error| format!("{error:?}"))?;
            let at = found.offset(batch);
            let (lane, number) = record::id_of(found.headers).ok_or("no number")?;
            let expected = record::content(lane, number, shape);
            let same =
                expected.key.as_deref() == found.key && expected.value.as_deref() == found.value;
            if !same {
                return Err(format!("record {number} of lane {lane} is changed"));
            }
            if at >= offset {
                self.records.push(Found {
                    offset: at,
                    lane,
                    number,
                });
            }
        }
        self.bytes += batch.bytes().len() as u64;
        self.next = self.next.max(batch.last_offset() + 1);
        Ok(())
    }
}
