//! Stories about the levels of features: UpdateFeatures. Of Kafka's features those are asked about
//! that Corelane knows too, and what it cannot do without is only changed to what it is.

use kafka_protocol::messages::UpdateFeaturesRequest;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;

use crate::script::{Story, make, s, since};

/// Feature, level, way.
type Updates<'a> = &'a [(&'a str, i16, i8)];

const UP: i8 = 1;
const SAFE: i8 = 2;
const UNSAFE: i8 = 3;

const GROUPS: &str = "group.version";
const TRANSACTIONS: &str = "transaction.version";

fn update(story: &mut Story, what: &str, v: i16, only_check: bool, updates: Updates) {
    let one = |(feature, level, way): &(&str, i16, i8)| {
        make!(FeatureUpdateKey {
            feature: s(feature),
            max_version_level: *level,
            upgrade_type: if v >= 1 { *way } else { UP },
        })
    };
    let request = make!(UpdateFeaturesRequest {
        timeout_ms: 10_000,
        feature_updates: updates.iter().map(one).collect(),
        validate_only: since(v, 1, only_check),
    });
    story.ask(what, v, request);
}

pub fn update_features(story: &mut Story) {
    story.versions(0..=2, |story, v| {
        let known: &[(&str, Updates)] = &[
            ("none", &[]),
            ("as it is", &[(GROUPS, 1, UP)]),
            ("metadata as they are", &[("metadata.version", 30, UP)]),
            ("two as they are", &[(GROUPS, 1, UP), (TRANSACTIONS, 2, UP)]),
            ("one twice", &[(GROUPS, 1, UP), (GROUPS, 1, UP)]),
            ("down without saying so", &[(TRANSACTIONS, 0, UP)]),
            ("too high", &[(TRANSACTIONS, 3, UP)]),
            ("far too high", &[(GROUPS, i16::MAX, UP)]),
            ("below zero", &[(GROUPS, -1, SAFE)]),
            ("of an unknown feature", &[("no.such.feature", 1, UP)]),
            ("an unknown feature off", &[("no.such.feature", 0, SAFE)]),
            ("of no feature", &[("", 1, UP)]),
            (
                "a good and a bad one",
                &[(GROUPS, 1, UP), (TRANSACTIONS, 9, UP)],
            ),
            ("metadata too low", &[("metadata.version", 6, SAFE)]),
            ("metadata too high", &[("metadata.version", 1000, UP)]),
        ];
        for (what, updates) in known {
            update(story, what, v, false, updates);
        }
        if v == 0 {
            return;
        }
        let ways: &[(&str, Updates)] = &[
            ("an unknown way", &[(GROUPS, 1, 0)]),
            ("another unknown way", &[(GROUPS, 1, 4)]),
            ("down to what it is", &[(TRANSACTIONS, 2, SAFE)]),
            ("unsafely down to what it is", &[(TRANSACTIONS, 2, UNSAFE)]),
            (
                "metadata down to what they are",
                &[("metadata.version", 30, SAFE)],
            ),
        ];
        for (what, updates) in ways {
            update(story, what, v, false, updates);
        }
        update(
            story,
            "down, only checked",
            v,
            true,
            &[(TRANSACTIONS, 0, SAFE)],
        );
        update(
            story,
            "down after a check",
            v,
            false,
            &[(TRANSACTIONS, 1, SAFE)],
        );
        update(
            story,
            "higher, but called down",
            v,
            false,
            &[(TRANSACTIONS, 2, SAFE)],
        );
        update(story, "off", v, false, &[(TRANSACTIONS, 0, UNSAFE)]);
        update(story, "off again", v, false, &[(TRANSACTIONS, 0, SAFE)]);
        update(story, "on again", v, false, &[(TRANSACTIONS, 2, UP)]);
    });
}
