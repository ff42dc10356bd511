//! The setting of stories: topics, records, groups, made with requests that are not noted.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    BrokerId, ConsumerProtocolSubscription, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest,
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, JoinGroupRequest, JoinGroupResponse,
    ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceRequest, SyncGroupRequest,
    TopicName,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use uuid::Uuid;

use crate::script::{Story, make, s, since, t};

/// A topic that exists.
#[derive(Clone)]
pub struct Topic {
    pub name: TopicName,
    pub id: Uuid,
}

/// Waits until there are coordinators of groups; of transactions and share groups as well, but
/// a broker need not have those.
pub fn make_coordinators(story: &mut Story) {
    let share = format!("prepare:{}:0", "AAAAAAAAAAAAAAAAAAAAAQ");
    for (kind, key, tries) in [(0, "prepare", 2000), (1, "prepare", 200), (2, &share, 200)] {
        let request = make!(FindCoordinatorRequest {
            key_type: kind,
            coordinator_keys: vec![s(key)],
        });
        for _ in 0..tries {
            if story.get(6, &request).coordinators[0].error_code == 0 {
                break;
            }
            story.pause(10);
        }
    }
    member(story, "prepare", "");
    let producer = make!(InitProducerIdRequest {
        transactional_id: None
    });
    story.wait_until("there are producer ids", |story| {
        story.get(4, &producer).error_code == 0
    });
}

/// Deletes a topic and waits until that is done.
pub fn delete(story: &mut Story, topic: &Topic) {
    let request = make!(DeleteTopicsRequest {
        topic_names: vec![topic.name.clone()],
        timeout_ms: 10_000,
    });
    let code = story.get(5, &request).responses[0].error_code;
    assert_eq!(code, 0, "topic {:?} could not be deleted", topic.name);
}

/// Creates a topic with settings and waits until it has leaders.
pub fn topic(story: &mut Story, short: &str, partitions: i32, settings: &[(&str, &str)]) -> Topic {
    let name = t(story.name(short));
    let setting = |(name, value): &(&str, &str)| {
        make!(CreatableTopicConfig {
            name: s(name),
            value: Some(s(value))
        })
    };
    let topic = make!(CreatableTopic {
        name: name.clone(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: settings.iter().map(setting).collect(),
    });
    let made = story.get(
        7,
        &make!(CreateTopicsRequest {
            topics: vec![topic]
        }),
    );
    let code = made.topics[0].error_code;
    assert_eq!(
        code, 0,
        "topic {name:?} could not be created: {:?}",
        made.topics[0].error_message
    );
    wait_for_leaders(story, &name);
    Topic {
        name,
        id: made.topics[0].topic_id,
    }
}

/// Waits until every partition of a topic has a leader, and the leader knows.
pub fn wait_for_leaders(story: &mut Story, name: &TopicName) {
    story.wait_until(&format!("{name:?} has leaders"), |story| {
        let topic = &look_up(story, name).topics[0];
        let indexes = topic.partitions.iter().map(|one| (one.partition_index, 0));
        let known = Topic {
            name: name.clone(),
            id: topic.topic_id,
        };
        let request = fetch(12, &known, &indexes.collect::<Vec<_>>());
        let partitions = topic.partitions.iter();
        topic.error_code == 0 && partitions.map(|one| one.error_code).all(|code| code == 0) && {
            let answer = story.get(12, &request);
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|one| one.error_code).all(|code| code == 0)
        }
    });
}

/// A ListOffsets request for partitions with timestamps.
pub fn list(name: &str, partitions: &[(i32, i64)]) -> ListOffsetsRequest {
    let partition = |(index, timestamp): &(i32, i64)| {
        make!(ListOffsetsPartition {
            partition_index: *index,
            timestamp: *timestamp
        })
    };
    let topic = make!(ListOffsetsTopic {
        name: t(name),
        partitions: partitions.iter().map(partition).collect(),
    });
    make!(ListOffsetsRequest {
        replica_id: BrokerId(-1),
        topics: vec![topic]
    })
}

/// The metadata of one topic, which is not created by asking.
pub fn look_up(story: &mut Story, name: &TopicName) -> MetadataResponse {
    let topic = make!(MetadataRequestTopic {
        name: Some(name.clone())
    });
    let request = make!(MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: false,
    });
    story.get(12, &request)
}

// === records ===

/// A produce request for some partitions of one topic.
pub fn produce(
    v: i16,
    topic: &Topic,
    acks: i16,
    data: Vec<(i32, Option<Bytes>)>,
) -> ProduceRequest {
    let partition = |(index, records)| {
        make!(PartitionProduceData {
            index: index,
            records: records
        })
    };
    let data = make!(TopicProduceData {
        name: if v < 13 {
            topic.name.clone()
        } else {
            TopicName::default()
        },
        topic_id: since(v, 13, topic.id),
        partition_data: data.into_iter().map(partition).collect(),
    });
    make!(ProduceRequest {
        acks: acks,
        timeout_ms: 10_000,
        topic_data: vec![data]
    })
}

