//! Pure: seeded attacks on the shape check, and the proof that its table and the codec crate
//! read the same messages.

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use kafka_protocol::messages::*;

use super::super::codec::{self, DecodeError, Request};
use super::super::cursor::Sink;
use super::super::newer::Newer;
use super::super::{fetch, produce};
use super::*;

/// So many random bytes.
fn random_bytes(random: &mut Rng, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    random.fill(&mut bytes);
    bytes
}

/// Writes random bodies that a table row calls valid.
struct Writer<'a> {
    random: &'a mut Rng,
    version: i16,
    flexible: bool,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn fields(&mut self, fields: &'static [Field]) {
        let here: Vec<_> = fields
            .iter()
            .filter(|field| field.is_in(self.version))
            .collect();
        for field in here.iter().filter(|field| field.tag.is_none()) {
            self.field(field);
        }
        if !self.flexible {
            return;
        }
        let mut tags: Vec<(u32, Vec<u8>)> = Vec::new();
        for field in &here {
            if let Some(tag) = field.tag
                && self.random.usize(..2) == 0
            {
                let before = std::mem::take(&mut self.out);
                self.field(field);
                tags.push((tag, std::mem::replace(&mut self.out, before)));
            }
        }
        if self.random.usize(..4) == 0 {
            tags.push((1000, random_bytes(self.random, 3)));
        }
        self.out.put_uvarint(tags.len() as u32);
        for (tag, content) in tags {
            self.out.put_uvarint(tag);
            self.out.put_uvarint(content.len() as u32);
            self.out.put(&content);
        }
    }

    fn field(&mut self, field: &'static Field) {
        let null = field.nullable <= self.version && self.random.usize(..3) == 0;
        match field.kind {
            Kind::Struct(fields) if field.nullable <= self.version => {
                self.out.put(&[if null { 0xff } else { 1 }]);
                if !null {
                    self.fields(fields);
                }
            }
            kind if null => self.length(kind, -1),
            kind => self.value(kind),
        }
    }

    fn value(&mut self, kind: Kind) {
        match kind {
            // A boolean written as anything but 0 or 1 would not come back the same.
            Kind::Fixed(1) => self.out.put(&[1]),
            Kind::Fixed(size) => {
                let bytes = random_bytes(self.random, usize::from(size));
                self.out.put(&bytes);
            }
            Kind::Text => {
                let text = ["", "a", "topic", "čau", "\u{1f980}"][self.random.usize(..5)];
                self.length(kind, text.len() as i32);
                self.out.put(text.as_bytes());
            }
            Kind::Blob => {
                let count = self.random.usize(..9);
                let bytes = random_bytes(self.random, count);
                self.length(kind, bytes.len() as i32);
                self.out.put(&bytes);
            }
            Kind::Array(element) => {
                let count = self.random.usize(..4);
                self.length(kind, count as i32);
                (0..count).for_each(|_| self.value(*element));
            }
            Kind::Struct(fields) => self.fields(fields),
        }
    }

    fn length(&mut self, kind: Kind, length: i32) {
        match kind {
            _ if self.flexible => self.out.put_uvarint((length + 1) as u32),
            Kind::Text => self.out.put(&(length as i16).to_be_bytes()),
            _ => self.out.put(&length.to_be_bytes()),
        }
    }
}

fn valid(random: &mut Rng, body: &Body, version: i16) -> Vec<u8> {
    let mut writer = Writer {
        random,
        version,
        flexible: version >= body.flexible,
        out: Vec::new(),
    };
    writer.fields(body.fields);
    writer.out
}

/// What the codec crate does with one body: how many bytes it leaves, and the message written
/// again where that works (a tagged field that only other versions know cannot be).
struct Read {
    left: usize,
    again: Option<Vec<u8>>,
}

/// `None` where the codec crate has no such version.
type Codec = fn(&[u8], i16) -> Option<Result<Read, String>>;

fn through<M>(bytes: &[u8], version: i16) -> Option<Result<Read, String>>
where
    M: codec::Message + codec::Decodable + codec::Encodable,
{
    if !(M::VERSIONS.min..=M::VERSIONS.max).contains(&version) {
        return None;
    }
    let mut input = Bytes::copy_from_slice(bytes);
    let message = match M::decode(&mut input, version) {
        Ok(message) => message,
        Err(error) => return Some(Err(error.to_string())),
    };
    let mut out = BytesMut::new();
    let written = message.encode(&mut out, version);
    Some(Ok(Read {
        left: input.len(),
        again: written.ok().map(|()| out.to_vec()),
    }))
}

