//! Pure: AlterClientQuotas: which limits of users, clients and addresses change
//! (`ClientQuotaControlManager` of Kafka).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::base::limits::{CLIENT_QUOTAS_MAX, QUOTA_NAME_BYTES_MAX};
use crate::metadata::controller::request::{AlterClientQuotas, QuotaChange};
use crate::metadata::image::QuotaEntity;
use crate::metadata::record::{self, ClientQuota, MetadataRecord};

use super::{Deciding, Decision, RECORDS_MAX};

/// The kind of entity that is a principal's name.
pub const USER: &str = "user";
/// The kind of entity that is the name a client gives itself.
pub const CLIENT_ID: &str = "client-id";
/// The kind of entity that is an address of clients.
pub const IP: &str = "ip";

/// Why the limits of an entity were not changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlterQuotasError {
    /// The request is not right. The texts are Kafka's.
    #[error("{0}")]
    Request(String),
    /// One of its names is longer than is kept.
    #[error("the name of a quota's entity is longer than {QUOTA_NAME_BYTES_MAX} bytes")]
    LongName,
    /// As many entities as are kept have quotas.
    #[error("{CLIENT_QUOTAS_MAX} entities have quotas already")]
    TooMany,
    /// The request would take more records than one may.
    #[error("Unable to perform excessively large batch operation.")]
    TooLarge,
}

/// How it went for each entity, by entity.
pub type AlteredQuotas = BTreeMap<QuotaEntity, Result<(), AlterQuotasError>>;

/// Decides on a whole request. An entity that stands there more than once is changed as its first
/// entry says, and answered with an error: Kafka does the same.
pub fn alter_client_quotas(
    with: &Deciding<'_>,
    request: &AlterClientQuotas,
) -> Decision<AlteredQuotas> {
    let mut records = Vec::new();
    let mut answer = AlteredQuotas::new();
    let mut new_entities = 0;
    for change in &request.changes {
        let entity = &change.entity;
        let mut keys = BTreeSet::new();
        let is_known = answer.contains_key(entity);
        if is_known || !change.ops.iter().all(|(key, _)| keys.insert(key)) {
            let again =
                refuse("Ignoring duplicate entity, or an entity with a duplicate quota key");
            answer.insert(entity.clone(), again);
            continue;
        }
        let is_new = with.image.quotas.of(entity).is_none();
        let result = match alter(with, change) {
            Ok(new) if is_new && !new.is_empty() => {
                let there = with.image.quotas.len() + new_entities;
                (there < CLIENT_QUOTAS_MAX)
                    .then_some(new)
                    .ok_or(AlterQuotasError::TooMany)
                    .inspect(|_| new_entities += 1)
            }
            other => other,
        };
        let result = result.map(|new| records.extend(new));
        answer.insert(entity.clone(), result);
        if records.len() > RECORDS_MAX {
            return too_large(request);
        }
    }
    if request.validate_only {
        records.clear();
    }
    Decision { records, answer }
}

/// Nothing changes.
fn too_large(request: &AlterClientQuotas) -> Decision<AlteredQuotas> {
    let entities = request.changes.iter().map(|change| change.entity.clone());
    let refused = entities.map(|entity| (entity, Err(AlterQuotasError::TooLarge)));
    Decision {
        records: Vec::new(),
        answer: refused.collect(),
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, AlterQuotasError> {
    Err(AlterQuotasError::Request(text.into()))
}

/// The records that change one entity's limits.
fn alter(
    with: &Deciding<'_>,
    change: &QuotaChange,
) -> Result<Vec<MetadataRecord>, AlterQuotasError> {
    check_entity(&change.entity)?;
    let limits = limits(&change.entity)?;
    let current = with.image.quotas.of(&change.entity);
    let mut records = Vec::new();
    for (key, value) in &change.ops {
        let current = current.and_then(|values| values.get(key));
        match value {
            None if current.is_none() => {}
            None => records.push(record(&change.entity, key, None)),
            Some(value) => {
                check_value(limits, key, *value)?;
                if current != Some(value) {
                    records.push(record(&change.entity, key, Some(*value)));
                }
            }
        }
    }
    Ok(records)
}

fn record(entity: &QuotaEntity, key: &str, value: Option<f64>) -> MetadataRecord {
    let parts = entity.parts().iter();
    let parts = parts.map(|(kind, name)| record::QuotaEntity {
        entity_type: kind.clone(),
        entity_name: name.clone(),
    });
    ClientQuota {
        entity: parts.collect(),
        key: key.to_owned(),
        value: value.unwrap_or_default().to_bits() as i64,
        remove: value.is_none(),
    }
    .into()
}

fn check_entity(entity: &QuotaEntity) -> Result<(), AlterQuotasError> {
    if entity.parts().is_empty() {
        return refuse("Invalid empty client quota entity");
    }
    for (kind, name) in entity.parts() {
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            return refuse(format!("Unhandled client quota entity type: {kind}"));
        }
        match name {
            Some(name) if name.is_empty() => {
                return refuse(format!("Empty {kind} not supported"));
            }
            Some(name) if name.len() > QUOTA_NAME_BYTES_MAX => {
                return Err(AlterQuotasError::LongName);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What values a limit can have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    /// Any above zero.
    Double,
    /// Whole ones up to 2^31 - 1.
    Int,
    /// Whole ones up to 2^63 - 1.
    Long,
}

/// Limits that users and clients can have.
const OF_USERS: &[(&str, Values)] = &[
    ("producer_byte_rate", Values::Long),
    ("consumer_byte_rate", Values::Long),
    ("request_percentage", Values::Double),
    ("controller_mutation_rate", Values::Double),
];
/// Limits that addresses can have.
const OF_ADDRESSES: &[(&str, Values)] = &[("connection_creation_rate", Values::Int)];

/// The limits that an entity of these kinds can have. Kafka accepts the name of a host and looks it
/// up. Here only addresses are accepted: a client's request must not make the controller wait for a
/// name server.
fn limits(entity: &QuotaEntity) -> Result<&'static [(&'static str, Values)], AlterQuotasError> {
    match entity.name(IP) {
        None => Ok(OF_USERS),
        Some(_) if entity.parts().len() > 1 => refuse(
            "Invalid quota entity combination, IP entity should not be combined with User or \
             ClientId",
        ),
        Some(Some(name)) if !is_address(name) => {
            refuse(format!("{name} is not a valid IP or resolvable host."))
        }
        Some(_) => Ok(OF_ADDRESSES),
    }
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_bracketed_v6 = bare.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok());
    name == "localhost" || name.parse::<IpAddr>().is_ok() || is_bracketed_v6
}

fn check_value(limits: &[(&str, Values)], key: &str, value: f64) -> Result<(), AlterQuotasError> {
    let Some((_, values)) = limits.iter().find(|(name, _)| *name == key) else {
        return refuse(format!("Invalid configuration key {key}"));
    };
    // What is no number would be no limit (Kafka stores it).
    if value.is_nan() || value <= 0.0 {
        return refuse(format!("Quota {key} must be greater than 0"));
    }
    let (max, kind) = match values {
        Values::Double => return Ok(()),
        Values::Int => (f64::from(i32::MAX), "an INT"),
        Values::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > max {
        return refuse(format!("Proposed value for {key} is too large for {kind}."));
    }
    // Kafka's own tolerance.
    if (value % 1.0).abs() > 1e-6 {
        return refuse(format!("{key} cannot be a fractional value."));
    }
    Ok(())
}
