//! Pure: Produce, versions 3 to 13, read and written in place.
//!
//! The request is checked once, whole, as Kafka does before it acts on any part of it; walking
//! its topics and partitions afterwards is only arithmetic. Nothing here allocates, except that
//! a response may grow the caller's buffer.

use crate::base::{ErrorCode, Offset, WallMs};

use super::cursor::Sink;
pub use super::fields::{CurrentLeader, Malformed, NodeEndpoint, TopicRef};
use super::fields::{Fault, Reader, Writer};

/// Oldest version read and written here.
pub const FIRST_VERSION: i16 = 3;
/// Newest version read and written here.
pub const LAST_VERSION: i16 = 13;

const FIRST_FLEXIBLE: i16 = 9;
const FIRST_WITH_TOPIC_IDS: i16 = 13;
const FIRST_WITH_LEADERS: i16 = 10;
const FIRST_WITH_RECORD_ERRORS: i16 = 8;
const FIRST_WITH_LOG_START: i16 = 5;

/// A request, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct ProduceRequest<'a> {
    /// Identity of a transactional producer.
    pub transactional_id: Option<&'a str>,
    /// 0, 1 or -1 for all; other numbers are not refused here.
    pub acks: i16,
    /// How long the producer wants the broker to wait for replicas, in milliseconds.
    pub timeout_ms: i32,
    topics: Topics<'a>,
}

impl<'a> ProduceRequest<'a> {
    /// Reads a request body. Bytes behind it are left alone.
    pub fn parse(version: i16, body: &'a [u8]) -> Result<ProduceRequest<'a>, Malformed> {
        let mut reader = Reader::new(body, version >= FIRST_FLEXIBLE);
        if !(FIRST_VERSION..=LAST_VERSION).contains(&version) {
            return Err(Fault::Unknown.of(reader.field));
        }
        ProduceRequest::read(version, &mut reader).map_err(|fault| fault.of(reader.field))
    }

    fn read(version: i16, reader: &mut Reader<'a>) -> Result<ProduceRequest<'a>, Fault> {
        let by_id = version >= FIRST_WITH_TOPIC_IDS;
        let transactional_id = reader.at("TransactionalId").nullable_text()?;
        let acks = reader.at("Acks").bytes.i16()?;
        let timeout_ms = reader.at("TimeoutMs").i32()?;
        let least_bytes = match (by_id, reader.flexible) {
            (true, _) => 18,
            (_, true) => 3,
            (_, false) => 6,
        };
        let left = reader.at("TopicData").count(least_bytes)?;
        let topics = Topics {
            left,
            by_id,
            reader: *reader,
        };
        for _ in 0..left {
            TopicData::read(by_id, reader)?;
        }
        reader.tags(|_, _| Ok(false))?;
        Ok(ProduceRequest {
            transactional_id,
            acks,
            timeout_ms,
            topics,
        })
    }

    /// The topics in the request's order. The same one may come twice.
    pub fn topics(&self) -> Topics<'a> {
        self.topics
    }
}

/// The topics of a request that are yet to come.
#[derive(Clone, Copy, Debug)]
pub struct Topics<'a> {
    left: u32,
    by_id: bool,
    reader: Reader<'a>,
}

impl<'a> Iterator for Topics<'a> {
    type Item = TopicData<'a>;

    #[inline]
    fn next(&mut self) -> Option<TopicData<'a>> {
        self.left = self.left.checked_sub(1)?;
        TopicData::read(self.by_id, &mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Topics<'_> {}

/// What a request brings for one topic.
#[derive(Clone, Copy, Debug)]
pub struct TopicData<'a> {
    /// Which topic.
    pub topic: TopicRef<'a>,
    partitions: Partitions<'a>,
}

impl<'a> TopicData<'a> {
    #[inline]
    fn read(by_id: bool, reader: &mut Reader<'a>) -> Result<TopicData<'a>, Fault> {
        let topic = reader.topic(by_id)?;
        let least_bytes = if reader.flexible { 6 } else { 8 };
        let left = reader.at("PartitionData").count(least_bytes)?;
        let partitions = Partitions {
            left,
            reader: *reader,
        };
        for _ in 0..left {
            PartitionData::read(reader)?;
        }
        reader.tags(|_, _| Ok(false))?;
        Ok(TopicData { topic, partitions })
    }

    /// The partitions in the request's order. The same one may come twice.
    pub fn partitions(&self) -> Partitions<'a> {
        self.partitions
    }
}

/// The partitions of a topic that are yet to come.
#[derive(Clone, Copy, Debug)]
pub struct Partitions<'a> {
    left: u32,
    reader: Reader<'a>,
}