fn codecs() -> Vec<(i16, Codec)> {
    type ListOffsetsRequest = Newer<kafka_protocol::messages::ListOffsetsRequest>;
    type OffsetCommitRequest = Newer<kafka_protocol::messages::OffsetCommitRequest>;
    type OffsetFetchRequest = Newer<kafka_protocol::messages::OffsetFetchRequest>;
    type DescribeLogDirsRequest = Newer<kafka_protocol::messages::DescribeLogDirsRequest>;
    macro_rules! codecs {
        ($($request:ident)*) => { vec![$(($request::KEY, through::<$request> as Codec)),*] };
    }
    codecs! {
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest
        OffsetFetchRequest FindCoordinatorRequest JoinGroupRequest HeartbeatRequest
        LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest
        ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest
        InitProducerIdRequest OffsetForLeaderEpochRequest AddPartitionsToTxnRequest
        AddOffsetsToTxnRequest EndTxnRequest WriteTxnMarkersRequest TxnOffsetCommitRequest
        DescribeAclsRequest
        CreateAclsRequest DeleteAclsRequest DescribeConfigsRequest
        AlterConfigsRequest AlterReplicaLogDirsRequest DescribeLogDirsRequest
        CreatePartitionsRequest DeleteGroupsRequest
        ElectLeadersRequest IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest
        ListPartitionReassignmentsRequest
        OffsetDeleteRequest DescribeClientQuotasRequest AlterClientQuotasRequest
        DescribeQuorumRequest UpdateFeaturesRequest DescribeClusterRequest DescribeProducersRequest
        DescribeTransactionsRequest ListTransactionsRequest
        ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest
        GetTelemetrySubscriptionsRequest PushTelemetryRequest
        ListConfigResourcesRequest DescribeTopicPartitionsRequest
    }
}

fn codecs_of_answers() -> Vec<(i16, Codec)> {
    type ListOffsetsRequest = Newer<kafka_protocol::messages::ListOffsetsRequest>;
    macro_rules! codecs {
        ($($request:ident)*) => {
            vec![$((
                $request::KEY,
                through::<<$request as Request>::Response> as Codec,
            )),*]
        };
    }
    codecs! {
        FetchRequest ListOffsetsRequest ApiVersionsRequest CreateTopicsRequest
        OffsetForLeaderEpochRequest AddPartitionsToTxnRequest WriteTxnMarkersRequest
        AlterPartitionRequest EnvelopeRequest FetchSnapshotRequest BrokerRegistrationRequest
        BrokerHeartbeatRequest AllocateProducerIdsRequest AssignReplicasToDirsRequest
    }
}

/// A body of one of the two tables.
#[derive(Clone, Copy)]
struct Subject {
    body: &'static Body,
    is_answer: bool,
}

impl Subject {
    fn check(self, version: i16, bytes: &[u8]) -> Result<usize, Malformed> {
        match self.is_answer {
            false => check(self.body.key, version, bytes),
            true => check_answer(self.body.key, version, bytes),
        }
    }
}

