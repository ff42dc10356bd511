//! Pure: the Fetch request, checked once and whole; walking its topics and partitions afterwards
//! is only arithmetic.

use crate::base::{LeaderEpoch, Offset};
use crate::wire::fields::{Fault, Malformed, Reader, TopicRef};

use super::{
    FIRST_FLEXIBLE, FIRST_VERSION, FIRST_WITH_DIRECTORY, FIRST_WITH_HIGH_WATERMARK,
    FIRST_WITH_LEADER_EPOCH, FIRST_WITH_LOG_START, FIRST_WITH_RACK, FIRST_WITH_REPLICA_STATE,
    FIRST_WITH_SESSIONS, FIRST_WITH_TOPIC_IDS, LAST_VERSION,
};

/// A request, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// The cluster that the sender believes to be in, if it says so (version 12 on).
    pub cluster_id: Option<&'a str>,
    /// The follower that asks, or -1 for a consumer.
    pub replica_id: i32,
    /// That follower's broker epoch, or -1 (version 15 on).
    pub replica_epoch: i64,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// How much to wait for.
    pub min_bytes: i32,
    /// How much to answer with at most; the first batch may be larger (KIP-74).
    pub max_bytes: i32,
    /// 0 to read everything, 1 to read what transactions have committed.
    pub isolation_level: i8,
    /// The incremental session, or 0 for none (KIP-227; version 7 on).
    pub session_id: i32,
    /// Which request of the session this is; 0 begins one, -1 ends it or wants none.
    pub session_epoch: i32,
    /// Where the consumer stands (KIP-392; version 11 on), or empty.
    pub rack_id: &'a str,
    topics: Topics<'a>,
    forgotten: ForgottenTopics<'a>,
}

