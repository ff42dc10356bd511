//! Drives: ElectLeaders, versions 0 to 2 (KIP-183, KIP-460). In a cluster the controllers elect.
//! Alone each partition has one replica: it leads, or its folder has failed and nothing else can.

use std::collections::HashMap;

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

/// What a topic takes in an answer, with its name, in bytes.
const TOPIC_BYTES: usize = 512;
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
        let is_known = matches!(kind, PREFERRED | UNCLEAN);
        let code = match is_known {
            true => ErrorCode::NONE,
            false => ErrorCode::INVALID_REQUEST,
        };
        let image = cx.image();
        let mut results = Results::default();
        match &request.topic_partitions {
            Some(topics) => {
                for topic in topics {
                    let mut found = Vec::with_capacity(topic.partitions.len());
                    for &index in &topic.partitions {
                        cx.pace().await;
                        let elected = match is_known {
                            true => elect(&image, &topic.topic, index, kind),
                            false => (code, format!("there is no election of type {kind}")),
                        };
                        found.push(result(index, elected));
                    }
                    results.add(topic.topic.clone(), found);
                }
            }
            None if !is_known => {}
            // Each topic is named, whether there is anything to say of its partitions or not.
            None => {
                for topic in image.topics.iter() {
                    cx.pace().await;
                    let failed = not_elected(topic, kind);
                    if !cx.claim(TOPIC_BYTES + failed.len() * RESULT_BYTES).await {
                        return ElectLeadersResponse::default();
                    }
                    results.add(super::name(&topic.name), failed);
                }
            }
        }
        ElectLeadersResponse::default()
            .with_error_code(code.0)
            .with_replica_election_results(results.list)
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

/// Results by topic, in the order in which the topics first came.
#[derive(Default)]
struct Results {
    list: Vec<ReplicaElectionResult>,
    places: HashMap<TopicName, usize>,
}

impl Results {
    /// Adds results to those of their topic.
    fn add(&mut self, topic: TopicName, partitions: Vec<PartitionResult>) {
        let place = *self.places.entry(topic.clone()).or_insert(self.list.len());
        if place == self.list.len() {
            let of_topic = ReplicaElectionResult::default().with_topic(topic);
            self.list.push(of_topic);
        }
        self.list[place].partition_result.extend(partitions);
    }
}
