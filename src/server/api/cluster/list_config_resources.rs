//! Drives: ListConfigResources, versions 0 and 1 (KIP-1142): what there is to be described.
//!
//! Version 0 was called ListClientMetricsResources and knows only of those.

use std::collections::BTreeSet;

use crate::base::ErrorCode;
use crate::metadata::image::{Image, ResourceKind};
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::list_config_resources_response::ConfigResource;
use crate::wire::codec::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

/// The API.
pub struct ListConfigResources;

codes!(ListConfigResourcesResponse: []);

impl Api for ListConfigResources {
    type Request = ListConfigResourcesRequest;
    const VERSIONS: (i16, i16) = (0, 1);
    const NAME: &'static str = "ListConfigResources";

    async fn handle(
        cx: &Context,
        request: ListConfigResourcesRequest,
    ) -> ListConfigResourcesResponse {
        let answer = ListConfigResourcesResponse::default();
        match kinds(cx.version, &request.resource_types) {
            Some(kinds) => {
                let image = cx.image();
                let names = NAME_BYTES * (image.topics.len() + image.brokers.iter().count());
                if !cx.claim(names).await {
                    return answer;
                }
                let listed = match image.topics.len() > LISTED_MAX {
                    true => cx.beside(move || resources(&image, &kinds)).await,
                    false => Some(resources(&image, &kinds)),
                };
                answer.with_config_resources(listed.unwrap_or_default())
            }
            None => answer.with_error_code(ErrorCode::UNSUPPORTED_VERSION.0),
        }
    }
}

/// Topics that are listed in one turn; where there are more it is done beside the core.
const LISTED_MAX: usize = 200;
/// What a resource takes in an answer while that is made, in bytes.
const NAME_BYTES: usize = 256;

/// All kinds, in the order in which they are listed.
const KINDS: [ResourceKind; 5] = [
    ResourceKind::Group,
    ResourceKind::ClientMetrics,
    ResourceKind::BrokerLogger,
    ResourceKind::Broker,
    ResourceKind::Topic,
];

/// The kinds that are asked for; none asks for all. `None` where one of them does not exist.
fn kinds(version: i16, asked: &[i8]) -> Option<Vec<ResourceKind>> {
    if version == 0 {
        return Some(vec![ResourceKind::ClientMetrics]);
    }
    if asked.is_empty() {
        return Some(KINDS.to_vec());
    }
    let asked: Option<BTreeSet<_>> = asked.iter().map(|id| ResourceKind::from_id(*id)).collect();
    let asked = asked?;
    Some(
        KINDS
            .into_iter()
            .filter(|kind| asked.contains(kind))
            .collect(),
    )
}

fn resources(image: &Image, kinds: &[ResourceKind]) -> Vec<ConfigResource> {
    let named = |kind: ResourceKind| -> Vec<String> {
        match kind {
            // Topics and brokers have settings whether any was changed or not.
            ResourceKind::Topic => image
                .topics
                .sorted()
                .iter()
                .map(|topic| topic.name.to_string())
                .collect(),
            ResourceKind::Broker | ResourceKind::BrokerLogger => image
                .brokers
                .iter()
                .map(|broker| broker.id.to_string())
                .collect(),
            ResourceKind::Group | ResourceKind::ClientMetrics => image
                .configs
                .names(kind)
                .iter()
                .map(|name| name.to_string())
                .collect(),
        }
    };
    let of = |kind: &ResourceKind| {
        let id = kind.id();
        named(*kind).into_iter().map(move |name| {
            ConfigResource::default()
                .with_resource_name(StrBytes::from_string(name))
                .with_resource_type(id)
        })
    };
    kinds.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_asked_for() {
        assert_eq!(kinds(0, &[2]), Some(vec![ResourceKind::ClientMetrics]));
        assert_eq!(kinds(1, &[]), Some(KINDS.to_vec()));
        let both = Some(vec![ResourceKind::BrokerLogger, ResourceKind::Broker]);
        assert_eq!(kinds(1, &[4, 8, 4]), both);
        for unknown in [0, 1, 3, 99, -1] {
            assert_eq!(kinds(1, &[2, unknown]), None, "{unknown}");
        }
    }

    #[test]
    fn an_empty_cluster_lists_nothing() {
        assert_eq!(resources(&Image::default(), &KINDS), Vec::new());
    }
}