/// Calls `test` with every body of the tables that the codec crate knows too, in every version.
fn everywhere(mut test: impl FnMut(Subject, i16, Codec)) {
    let tables = [
        (table::BODIES, false, codecs(), 236),
        (answers::ANSWERS, true, codecs_of_answers(), 61),
    ];
    for (bodies, is_answer, codecs, expected) in tables {
        let keys: Vec<_> = bodies.iter().map(|body| body.key).collect();
        assert_eq!(keys, codecs.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        let mut versions = 0;
        for (body, (_, codec)) in bodies.iter().zip(codecs) {
            for version in body.first..=body.last {
                if codec(&[], version).is_some() {
                    versions += 1;
                    test(Subject { body, is_answer }, version, codec);
                }
            }
        }
        assert_eq!(versions, expected, "versions of APIs that both know");
    }
}

#[test]
fn the_table_and_the_codec_read_the_same_messages() {
    let mut random = Rng::with_seed(1);
    everywhere(|subject, version, codec| {
        let body = subject.body;
        for round in 0..60 {
            let bytes = valid(&mut random, body, version);
            let name = || format!("API {} version {version} round {round}", body.key);
            subject
                .check(version, &bytes)
                .unwrap_or_else(|e| panic!("{}: {e}", name()));
            let read = codec(&bytes, version).unwrap().unwrap_or_else(|error| {
                panic!("{}: {error}", name());
            });
            assert_eq!(read.left, 0, "{}", name());
            let again = read.again.unwrap();
            let twice = codec(&again, version).unwrap().unwrap();
            assert_eq!(twice.left, 0, "{}", name());
            assert_eq!(twice.again.unwrap(), again, "{}", name());
        }
    });
}

/// The check, having made sure that the parsers which work in place think the same.
fn in_place_too(subject: Subject, version: i16, bytes: &[u8]) -> Result<usize, Malformed> {
    let checked = subject.check(version, bytes);
    let parsed = match subject.body.key {
        _ if subject.is_answer => return checked,
        0 => produce::walk(bytes, version, |_| ()).map(|_| ()),
        1 => fetch::walk(bytes, version, |_| ()).map(|_| ()),
        _ => return checked,
    };
    let (checked_ok, parsed_ok) = (checked.is_ok(), parsed.is_ok());
    assert_eq!(checked_ok, parsed_ok, "{checked:?} {parsed:?} {bytes:?}");
    checked
}

#[test]
fn what_passes_the_check_passes_the_codec() {
    let mut random = Rng::with_seed(2);
    let (mut passed, mut refused) = (0u32, 0u32);
    everywhere(|subject, version, codec| {
        let body = subject.body;
        let mut attack = |bytes: &[u8]| match in_place_too(subject, version, bytes) {
            Err(_) => refused += 1,
            Ok(cost) => {
                passed += 1;
                assert!(
                    cost <= 600 * bytes.len() + 600,
                    "{cost} for {}",
                    bytes.len()
                );
                let outcome = codec(bytes, version).unwrap();
                assert!(outcome.is_ok(), "API {} version {version}", body.key);
            }
        };
        for _ in 0..12 {
            let bytes = valid(&mut random, body, version);
            (0..bytes.len()).for_each(|end| attack(&bytes[..end]));
            for _ in 0..40 {
                let mut broken = bytes.clone();
                for _ in 0..=random.usize(..3) {
                    let at = random.usize(..broken.len().max(1));
                    if let Some(byte) = broken.get_mut(at) {
                        *byte ^= 1 << random.usize(..8);
                    }
                }
                attack(&broken);
            }
            let at = random.usize(..bytes.len() + 1);
            for count in [i32::MAX, 2_000_000_000, -2, i32::MIN] {
                let mut broken = bytes.clone();
                broken.splice(at..bytes.len().min(at + 4), count.to_be_bytes());
                attack(&broken);
            }
            let mut broken = bytes[..at].to_vec();
            broken.extend([0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff]);
            attack(&broken);
            let count = random.usize(..64);
            attack(&random_bytes(&mut random, count));
        }
    });
    assert!(passed > 10_000 && refused > 10_000, "{passed} {refused}");
}

#[test]
fn counts_of_two_billion_are_refused_by_name() {
    // Metadata 1: an array of names; DescribeGroups 0: names again; Metadata 12: compact.
    let two_billion = 2_000_000_000i32.to_be_bytes();
    let field = "Topics";
    let fault = Fault::Flaw(Flaw::Count(2_000_000_000));
    assert_eq!(check(3, 1, &two_billion), Err(Malformed { field, fault }));
    assert!(check(15, 0, &two_billion).is_err());
    let mut compact = Vec::new();
    compact.put_uvarint(2_000_000_001);
    compact.put(&[0; 100]);
    assert_eq!(check(3, 12, &compact), Err(Malformed { field, fault }));
    let fault = Fault::Flaw(Flaw::Null);
    let null = (-1i32).to_be_bytes();
    assert_eq!(check(3, 0, &null), Err(Malformed { field, fault }));
    assert!(check(3, 1, &null).is_ok());
    let fault = Fault::Unknown;
    let field = "the body";
    assert_eq!(check(3, 99, &[]), Err(Malformed { field, fault }));
    assert_eq!(check(-1, 0, &[]), Err(Malformed { field, fault }));
}

#[test]
fn a_message_beyond_the_codec_is_told_from_a_malformed_one() {
    // ListOffsets 11: replica id, isolation level, no topics, timeout, no tags.
    let body = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 9, 0]);
    let decoded = codec::decode_request::<ListOffsetsRequest>(body.clone(), 11);
    assert!(matches!(decoded, Err(DecodeError::Version(11))));
    let decoded = codec::decode_request::<ListOffsetsRequest>(body, 10).unwrap();
    assert_eq!(decoded.timeout_ms, 9);
}

