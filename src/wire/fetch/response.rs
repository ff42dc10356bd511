//! Pure: the Fetch response, written around its records.

use crate::base::{ErrorCode, LeaderEpoch, Offset, ProducerId};
use crate::wire::cursor::Sink;
use crate::wire::fields::{CurrentLeader, NodeEndpoint, TopicRef, Writer};

use super::{
    FIRST_FLEXIBLE, FIRST_WITH_ENDPOINTS, FIRST_WITH_LOG_START, FIRST_WITH_RACK,
    FIRST_WITH_SESSIONS,
};

/// Where a log parts from the one of a follower or consumer (KIP-595).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEnd {
    /// The largest epoch that both may share.
    pub epoch: LeaderEpoch,
    /// Where that epoch ends here.
    pub end_offset: Offset,
}

/// A transaction whose records a reader of committed data must drop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// Where it began.
    pub first_offset: Offset,
}

/// The answer for one partition, without its records.
#[derive(Clone, Copy, Debug)]
pub struct PartitionResponse<'a> {
    /// Which partition.
    pub index: i32,
    /// Why there are no records, or none.
    pub error: ErrorCode,
    /// End of what consumers may read, or -1.
    pub high_watermark: Offset,
    /// End of what readers of committed data may read, or -1.
    pub last_stable_offset: Offset,
    /// Where the log begins, or -1 (version 5 on).
    pub log_start_offset: Offset,
    /// Set when the request's `last_fetched_epoch` is not in this log there (version 12 on).
    pub diverging_epoch: Option<EpochEnd>,
    /// For errors about the leader: who leads (version 12 on).
    pub current_leader: Option<CurrentLeader>,
    /// Only for readers of committed data; `None` is null.
    pub aborted: Option<&'a [AbortedTransaction]>,
    /// A nearer replica to read from, or -1 (version 11 on).
    pub preferred_read_replica: i32,
}

impl PartitionResponse<'static> {
    /// An answer that says no more than its code.
    pub fn refused(index: i32, error: ErrorCode) -> PartitionResponse<'static> {
        PartitionResponse {
            index,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            current_leader: None,
            aborted: None,
            preferred_read_replica: -1,
        }
    }
}

/// Records that belong into a response: so many bytes, in front of byte `at` of the buffer that
/// the response was written into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Splice {
    /// Position in the buffer, from its start.
    pub at: usize,
    /// Size of the records.
    pub bytes: usize,
}

/// Writes a response body around its records: [`topic`](Self::topic) and then its
/// [`partition`](Self::partition)s, as many as announced; [`finish`](Self::finish) at the end.
///
/// The records themselves are never seen here. What is to be sent is the buffer with the
/// records of each [`Splice`] put in at its place; the frame's length counts both.
#[derive(Debug)]
#[must_use = "a response without its end cannot be read"]
pub struct ResponseWriter<'o, O> {
    version: i16,
    fields: Writer<'o, O>,
    splices: &'o mut Vec<Splice>,
    topics_left: usize,
    partitions_left: usize,
}

