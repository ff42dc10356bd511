//! Drives: DescribeConfigs, versions 1 to 4 (KIP-133, KIP-226, KIP-569).
//!
//! The settings of topics, brokers, groups and client metrics subscriptions, each with its source
//! and synonyms, and the levels of the log (KIP-412).

use std::collections::{HashMap, HashSet};

use bytes::{BufMut, Bytes, BytesMut};

use crate::base::config::{Described, Kind, Source};
use crate::base::{ErrorCode, limits};
use crate::io::turn;
use crate::metadata::controller::decide::check_topic_name;
use crate::metadata::image::ResourceKind;
use crate::server::api::{Context, EncodingApi, errors};
use crate::wire::codec::messages::DescribeConfigsRequest;
use crate::wire::codec::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::codec::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::codec::{self, EncodeError, Request, StrBytes};
use crate::wire::primitive::Form;

/// The API.
pub struct DescribeConfigs;

/// Why a resource is not described: a code, and a text for the client.
type Refusal = (ErrorCode, String);

impl EncodingApi for DescribeConfigs {
    type Request = DescribeConfigsRequest;
    const VERSIONS: (i16, i16) = (1, 4);
    const NAME: &'static str = "DescribeConfigs";

    async fn answer(cx: &Context, request: DescribeConfigsRequest) -> Result<Bytes, EncodeError> {
        let with = With {
            synonyms: request.include_synonyms,
            documentation: request.include_documentation,
        };
        let resources = once(cx, request.resources).await;
        let bytes_max = cx.shard.budget.total_bytes() / limits::CONFIGS_ANSWER_SHARE;
        let mut body = AnswerBody::new(cx.version, resources.len(), bytes_max);
        for resource in &resources {
            let result = match body.is_full() {
                true => body.too_large(),
                false => describe(cx, resource),
            };
            let result = match result {
                Ok(all) => Ok(chosen(resource, all).await),
                Err(refusal) => Err(refusal),
            };
            if let Err((code, _)) = &result {
                cx.server
                    .probe
                    .note_error(DescribeConfigsRequest::KEY, *code);
            }
            body.push(shape(resource, result, with))?;
            // The buffer grows by doubling.
            if !cx.claim(2 * body.grown()).await {
                break;
            }
            cx.pace().await;
        }
        Ok(body.end())
    }
}

/// What a request wants to know of each setting.
#[derive(Clone, Copy)]
struct With {
    synonyms: bool,
    documentation: bool,
}

/// The resources of a request, each once: Kafka answers each mention, of which its clients, who
/// keep answers in a map, make nothing.
async fn once(
    cx: &Context,
    resources: Vec<DescribeConfigsResource>,
) -> Vec<DescribeConfigsResource> {
    let mut seen = HashSet::new();
    let mut once = Vec::new();
    for resource in resources {
        let (kind, name) = (resource.resource_type, resource.resource_name.clone());
        if seen.insert((kind, name, resource.configuration_keys.clone())) {
            once.push(resource);
        }
        cx.pace().await;
    }
    once
}

/// The answer's body as it grows.
struct AnswerBody {
    version: i16,
    bytes: BytesMut,
    bytes_max: usize,
    /// Its length when it was last asked how much it has grown.
    counted: usize,
}

impl AnswerBody {
    /// The beginning of an answer with `count` results.
    fn new(version: i16, count: usize, bytes_max: usize) -> AnswerBody {
        let mut bytes = BytesMut::new();
        bytes.put_i32(0); // The time for which the client is throttled.
        let form = Form {
            flexible: version >= FLEXIBLE_FROM,
        };
        form.put_length(&mut bytes, count);
        AnswerBody {
            version,
            bytes,
            bytes_max,
            counted: 0,
        }
    }

    fn push(&mut self, result: DescribeConfigsResult) -> Result<(), EncodeError> {
        codec::encode(&result, self.version, &mut self.bytes)
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= self.bytes_max
    }

    /// What resources beyond the bound are answered with.
    fn too_large(&self) -> Result<Vec<Described>, Refusal> {
        let text = format!(
            "The answer is larger than {} bytes: describe fewer resources at a time",
            self.bytes_max
        );
        Err((ErrorCode::INVALID_REQUEST, text))
    }