/// The estimate of decoding cost rests on the codec's structs being no larger than the table
/// says.
#[test]
fn no_struct_of_the_codec_is_larger_than_the_table_thinks() {
    fn element(bodies: &[Body], api_key: i16, path: &[&str]) -> Kind {
        let body = bodies.iter().find(|body| body.key == api_key);
        let mut fields = body.unwrap().fields;
        let mut found = Kind::Fixed(0);
        for name in path {
            let field = fields.iter().find(|field| field.name == *name).unwrap();
            found = match field.kind {
                Kind::Array(element) => *element,
                kind => kind,
            };
            if let Kind::Struct(deeper) = found {
                fields = deeper;
            }
        }
        found
    }
    macro_rules! fits {
        ($bodies:expr; $($key:literal $($name:ident).+ = $module:ident::$type:ident;)*) => {$(
            let thought = memory_bytes(element($bodies, $key, &[$(stringify!($name)),+]));
            let real = size_of::<$module::$type>();
            assert!(thought >= real, "{}: {thought} < {real}", stringify!($type));
        )*};
    }
    fits! {
        table::BODIES;
        0 TopicData = produce_request::TopicProduceData;
        0 TopicData.PartitionData = produce_request::PartitionProduceData;
        1 Topics = fetch_request::FetchTopic;
        1 Topics.Partitions = fetch_request::FetchPartition;
        1 ForgottenTopicsData = fetch_request::ForgottenTopic;
        2 Topics = list_offsets_request::ListOffsetsTopic;
        2 Topics.Partitions = list_offsets_request::ListOffsetsPartition;
        3 Topics = metadata_request::MetadataRequestTopic;
        8 Topics = offset_commit_request::OffsetCommitRequestTopic;
        8 Topics.Partitions = offset_commit_request::OffsetCommitRequestPartition;
        9 Topics = offset_fetch_request::OffsetFetchRequestTopic;
        9 Groups = offset_fetch_request::OffsetFetchRequestGroup;
        9 Groups.Topics = offset_fetch_request::OffsetFetchRequestTopics;
        11 Protocols = join_group_request::JoinGroupRequestProtocol;
        13 Members = leave_group_request::MemberIdentity;
        14 Assignments = sync_group_request::SyncGroupRequestAssignment;
        19 Topics = create_topics_request::CreatableTopic;
        19 Topics.Assignments = create_topics_request::CreatableReplicaAssignment;
        19 Topics.Configs = create_topics_request::CreatableTopicConfig;
        20 Topics = delete_topics_request::DeleteTopicState;
        21 Topics = delete_records_request::DeleteRecordsTopic;
        21 Topics.Partitions = delete_records_request::DeleteRecordsPartition;
        23 Topics = offset_for_leader_epoch_request::OffsetForLeaderTopic;
        23 Topics.Partitions = offset_for_leader_epoch_request::OffsetForLeaderPartition;
        24 Transactions = add_partitions_to_txn_request::AddPartitionsToTxnTransaction;
        24 Transactions.Topics = add_partitions_to_txn_request::AddPartitionsToTxnTopic;
        28 Topics = txn_offset_commit_request::TxnOffsetCommitRequestTopic;
        28 Topics.Partitions = txn_offset_commit_request::TxnOffsetCommitRequestPartition;
        32 Resources = describe_configs_request::DescribeConfigsResource;
        33 Resources = alter_configs_request::AlterConfigsResource;
        33 Resources.Configs = alter_configs_request::AlterableConfig;
        35 Topics = describe_log_dirs_request::DescribableLogDirTopic;
        37 Topics = create_partitions_request::CreatePartitionsTopic;
        37 Topics.Assignments = create_partitions_request::CreatePartitionsAssignment;
        44 Resources = incremental_alter_configs_request::AlterConfigsResource;
        44 Resources.Configs = incremental_alter_configs_request::AlterableConfig;
        47 Topics = offset_delete_request::OffsetDeleteRequestTopic;
        47 Topics.Partitions = offset_delete_request::OffsetDeleteRequestPartition;
        68 TopicPartitions = consumer_group_heartbeat_request::TopicPartitions;
        75 Topics = describe_topic_partitions_request::TopicRequest;
    }
    fits! {
        answers::ANSWERS;
        1 Responses = fetch_response::FetchableTopicResponse;
        1 Responses.Partitions = fetch_response::PartitionData;
        1 Responses.Partitions.AbortedTransactions = fetch_response::AbortedTransaction;
        1 NodeEndpoints = fetch_response::NodeEndpoint;
        2 Topics = list_offsets_response::ListOffsetsTopicResponse;
        2 Topics.Partitions = list_offsets_response::ListOffsetsPartitionResponse;
        18 ApiKeys = api_versions_response::ApiVersion;
        18 SupportedFeatures = api_versions_response::SupportedFeatureKey;
        18 FinalizedFeatures = api_versions_response::FinalizedFeatureKey;
        23 Topics = offset_for_leader_epoch_response::OffsetForLeaderTopicResult;
        23 Topics.Partitions = offset_for_leader_epoch_response::EpochEndOffset;
        56 Topics = alter_partition_response::TopicData;
        56 Topics.Partitions = alter_partition_response::PartitionData;
        59 Topics = fetch_snapshot_response::TopicSnapshot;
        59 Topics.Partitions = fetch_snapshot_response::PartitionSnapshot;
        59 NodeEndpoints = fetch_snapshot_response::NodeEndpoint;
    }
    assert!(memory_bytes(Kind::Text) >= size_of::<Option<codec::StrBytes>>());
}
