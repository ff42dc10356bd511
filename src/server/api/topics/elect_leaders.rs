//! Drives: ElectLeaders, versions 0 to 2 (KIP-183, KIP-460). In a cluster the controllers elect.
//! Alone each partition has one replica: it leads, or its folder has failed and nothing else can.

use crate::base::{ErrorCode, NodeId};
use crate::metadata::image::{Image, Topic};
use crate::server::api::{Api, Context};
use crate::server::state::codes::Codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::elect_leaders_response::{
    PartitionResult, ReplicaElectionResult,
};
use crate::wire::codec::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};

/// The API.
pub struct ElectLeaders;

/// `ElectionType` of Kafka.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

/// First version with a type, and with an error of the whole.
const TYPED_FROM: i16 = 1;
/// What a partition's result takes of the shard's memory, in bytes.
const RESULT_BYTES: usize = 128;

impl Codes for ElectLeadersResponse {
    fn codes(&self, see: &mut dyn FnMut(i16)) {
        see(self.error_code);
        let results = self.replica_election_results.iter();
        let partitions = results.flat_map(|topic| &topic.partition_result);
        partitions.for_each(|partition| see(partition.error_code));
    }
}

impl Api for ElectLeaders {
    type Request = ElectLeadersRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "ElectLeaders";
    const FORWARDED: bool = true;

    async fn handle(cx: &Context, request: ElectLeadersRequest) -> ElectLeadersResponse {
        let kind = match cx.version {
            0 => PREFERRED,
            _ => request.election_type,
        };
        if !matches!(kind, PREFERRED | UNCLEAN) {
            let code = ErrorCode::UNKNOWN_SERVER_ERROR;
            return ElectLeadersResponse::default().with_error_code(if cx.version >= TYPED_FROM {
                code.0
            } else {
                0
            });
        }
        let image = cx.image();
        let mut results: Vec<ReplicaElectionResult> = Vec::new();
        match &request.topic_partitions {
            Some(topics) => {
                for topic in topics {
                    let mut found = Vec::with_capacity(topic.partitions.len());
                    for &index in &topic.partitions {
                        cx.pace().await;
                        found.push(result(index, elect(&image, &topic.topic, index, kind)));
                    }
                    add(&mut results, topic.topic.clone(), found);
                }
            }
            None => {
                for topic in image.topics.iter() {
                    cx.pace().await;
                    let failed = not_elected(topic, kind);
                    if failed.is_empty() {
                        continue;
                    }
                    if !cx.claim(failed.len() * RESULT_BYTES).await {
                        return ElectLeadersResponse::default();
                    }
                    let name = super::name(&topic.name);
                    add(&mut results, name, failed);
                }
            }
        }
        ElectLeadersResponse::default().with_replica_election_results(results)
    }
}

/// What became of an election: an error, and what is said of it.
type Elected = (ErrorCode, String);

fn elect(image: &Image, topic: &str, index: i32, kind: i8) -> Elected {
    let Some(known) = image.topics.named(topic) else {
        let text = format!("No such topic as {topic}");
        return (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, text);
    };
    let Some(partition) = known.partition(index) else {
        let text = format!("No such partition as {topic}-{index}");
        return (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, text);
    };
    match (partition.leader, kind) {
        (NodeId(0..), _) => (
            ErrorCode::ELECTION_NOT_NEEDED,
            "Leader election not needed for topic partition.".to_owned(),
        ),
        (_, PREFERRED) => (
            ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
            "The preferred leader was not available.".to_owned(),
        ),
        _ => (
            ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
            "Eligible topic partition leaders are not available.".to_owned(),
        ),
    }
}

/// The partitions of a topic that have no leader and get none.
fn not_elected(topic: &Topic, kind: i8) -> Vec<PartitionResult> {
    let code = match kind {
        PREFERRED => ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
        _ => ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
    };
    let text = match kind {
        PREFERRED => "The preferred leader was not available.",
        _ => "Eligible topic partition leaders are not available.",
    };
    let partitions = topic.partitions.iter().enumerate();
    let without = partitions.filter(|(_, partition)| partition.leader.0 < 0);
    let results = without.map(|(index, _)| result(index as i32, (code, text.to_owned())));
    results.collect()
}

fn result(index: i32, (code, text): Elected) -> PartitionResult {
    PartitionResult::default()
        .with_partition_id(index)
        .with_error_code(code.0)
        .with_error_message(Some(StrBytes::from_string(text)))
}

/// Adds results to those of their topic.
fn add(
    results: &mut Vec<ReplicaElectionResult>,
    topic: TopicName,
    partitions: Vec<PartitionResult>,
) {
    match results.iter_mut().find(|known| known.topic == topic) {
        Some(known) => known.partition_result.extend(partitions),
        None => {
            let of_topic = ReplicaElectionResult::default().with_topic(topic);
            results.push(of_topic.with_partition_result(partitions));
        }
    }
}
