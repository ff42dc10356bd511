//! Drives: a small Kafka client over a stream, simulated or not, which keeps what it sends and
//! receives.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::Transcript;
use crate::io::runtime::Runtime;
use crate::io::stream::Stream;
use crate::wire::batch::{BatchBuilder, NewRecord, Records, batches};
use crate::wire::codec::messages::create_topics_request::CreatableTopic;
use crate::wire::codec::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::wire::codec::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::codec::messages::leave_group_request::MemberIdentity;
use crate::wire::codec::messages::metadata_request::MetadataRequestTopic;
use crate::wire::codec::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::codec::messages::offset_fetch_request::OffsetFetchRequestTopic;
use crate::wire::codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::codec::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::wire::codec::messages::{
    ApiVersionsRequest, BrokerId, CreateTopicsRequest, FetchRequest, FindCoordinatorRequest,
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest, RequestHeader,
    SyncGroupRequest, TopicName,
};
use crate::wire::codec::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR.
const SOON: [i16; 3] = [15, 14, 16];
/// MEMBER_ID_REQUIRED.
const MEMBER_ID_REQUIRED: i16 = 79;
/// REBALANCE_IN_PROGRESS.
const REBALANCE: i16 = 27;
/// Pause before something is asked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that sends requests and receives their answers in order.
pub struct Client {
    runtime: Runtime,
    stream: Stream,
    transcript: Transcript,
    sent: i32,
    answered: i32,
}

/// A member of a consumer group.
pub struct Group {
    client: Client,
    name: GroupId,
    member: StrBytes,
    /// The generation that it has joined.
    pub generation: i32,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

// === impl Client ===

impl Client {
    pub fn new(runtime: Runtime, stream: Stream, transcript: Transcript) -> Client {
        Client {
            runtime,
            stream,
            transcript,
            sent: 0,
            answered: 0,
        }
    }

    fn keep(&self, frame: &[u8]) {
        let mut transcript = self.transcript.borrow_mut();
        transcript.extend(self.runtime.now().0.to_be_bytes());
        transcript.extend_from_slice(frame);
    }

    async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.sent += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.sent)
            .with_client_id(Some(text("simulated")));
        let mut bytes = BytesMut::new();
        let header_version = R::header_version(version);
        header.encode(&mut bytes, header_version).unwrap();
        request.encode(&mut bytes, version).unwrap();
        let mut frame = (bytes.len() as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(&bytes);
        self.keep(&frame);
        // One that is gone is found out by the answer that does not come.
        let _ = self.stream.write_all(&frame).await;
    }

    async fn read(&self, bytes: &mut [u8]) -> bool {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.stream.read(&mut bytes[filled..]).await {
                Ok(0) | Err(_) => return false,
                Ok(count) => filled += count,
            }
        }
        true
    }

    async fn answer<R: Request>(&mut self, version: i16) -> R::Response {
        let mut length = [0; 4];
        assert!(self.read(&mut length).await, "an answer to {}", R::KEY);
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        assert!(self.read(&mut frame).await, "a whole answer to {}", R::KEY);
        self.keep(&frame);
        self.answered += 1;
        assert_eq!(frame[..4], self.answered.to_be_bytes());
        let header = match R::Response::header_version(version) {
            1 => 5,
            _ => 4,
        };
        let mut body = Bytes::from(frame).slice(header..);
        R::Response::decode(&mut body, version).unwrap()
    }

    async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.answer::<R>(version).await
    }

    pub async fn end_writes(&self) {
        self.stream.end_writes().await.unwrap();
    }

    pub async fn is_at_its_end(&self) -> bool {
        matches!(self.stream.read(&mut [0; 8]).await, Ok(0))
    }

    pub async fn send_api_versions(&mut self) {
        self.send(0, &ApiVersionsRequest::default()).await;
    }

    pub async fn api_versions(&mut self) {
        let answer = self.answer::<ApiVersionsRequest>(0).await;
        assert!(answer.api_keys.len() > 20);
    }

    pub async fn create_topic(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default()
            .with_timeout_ms(10_000)
            .with_topics(vec![topic]);
        assert_eq!(self.call(7, &request).await.topics[0].error_code, 0);
    }

    /// The leader of each partition of a topic.
    pub async fn leaders(&mut self, topic: &str) -> Vec<i32> {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic]));
        let answer = self.call(9, &request).await;
        let mut partitions = answer.topics[0].partitions.clone();
        partitions.sort_by_key(|partition| partition.partition_index);
        partitions.iter().map(|it| it.leader_id.0).collect()
    }

    /// Sends one record without waiting for the answer.
    pub async fn send_produce(&mut self, topic: &str, partition: i32, value: &[u8]) {
        let mut batch = BatchBuilder::new();
        let timestamp = self.runtime.wall_ms();
        batch.push(NewRecord::new(timestamp, None, Some(value)));
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch.build().into()));
        let topic = TopicProduceData::default()
            .with_name(topic_name(topic))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        self.send(9, &request).await;
    }

    /// The offset of the oldest record whose answer has not been taken.
    pub async fn produced(&mut self) -> i64 {
        let answer = self.answer::<ProduceRequest>(9).await;
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, 0);
        partition.base_offset
    }

    /// Every record of a partition, by offset.
    pub async fn read_all(&mut self, topic: &str, partition: i32) -> BTreeMap<i64, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut next = 0;
        loop {
            let from = next;
            let request = fetch_request(topic, (partition, next), 700, 50);
            let answer = self.call(12, &request).await;
            let answer = &answer.responses[0].partitions[0];
            assert_eq!(answer.error_code, 0);
            for batch in batches(answer.records.as_deref().unwrap_or_default()) {
                let Ok(batch) = batch else { break };
                batch.verify_crc().unwrap();
                for record in Records::of(&batch) {
                    let record = record.unwrap();
                    let offset = batch.base_offset() + i64::from(record.offset_delta);
                    found.insert(offset, record.value.unwrap_or_default().to_vec());
                }
                next = batch.next_offset();
            }
            if next == from {
                return found;
            }
        }
    }

    /// The node that coordinates a group, once there is one.
    pub async fn coordinator(&mut self, group: &str) -> i32 {
        let request = FindCoordinatorRequest::default().with_key(text(group));
        loop {
            let answer = self.call(3, &request).await;
            match answer.error_code {
                0 => return answer.node_id.0,
                code => assert!(SOON.contains(&code), "{code}"),
            }
            self.runtime.sleep(PAUSE).await;
        }
    }

    /// The offset that a group has committed.
    pub async fn committed(&mut self, group: &str, topic: &str, partition: i32) -> i64 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partition_indexes(vec![partition]);
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(Some(vec![topic]));
        loop {
            let answer = self.call(7, &request).await;
            match answer.error_code {
                0 => return answer.topics[0].partitions[0].committed_offset,
                code => assert!(SOON.contains(&code), "{code}"),
            }
            self.runtime.sleep(PAUSE).await;
        }
    }
}