impl<'o, O: Sink> ResponseWriter<'o, O> {
    /// Begins a body of `topic_count` topics at the end of `out`. Splices are added to
    /// `splices`.
    pub fn new(
        version: i16,
        head: ResponseHead,
        topic_count: usize,
        out: &'o mut O,
        splices: &'o mut Vec<Splice>,
    ) -> ResponseWriter<'o, O> {
        let flexible = version >= FIRST_FLEXIBLE;
        let mut fields = Writer { out, flexible };
        fields.i32(head.throttle_ms);
        if version >= FIRST_WITH_SESSIONS {
            fields.i16(head.error.0);
            fields.i32(head.session_id);
        }
        fields.count(topic_count);
        ResponseWriter {
            version,
            fields,
            splices,
            topics_left: topic_count,
            partitions_left: 0,
        }
    }

    /// Begins the answers for a topic, named as the request named it.
    pub fn topic(&mut self, topic: TopicRef<'_>, partition_count: usize) {
        debug_assert!(self.partitions_left == 0 && self.topics_left > 0);
        self.topics_left -= 1;
        self.partitions_left = partition_count;
        self.fields.topic(topic);
        self.fields.count(partition_count);
        self.end_topic_if_full();
    }

    /// Adds the answer for one partition and leaves a place for `records_bytes` of records.
    /// Without any, the records are empty, never null: old librdkafka stumbles over null.
    pub fn partition(&mut self, answer: &PartitionResponse<'_>, records_bytes: usize) {
        debug_assert!(self.partitions_left > 0);
        self.partitions_left -= 1;
        let version = self.version;
        let fields = &mut self.fields;
        fields.i32(answer.index);
        fields.i16(answer.error.0);
        fields.i64(answer.high_watermark);
        fields.i64(answer.last_stable_offset);
        if version >= FIRST_WITH_LOG_START {
            fields.i64(answer.log_start_offset);
        }
        fields.nullable_count(answer.aborted.map(<[_]>::len));
        for transaction in answer.aborted.unwrap_or_default() {
            fields.i64(transaction.producer_id);
            fields.i64(transaction.first_offset);
            fields.no_tags();
        }
        if version >= FIRST_WITH_RACK {
            fields.i32(answer.preferred_read_replica);
        }
        fields.count(records_bytes);
        if records_bytes > 0 {
            let at = fields.out.position();
            self.splices.push(Splice {
                at,
                bytes: records_bytes,
            });
        }
        self.end_partition(answer);
        self.end_topic_if_full();
    }

    fn end_partition(&mut self, answer: &PartitionResponse<'_>) {
        let fields = &mut self.fields;
        if !fields.flexible {
            return;
        }
        let tags = [
            answer.diverging_epoch.is_some(),
            answer.current_leader.is_some(),
        ];
        let count = tags.into_iter().filter(|there| *there).count();
        fields.out.put(&[count as u8]);
        if let Some(end) = answer.diverging_epoch {
            fields.out.put(&[0, 13]);
            fields.i32(end.epoch);
            fields.i64(end.end_offset);
            fields.no_tags();
        }
        if let Some(leader) = answer.current_leader {
            fields.leader_tag(1, leader);
        }
    }

    fn end_topic_if_full(&mut self) {
        if self.partitions_left == 0 {
            self.fields.no_tags();
        }
    }

    /// Ends the body. `nodes` are where the leaders listen that partitions were told of
    /// (version 16 on).
    pub fn finish(mut self, nodes: &[NodeEndpoint<'_>]) {
        debug_assert!(self.partitions_left == 0 && self.topics_left == 0);
        if self.version >= FIRST_WITH_ENDPOINTS && !nodes.is_empty() {
            self.fields.out.put(&[1]);
            self.fields.node_endpoints(nodes);
        } else {
            self.fields.no_tags();
        }
    }
}

