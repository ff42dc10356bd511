//! Drives: UpdateFeatures, versions 0 to 2 (KIP-584): at which levels the cluster's features are.

use crate::io::turn;
use crate::metadata::controller::{self, FeatureChange};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::update_features_response::UpdatableFeatureResult;
use crate::wire::codec::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

/// The API.
pub struct UpdateFeatures;

codes!(UpdateFeaturesResponse: [] [results]);

/// The last version in which each feature has a result of its own; all went as the request did.
const RESULTS_TO: i16 = 1;

impl Api for UpdateFeatures {
    type Request = UpdateFeaturesRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "UpdateFeatures";
    const FORWARDED: bool = true;

    async fn handle(cx: &Context, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
        let answer = UpdateFeaturesResponse::default().with_error_message(None);
        let changes = request.feature_updates.iter().map(|update| FeatureChange {
            name: update.feature.to_string(),
            level: update.max_version_level,
            upgrade_type: update.upgrade_type,
        });
        let changes = controller::UpdateFeatures {
            validate_only: request.validate_only,
            changes: turn::collect(changes).await,
        };
        match cx.shard.control.update_features(changes).await {
            Ok(Ok(())) if cx.version <= RESULTS_TO => {
                let results = request.feature_updates.into_iter().map(|update| {
                    UpdatableFeatureResult::default()
                        .with_feature(update.feature)
                        .with_error_message(Some(StrBytes::from_static_str("NONE")))
                });
                answer.with_results(turn::collect(results).await)
            }
            Ok(Ok(())) => answer,
            Ok(Err(error)) => {
                let (code, text) = errors::update_features(&error);
                answer
                    .with_error_code(code.0)
                    .with_error_message(Some(StrBytes::from_string(text)))
            }
            Err(_) => answer.with_error_code(errors::undecided(cx.server.is_in_cluster).0),
        }
    }
}
