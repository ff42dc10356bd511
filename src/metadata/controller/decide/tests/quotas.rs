//! Pure: stories of quotas. What Kafka answers is compared in `tests/parity`; here is what Kafka
//! has no bound for.

use super::World;
use crate::base::limits::{CLIENT_QUOTAS_MAX, QUOTA_NAME_BYTES_MAX};
use crate::metadata::controller::decide::*;
use crate::metadata::controller::request::*;
use crate::metadata::image::QuotaEntity;

const RATE: &str = "producer_byte_rate";

fn user(name: &str) -> QuotaEntity {
    QuotaEntity::new([(USER.into(), Some(name.into()))])
}

fn change(entity: QuotaEntity, ops: &[(&str, Option<f64>)]) -> QuotaChange {
    let op = |(key, value): &(&str, Option<f64>)| ((*key).into(), *value);
    QuotaChange {
        entity,
        ops: ops.iter().map(op).collect(),
    }
}

impl World {
    fn quotas(&mut self, changes: Vec<QuotaChange>) -> AlteredQuotas {
        let request = AlterClientQuotas {
            validate_only: false,
            changes,
        };
        self.decide(|with| alter_client_quotas(with, &request))
    }

    fn quota(&mut self, entity: QuotaEntity, value: Option<f64>) -> Result<(), AlterQuotasError> {
        let answer = self.quotas(vec![change(entity.clone(), &[(RATE, value)])]);
        answer[&entity].clone()
    }
}

#[test]
fn limits_are_kept_until_they_are_removed() {
    let mut world = World::new(1, "");
    assert_eq!(world.quota(user("a"), Some(5.0)), Ok(()));
    let before = world.image.end_offset;
    assert_eq!(world.quota(user("a"), Some(5.0)), Ok(()));
    assert_eq!(world.image.end_offset, before, "nothing changed");
    assert_eq!(world.image.quotas.of(&user("a")).unwrap()[RATE], 5.0);
    assert_eq!(world.quota(user("a"), None), Ok(()));
    assert!(world.image.quotas.is_empty());
}

#[test]
fn what_is_no_number_is_no_limit() {
    let mut world = World::new(1, "");
    let refused = world.quota(user("a"), Some(f64::NAN)).unwrap_err();
    let text = "Quota producer_byte_rate must be greater than 0";
    assert_eq!(refused, AlterQuotasError::Request(text.into()));
}

#[test]
fn hosts_are_not_looked_up() {
    let mut world = World::new(1, "");
    let mut ask = |name: &str| {
        let entity = QuotaEntity::new([(IP.into(), Some(name.into()))]);
        let ops = [("connection_creation_rate", Some(1.0))];
        world.quotas(vec![change(entity.clone(), &ops)])[&entity].is_ok()
    };
    for good in ["10.0.0.1", "::1", "[::1]", "localhost"] {
        assert!(ask(good), "{good}");
    }
    for bad in ["example.org", "1.2.3.4.5", "[10.0.0.1]", "10.0.0.256"] {
        assert!(!ask(bad), "{bad}");
    }
}

#[test]
fn names_and_entities_are_bounded() {
    let mut world = World::new(1, "");
    let long = "n".repeat(QUOTA_NAME_BYTES_MAX);
    assert_eq!(world.quota(user(&long), Some(1.0)), Ok(()));
    let longer = long + "n";
    let refused = world.quota(user(&longer), Some(1.0));
    assert_eq!(refused, Err(AlterQuotasError::LongName));
    let more =
        |count: usize| (0..count).map(|at| change(user(&at.to_string()), &[(RATE, Some(1.0))]));
    let answer = world.quotas(more(CLIENT_QUOTAS_MAX).collect());
    let refused: Vec<_> = answer.values().filter(|result| result.is_err()).collect();
    assert_eq!(refused, [&Err(AlterQuotasError::TooMany)]);
    assert_eq!(world.image.quotas.len(), CLIENT_QUOTAS_MAX);
    assert_eq!(
        world.quota(user("b"), Some(1.0)),
        Err(AlterQuotasError::TooMany)
    );
    // Those that are there can change, and make room.
    assert_eq!(world.quota(user("7"), Some(2.0)), Ok(()));
    assert_eq!(world.quota(user("7"), None), Ok(()));
    assert_eq!(world.quota(user("b"), Some(1.0)), Ok(()));
}

#[test]
fn a_request_of_too_many_records_changes_nothing() {
    let mut world = World::new(1, "");
    let ops = [(RATE, Some(1.0)), ("request_percentage", Some(1.0))];
    let count = RECORDS_MAX / 2 + 1;
    let changes = (0..count).map(|at| change(user(&at.to_string()), &ops));
    let answer = world.quotas(changes.collect());
    assert_eq!(answer.len(), count);
    assert!(
        answer
            .values()
            .all(|result| *result == Err(AlterQuotasError::TooLarge))
    );
    assert!(world.image.quotas.is_empty());
}