/// What stands in front of a response's topics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseHead {
    /// How long the client is to hold back, in milliseconds.
    pub throttle_ms: i32,
    /// An error of the whole request, such as a session that is gone (version 7 on).
    pub error: ErrorCode,
    /// The session, or 0 (version 7 on).
    pub session_id: i32,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages;
    use kafka_protocol::protocol::Decodable;

    use super::super::{FIRST_VERSION, FIRST_WITH_TOPIC_IDS, LAST_VERSION};
    use super::*;
    use crate::base::{NodeId, TopicId};

    fn by_version(version: i16, name: &'static str, id: u128) -> TopicRef<'static> {
        match version >= FIRST_WITH_TOPIC_IDS {
            true => TopicRef::Id(TopicId(uuid::Uuid::from_u128(id))),
            false => TopicRef::Name(name),
        }
    }

    fn from<T>(version: i16, first: i16, value: T, otherwise: T) -> T {
        if version >= first { value } else { otherwise }
    }

    /// What the socket would carry: the buffer with the records put in.
    fn spliced(out: &[u8], splices: &[Splice], records: &[&[u8]]) -> Bytes {
        let mut whole = Vec::new();
        let mut sent = 0;
        for (splice, records) in splices.iter().zip(records) {
            assert_eq!(splice.bytes, records.len());
            whole.extend_from_slice(&out[sent..splice.at]);
            whole.extend_from_slice(records);
            sent = splice.at;
        }
        whole.extend_from_slice(&out[sent..]);
        whole.into()
    }

    #[test]
    fn responses_of_every_version_are_read_by_the_codec() {
        let leader = CurrentLeader {
            leader: NodeId(3),
            epoch: 9,
        };
        let nodes = [NodeEndpoint {
            node: NodeId(3),
            host: "broker-3",
            port: 9094,
            rack: None,
        }];
        let aborted = [AbortedTransaction {
            producer_id: 5,
            first_offset: 6,
        }];
        let head = ResponseHead {
            throttle_ms: 3,
            error: ErrorCode::NONE,
            session_id: 44,
        };
        for version in FIRST_VERSION..=LAST_VERSION {
            let (mut out, mut splices) = (Vec::new(), Vec::new());
            let mut writer = ResponseWriter::new(version, head, 2, &mut out, &mut splices);
            writer.topic(by_version(version, "t", 1), 2);
            let mut good = PartitionResponse::refused(0, ErrorCode::NONE);
            good.high_watermark = 100;
            good.last_stable_offset = 90;
            good.log_start_offset = 10;
            good.aborted = Some(&aborted);
            writer.partition(&good, 200);
            good.index = 1;
            good.aborted = Some(&[]);
            writer.partition(&good, 3);
            writer.topic(by_version(version, "u", 2), 1);
            let mut moved = PartitionResponse::refused(2, ErrorCode::NOT_LEADER_OR_FOLLOWER);
            moved.current_leader = Some(leader);
            moved.diverging_epoch = Some(EpochEnd {
                epoch: 1,
                end_offset: 2,
            });
            writer.partition(&moved, 0);
            writer.finish(&nodes);
            let (first, second) = ([7u8; 200], *b"abc");
            let mut bytes = spliced(&out, &splices, &[&first, &second]);
            let read = messages::FetchResponse::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty(), "version {version}");
            check_response(version, &read);
        }
    }

    fn check_response(version: i16, read: &messages::FetchResponse) {
        assert_eq!(read.throttle_time_ms, 3);
        assert_eq!(read.session_id, from(version, 7, 44, 0));
        match by_version(version, "u", 2) {
            TopicRef::Name(name) => assert_eq!(read.responses[1].topic.as_str(), name),
            TopicRef::Id(id) => assert_eq!(read.responses[1].topic_id, id.0),
        }
        let [one, two] = &read.responses[0].partitions[..] else {
            panic!("two partitions");
        };
        assert_eq!(one.records.as_deref(), Some(&[7u8; 200][..]));
        assert_eq!(two.records.as_deref(), Some(&b"abc"[..]));
        assert_eq!((one.high_watermark, one.last_stable_offset), (100, 90));
        assert_eq!(one.log_start_offset, from(version, 5, 10, -1));
        let aborted = &one.aborted_transactions.as_ref().unwrap()[0];
        assert_eq!((aborted.producer_id.0, aborted.first_offset), (5, 6));
        assert_eq!(two.aborted_transactions.as_ref().unwrap().len(), 0);
        let moved = &read.responses[1].partitions[0];
        assert_eq!((moved.partition_index, moved.error_code), (2, 6));
        assert_eq!(moved.records.as_deref(), Some(&[][..]));
        assert_eq!(moved.aborted_transactions, None);
        assert_eq!(moved.preferred_read_replica.0, -1);
        let end = (
            moved.diverging_epoch.epoch,
            moved.diverging_epoch.end_offset,
        );
        assert_eq!(end, from(version, 12, (1, 2), (-1, -1)));
        let leader = &moved.current_leader;
        let leader = (leader.leader_id.0, leader.leader_epoch);
        assert_eq!(leader, from(version, 12, (3, 9), (-1, -1)));
        let hosts: Vec<_> = read
            .node_endpoints
            .iter()
            .map(|n| (&*n.host, n.port))
            .collect();
        assert_eq!(hosts, from(version, 16, vec![("broker-3", 9094)], vec![]));
    }
}
