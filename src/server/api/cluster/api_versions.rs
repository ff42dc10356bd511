//! Drives: ApiVersions, versions 0 to 4 (KIP-35, KIP-511, KIP-584).
//!
//! What a client asks first. The answer lists what the API table has; features are those of the
//! cluster's image.

use std::sync::Arc;

use crate::wire::codec::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use crate::wire::codec::messages::{ApiVersionsRequest, ApiVersionsResponse};
use bytes::BytesMut;

use crate::base::ErrorCode;
use crate::metadata::controller::decide::FEATURES;
use crate::metadata::image::Image;
use crate::metadata::source::quorum::ApiRanges;
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::server::state::served::ServedApi;
use crate::wire::codec::{self, StrBytes};
use crate::wire::header::API_VERSIONS_KEY;

/// The API.
pub struct ApiVersions;

codes!(ApiVersionsResponse: []);

impl Api for ApiVersions {
    type Request = ApiVersionsRequest;
    const VERSIONS: (i16, i16) = (0, 4);
    const NAME: &'static str = "ApiVersions";

    async fn handle(cx: &Context, request: ApiVersionsRequest) -> ApiVersionsResponse {
        let name = &request.client_software_name;
        let version = &request.client_software_version;
        // KIP-511 gives these a form since they end up in metrics and logs.
        if cx.version >= 3 && !(is_software_text(name) && is_software_text(version)) {
            return ApiVersionsResponse::default()
                .with_error_code(ErrorCode::INVALID_REQUEST.0)
                .with_api_keys(Vec::new());
        }
        if cx.version >= 3 {
            cx.session.set_software(name, version);
        }
        let server = &cx.server;
        let is_served = |api: &&ServedApi| server.is_in_cluster || !api.is_in_cluster_only;
        let understood = match server.is_in_cluster {
            true => cx.shard.control.understood().await.unwrap_or_default(),
            false => Arc::default(),
        };
        let served = server.apis.iter().filter(is_served);
        let keys = served.filter_map(|api| Some(api_key(&understandable(api, &understood)?)));
        let answer = ApiVersionsResponse::default().with_api_keys(keys.collect());
        if cx.version < 3 {
            return answer;
        }
        with_features(answer, &cx.image(), cx.version)
    }
}

/// The whole frame that answers a version of ApiVersions which is not served (KIP-511): in the
/// oldest form, with the error and the range of ApiVersions itself.
pub fn unsupported_version(correlation_id: i32) -> BytesMut {
    let own = ServedApi::new(ApiVersions::NAME, API_VERSIONS_KEY, ApiVersions::VERSIONS);
    let answer = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UNSUPPORTED_VERSION.0)
        .with_api_keys(vec![api_key(&own)]);
    let mut frame = BytesMut::new();
    codec::encode_response(API_VERSIONS_KEY, 0, correlation_id, &answer, &mut frame)
        .expect("version 0 has these two fields");
    frame
}

/// What is left of the versions of an API: of one that the active controller answers, those that it
/// understands too; `None` where there are none. Nothing is left out before a controller has said
/// what it understands.
fn understandable(api: &ServedApi, understood: &ApiRanges) -> Option<ServedApi> {
    if !api.is_forwarded || understood.get(API_VERSIONS_KEY).is_none() {
        return Some(*api);
    }
    let (first, last) = understood.get(api.key)?;
    let advertised = (api.advertised.0.max(first), api.advertised.1.min(last));
    (advertised.0 <= advertised.1).then_some(ServedApi { advertised, ..*api })
}

fn api_key(api: &ServedApi) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key)
        .with_min_version(api.advertised.0)
        .with_max_version(api.advertised.1)
}

fn with_features(answer: ApiVersionsResponse, image: &Image, version: i16) -> ApiVersionsResponse {
    // Before version 4 clients stumble over a lowest level of 0 (KAFKA-17492).
    let shown = FEATURES
        .iter()
        .filter(|(_, min, ..)| version >= 4 || *min > 0);
    let supported = shown.map(|(name, min, max, _)| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_min_version(*min)
            .with_max_version(*max)
    });
    let on = image.features.iter().filter(|(_, level)| **level > 0);
    let finalized = on.map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_min_version_level(*level)
            .with_max_version_level(*level)
    });
    answer
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(image.highest_offset())
        .with_finalized_features(finalized.collect())
}

/// Letters, digits, `-` and `.`, beginning and ending with a letter or digit.
fn is_software_text(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes.iter().all(|byte| inside(*byte))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_the_controller_answers_its_versions_are_told() {
        let api = |key, advertised, is_forwarded| ServedApi {
            is_forwarded,
            ..ServedApi::new("", key, advertised)
        };
        let range = |api: &ServedApi, understood: &ApiRanges| {
            understandable(api, understood).map(|api| api.advertised)
        };
        let understood = ApiRanges::new(vec![(18, 0, 4), (19, 2, 5), (45, 0, 0), (20, 7, 8)]);
        assert_eq!(range(&api(19, (2, 7), true), &understood), Some((2, 5)));
        assert_eq!(range(&api(45, (0, 1), true), &understood), Some((0, 0)));
        assert_eq!(range(&api(20, (1, 6), true), &understood), None);
        assert_eq!(range(&api(80, (0, 1), true), &understood), None);
        assert_eq!(range(&api(3, (0, 13), false), &understood), Some((0, 13)));
        let unknown = ApiRanges::default();
        assert_eq!(range(&api(19, (2, 7), true), &unknown), Some((2, 7)));
    }

    #[test]
    fn software_names_have_the_form_that_kip_511_gives_them() {
        for good in ["apache-kafka-java", "librdkafka", "4.3.1", "a"] {
            assert!(is_software_text(good), "{good}");
        }
        for bad in ["", "-a", "a-", ".", "a b", "a/b", "é"] {
            assert!(!is_software_text(bad), "{bad}");
        }
    }
}