impl<'a> FetchRequest<'a> {
    /// Reads a request body. Bytes behind it are left alone.
    pub fn parse(version: i16, body: &'a [u8]) -> Result<FetchRequest<'a>, Malformed> {
        let mut reader = Reader::new(body, version >= FIRST_FLEXIBLE);
        if !(FIRST_VERSION..=LAST_VERSION).contains(&version) {
            return Err(Fault::Unknown.of(reader.field));
        }
        FetchRequest::read(version, &mut reader).map_err(|fault| fault.of(reader.field))
    }

    fn read(version: i16, reader: &mut Reader<'a>) -> Result<FetchRequest<'a>, Fault> {
        let mut replica_id = -1;
        if version < FIRST_WITH_REPLICA_STATE {
            replica_id = reader.at("ReplicaId").i32()?;
        }
        let max_wait_ms = reader.at("MaxWaitMs").i32()?;
        let min_bytes = reader.at("MinBytes").i32()?;
        let max_bytes = reader.at("MaxBytes").i32()?;
        let isolation_level = reader.at("IsolationLevel").bytes.i8()?;
        let (mut session_id, mut session_epoch) = (0, -1);
        if version >= FIRST_WITH_SESSIONS {
            session_id = reader.at("SessionId").i32()?;
            session_epoch = reader.at("SessionEpoch").i32()?;
        }
        let topics = Topics::read(version, reader)?;
        let forgotten = ForgottenTopics::read(version, reader)?;
        let mut rack_id = "";
        if version >= FIRST_WITH_RACK {
            rack_id = reader.at("RackId").text()?;
        }
        let mut request = FetchRequest {
            cluster_id: None,
            replica_id,
            replica_epoch: -1,
            max_wait_ms,
            min_bytes,
            max_bytes,
            isolation_level,
            session_id,
            session_epoch,
            rack_id,
            topics,
            forgotten,
        };
        reader.tags(|tag, content| request.tag(version, tag, content))?;
        Ok(request)
    }

    fn tag(&mut self, version: i16, tag: u32, content: &mut Reader<'a>) -> Result<bool, Fault> {
        match tag {
            0 => self.cluster_id = content.at("ClusterId").nullable_text()?,
            1 if version < FIRST_WITH_REPLICA_STATE => {
                content.at("ReplicaState");
                return Err(Fault::TagVersion);
            }
            1 => {
                self.replica_id = content.at("ReplicaId").i32()?;
                self.replica_epoch = content.at("ReplicaEpoch").i64()?;
                content.tags(|_, _| Ok(false))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What to fetch, in the request's order. With a session: what is new or changed in it.
    pub fn topics(&self) -> Topics<'a> {
        self.topics
    }

    /// What to take out of the session.
    pub fn forgotten(&self) -> ForgottenTopics<'a> {
        self.forgotten
    }
}

/// The topics of a request that are yet to come.
#[derive(Clone, Copy, Debug)]
pub struct Topics<'a> {
    left: u32,
    version: i16,
    reader: Reader<'a>,
}

impl<'a> Topics<'a> {
    fn read(version: i16, reader: &mut Reader<'a>) -> Result<Topics<'a>, Fault> {
        let least_bytes = least_topic_bytes(version);
        let left = reader.at("Topics").count(least_bytes)?;
        let topics = Topics {
            left,
            version,
            reader: *reader,
        };
        for _ in 0..left {
            FetchTopic::read(version, reader)?;
        }
        Ok(topics)
    }
}

fn least_topic_bytes(version: i16) -> usize {
    match (version >= FIRST_WITH_TOPIC_IDS, version >= FIRST_FLEXIBLE) {
        (true, _) => 18,
        (_, true) => 3,
        (_, false) => 6,
    }
}

impl<'a> Iterator for Topics<'a> {
    type Item = FetchTopic<'a>;

    #[inline]
    fn next(&mut self) -> Option<FetchTopic<'a>> {
        self.left = self.left.checked_sub(1)?;
        FetchTopic::read(self.version, &mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Topics<'_> {}

/// What a request wants of one topic.
#[derive(Clone, Copy, Debug)]
pub struct FetchTopic<'a> {
    /// Which topic.
    pub topic: TopicRef<'a>,
    partitions: Partitions<'a>,
}

impl<'a> FetchTopic<'a> {
    #[inline]
    fn read(version: i16, reader: &mut Reader<'a>) -> Result<FetchTopic<'a>, Fault> {
        let topic = reader.topic(version >= FIRST_WITH_TOPIC_IDS)?;
        let mut least_bytes = 16;
        for (first, bytes) in [
            (FIRST_WITH_LOG_START, 8),
            (FIRST_WITH_LEADER_EPOCH, 4),
            (FIRST_FLEXIBLE, 5),
        ] {
            least_bytes += if version >= first { bytes } else { 0 };
        }
        let left = reader.at("Partitions").count(least_bytes)?;
        let partitions = Partitions {
            left,
            version,
            reader: *reader,
        };
        for _ in 0..left {
            FetchPartition::read(version, reader)?;
        }
        reader.tags(|_, _| Ok(false))?;
        Ok(FetchTopic { topic, partitions })
    }

    /// The partitions in the request's order.
    pub fn partitions(&self) -> Partitions<'a> {
        self.partitions
    }
}

/// The partitions of a topic that are yet to come.
#[derive(Clone, Copy, Debug)]
pub struct Partitions<'a> {
    left: u32,
    version: i16,
    reader: Reader<'a>,
}

impl Iterator for Partitions<'_> {
    type Item = FetchPartition;

    #[inline]
    fn next(&mut self) -> Option<FetchPartition> {
        self.left = self.left.checked_sub(1)?;
        FetchPartition::read(self.version, &mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Partitions<'_> {}

/// What a request wants of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchPartition {
    /// Which partition.
    pub index: i32,
    /// The leader epoch that the sender knows, or -1 (version 9 on).
    pub current_leader_epoch: LeaderEpoch,
    /// Where to begin.
    pub fetch_offset: Offset,
    /// Epoch of the sender's last record, or -1 (version 12 on).
    pub last_fetched_epoch: LeaderEpoch,
    /// A follower's own log start, or -1 (version 5 on).
    pub log_start_offset: Offset,
    /// How much of this partition to answer with at most (KIP-74 as above).
    pub max_bytes: i32,
    /// A follower's log directory, or zero (version 17 on).
    pub replica_directory_id: [u8; 16],
    /// The high watermark that a follower knows; `i64::MAX` where it does not say (version 18
    /// on).
    pub high_watermark: Offset,
}

impl FetchPartition {
    #[inline]
    fn read(version: i16, reader: &mut Reader<'_>) -> Result<FetchPartition, Fault> {
        let optional = |reader: &mut Reader<'_>, first, field| {
            if version >= first {
                reader.at(field).i32()
            } else {
                Ok(-1)
            }
        };
        let index = reader.at("Partition").i32()?;
        let current_leader_epoch = optional(reader, FIRST_WITH_LEADER_EPOCH, "CurrentLeaderEpoch")?;
        let fetch_offset = reader.at("FetchOffset").i64()?;
        let last_fetched_epoch = optional(reader, FIRST_FLEXIBLE, "LastFetchedEpoch")?;
        let mut log_start_offset = -1;
        if version >= FIRST_WITH_LOG_START {
            log_start_offset = reader.at("LogStartOffset").i64()?;
        }
        let max_bytes = reader.at("PartitionMaxBytes").i32()?;
        let mut partition = FetchPartition {
            index,
            current_leader_epoch,
            fetch_offset,
            last_fetched_epoch,
            log_start_offset,
            max_bytes,
            replica_directory_id: [0; 16],
            high_watermark: i64::MAX,
        };
        reader.tags(|tag, content| partition.tag(version, tag, content))?;
        Ok(partition)
    }

    fn tag(&mut self, version: i16, tag: u32, content: &mut Reader<'_>) -> Result<bool, Fault> {
        match tag {
            0 => {
                content.at("ReplicaDirectoryId");
                if version < FIRST_WITH_DIRECTORY {
                    return Err(Fault::TagVersion);
                }
                self.replica_directory_id = content.bytes.uuid()?;
            }
            1 => {
                content.at("HighWatermark");
                if version < FIRST_WITH_HIGH_WATERMARK {
                    return Err(Fault::TagVersion);
                }
                self.high_watermark = content.i64()?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The topics to be forgotten that are yet to come.
#[derive(Clone, Copy, Debug)]
pub struct ForgottenTopics<'a> {
    left: u32,
    by_id: bool,
    reader: Reader<'a>,
}

impl<'a> ForgottenTopics<'a> {
    fn read(version: i16, reader: &mut Reader<'a>) -> Result<ForgottenTopics<'a>, Fault> {
        let by_id = version >= FIRST_WITH_TOPIC_IDS;
        let mut left = 0;
        if version >= FIRST_WITH_SESSIONS {
            let least_bytes = least_topic_bytes(version);
            left = reader.at("ForgottenTopicsData").count(least_bytes)?;
        }
        let topics = ForgottenTopics {
            left,
            by_id,
            reader: *reader,
        };
        for _ in 0..left {
            ForgottenTopic::read(by_id, reader)?;
        }
        Ok(topics)
    }
}

impl<'a> Iterator for ForgottenTopics<'a> {
    type Item = ForgottenTopic<'a>;

    fn next(&mut self) -> Option<ForgottenTopic<'a>> {
        self.left = self.left.checked_sub(1)?;
        ForgottenTopic::read(self.by_id, &mut self.reader).ok()
    }
}

/// Partitions of one topic that leave the session.
#[derive(Clone, Copy, Debug)]
pub struct ForgottenTopic<'a> {
    /// Which topic.
    pub topic: TopicRef<'a>,
    indexes: &'a [u8],
}

impl<'a> ForgottenTopic<'a> {
    fn read(by_id: bool, reader: &mut Reader<'a>) -> Result<ForgottenTopic<'a>, Fault> {
        let topic = reader.topic(by_id)?;
        let count = reader.at("Partitions").count(4)?;
        let indexes = reader.bytes.take(count as usize * 4)?;
        reader.tags(|_, _| Ok(false))?;
        Ok(ForgottenTopic { topic, indexes })
    }

    /// Which partitions.
    pub fn partitions(&self) -> impl Iterator<Item = i32> + use<'a> {
        let (indexes, _) = self.indexes.as_chunks();
        indexes.iter().map(|index| i32::from_be_bytes(*index))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_request::{
        FetchPartition as TheirPartition, FetchTopic as TheirTopic,
        ForgottenTopic as TheirForgotten, ReplicaState,
    };
    use kafka_protocol::messages::{self, BrokerId, TopicName};
    use kafka_protocol::protocol::{Encodable, StrBytes};

    use super::*;
    use crate::base::TopicId;

    fn by_version(version: i16, name: &'static str, id: u128) -> TopicRef<'static> {
        match version >= FIRST_WITH_TOPIC_IDS {
            true => TopicRef::Id(TopicId(uuid::Uuid::from_u128(id))),
            false => TopicRef::Name(name),
        }
    }

    fn from<T>(version: i16, first: i16, value: T, otherwise: T) -> T {
        if version >= first { value } else { otherwise }
    }

    fn partition(version: i16, index: i32) -> FetchPartition {
        FetchPartition {
            index,
            current_leader_epoch: from(version, 9, 5, -1),
            fetch_offset: 1 << 33,
            last_fetched_epoch: from(version, 12, 4, -1),
            log_start_offset: from(version, 5, 17, -1),
            max_bytes: 1 << 20,
            replica_directory_id: from(version, 17, [6; 16], [0; 16]),
            high_watermark: from(version, 18, 99, i64::MAX),
        }
    }

    fn their_partition(ours: FetchPartition) -> TheirPartition {
        TheirPartition::default()
            .with_partition(ours.index)
            .with_current_leader_epoch(ours.current_leader_epoch)
            .with_fetch_offset(ours.fetch_offset)
            .with_last_fetched_epoch(ours.last_fetched_epoch)
            .with_log_start_offset(ours.log_start_offset)
            .with_partition_max_bytes(ours.max_bytes)
            .with_replica_directory_id(uuid::Uuid::from_bytes(ours.replica_directory_id))
            .with_high_watermark(ours.high_watermark)
    }

    fn theirs(version: i16) -> messages::FetchRequest {
        let mut topic = TheirTopic::default().with_partitions(vec![
            their_partition(partition(version, 0)),
            their_partition(partition(version, 1)),
        ]);
        let mut forgotten = TheirForgotten::default().with_partitions(vec![3, 4]);
        match by_version(version, "t", 1) {
            TopicRef::Name(name) => {
                topic.topic = TopicName(StrBytes::from_static_str(name));
                forgotten.topic = topic.topic.clone();
            }
            TopicRef::Id(id) => {
                topic.topic_id = id.0;
                forgotten.topic_id = id.0;
            }
        }
        let mut request = messages::FetchRequest::default()
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(50 << 20)
            .with_isolation_level(1)
            .with_topics(vec![topic]);
        if version >= 7 {
            request = request
                .with_session_id(8)
                .with_session_epoch(2)
                .with_forgotten_topics_data(vec![forgotten]);
        }
        request.rack_id = StrBytes::from_static_str(from(version, 11, "rack", ""));
        request.cluster_id = (version >= 12).then(|| StrBytes::from_static_str("cluster"));
        if version >= 15 {
            let state = ReplicaState::default().with_replica_id(BrokerId(6));
            request.with_replica_state(state.with_replica_epoch(77))
        } else {
            request.with_replica_id(BrokerId(6))
        }
    }

    #[test]
    fn requests_of_every_version_are_read_in_place() {
        for version in FIRST_VERSION..=LAST_VERSION {
            let mut body = Vec::new();
            theirs(version).encode(&mut body, version).unwrap();
            let request = FetchRequest::parse(version, &body).unwrap();
            let limits = (request.max_wait_ms, request.min_bytes, request.max_bytes);
            assert_eq!(limits, (500, 1, 50 << 20));
            assert_eq!((request.replica_id, request.isolation_level), (6, 1));
            assert_eq!(request.replica_epoch, from(version, 15, 77, -1));
            let session = (request.session_id, request.session_epoch);
            assert_eq!(session, from(version, 7, (8, 2), (0, -1)));
            assert_eq!(request.rack_id, from(version, 11, "rack", ""));
            assert_eq!(request.cluster_id, from(version, 12, Some("cluster"), None));
            let topics: Vec<_> = request.topics().collect();
            assert_eq!(topics.len(), 1);
            assert_eq!(topics[0].topic, by_version(version, "t", 1));
            let partitions: Vec<_> = topics[0].partitions().collect();
            assert_eq!(partitions, [partition(version, 0), partition(version, 1)]);
            let forgotten: Vec<_> = request.forgotten().collect();
            assert_eq!(forgotten.len(), from(version, 7, 1, 0));
            for topic in forgotten {
                assert_eq!(topic.topic, by_version(version, "t", 1));
                assert_eq!(topic.partitions().collect::<Vec<_>>(), [3, 4]);
            }
            for end in 0..body.len() {
                assert!(FetchRequest::parse(version, &body[..end]).is_err());
            }
        }
        let unknown = FetchRequest::parse(3, &[]).unwrap_err();
        assert_eq!(unknown.fault, Fault::Unknown);
    }
}
