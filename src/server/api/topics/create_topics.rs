//! Drives: CreateTopics, versions 2 to 7 (KIP-4, KIP-464 defaults, KIP-525 settings in the answer,
//! KIP-516 topic ids). Left out: mutation quotas (KIP-599).

use std::collections::BTreeMap;

use crate::base::config::{BrokerConfig, Source};
use crate::base::{ErrorCode, NodeId};
use crate::io::turn;
use crate::metadata::controller::{self, CreateTopicResult, CreatedTopic, NewTopic};
use crate::server::api::cluster::alter_configs::warn_of_not_applied;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::create_topics_request::CreatableTopic;
use crate::wire::codec::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use crate::wire::codec::messages::{CreateTopicsRequest, CreateTopicsResponse};

use super::name;

/// What the settings of a topic take in an answer while that is made, in bytes.
const SETTINGS_BYTES: usize = 10_000;

/// The API.
pub struct CreateTopics;

codes!(CreateTopicsResponse: [topics]);

impl Api for CreateTopics {
    type Request = CreateTopicsRequest;
    const VERSIONS: (i16, i16) = (2, 7);
    const NAME: &'static str = "CreateTopics";
    const FORWARDED: bool = true;

    async fn handle(cx: &Context, request: CreateTopicsRequest) -> CreateTopicsResponse {
        let asked = turn::collect(request.topics.into_iter().map(new_topic)).await;
        let names = turn::collect(asked.iter().map(|topic| topic.name.clone())).await;
        let mut settings: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for topic in &asked {
            settings.insert(topic.name.clone(), overrides(topic));
            cx.pace().await;
        }
        let decided = controller::CreateTopics {
            validate_only: request.validate_only,
            topics: asked,
        };
        let topics = match cx.shard.control.create_topics(decided).await {
            Ok(results) => {
                let config = cx.shard.config();
                let none = BTreeMap::new();
                let mut topics = Vec::with_capacity(results.len());
                for result in results {
                    let overrides = settings.get(&result.name).unwrap_or(&none);
                    if result.result.is_ok() {
                        if !request.validate_only {
                            warn_of_not_applied(&result.name, overrides);
                        }
                        if cx.version >= 5 && !cx.claim(SETTINGS_BYTES).await {
                            break;
                        }
                    }
                    topics.push(shape(&config, overrides, result, cx.version));
                    cx.pace().await;
                }
                topics
            }
            Err(_) => {
                let code = errors::undecided(cx.server.is_in_cluster);
                let refused = |name: &String| refused(name, code, None);
                turn::collect(names.iter().map(refused)).await
            }
        };
        CreateTopicsResponse::default().with_topics(topics)
    }
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    let nodes = |ids: Vec<_>| {
        ids.into_iter()
            .map(|id: crate::wire::codec::messages::BrokerId| NodeId(id.0))
            .collect()
    };
    let assignments = topic.assignments.into_iter();
    let configs = topic.configs.into_iter();
    NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments
            .map(|one| (one.partition_index, nodes(one.broker_ids)))
            .collect(),
        configs: configs
            .map(|one| {
                (
                    one.name.to_string(),
                    one.value.map(|value| value.to_string()),
                )
            })
            .collect(),
    }
}

fn overrides(topic: &NewTopic) -> BTreeMap<String, String> {
    let set = topic.configs.iter();
    set.filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect()
}

fn shape(
    config: &BrokerConfig,
    overrides: &BTreeMap<String, String>,
    result: CreateTopicResult,
    version: i16,
) -> CreatableTopicResult {
    match result.result {
        Ok(created) => shape_created(config, overrides, &result.name, &created, version),
        Err(error) => refused(
            &result.name,
            errors::create_topic(&error),
            Some(error.to_string()),
        ),
    }
}

fn shape_created(
    config: &BrokerConfig,
    overrides: &BTreeMap<String, String>,
    topic: &str,
    created: &CreatedTopic,
    version: i16,
) -> CreatableTopicResult {
    let mut answer = CreatableTopicResult::default()
        .with_name(name(topic))
        .with_error_message(None);
    if version >= 5 {
        answer.num_partitions = created.partitions;
        answer.replication_factor = created.replication_factor;
        answer.configs = Some(settings(config, overrides));
    }
    if version >= 7 {
        answer.topic_id = created.id.0;
    }
    answer
}

/// All settings of the topic, by name. What was set comes back as it was written.
fn settings(
    config: &BrokerConfig,
    overrides: &BTreeMap<String, String>,
) -> Vec<CreatableTopicConfigs> {
    let mut described = config.describe_topic(overrides);
    described.sort_by(|a, b| a.name.cmp(&b.name));
    let setting = described.into_iter().map(|setting| {
        let own = overrides
            .get(&*setting.name)
            .filter(|_| setting.source == Source::Topic);
        let value = own
            .cloned()
            .or(setting.value)
            .filter(|_| !setting.sensitive);
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_string(setting.name.into_owned()))
            .with_value(value.map(StrBytes::from_string))
            .with_read_only(setting.read_only)
            .with_config_source(setting.source as i8)
            .with_is_sensitive(setting.sensitive)
    });
    setting.collect()
}

fn refused(topic: &str, code: ErrorCode, text: Option<String>) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name(topic))
        .with_error_code(code.0)
        .with_error_message(text.map(StrBytes::from_string))
}
