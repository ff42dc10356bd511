//! Drives: IncrementalAlterConfigs, versions 0 and 1 (KIP-339): single settings are set, deleted,
//! appended to or subtracted from.

use super::alter_configs::{alter, are_loggers};
use crate::io::turn;
use crate::metadata::controller::{ConfigChange, ResourceChange};
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::wire::codec::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use crate::wire::codec::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

/// The API.
pub struct IncrementalAlterConfigs;

codes!(IncrementalAlterConfigsResponse: [responses]);

impl Api for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;
    const VERSIONS: (i16, i16) = (0, 1);
    const NAME: &'static str = "IncrementalAlterConfigs";
    const FORWARDED: bool = true;

    fn is_own(request: &IncrementalAlterConfigsRequest) -> bool {
        let kinds = request
            .resources
            .iter()
            .map(|resource| resource.resource_type);
        are_loggers(kinds)
    }

    async fn handle(
        cx: &Context,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let resources = request.resources.into_iter().map(|resource| {
            let changes = resource.configs.into_iter().map(|one| {
                let value = one.value.map(|value| value.to_string());
                (one.name.to_string(), one.config_operation, value)
            });
            ResourceChange {
                kind: resource.resource_type,
                name: resource.resource_name.to_string(),
                change: ConfigChange::Each(changes.collect()),
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
        IncrementalAlterConfigsResponse::default().with_responses(turn::collect(responses).await)
    }
}
