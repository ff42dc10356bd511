//! Drives: DeleteTopics, versions 1 to 6 (KIP-4, KIP-516 by id). Left out: mutation quotas
//! (KIP-599).

use crate::base::{ErrorCode, TopicId};
use crate::io::turn;
use crate::metadata::controller::{DeleteTopicResult, TopicRef};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::delete_topics_response::DeletableTopicResult;
use crate::wire::codec::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use super::name;

/// What a topic takes while it is asked for and answered, in bytes.
const TOPIC_BYTES: usize = 320;

/// The API.
pub struct DeleteTopics;

codes!(DeleteTopicsResponse: [responses]);

impl Api for DeleteTopics {
    type Request = DeleteTopicsRequest;
    const VERSIONS: (i16, i16) = (1, 6);
    const NAME: &'static str = "DeleteTopics";
    const FORWARDED: bool = true;

    async fn handle(cx: &Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        let asked = request.topics.len() + request.topic_names.len();
        if !cx.claim(TOPIC_BYTES * asked).await {
            return DeleteTopicsResponse::default();
        }
        let topics = topics(&request, cx.version).await;
        if !cx.shard.config().delete_topics {
            let code = match cx.version {
                ..3 => ErrorCode::INVALID_REQUEST,
                _ => ErrorCode::TOPIC_DELETION_DISABLED,
            };
            return refused(&topics, code, cx.version).await;
        }
        match cx.shard.control.delete_topics(topics.clone()).await {
            Ok(results) => {
                let responses = results.into_iter().map(|result| shape(result, cx.version));
                DeleteTopicsResponse::default().with_responses(turn::collect(responses).await)
            }
            Err(_) => {
                refused(
                    &topics,
                    errors::undecided(cx.server.is_in_cluster),
                    cx.version,
                )
                .await
            }
        }
    }
}

async fn topics(request: &DeleteTopicsRequest, version: i16) -> Vec<TopicRef> {
    if version >= 6 {
        let by_either = request.topics.iter().map(|topic| TopicRef {
            name: topic.name.as_ref().map(|name| name.to_string()),
            id: TopicId(topic.topic_id),
        });
        return turn::collect(by_either).await;
    }
    let by_name = request.topic_names.iter().map(|name| TopicRef {
        name: Some(name.to_string()),
        id: TopicId::ZERO,
    });
    turn::collect(by_name).await
}

fn shape(result: DeleteTopicResult, version: i16) -> DeletableTopicResult {
    let error = result.result.err();
    let mut answer = DeletableTopicResult::default()
        .with_name(result.name.as_deref().map(name))
        .with_error_code(
            error
                .as_ref()
                .map_or(ErrorCode::NONE, errors::delete_topic)
                .0,
        );
    if version >= 5 {
        let text = error.map(|error| StrBytes::from_string(error.to_string()));
        answer.error_message = text;
    }
    if version >= 6 {
        answer.topic_id = result.id.0;
    }
    answer
}

async fn refused(topics: &[TopicRef], code: ErrorCode, version: i16) -> DeleteTopicsResponse {
    let responses = topics.iter().map(|topic| {
        let mut answer = DeletableTopicResult::default()
            .with_name(topic.name.as_deref().map(name))
            .with_error_code(code.0);
        if version >= 6 {
            answer.topic_id = topic.id.0;
        }
        answer
    });
    DeleteTopicsResponse::default().with_responses(turn::collect(responses).await)
}