impl<'a> Iterator for Partitions<'a> {
    type Item = PartitionData<'a>;

    #[inline]
    fn next(&mut self) -> Option<PartitionData<'a>> {
        self.left = self.left.checked_sub(1)?;
        PartitionData::read(&mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Partitions<'_> {}

/// What a request brings for one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionData<'a> {
    /// Which partition.
    pub index: i32,
    /// Its record batch as it came, unchecked; `None` where the request said null.
    pub records: Option<&'a [u8]>,
}

impl<'a> PartitionData<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<PartitionData<'a>, Fault> {
        let index = reader.at("Index").i32()?;
        let records = reader.at("Records").nullable_blob()?;
        reader.tags(|_, _| Ok(false))?;
        Ok(PartitionData { index, records })
    }
}

/// What became of one partition's records.
#[derive(Clone, Copy, Debug)]
pub struct PartitionResult<'a> {
    /// Which partition.
    pub index: i32,
    /// Why nothing was appended, or none.
    pub error: ErrorCode,
    /// Offset of the first record, or -1.
    pub base_offset: Offset,
    /// The broker's time of the append where the topic has `LogAppendTime`, else -1.
    pub log_append_time_ms: WallMs,
    /// Where the partition's log begins, or -1 (version 5 on).
    pub log_start_offset: Offset,
    /// Which records of the batch were at fault: index and message (version 8 on).
    pub record_errors: &'a [(i32, Option<&'a str>)],
    /// What was wrong with the batch (version 8 on).
    pub message: Option<&'a str>,
    /// For NOT_LEADER_OR_FOLLOWER: who leads (version 10 on).
    pub current_leader: Option<CurrentLeader>,
}

impl PartitionResult<'static> {
    /// A refusal that says no more than its code.
    pub fn refused(index: i32, error: ErrorCode) -> PartitionResult<'static> {
        PartitionResult {
            index,
            error,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: &[],
            message: None,
            current_leader: None,
        }
    }

    /// An append of records that now begin at `base_offset`.
    pub fn appended(
        index: i32,
        base_offset: Offset,
        log_append_time_ms: WallMs,
        log_start_offset: Offset,
    ) -> PartitionResult<'static> {
        PartitionResult {
            base_offset,
            log_append_time_ms,
            log_start_offset,
            ..PartitionResult::refused(index, ErrorCode::NONE)
        }
    }
}

/// Writes a response body: [`topic`](Self::topic) and then its
/// [`partition`](Self::partition)s, as many as announced; [`finish`](Self::finish) at the end.
#[derive(Debug)]
#[must_use = "a response without its end cannot be read"]
pub struct ResponseWriter<'o, O> {
    version: i16,
    fields: Writer<'o, O>,
    topics_left: usize,
    partitions_left: usize,
}

