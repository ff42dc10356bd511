//! Pure: whether a subscription to clients' metrics may have these settings (KIP-714).

use std::collections::BTreeMap;

use crate::base::config::{InvalidValue, client_metrics_setting, client_pattern};

/// What is wrong with a client metrics subscription: with the request, or with a value in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Subscription {
    Request(String),
    Value(String),
}

/// Checks the settings of a client metrics subscription (`ClientMetricsConfigs.validate` of
/// Kafka).
pub(super) fn check_subscription(
    name: &str,
    settings: &BTreeMap<String, String>,
) -> Result<(), Subscription> {
    if name.is_empty() {
        return Err(Subscription::Request(
            "Subscription name can't be empty".into(),
        ));
    }
    for name in settings.keys() {
        if client_metrics_setting(name).is_none() {
            let text = format!("Unknown client metrics configuration: {name}");
            return Err(Subscription::Request(text));
        }
    }
    for (name, text) in settings {
        let Some(row) = client_metrics_setting(name) else {
            continue;
        };
        let value = row
            .parse(text)
            .map_err(|InvalidValue(text)| Subscription::Value(text))?;
        if row.name == "interval.ms" && !(100.0..=3_600_000.0).contains(&value.number()) {
            return Err(Subscription::Request(format!(
                "Invalid value {value} for interval.ms, \
                 interval must be between 100 and 3600000 (1 hour)"
            )));
        }
        let patterns = if row.name == "match" {
            value.items()
        } else {
            &[]
        };
        if let Some(pattern) = patterns.iter().find(|it| client_pattern(it).is_none()) {
            let text = format!("Illegal client matching pattern: {pattern}");
            return Err(Subscription::Value(text));
        }
    }
    Ok(())
}