// === impl Group ===

impl Group {
    pub fn new(client: Client, name: &str) -> Group {
        Group {
            client,
            name: GroupId(text(name)),
            member: StrBytes::default(),
            generation: -1,
        }
    }

    /// Joins and syncs, again while a rebalance is under way or groups are being loaded.
    pub async fn join(&mut self) {
        loop {
            let joined = self.try_join().await;
            self.member = joined.member_id.clone();
            match joined.error_code {
                0 if self.sync(&joined).await => {
                    self.generation = joined.generation_id;
                    return;
                }
                0 | MEMBER_ID_REQUIRED => {}
                code => {
                    assert!(SOON.contains(&code), "{code}");
                    self.client.runtime.sleep(PAUSE).await;
                }
            }
        }
    }

    async fn try_join(&mut self) -> JoinGroupResponse {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"metadata"));
        let request = JoinGroupRequest::default()
            .with_group_id(self.name.clone())
            .with_member_id(self.member.clone())
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        self.client.call(5, &request).await
    }

    /// Takes an assignment, or makes those of all; `false` when the group joins anew.
    async fn sync(&mut self, joined: &JoinGroupResponse) -> bool {
        // The leader is told of all members, and others of none.
        let assignments = joined.members.iter().map(|member| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id.clone())
                .with_assignment(Bytes::from_static(b"assignment"))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.name.clone())
            .with_generation_id(joined.generation_id)
            .with_member_id(self.member.clone())
            .with_assignments(assignments.collect());
        let answer = self.client.call(3, &request).await;
        match answer.error_code {
            0 => assert_eq!(&answer.assignment[..], b"assignment"),
            code => assert_eq!(code, REBALANCE),
        }
        answer.error_code == 0
    }

    /// Says that it is there; joins anew when the group does.
    pub async fn heartbeat(&mut self) {
        let request = HeartbeatRequest::default()
            .with_group_id(self.name.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.member.clone());
        match self.client.call(3, &request).await.error_code {
            0 => {}
            REBALANCE => self.join().await,
            code => panic!("{code}"),
        }
    }

    pub async fn commit(&mut self, topic: &str, partition: i32, offset: i64) {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(self.name.clone())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(self.member.clone())
            .with_topics(vec![topic]);
        let answer = self.client.call(7, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }

    pub async fn leave(mut self) {
        let member = MemberIdentity::default().with_member_id(self.member.clone());
        let request = LeaveGroupRequest::default()
            .with_group_id(self.name.clone())
            .with_members(vec![member]);
        assert_eq!(self.client.call(4, &request).await.error_code, 0);
    }
}

/// A consumer's fetch of a partition from an offset on, of at most so many bytes, for which the
/// broker may wait so long.
pub fn fetch_request(
    topic: &str,
    (partition, from): (i32, i64),
    max_bytes: i32,
    wait_ms: i32,
) -> FetchRequest {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(from)
        .with_partition_max_bytes(max_bytes);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![wanted]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}
