//! Pure: AlterConfigs and IncrementalAlterConfigs: which dynamic settings change.
//!
//! Kafka does this in two steps: the broker that is asked looks at the request as a whole and at
//! its own settings, then the controller at everything that gets there. The order of the checks
//! here is theirs, since what is wrong first is what a client is told.

mod loggers;

pub use loggers::check_levels;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::NodeId;
use crate::base::config::{
    self, Effect, InvalidValue, Kind, Mode, Setting, broker_setting, check_group, check_topic,
    client_metrics_setting, group_setting, topic_setting,
};
use crate::base::limits::SUBSCRIPTIONS_MAX;
use crate::metadata::controller::request::{AlterConfigs, ConfigChange, ResourceChange};
use crate::metadata::image::{Image, ResourceKind};
use crate::metadata::record::{Config, MetadataRecord};

use super::names::{NameError, check_topic_name};
use super::subscription::{Subscription, check_subscription};
use super::{Deciding, Decision, RECORDS_MAX, VALUE_MAX};

const MIN_ISR: &str = "min.insync.replicas";

/// Why a resource's settings were not changed. The texts are Kafka's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlterConfigsError {
    /// The request is not right.
    #[error("{0}")]
    Request(String),
    /// A setting is not right.
    #[error("{0}")]
    Config(String),
    /// The topic's name is illegal.
    #[error("{0}")]
    Name(NameError),
    /// There is no topic of this name.
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(String),
    /// An operation that does not exist; Kafka has no words for it.
    #[error("there is no such operation")]
    UnknownOperation,
    /// There are as many subscriptions to clients' metrics as there may be.
    #[error("there are {SUBSCRIPTIONS_MAX} subscriptions to metrics of clients already")]
    TooMany,
    /// The request would take more records than one may.
    #[error("Unable to perform excessively large batch operation.")]
    TooLarge,
}

/// A setting's new value by its name; `None` deletes it.
type Changes = BTreeMap<String, Option<String>>;

