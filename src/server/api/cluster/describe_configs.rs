//! Drives: DescribeConfigs, versions 1 to 4 (KIP-133, KIP-226, KIP-569).
//!
//! The settings of topics, brokers, groups and client metrics subscriptions, each with its source
//! and synonyms. Left out: loggers, whose levels are set at start (`corelane.log.level`), so a
//! broker's list of them is empty.

use crate::base::ErrorCode;
use crate::base::config::{Described, Kind};
use crate::metadata::controller::decide::check_topic_name;
use crate::metadata::image::ResourceKind;
use crate::server::api::{Api, Context, errors};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::codec::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::codec::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

/// The API.
pub struct DescribeConfigs;

/// Why a resource is not described: a code, and a text for whoever asked.
type Refusal = (ErrorCode, String);

impl Api for DescribeConfigs {
    type Request = DescribeConfigsRequest;
    const VERSIONS: (i16, i16) = (1, 4);
    const NAME: &'static str = "DescribeConfigs";

    fn memory_estimate(frame_bytes: usize) -> usize {
        // A resource of a dozen bytes asks for all of its settings.
        frame_bytes.saturating_mul(64).saturating_add(ANSWER_BYTES)
    }

    async fn handle(cx: &Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
        let synonyms = request.include_synonyms;
        let documentation = request.include_documentation;
        let results = request.resources.into_iter().map(|resource| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            match describe(cx, &resource) {
                Ok(all) => {
                    let wanted = all.into_iter().filter(|one| is_wanted(&resource, one));
                    let entries = wanted.map(|one| entry(one, synonyms, documentation));
                    result
                        .with_error_message(Some(StrBytes::default()))
                        .with_configs(entries.collect())
                }
                Err((code, text)) => result
                    .with_error_code(code.0)
                    .with_error_message(Some(StrBytes::from_string(text))),
            }
        });
        DescribeConfigsResponse::default().with_results(results.collect())
    }
}

/// What a broker's whole list takes, with synonyms and texts.
const ANSWER_BYTES: usize = 256 * 1024;

fn describe(cx: &Context, resource: &DescribeConfigsResource) -> Result<Vec<Described>, Refusal> {
    let name = resource.resource_name.as_str();
    let invalid = |text: &str| Err((ErrorCode::INVALID_REQUEST, text.to_owned()));
    let image = cx.image();
    let config = cx.shard.config();
    match ResourceKind::from_id(resource.resource_type) {
        Some(ResourceKind::Topic) => {
            check_topic_name(name)
                .map_err(|error| (errors::topic_name(&error), error.to_string()))?;
            if image.topics.named(name).is_none() {
                return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new()));
            }
            Ok(config.describe_topic(image.configs.topic(name)))
        }
        Some(ResourceKind::Broker) if name.is_empty() => Ok(config.describe_cluster()),
        Some(ResourceKind::Broker) => {
            check_node(cx, name, " or empty string,")?;
            let shard = cx.shard.node.0 - config.first_node_id;
            Ok(config.describe_broker(shard.max(0) as usize))
        }
        Some(ResourceKind::BrokerLogger) if name.is_empty() => {
            invalid("Broker id must not be empty")
        }
        Some(ResourceKind::BrokerLogger) => check_node(cx, name, "").map(|()| Vec::new()),
        Some(ResourceKind::ClientMetrics) if name.is_empty() => {
            invalid("Client metrics subscription name must not be empty")
        }
        Some(kind @ ResourceKind::ClientMetrics) => {
            Ok(config.describe_client_metrics(image.configs.of(kind, name)))
        }
        Some(ResourceKind::Group) if name.is_empty() => invalid("Group name must not be empty"),
        Some(kind @ ResourceKind::Group) => Ok(config.describe_group(image.configs.of(kind, name))),
        None => invalid(
            "This most likely occurs because of a request being malformed by the client library \
             or the message was sent to an incompatible broker. \
             See the broker logs for more details.",
        ),
    }
}

/// A broker answers for itself alone.
fn check_node(cx: &Context, name: &str, or: &str) -> Result<(), Refusal> {
    let node = cx.shard.node;
    let text = match name.parse::<i32>() {
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
        Ok(id) if id != node.0 => {
            format!("Unexpected broker id, expected {node}{or} but received {name}")
        }
        Ok(_) => return Ok(()),
    };
    Err((ErrorCode::INVALID_REQUEST, text))
}

/// An empty list of names asks for all, as an absent one does.
fn is_wanted(resource: &DescribeConfigsResource, one: &Described) -> bool {
    match &resource.configuration_keys {
        Some(names) if !names.is_empty() => names.iter().any(|name| name.as_str() == one.name),
        _ => true,
    }
}

fn entry(one: Described, synonyms: bool, documentation: bool) -> DescribeConfigsResourceResult {
    let text = StrBytes::from_string;
    let doc = Some(one.doc).filter(|doc| documentation && !doc.is_empty());
    let synonyms = one
        .synonyms
        .into_iter()
        .filter(|_| synonyms)
        .map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(text(synonym.name.into_owned()))
                .with_value(synonym.value.map(text))
                .with_source(synonym.source as i8)
        });
    DescribeConfigsResourceResult::default()
        .with_name(text(one.name.into_owned()))
        .with_value(one.value.map(text))
        .with_read_only(one.read_only)
        .with_config_source(one.source as i8)
        .with_is_sensitive(one.sensitive)
        .with_synonyms(synonyms.collect())
        .with_config_type(one.kind.map_or(0, |kind: Kind| kind as i8))
        .with_documentation(doc.map(StrBytes::from_static_str))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::base::config::{Flags, HostFacts, load};
    use crate::wire::codec;

    fn all() -> Vec<Described> {
        let host = HostFacts {
            name: "h".into(),
            cpus: 1,
            cores: 1,
        };
        let config = load(None, &Flags::default(), &host).expect("defaults");
        config.describe_broker(0)
    }

    #[test]
    fn an_entry_holds_what_was_asked_for_in_every_version() {
        for (synonyms, documentation) in [(false, false), (true, false), (true, true)] {
            let entries: Vec<_> = all()
                .into_iter()
                .map(|one| entry(one, synonyms, documentation))
                .collect();
            assert_eq!(entries.iter().any(|one| !one.synonyms.is_empty()), synonyms);
            assert_eq!(
                entries.iter().all(|one| one.documentation.is_some()),
                documentation
            );
            let result = DescribeConfigsResult::default().with_configs(entries);
            let answer = DescribeConfigsResponse::default().with_results(vec![result]);
            for version in DescribeConfigs::VERSIONS.0..=DescribeConfigs::VERSIONS.1 {
                let mut out = BytesMut::new();
                codec::encode(&answer, version, &mut out).expect("every version has room for it");
                assert!(out.len() < ANSWER_BYTES, "{} bytes", out.len());
            }
        }
    }

    #[test]
    fn names_choose_settings_and_no_names_choose_all() {
        let wanted = |names: Option<Vec<&'static str>>| {
            let names =
                names.map(|names| names.into_iter().map(StrBytes::from_static_str).collect());
            let resource = DescribeConfigsResource::default().with_configuration_keys(names);
            all().iter().filter(|one| is_wanted(&resource, one)).count()
        };
        assert_eq!(wanted(None), wanted(Some(vec![])));
        assert_eq!(
            wanted(Some(vec!["node.id", "log.dirs", "node.id", "foo"])),
            2
        );
    }
}
