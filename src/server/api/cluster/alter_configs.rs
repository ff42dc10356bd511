//! Drives: AlterConfigs, versions 0 to 2 (KIP-133): all settings of a resource are given anew.
//!
//! What it shares with IncrementalAlterConfigs is here too: asking the controller, and telling
//! the operator of settings that change less than their names promise.

use crate::base::ErrorCode;
use crate::base::config::{Texts, not_applied};
use crate::io::turn;
use crate::metadata::controller::decide::{SET, check_levels};
use crate::metadata::controller::{self, ConfigChange, ResourceChange};
use crate::metadata::image::ResourceKind;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::wire::codec::messages::{AlterConfigsRequest, AlterConfigsResponse};

/// The API.
pub struct AlterConfigs;

codes!(AlterConfigsResponse: [responses]);

impl Api for AlterConfigs {
    type Request = AlterConfigsRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "AlterConfigs";
    const FORWARDED: bool = true;

    fn is_own(request: &AlterConfigsRequest) -> bool {
        let kinds = request
            .resources
            .iter()
            .map(|resource| resource.resource_type);
        are_loggers(kinds)
    }

    async fn handle(cx: &Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
        let resources = request.resources.into_iter().map(|resource| {
            let settings = resource.configs.into_iter().map(|setting| {
                (
                    setting.name.to_string(),
                    setting.value.map(|value| value.to_string()),
                )
            });
            ResourceChange {
                kind: resource.resource_type,
                name: resource.resource_name.to_string(),
                change: ConfigChange::Replace(settings.collect()),
            }
        });
        let resources = turn::collect(resources).await;
        let changed = alter(cx, request.validate_only, resources).await;
        let responses = changed.into_iter().map(|changed| {
            AlterConfigsResourceResponse::default()
                .with_error_code(changed.code.0)
                .with_error_message(changed.text)
                .with_resource_type(changed.kind)
                .with_resource_name(changed.name)
        });
        AlterConfigsResponse::default().with_responses(turn::collect(responses).await)
    }
}

/// Whether all resources of these kinds are loggers of this process, which a controller knows
/// nothing of.
pub(super) fn are_loggers(mut kinds: impl Iterator<Item = i8>) -> bool {
    kinds.all(|kind| kind == ResourceKind::BrokerLogger as i8)
}

/// What came of one resource.
pub(super) struct Changed {
    /// Its kind, as it was sent.
    pub kind: i8,
    /// Its name.
    pub name: StrBytes,
    /// How it went.
    pub code: ErrorCode,
    /// What went wrong.
    pub text: Option<StrBytes>,
}

/// Has the controller change settings; what comes of each resource stands in their order.
pub(super) async fn alter(
    cx: &Context,
    validate_only: bool,
    resources: Vec<ResourceChange>,
) -> Vec<Changed> {
    let asked = turn::collect(resources.iter().map(Asked::of)).await;
    let levels = turn::collect(resources.iter().map(levels)).await;
    let request = controller::AlterConfigs {
        node: cx.shard.node,
        validate_only,
        resources,
    };
    let kinds = request.resources.iter().map(|resource| resource.kind);
    let decided = if cx.server.is_in_cluster && are_loggers(kinds) {
        let levels = |resource| check_levels(cx.shard.node, resource);
        Ok(request.resources.iter().map(levels).collect())
    } else {
        cx.shard.control.alter_configs(request).await
    };
    let results = match decided {
        Ok(results) if results.len() == asked.len() => {
            let results = results.into_iter().map(|result| match result {
                Ok(()) => (ErrorCode::NONE, None),
                Err(error) => errors::alter_configs(&error),
            });
            turn::collect(results).await
        }
        _ => vec![(errors::undecided(cx.server.is_in_cluster), None); asked.len()],
    };
    let changed = asked.into_iter().zip(levels).zip(results);
    let changed = changed.map(|((asked, levels), (code, text))| {
        if !validate_only && !code.is_error() {
            asked.warn(cx);
            if !levels.is_empty() {
                cx.server.loggers.set(&levels);
            }
        }
        Changed {
            kind: asked.kind,
            name: StrBytes::from_string(asked.name),
            code,
            text: text.map(StrBytes::from_string),
        }
    });
    turn::collect(changed).await
}

/// The levels of the log that are to change: the controller checks them, this process has them.
fn levels(resource: &ResourceChange) -> Vec<(String, Option<String>)> {
    match &resource.change {
        ConfigChange::Each(changes) if resource.kind == ResourceKind::BrokerLogger.id() => {
            let level = |(logger, op, level): &(String, i8, Option<String>)| {
                let level = level.clone().filter(|_| *op == SET);
                (logger.clone(), level)
            };
            changes.iter().map(level).collect()
        }
        _ => Vec::new(),
    }
}

/// What was asked of one resource.
struct Asked {
    kind: i8,
    name: String,
    settings: Vec<String>,
}

impl Asked {
    fn of(resource: &ResourceChange) -> Asked {
        let settings = match &resource.change {
            ConfigChange::Replace(settings) => {
                settings.iter().map(|(name, _)| name.clone()).collect()
            }
            ConfigChange::Each(changes) => changes.iter().map(|(name, ..)| name.clone()).collect(),
        };
        Asked {
            kind: resource.kind,
            name: resource.name.clone(),
            settings,
        }
    }

    /// Of a topic's settings, those that were in the request, as they are now.
    fn warn(&self, cx: &Context) {
        if self.kind != ResourceKind::Topic.id() {
            return;
        }
        let image = cx.image();
        let now = image.configs.topic(&self.name);
        let settings = self.settings.iter();
        let settings = settings.filter_map(|name| Some((name.clone(), now.get(name)?.clone())));
        warn_of_not_applied(&self.name, &settings.collect());
    }
}

/// Says in the log which of a topic's settings change less than their names promise. Called as
/// they are set, so that each is said once.
pub fn warn_of_not_applied(topic: &str, settings: &Texts) {
    for (setting, instead) in not_applied(settings) {
        tracing::warn!(
            topic,
            setting,
            instead,
            "this setting is not acted on in full"
        );
    }
}