/// Puts records into a partition; they must be accepted.
pub fn append(story: &mut Story, topic: &Topic, partition: i32, records: Bytes) {
    let answer = story.get(9, &produce(9, topic, -1, vec![(partition, Some(records))]));
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(code, 0, "records were refused");
}

/// A fetch of some partitions of one topic, from these offsets, without waiting.
pub fn fetch(v: i16, topic: &Topic, from: &[(i32, i64)]) -> FetchRequest {
    make!(FetchRequest {
        max_bytes: 10_000_000,
        min_bytes: 0,
        topics: vec![fetch_topic(v, topic, from)],
    })
}

/// A fetch request's part for one topic.
pub fn fetch_topic(v: i16, topic: &Topic, from: &[(i32, i64)]) -> FetchTopic {
    let partition = |(partition, offset): &(i32, i64)| {
        make!(FetchPartition {
            partition: *partition,
            fetch_offset: *offset,
            partition_max_bytes: 1_000_000,
        })
    };
    make!(FetchTopic {
        topic: if v < 13 {
            topic.name.clone()
        } else {
            TopicName::default()
        },
        topic_id: since(v, 13, topic.id),
        partitions: from.iter().map(partition).collect(),
    })
}

// === groups ===

/// A member of a group.
#[derive(Clone)]
pub struct Member {
    pub group: GroupId,
    pub id: StrBytes,
    pub instance: Option<StrBytes>,
    pub generation: i32,
}

/// A protocol that a member offers, its subscription to topics, and a note in that.
///
/// Kafka takes the subscriptions of `consumer` groups apart, and never answers a join if that
/// fails: no story does without a real one.
pub fn protocol(name: &str, topics: &[&TopicName], note: &str) -> JoinGroupRequestProtocol {
    let subscription = make!(ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| topic.0.clone()).collect(),
        user_data: Some(Bytes::copy_from_slice(note.as_bytes())),
    });
    let mut metadata = BytesMut::new();
    metadata.put_i16(1);
    subscription.encode(&mut metadata, 1).expect("subscription");
    make!(JoinGroupRequestProtocol {
        name: s(name),
        metadata: metadata.freeze()
    })
}

/// A request to join with the usual arguments: protocol type `consumer`, protocol `range`.
pub fn join(v: i16, group: &str, member: &StrBytes) -> JoinGroupRequest {
    make!(JoinGroupRequest {
        group_id: GroupId(s(group)),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: if v >= 1 { 10_000 } else { -1 },
        member_id: member.clone(),
        protocol_type: s("consumer"),
        protocols: vec![protocol("range", &[], "")],
    })
}

/// Joins, following the two steps in which newer brokers give out member ids.
pub fn joined(story: &mut Story, group: &str, instance: &str) -> JoinGroupResponse {
    let mut request = join(9, group, &s(""));
    request.group_instance_id = (!instance.is_empty()).then(|| s(instance));
    loop {
        let answer = story.get(9, &request);
        match answer.error_code {
            0 => return answer,
            // While the coordinator loads, or a member id is required.
            14..=16 => story.pause(10),
            79 => request.member_id = answer.member_id,
            code => panic!("joining {group} failed with {code}"),
        }
    }
}

/// Makes a group of one member, stable, in its first generation unless it had others.
pub fn member(story: &mut Story, group: &str, instance: &str) -> Member {
    let answer = joined(story, group, instance);
    let member = Member {
        group: GroupId(s(group)),
        id: answer.member_id,
        instance: (!instance.is_empty()).then(|| s(instance)),
        generation: answer.generation_id,
    };
    let answer = story.get(5, &sync(5, &member, &[(&member.id, "everything")]));
    assert_eq!(answer.error_code, 0, "syncing {group} failed");
    member
}

/// A request to sync, with assignments by member.
pub fn sync(v: i16, member: &Member, assignments: &[(&StrBytes, &str)]) -> SyncGroupRequest {
    let assignment = |(member, bytes): &(&StrBytes, &str)| {
        make!(SyncGroupRequestAssignment {
            member_id: (*member).clone(),
            assignment: Bytes::copy_from_slice(bytes.as_bytes()),
        })
    };
    make!(SyncGroupRequest {
        group_id: member.group.clone(),
        generation_id: member.generation,
        member_id: member.id.clone(),
        group_instance_id: since(v, 3, member.instance.clone()),
        protocol_type: since(v, 5, Some(s("consumer"))),
        protocol_name: since(v, 5, Some(s("range"))),
        assignments: assignments.iter().map(assignment).collect(),
    })
}