impl<'o, O: Sink> ResponseWriter<'o, O> {
    /// Begins a body of `topic_count` topics at the end of `out`.
    pub fn new(version: i16, topic_count: usize, out: &'o mut O) -> ResponseWriter<'o, O> {
        let flexible = version >= FIRST_FLEXIBLE;
        let mut fields = Writer { out, flexible };
        fields.count(topic_count);
        ResponseWriter {
            version,
            fields,
            topics_left: topic_count,
            partitions_left: 0,
        }
    }

    /// Begins the results of a topic, named as the request named it.
    pub fn topic(&mut self, topic: TopicRef<'_>, partition_count: usize) {
        debug_assert!(self.partitions_left == 0 && self.topics_left > 0);
        self.topics_left -= 1;
        self.partitions_left = partition_count;
        self.fields.topic(topic);
        self.fields.count(partition_count);
        self.end_topic_if_full();
    }

    /// Adds the result of one partition.
    pub fn partition(&mut self, result: &PartitionResult<'_>) {
        debug_assert!(self.partitions_left > 0);
        self.partitions_left -= 1;
        let version = self.version;
        let fields = &mut self.fields;
        fields.i32(result.index);
        fields.i16(result.error.0);
        fields.i64(result.base_offset);
        fields.i64(result.log_append_time_ms);
        if version >= FIRST_WITH_LOG_START {
            fields.i64(result.log_start_offset);
        }
        if version >= FIRST_WITH_RECORD_ERRORS {
            fields.count(result.record_errors.len());
            for (index, message) in result.record_errors {
                fields.i32(*index);
                fields.nullable_text(*message);
                fields.no_tags();
            }
            fields.nullable_text(result.message);
        }
        match result.current_leader {
            Some(leader) if version >= FIRST_WITH_LEADERS => {
                fields.out.put(&[1]);
                fields.leader_tag(0, leader);
            }
            _ => fields.no_tags(),
        }
        self.end_topic_if_full();
    }

    fn end_topic_if_full(&mut self) {
        if self.partitions_left == 0 {
            self.fields.no_tags();
        }
    }

    /// Ends the body. `nodes` are where the leaders listen that partitions were told of.
    pub fn finish(mut self, throttle_ms: i32, nodes: &[NodeEndpoint<'_>]) {
        debug_assert!(self.partitions_left == 0 && self.topics_left == 0);
        self.fields.i32(throttle_ms);
        if self.version >= FIRST_WITH_LEADERS && !nodes.is_empty() {
            self.fields.out.put(&[1]);
            self.fields.node_endpoints(nodes);
        } else {
            self.fields.no_tags();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::messages::{self, TopicName};
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    use super::*;
    use crate::base::{NodeId, TopicId};

    fn by_version(version: i16, name: &'static str, id: u128) -> TopicRef<'static> {
        match version >= FIRST_WITH_TOPIC_IDS {
            true => TopicRef::Id(TopicId(uuid::Uuid::from_u128(id))),
            false => TopicRef::Name(name),
        }
    }

    fn theirs(version: i16) -> messages::ProduceRequest {
        let topic = |name: &'static str, id, partitions| {
            let data = TopicProduceData::default().with_partition_data(partitions);
            match by_version(version, name, id) {
                TopicRef::Name(name) => data.with_name(TopicName(StrBytes::from_static_str(name))),
                TopicRef::Id(id) => data.with_topic_id(id.0),
            }
        };
        let partition = |index, records| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(records)
        };
        messages::ProduceRequest::default()
            .with_transactional_id(Some(StrBytes::from_static_str("tx").into()))
            .with_acks(-1)
            .with_timeout_ms(1500)
            .with_topic_data(vec![
                topic(
                    "one",
                    1,
                    vec![partition(7, Some(Bytes::from_static(b"batch")))],
                ),
                topic("none", 2, vec![]),
                topic(
                    "two",
                    3,
                    vec![partition(0, None), partition(1, Some(Bytes::new()))],
                ),
            ])
    }

    #[test]
    fn requests_of_every_version_are_read_in_place() {
        for version in FIRST_VERSION..=LAST_VERSION {
            let mut body = Vec::new();
            theirs(version).encode(&mut body, version).unwrap();
            let request = ProduceRequest::parse(version, &body).unwrap();
            assert_eq!(request.transactional_id, Some("tx"));
            assert_eq!((request.acks, request.timeout_ms), (-1, 1500));
            assert_eq!(request.topics().len(), 3);
            let read: Vec<_> = request
                .topics()
                .map(|topic| (topic.topic, topic.partitions().collect::<Vec<_>>()))
                .collect();
            let data = |index, records| PartitionData { index, records };
            let one = vec![data(7, Some(&b"batch"[..]))];
            let two = vec![data(0, None), data(1, Some(&[][..]))];
            let expected = [
                (by_version(version, "one", 1), one),
                (by_version(version, "none", 2), vec![]),
                (by_version(version, "two", 3), two),
            ];
            assert_eq!(read, expected, "version {version}");
            for end in 0..body.len() {
                assert!(ProduceRequest::parse(version, &body[..end]).is_err());
            }
        }
        let unknown = ProduceRequest::parse(2, &[]).unwrap_err();
        assert_eq!(unknown.fault, Fault::Unknown);
    }

    #[test]
    fn a_fault_is_named() {
        let request = [0xff, 0xff, 0, 1, 0, 0, 0, 0, 0x77, 0x35, 0x94, 0];
        let count = Fault::Count(2_000_000_000).of("TopicData");
        assert_eq!(ProduceRequest::parse(3, &request).unwrap_err(), count);
    }

    #[test]
    fn responses_of_every_version_are_read_by_the_codec() {
        let leader = CurrentLeader {
            leader: NodeId(3),
            epoch: 9,
        };
        let node = |rack| NodeEndpoint {
            node: NodeId(3),
            host: "broker-3",
            port: 9094,
            rack,
        };
        let nodes = [node(None), node(Some("r"))];
        for version in FIRST_VERSION..=LAST_VERSION {
            let mut out = vec![0xee];
            let mut writer = ResponseWriter::new(version, 3, &mut out);
            writer.topic(by_version(version, "one", 1), 2);
            writer.partition(&PartitionResult::appended(7, 1 << 40, -1, 12));
            let mut refused = PartitionResult::refused(8, ErrorCode::INVALID_RECORD);
            refused.record_errors = &[(0, Some("bad")), (4, None)];
            refused.message = Some("two bad records");
            writer.partition(&refused);
            writer.topic(by_version(version, "none", 2), 0);
            writer.topic(by_version(version, "two", 3), 1);
            let mut moved = PartitionResult::refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
            moved.current_leader = Some(leader);
            writer.partition(&moved);
            writer.finish(25, &nodes);
            let mut bytes = Bytes::from(out).slice(1..);
            let read = messages::ProduceResponse::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty(), "version {version}");
            check_response(version, &read);
        }
    }

    fn check_response(version: i16, read: &messages::ProduceResponse) {
        assert_eq!(read.throttle_time_ms, 25);
        let topics: Vec<_> = read.responses.iter().collect();
        match by_version(version, "two", 3) {
            TopicRef::Name(name) => assert_eq!(topics[2].name.as_str(), name),
            TopicRef::Id(id) => assert_eq!(topics[2].topic_id, id.0),
        }
        assert!(topics[1].partition_responses.is_empty());
        let good = &topics[0].partition_responses[0];
        assert_eq!(
            (good.index, good.error_code, good.base_offset),
            (7, 0, 1 << 40)
        );
        assert_eq!(good.log_start_offset, if version >= 5 { 12 } else { -1 });
        let bad = &topics[0].partition_responses[1];
        assert_eq!((bad.index, bad.error_code, bad.base_offset), (8, 87, -1));
        if version >= 8 {
            let errors: Vec<_> = bad
                .record_errors
                .iter()
                .map(|e| (e.batch_index, e.batch_index_error_message.as_deref()))
                .collect();
            assert_eq!(errors, [(0, Some("bad")), (4, None)]);
            assert_eq!(bad.error_message.as_deref(), Some("two bad records"));
            assert_eq!(good.error_message, None);
        }
        let leader = &topics[2].partition_responses[0].current_leader;
        let nodes: Vec<_> = read
            .node_endpoints
            .iter()
            .map(|n| (n.node_id.0, &*n.host, n.port, n.rack.as_deref()))
            .collect();
        if version >= 10 {
            assert_eq!((leader.leader_id.0, leader.leader_epoch), (3, 9));
            let expected = [
                (3, "broker-3", 9094, None),
                (3, "broker-3", 9094, Some("r")),
            ];
            assert_eq!(nodes, expected);
        } else {
            assert_eq!((leader.leader_id.0, nodes.len()), (-1, 0));
        }
    }
}
