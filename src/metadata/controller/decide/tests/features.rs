//! Pure: stories of features that go up and down.

use super::World;
use crate::metadata::controller::decide::*;
use crate::metadata::controller::request::*;

const UP: i8 = 1;
const SAFE: i8 = 2;
const UNSAFE: i8 = 3;

impl World {
    fn features(&mut self, validate_only: bool, changes: &[(&str, i16, i8)]) -> Option<String> {
        let change = |(name, level, upgrade_type): &(&str, i16, i8)| FeatureChange {
            name: (*name).into(),
            level: *level,
            upgrade_type: *upgrade_type,
        };
        let request = UpdateFeatures {
            validate_only,
            changes: changes.iter().map(change).collect(),
        };
        let answer = self.decide(|with| update_features(with, &request));
        answer.err().map(|error| error.to_string())
    }
}

#[test]
fn a_feature_goes_down_and_stays_there_over_a_start() {
    let mut world = World::new(1, "");
    let down = [
        ("transaction.version", 0, SAFE),
        ("group.version", 0, UNSAFE),
    ];
    assert_eq!(world.features(true, &down), None);
    assert_eq!(world.image.features["transaction.version"], 2);
    assert_eq!(world.features(false, &down), None);
    assert_eq!(world.image.features["transaction.version"], 0);
    assert_eq!(world.image.features["group.version"], 0);
    // The broker is started again: what was switched off is not what an earlier build lacked.
    assert_eq!(catch_up(&world.image), []);
    assert_eq!(
        world.features(false, &[("transaction.version", 1, UP)]),
        None
    );
    assert_eq!(world.image.features["transaction.version"], 1);
}

#[test]
fn one_bad_change_spoils_the_others() {
    let mut world = World::new(1, "");
    let before = world.image.end_offset;
    for bad in [
        ("no.such.feature", 1, UP),
        ("group.version", 2, UP),
        ("group.version", 0, UP),
        ("group.version", -1, UP),
        ("group.version", 0, 0),
        ("group.version", 0, 4),
        ("metadata.version", 6, SAFE),
        ("metadata.version", 29, SAFE),
        ("metadata.version", 29, UNSAFE),
        ("metadata.version", 31, UP),
        ("eligible.leader.replicas.version", 0, UNSAFE),
    ] {
        let text = world.features(false, &[("transaction.version", 0, SAFE), bad]);
        let text = text.expect("a reason");
        assert!(
            text.contains(&format!("version {} for feature {}", bad.1, bad.0)),
            "{text}"
        );
    }
    assert_eq!(world.image.end_offset, before);
    world.features(false, &[("transaction.version", 0, SAFE)]);
    let text = world
        .features(false, &[("transaction.version", 2, SAFE)])
        .unwrap();
    assert!(
        text.ends_with("Can't downgrade to a newer version."),
        "{text}"
    );
}
