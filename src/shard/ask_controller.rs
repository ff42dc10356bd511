//! Drives: topics that a broker of a cluster has the active controller create, for clients that
//! use them first.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::Shard;
use crate::base::ErrorCode;
use crate::metadata::controller::{Forward, ForwardError, NewTopic};
use crate::wire::codec::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::wire::codec::messages::{CreateTopicsRequest, TopicName};
use crate::wire::codec::{
    DecodeError, EncodeError, Request, StrBytes, decode_answer, encode_request,
};
use crate::wire::frame::PREFIX_BYTES;
use crate::wire::header::split_response;
use crate::wire::principal::principal_bytes;

/// The version of CreateTopics that is asked for: every controller of Kafka 4 has it.
const VERSION: i16 = 7;

/// How long a client's first use of a topic waits for the controller; it asks again anyway.
const WITHIN: Duration = Duration::from_secs(5);

/// What came of one topic.
pub struct Created {
    /// Its name.
    pub name: String,
    /// [`ErrorCode::NONE`] where it was created.
    pub code: ErrorCode,
    /// What the controller says of the error.
    pub text: String,
}

/// Why the controller did not say what came of topics.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// The topics cannot be put into a request.
    #[error("the request cannot be encoded: {0}")]
    Encode(EncodeError),
    /// It did not answer.
    #[error("{0}")]
    Forward(ForwardError),
    /// It did not answer in time.
    #[error("the active controller does not answer")]
    Late,
    /// Its answer ends within its header.
    #[error("the active controller's answer ends within its header")]
    Short,
    /// Its answer is not one.
    #[error("the active controller's answer is not understood: {0}")]
    Garbled(DecodeError),
}

/// Asks for `topics`.
pub async fn create_topics(shard: &Shard, topics: Vec<NewTopic>) -> Result<Vec<Created>, NotAsked> {
    let topics = topics.into_iter().map(creatable).collect();
    let request = CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(WITHIN.as_millis() as i32);
    let mut frame = BytesMut::new();
    encode_request(VERSION, 0, "corelane", &request, &mut frame).map_err(NotAsked::Encode)?;
    frame.advance(PREFIX_BYTES);
    let forward = Forward {
        request: frame.freeze(),
        // Of this broker's own accord: no client is named.
        principal: principal_bytes("User", "ANONYMOUS"),
        client_host: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let answer = shard
        .runtime()
        .within(WITHIN, shard.control.forward(forward));
    let answer = answer.await.ok_or(NotAsked::Late)?;
    let answer = answer.map_err(NotAsked::Forward)?;
    let (_, body) =
        split_response(&answer, CreateTopicsRequest::KEY, VERSION).ok_or(NotAsked::Short)?;
    let answer = decode_answer::<CreateTopicsRequest>(body, VERSION).map_err(NotAsked::Garbled)?;
    let created = answer.topics.into_iter().map(|topic| Created {
        name: topic.name.to_string(),
        code: ErrorCode(topic.error_code),
        text: topic
            .error_message
            .map(|text| text.to_string())
            .unwrap_or_default(),
    });
    Ok(created.collect())
}

fn creatable(topic: NewTopic) -> CreatableTopic {
    let configs = topic.configs.into_iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name))
            .with_value(value.map(StrBytes::from_string))
    });
    CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.name)))
        .with_num_partitions(topic.partitions)
        .with_replication_factor(topic.replication_factor)
        .with_configs(configs.collect())
}
