//! Drives: ConsumerGroupDescribe, versions 0 and 1 (KIP-848; what protocol a member speaks in 1).

use super::{ALL_OPERATIONS, has_consumer_protocol, kept, sent, sent_option};
use crate::base::ErrorCode;
use crate::coordinator::group::GroupError;
use crate::coordinator::group::consumer::request::{
    ConsumerRefused, DescribedConsumer, DescribedConsumerGroup, NamedPartitions,
};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use crate::wire::codec::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName,
};

/// What a group without members takes in an answer while that is made, in bytes.
const GROUP_BYTES: usize = 320;
/// What a member takes in an answer besides what its client gave, in bytes.
const MEMBER_BYTES: usize = 400;
/// The same of a name, of a topic that it has partitions of, and of each of these.
const NAME_BYTES: usize = 64;
const TOPIC_BYTES: usize = 160;
const PARTITION_BYTES: usize = 8;

/// The API.
pub struct ConsumerGroupDescribe;

codes!(ConsumerGroupDescribeResponse: [groups]);

impl Api for ConsumerGroupDescribe {
    type Request = ConsumerGroupDescribeRequest;
    const VERSIONS: (i16, i16) = (0, 1);
    const NAME: &'static str = "ConsumerGroupDescribe";

    async fn handle(
        cx: &Context,
        mut request: ConsumerGroupDescribeRequest,
    ) -> ConsumerGroupDescribeResponse {
        if !cx.claim(GROUP_BYTES * request.group_ids.len()).await {
            return ConsumerGroupDescribeResponse::default();
        }
        let is_on = has_consumer_protocol(cx);
        let mut groups = Vec::with_capacity(request.group_ids.len());
        for id in request.group_ids.drain(..) {
            cx.pace().await;
            if !is_on {
                let code = ErrorCode::UNSUPPORTED_VERSION;
                let group = DescribedGroup::default().with_group_id(id);
                groups.push(group.with_error_code(code.0));
                continue;
            }
            let found = describe(cx, &kept(&id)).await;
            if let Ok(found) = &found
                && !cx.claim(memory_bytes(found)).await
            {
                break;
            }
            let mut group = answer(id, found);
            if request.include_authorized_operations && group.error_code == ErrorCode::NONE.0 {
                group.authorized_operations = ALL_OPERATIONS;
            }
            groups.push(group);
        }
        cx.drop_later(request);
        ConsumerGroupDescribeResponse::default().with_groups(groups)
    }
}

async fn describe(cx: &Context, name: &str) -> Result<DescribedConsumerGroup, ConsumerRefused> {
    if name.is_empty() {
        return Err(GroupError::InvalidGroupId.into());
    }
    let groups = &cx.shard.coordinators.groups;
    let found = groups.ask(name, |machine, _, _| machine.describe_consumer(name));
    found.await?
}

/// What a group takes in an answer, encoded.
fn memory_bytes(group: &DescribedConsumerGroup) -> usize {
    let partitions = |of: &NamedPartitions| -> usize {
        let topics = of.iter();
        topics
            .map(|(_, name, of)| TOPIC_BYTES + 2 * name.len() + PARTITION_BYTES * of.len())
            .sum()
    };
    let member = |member: &DescribedConsumer| {
        let names = member.topics.iter().map(|name| NAME_BYTES + 2 * name.len());
        let texts = [&member.member_id, &member.client_id, &member.client_host];
        MEMBER_BYTES
            + texts.iter().map(|text| 2 * text.len()).sum::<usize>()
            + names.sum::<usize>()
            + partitions(&member.assigned)
            + partitions(&member.target)
    };
    group.members.iter().map(member).sum()
}

fn answer(id: GroupId, found: Result<DescribedConsumerGroup, ConsumerRefused>) -> DescribedGroup {
    let group = DescribedGroup::default().with_group_id(id);
    match found {
        Ok(found) => group
            .with_group_state(StrBytes::from_static_str(found.state))
            .with_group_epoch(found.epoch)
            .with_assignment_epoch(found.target_epoch)
            .with_assignor_name(sent(&found.assignor))
            .with_members(found.members.iter().map(member).collect()),
        Err(refused) => group
            .with_error_code(errors::group(refused.error).0)
            .with_error_message(refused.message.map(StrBytes::from_string)),
    }
}

fn member(member: &DescribedConsumer) -> Member {
    let names = member.topics.iter().map(|name| TopicName(sent(name)));
    Member::default()
        .with_member_id(sent(&member.member_id))
        .with_instance_id(sent_option(&member.instance_id))
        .with_rack_id(sent_option(&member.rack))
        .with_member_epoch(member.epoch)
        .with_client_id(sent(&member.client_id))
        .with_client_host(sent(&member.client_host))
        .with_subscribed_topic_names(names.collect())
        .with_subscribed_topic_regex(sent_option(&member.regex))
        .with_assignment(assignment(&member.assigned))
        .with_target_assignment(assignment(&member.target))
        .with_member_type(i8::from(!member.is_classic))
}

fn assignment(partitions: &NamedPartitions) -> Assignment {
    let topics = partitions.iter().map(|(topic, name, of)| {
        TopicPartitions::default()
            .with_topic_id(topic.0)
            .with_topic_name(TopicName(sent(name)))
            .with_partitions(of.clone())
    });
    Assignment::default().with_topic_partitions(topics.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TopicId;
    use crate::base::ids::Uuid;
    use crate::wire::codec;

    fn found() -> DescribedConsumerGroup {
        let partitions: NamedPartitions = vec![(TopicId(Uuid::from_u128(7)), "t".into(), vec![0])];
        DescribedConsumerGroup {
            state: "Stable",
            epoch: 2,
            target_epoch: 2,
            assignor: "uniform".into(),
            members: vec![DescribedConsumer {
                member_id: "m".into(),
                instance_id: Some("i".into()),
                rack: None,
                epoch: 2,
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                topics: vec!["t".into()],
                regex: Some("t.*".into()),
                assigned: partitions.clone(),
                target: partitions,
                is_classic: true,
            }],
        }
    }

    #[test]
    fn every_version_can_say_every_answer() {
        let (first, last) = ConsumerGroupDescribe::VERSIONS;
        for version in first..=last {
            for found in [Ok(found()), Err(GroupError::Loading.into())] {
                let id = GroupId(StrBytes::from_static_str("g"));
                let mut group = answer(id, found);
                if version == 0 {
                    // The field is not there yet; the codec crate wants its default then.
                    group.members.iter_mut().for_each(|it| it.member_type = -1);
                }
                let answer = ConsumerGroupDescribeResponse::default().with_groups(vec![group]);
                let mut bytes = bytes::BytesMut::new();
                codec::encode(&answer, version, &mut bytes).unwrap();
            }
        }
    }
}
