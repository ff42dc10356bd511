//! Drives: AlterConfigs, versions 0 to 2 (KIP-133): all settings of a resource are given anew.
//!
//! What it shares with IncrementalAlterConfigs is here too: asking the controller, and telling
//! the operator of settings that change less than their names promise.

use crate::base::ErrorCode;
use crate::base::config::not_applied;
use crate::metadata::controller::{self, ConfigChange, ResourceChange};
use crate::metadata::image::ResourceKind;
use crate::server::api::{Api, Context, errors};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::wire::codec::messages::{AlterConfigsRequest, AlterConfigsResponse};

/// The API.
pub struct AlterConfigs;

impl Api for AlterConfigs {
    type Request = AlterConfigsRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "AlterConfigs";

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
        let changed = alter(cx, request.validate_only, resources.collect()).await;
        let responses = changed.into_iter().map(|changed| {
            AlterConfigsResourceResponse::default()
                .with_error_code(changed.code.0)
                .with_error_message(changed.text)
                .with_resource_type(changed.kind)
                .with_resource_name(changed.name)
        });
        AlterConfigsResponse::default().with_responses(responses.collect())
    }
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
    let names: Vec<(i8, String)> = resources
        .iter()
        .map(|resource| (resource.kind, resource.name.clone()))
        .collect();
    let request = controller::Request::AlterConfigs(controller::AlterConfigs {
        node: cx.shard.node,
        validate_only,
        resources,
    });
    let results = match cx.shard.control.decide(request).await {
        Ok(controller::Reply::AlterConfigs(results)) if results.len() == names.len() => results
            .into_iter()
            .map(|result| match result {
                Ok(()) => (ErrorCode::NONE, None),
                Err(error) => errors::alter_configs(&error),
            })
            .collect(),
        _ => vec![(ErrorCode::KAFKA_STORAGE_ERROR, None); names.len()],
    };
    let changed = names
        .into_iter()
        .zip(results)
        .map(|((kind, name), (code, text))| {
            if !validate_only && !code.is_error() && kind == ResourceKind::Topic.id() {
                warn_of_not_applied(cx, &name);
            }
            Changed {
                kind,
                name: StrBytes::from_string(name),
                code,
                text: text.map(StrBytes::from_string),
            }
        });
    changed.collect()
}

/// Says in the log which settings of a topic change less than their names promise. Called when
/// they are set, so each is said once.
pub fn warn_of_not_applied(cx: &Context, topic: &str) {
    for (setting, reason) in not_applied(cx.image().configs.topic(topic)) {
        tracing::warn!(
            topic,
            setting,
            reason,
            "a topic has a setting that is not acted on in full"
        );
    }
}
