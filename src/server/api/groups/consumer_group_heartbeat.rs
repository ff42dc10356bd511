//! Drives: ConsumerGroupHeartbeat, versions 0 and 1 (KIP-848; regular expressions and ids that the
//! client chooses in 1, KIP-1082).

use uuid::Builder;

use super::{has_consumer_protocol, host_text, kept, kept_option, sent};
use crate::base::{ErrorCode, PartitionIndex, TopicId};
use crate::coordinator::group::consumer::request::{
    ConsumerBeat, ConsumerHeartbeat, ConsumerRefused,
};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::consumer_group_heartbeat_response::{
    Assignment, TopicPartitions,
};
use crate::wire::codec::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

/// What a topic of an assignment takes in an answer, in bytes, and each of its partitions.
const TOPIC_BYTES: usize = 160;
const PARTITION_BYTES: usize = 8;

/// The API.
pub struct ConsumerGroupHeartbeat;

codes!(ConsumerGroupHeartbeatResponse: []);

impl Api for ConsumerGroupHeartbeat {
    type Request = ConsumerGroupHeartbeatRequest;
    const VERSIONS: (i16, i16) = (0, 1);
    const NAME: &'static str = "ConsumerGroupHeartbeat";

    async fn handle(
        cx: &Context,
        request: ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        if !has_consumer_protocol(cx) {
            let code = ErrorCode::UNSUPPORTED_VERSION;
            return ConsumerGroupHeartbeatResponse::default().with_error_code(code.0);
        }
        let heartbeat = heartbeat(cx, &request);
        cx.drop_later(request);
        let groups = &cx.shard.coordinators.groups;
        match groups.consumer_heartbeat(&heartbeat).await {
            Err(refused) => refusal(refused),
            Ok(beat) => {
                let topics = beat.assignment.iter().flatten();
                let bytes = topics.map(|(_, of)| TOPIC_BYTES + of.len() * PARTITION_BYTES);
                if !cx.claim(bytes.sum()).await {
                    return ConsumerGroupHeartbeatResponse::default();
                }
                answer(beat)
            }
        }
    }
}

fn heartbeat(cx: &Context, request: &ConsumerGroupHeartbeatRequest) -> ConsumerHeartbeat {
    let topics = request.subscribed_topic_names.as_ref();
    let owned = request.topic_partitions.as_ref().map(|topics| {
        let of = topics.iter();
        of.map(|of| (TopicId(of.topic_id), of.partitions.clone()))
            .collect()
    });
    ConsumerHeartbeat {
        group: kept(&request.group_id),
        member_id: kept(&request.member_id),
        member_epoch: request.member_epoch,
        instance_id: kept_option(&request.instance_id),
        rack: kept_option(&request.rack_id),
        rebalance_timeout_ms: Some(request.rebalance_timeout_ms).filter(|ms| *ms != -1),
        topics: topics.map(|names| names.iter().map(|name| kept(name)).collect()),
        regex: kept_option(&request.subscribed_topic_regex),
        assignor: kept_option(&request.server_assignor),
        owned,
        client_id: cx.client_id.clone(),
        client_host: host_text(cx.session.address.ip()),
        must_have_id: cx.version >= 1,
        unique: Builder::from_random_bytes(cx.shard.runtime().random_bytes()).into_uuid(),
    }
}

fn answer(beat: ConsumerBeat) -> ConsumerGroupHeartbeatResponse {
    let assignment = beat.assignment.map(|topics| {
        let topic = |(topic, partitions): (TopicId, _)| {
            let partitions: std::collections::BTreeSet<PartitionIndex> = partitions;
            TopicPartitions::default()
                .with_topic_id(topic.0)
                .with_partitions(partitions.into_iter().collect())
        };
        Assignment::default().with_topic_partitions(topics.into_iter().map(topic).collect())
    });
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(sent(&beat.member_id)))
        .with_member_epoch(beat.member_epoch)
        .with_heartbeat_interval_ms(beat.heartbeat_interval_ms)
        .with_assignment(assignment)
}

fn refusal(refused: ConsumerRefused) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default()
        .with_error_code(errors::group(refused.error).0)
        .with_error_message(refused.message.map(StrBytes::from_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Uuid;
    use crate::coordinator::group::GroupError;
    use crate::wire::codec;

    #[test]
    fn every_version_can_say_every_answer() {
        let topic = TopicId(Uuid::from_u128(7));
        let beat = |assignment| ConsumerBeat {
            member_id: "m".into(),
            member_epoch: 3,
            heartbeat_interval_ms: 5_000,
            assignment,
        };
        let assignment = [(topic, [0, 1].into())].into();
        let refused = ConsumerRefused {
            error: GroupError::FencedMemberEpoch,
            message: Some("text".to_owned()),
        };
        let answers = [
            answer(beat(Some(assignment))),
            answer(beat(None)),
            refusal(refused),
        ];
        let (first, last) = ConsumerGroupHeartbeat::VERSIONS;
        for version in first..=last {
            for answer in &answers {
                let mut bytes = bytes::BytesMut::new();
                codec::encode(answer, version, &mut bytes).unwrap();
            }
        }
    }
}