/// Decides on a whole request.
pub fn alter_configs(
    with: &Deciding<'_>,
    request: &AlterConfigs,
) -> Decision<Vec<Result<(), AlterConfigsError>>> {
    let mut times: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    for resource in &request.resources {
        *times.entry((resource.kind, &resource.name)).or_default() += 1;
    }
    let mut records = Vec::new();
    let mut answer = Vec::new();
    for resource in &request.resources {
        let result = if times[&(resource.kind, resource.name.as_str())] > 1 {
            refuse("Each resource must appear at most once.")
        } else {
            alter(with, request.node, resource).map(|new| records.extend(new))
        };
        answer.push(result);
    }
    if records.len() > RECORDS_MAX {
        records.clear();
        answer.fill(Err(AlterConfigsError::TooLarge));
    }
    if request.validate_only {
        records.clear();
    }
    Decision { records, answer }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, AlterConfigsError> {
    Err(AlterConfigsError::Request(text.into()))
}

/// The records that change one resource.
fn alter(
    with: &Deciding<'_>,
    node: NodeId,
    resource: &ResourceChange,
) -> Result<Vec<MetadataRecord>, AlterConfigsError> {
    check_form(&resource.change)?;
    let incremental = matches!(resource.change, ConfigChange::Each(_));
    let kind = match ResourceKind::from_id(resource.kind) {
        Some(ResourceKind::BrokerLogger) if incremental => {
            return check_levels(node, resource).map(|()| Vec::new());
        }
        None | Some(ResourceKind::BrokerLogger) => {
            return refuse(format!("Unknown resource type {}", resource.kind));
        }
        Some(kind) => kind,
    };
    if kind == ResourceKind::Broker {
        check_broker(with.image, node, resource)?;
    }
    let changes = changes(with.image, kind, resource)?;
    check(with, kind, &resource.name, &changes)?;
    let records = changes.into_iter().map(|(name, value)| {
        MetadataRecord::from(Config {
            resource_type: kind.id(),
            resource_name: resource.name.clone(),
            name,
            value,
        })
    });
    Ok(records.collect())
}

/// Finds what is wrong with a request whatever its settings are.
fn check_form(change: &ConfigChange) -> Result<(), AlterConfigsError> {
    let (names, null): (Vec<&str>, Vec<&str>) = match change {
        ConfigChange::Replace(settings) => {
            let null = settings.iter().filter(|(_, value)| value.is_none());
            let null = null.map(|(name, _)| name.as_str()).collect();
            (
                settings.iter().map(|(name, _)| name.as_str()).collect(),
                null,
            )
        }
        ConfigChange::Each(ops) => {
            let null = ops
                .iter()
                .filter(|(_, op, value)| *op != DELETE && value.is_none());
            let null = null.map(|(name, ..)| name.as_str()).collect();
            (ops.iter().map(|(name, ..)| name.as_str()).collect(), null)
        }
    };
    let mut seen = BTreeSet::new();
    if !names.iter().all(|name| seen.insert(name)) {
        return refuse("Error due to duplicate config keys");
    }
    if !null.is_empty() {
        return refuse(format!(
            "Null value not supported for : {}",
            null.join(", ")
        ));
    }
    Ok(())
}

/// Operation of a change that sets a value (KIP-339).
pub const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// The checks of the broker that is asked, before the controller.
fn check_broker(
    image: &Image,
    node: NodeId,
    resource: &ResourceChange,
) -> Result<(), AlterConfigsError> {
    let name = &resource.name;
    match name.parse() {
        _ if name.is_empty() => {}
        Err(_) => return refuse(format!("Node id must be an integer, but it is: {name}")),
        Ok(id) if NodeId(id) != node => {
            return refuse(format!(
                "Unexpected broker id, expected {node}, but received {name}"
            ));
        }
        Ok(_) => {}
    }
    let mut settings = match &resource.change {
        ConfigChange::Replace(_) => BTreeMap::new(),
        ConfigChange::Each(ops) => {
            check_broker_ops(ops)?;
            BTreeMap::clone(image.configs.of(ResourceKind::Broker, name))
        }
    };
    for (name, value) in changes(image, ResourceKind::Broker, resource)? {
        match value {
            Some(value) => settings.insert(name, value),
            None => settings.remove(&name),
        };
    }
    config::check_broker(!name.is_empty(), &settings).map_err(request)?;
    match settings.keys().find(|name| is_fixed_at_start(name)) {
        Some(name) => refuse(format!("{name} cannot be changed while this broker runs")),
        None => Ok(()),
    }
}

fn request(InvalidValue(text): InvalidValue) -> AlterConfigsError {
    AlterConfigsError::Request(text)
}

/// Whether this is a setting of the sockets: Kafka opens and closes listeners as it runs, while a
/// shard's are bound before it starts.
fn is_fixed_at_start(name: &str) -> bool {
    let applied = |row: &Setting| row.mode == Mode::PerBroker && row.effect == Effect::Applied;
    broker_setting(name).is_some_and(applied)
}

fn check_broker_ops(ops: &[(String, i8, Option<String>)]) -> Result<(), AlterConfigsError> {
    if let Some((_, op, _)) = ops.iter().find(|(_, op, _)| !(SET..=SUBTRACT).contains(op)) {
        return refuse(format!("Unknown operations type {op}"));
    }
    for (name, op, _) in ops.iter().filter(|(_, op, _)| *op >= APPEND) {
        let verb = if *op == APPEND { "append" } else { "subtract" };
        match broker_setting(name).map(|row| row.kind) {
            Some(Kind::List) => {}
            Some(_) => {
                return Err(AlterConfigsError::Config(format!(
                    "Config value {verb} is not allowed for config key: {name}"
                )));
            }
            None => {
                return Err(AlterConfigsError::Config(format!(
                    "Unknown config name: {name}"
                )));
            }
        }
    }
    Ok(())
}

/// The settings that change. Those that keep their value are left out, except a broker's: to set
/// one again makes Kafka's brokers read it again.
fn changes(
    image: &Image,
    kind: ResourceKind,
    resource: &ResourceChange,
) -> Result<Changes, AlterConfigsError> {
    let current = image.configs.of(kind, &resource.name);
    let mut changes = Changes::new();
    match &resource.change {
        ConfigChange::Replace(settings) => {
            changes.extend(settings.iter().cloned());
            for name in current.keys() {
                changes.entry(name.clone()).or_insert(None);
            }
        }
        ConfigChange::Each(ops) => {
            for (name, op, value) in ops {
                let value = value.as_deref().unwrap_or_default();
                let new = match *op {
                    SET => Some(value.to_owned()),
                    DELETE => None,
                    APPEND | SUBTRACT => {
                        Some(edit_list(kind, name, current.get(name), *op, value)?)
                    }
                    _ => return Err(AlterConfigsError::UnknownOperation),
                };
                changes.insert(name.clone(), new);
            }
        }
    }
    if kind != ResourceKind::Broker {
        changes.retain(|name, value| current.get(name) != value.as_ref());
    }
    Ok(changes)
}

/// A list with items added, or without them.
fn edit_list(
    kind: ResourceKind,
    name: &str,
    current: Option<&String>,
    op: i8,
    value: &str,
) -> Result<String, AlterConfigsError> {
    let row = row(kind, name).filter(|row| row.kind == Kind::List);
    let Some(row) = row else {
        let verb = if op == APPEND { "APPEND" } else { "SUBTRACT" };
        return Err(AlterConfigsError::Config(format!(
            "Can't {verb} to key {name} because its type is not LIST."
        )));
    };
    let text = current.map_or(row.default.unwrap_or_default(), String::as_str);
    let mut items: Vec<&str> = text.split(',').filter(|item| !item.is_empty()).collect();
    for item in value.split(',') {
        let at = items.iter().position(|known| *known == item);
        match (op, at) {
            (APPEND, None) => items.push(item),
            (SUBTRACT, Some(at)) => drop(items.remove(at)),
            _ => {}
        }
    }
    Ok(items.join(","))
}

fn row(kind: ResourceKind, name: &str) -> Option<&'static Setting> {
    match kind {
        ResourceKind::Topic => topic_setting(name),
        ResourceKind::Broker => broker_setting(name),
        ResourceKind::Group => group_setting(name),
        ResourceKind::ClientMetrics => client_metrics_setting(name),
        ResourceKind::BrokerLogger => None,
    }
}