    /// Bytes that came since the last call.
    fn grown(&mut self) -> usize {
        let now = self.bytes.len();
        now - std::mem::replace(&mut self.counted, now)
    }

    fn end(mut self) -> Bytes {
        if self.version >= FLEXIBLE_FROM {
            self.bytes.put_u8(0); // No tagged fields.
        }
        self.bytes.freeze()
    }
}

/// First version whose fields are flexible.
const FLEXIBLE_FROM: i16 = 4;

fn shape(
    resource: &DescribeConfigsResource,
    described: Result<Vec<Described>, Refusal>,
    with: With,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    match described {
        Ok(all) => {
            let entries = all.into_iter();
            let entries = entries.map(|one| entry(one, with.synonyms, with.documentation));
            result
                .with_error_message(Some(StrBytes::default()))
                .with_configs(entries.collect())
        }
        Err((code, text)) => result
            .with_error_code(code.0)
            .with_error_message(Some(StrBytes::from_string(text))),
    }
}

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
        Some(ResourceKind::BrokerLogger) => check_node(cx, name, "").map(|()| loggers(cx)),
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

/// Every logger with its level.
fn loggers(cx: &Context) -> Vec<Described> {
    let all = cx.server.loggers.all().into_iter();
    let described = all.map(|(logger, level)| Described {
        name: logger.into(),
        value: Some(level),
        kind: None,
        source: Source::DynamicBrokerLogger,
        read_only: false,
        sensitive: false,
        synonyms: Vec::new(),
        doc: "",
    });
    described.collect()
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

/// The settings that are asked for: all where no names are given. A request with many names gives
/// most of them in vain.
async fn chosen(resource: &DescribeConfigsResource, all: Vec<Described>) -> Vec<Described> {
    let names = resource.configuration_keys.as_deref().unwrap_or_default();
    if names.is_empty() {
        return all;
    }
    let mut wanted = vec![false; all.len()];
    let places: HashMap<&str, usize> = all.iter().map(|one| &*one.name).zip(0..).collect();
    for name in names {
        if let Some(at) = places.get(name.as_str()) {
            wanted[*at] = true;
        }
        turn::pace().await;
    }
    let chosen = all.into_iter().zip(wanted).filter(|(_, wanted)| *wanted);
    chosen.map(|(one, _)| one).collect()
}

fn entry(one: Described, synonyms: bool, documentation: bool) -> DescribeConfigsResourceResult {
    let text = StrBytes::from_string;
    // A logger's is an empty text, whether asked for or not.
    let is_logger = one.source == Source::DynamicBrokerLogger;
    let doc = Some(one.doc).filter(|doc| is_logger || documentation && !doc.is_empty());
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
    use futures_util::FutureExt;

    use super::*;
    use crate::base::config::{Flags, HostFacts, load};
    use crate::wire::codec::messages::DescribeConfigsResponse;

    fn all() -> Vec<Described> {
        let host = HostFacts::of_cores(1);
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
            let answer = DescribeConfigsResponse::default()
                .with_results(vec![result.clone(), result.clone()]);
            for version in DescribeConfigs::VERSIONS.0..=DescribeConfigs::VERSIONS.1 {
                let mut out = BytesMut::new();
                codec::encode(&answer, version, &mut out).expect("every version has fields for it");
                let mut body = AnswerBody::new(version, 2, out.len() - 1);
                for _ in 0..2 {
                    assert!(!body.is_full());
                    body.push(result.clone()).expect("as before");
                }
                assert!(body.is_full() && body.too_large().is_err());
                assert!(body.grown() > 0 && body.grown() == 0);
                assert_eq!(body.end(), out, "version {version}");
            }
        }
    }

    #[test]
    fn names_choose_settings_and_no_names_choose_all() {
        let wanted = |names: Option<Vec<&'static str>>| {
            let names =
                names.map(|names| names.into_iter().map(StrBytes::from_static_str).collect());
            let resource = DescribeConfigsResource::default().with_configuration_keys(names);
            let chosen = chosen(&resource, all()).now_or_never();
            chosen.expect("outside of a core nothing waits").len()
        };
        assert_eq!(wanted(None), wanted(Some(vec![])));
        assert_eq!(
            wanted(Some(vec!["node.id", "log.dirs", "node.id", "foo"])),
            2
        );
    }
}
