//! Pure: UpdateFeatures: at which level a feature is from now on (`FeatureControlManager` of
//! Kafka).

use std::collections::BTreeMap;

use crate::metadata::controller::request::{FeatureChange, UpdateFeatures};
use crate::metadata::record::MetadataRecord;

use super::format::{FEATURES, level};
use super::{Deciding, Decision};

/// What is wrong with the change of a feature. None is made then. The texts are Kafka's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "The update failed for all features since the following feature had an error: Invalid update \
     version {level} for feature {feature}. {why}"
)]
pub struct UpdateFeaturesError {
    /// The feature.
    feature: String,
    /// The level asked for.
    level: i16,
    /// A sentence.
    why: String,
}

/// Features of which records of the metadata log, or promises of this broker, rest on their
/// level: they go up, never down.
const ONLY_UP: [&str; 2] = ["metadata.version", "eligible.leader.replicas.version"];

/// Ways to change a feature, by their numbers: up, down if nothing is lost, down in any case.
const UPGRADE: i8 = 1;
const UNSAFE_DOWNGRADE: i8 = 3;

/// Decides on a whole request. Of a feature that stands there more than once the last level counts.
pub fn update_features(
    with: &Deciding<'_>,
    request: &UpdateFeatures,
) -> Decision<Result<(), UpdateFeaturesError>> {
    let named = request.changes.iter().map(|change| (&*change.name, change));
    let changes: BTreeMap<&str, &FeatureChange> = named.collect();
    let records: Result<Vec<_>, _> = changes
        .values()
        .map(|change| update(with, change))
        .collect();
    let answer = records.as_ref().map(|_| ()).map_err(Clone::clone);
    let mut records: Vec<_> = records.unwrap_or_default().into_iter().flatten().collect();
    if request.validate_only {
        records.clear();
    }
    Decision { records, answer }
}

/// The record that changes one feature; none where it is at that level.
fn update(
    with: &Deciding<'_>,
    change: &FeatureChange,
) -> Result<Option<MetadataRecord>, UpdateFeaturesError> {
    let new = change.level;
    let refuse = |why: String| {
        Err(UpdateFeaturesError {
            feature: change.name.clone(),
            level: new,
            why,
        })
    };
    if !(UPGRADE..=UNSAFE_DOWNGRADE).contains(&change.upgrade_type) {
        return refuse("The controller does not support the given upgrade type.".into());
    }
    if new < 0 {
        return refuse("A feature version cannot be less than 0.".into());
    }
    let known = FEATURES.into_iter().find(|(name, ..)| *name == change.name);
    let Some((name, min, max, _)) = known else {
        return refuse("Local controller does not support this feature.".into());
    };
    if !(min..=max).contains(&new) {
        return refuse(format!(
            "Local controller only supports versions {min}-{max}"
        ));
    }
    let current = with.image.features.get(name).copied().unwrap_or(0);
    let is_upgrade = change.upgrade_type == UPGRADE;
    if new < current && is_upgrade {
        return refuse(
            "Can't downgrade the version of this feature without setting the upgrade type to \
             either safe or unsafe downgrade."
                .into(),
        );
    }
    if new > current && !is_upgrade {
        return refuse("Can't downgrade to a newer version.".into());
    }
    if new < current && ONLY_UP.contains(&name) {
        return refuse(
            "Refusing to perform the requested downgrade because it might delete metadata \
             information."
                .into(),
        );
    }
    Ok((new != current).then(|| level(name, new)))
}