/// The checks of the controller: first the changes, then the settings as they would be.
fn check(
    with: &Deciding<'_>,
    kind: ResourceKind,
    name: &str,
    changes: &Changes,
) -> Result<(), AlterConfigsError> {
    let mut settings = BTreeMap::clone(with.image.configs.of(kind, name));
    for (setting, value) in changes {
        check_min_isr(with.image, kind, name, setting, value.is_none())?;
        match value {
            Some(value) if value.encode_utf16().count() > VALUE_MAX => {
                return Err(AlterConfigsError::Config(super::LONG_VALUE.into()));
            }
            Some(value) => settings.insert(setting.clone(), value.clone()),
            None => settings.remove(setting),
        };
    }
    match kind {
        ResourceKind::Topic if name.is_empty() => {
            return refuse("Default topic resources are not allowed.");
        }
        ResourceKind::Topic => {
            check_topic_name(name).map_err(AlterConfigsError::Name)?;
            check_topic(&settings).map_err(|error| AlterConfigsError::Config(error.0))?;
            if with.image.topics.named(name).is_none() {
                return Err(AlterConfigsError::UnknownTopic(name.to_owned()));
            }
        }
        ResourceKind::Group if name.is_empty() => {
            return refuse("Default group resources are not allowed.");
        }
        ResourceKind::Group => {
            check_group(with.config, &settings)
                .map_err(|error| AlterConfigsError::Config(error.0))?;
        }
        ResourceKind::ClientMetrics => {
            let kept = with.image.configs.names(kind);
            let is_new = kept.iter().all(|known| &***known != name);
            if is_new && kept.len() >= SUBSCRIPTIONS_MAX {
                return Err(AlterConfigsError::TooMany);
            }
            check_subscription(name, &settings).map_err(|error| match error {
                Subscription::Request(text) => AlterConfigsError::Request(text),
                Subscription::Value(text) => AlterConfigsError::Config(text),
            })?;
        }
        ResourceKind::Broker | ResourceKind::BrokerLogger => {}
    }
    Ok(())
}

/// While eligible leader replicas are kept (KIP-966), the least count of replicas in sync is one
/// for all brokers, and there must be one.
fn check_min_isr(
    image: &Image,
    kind: ResourceKind,
    resource: &str,
    setting: &str,
    deleted: bool,
) -> Result<(), AlterConfigsError> {
    let keeps_elr = image
        .features
        .get("eligible.leader.replicas.version")
        .is_some_and(|l| *l > 0);
    if kind != ResourceKind::Broker || setting != MIN_ISR || !keeps_elr {
        return Ok(());
    }
    let text = match resource {
        "" if !deleted => return Ok(()),
        "" => format!("Cluster-level {MIN_ISR} cannot be removed while ELR is enabled."),
        _ => format!("Broker-level {MIN_ISR} cannot be altered while ELR is enabled."),
    };
    Err(AlterConfigsError::Config(text))
}
