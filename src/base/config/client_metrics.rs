//! Pure: the settings of a subscription to clients' metrics (KIP-714).

use super::setting::Setting;
use super::table::dynamic_settings;

dynamic_settings! {
    /// Every setting of a client metrics subscription in Kafka 4.3 (`ClientMetricsConfigs`).
    pub static CLIENT_METRICS_SETTINGS;

    "interval.ms" Int = "300000", Any, Ignored(NoTelemetry), [];
        "How often a client sends its metrics, in milliseconds, 100 to 3600000.";
    "match" List = "", Items { of: &[], may_be_empty: true }, Ignored(NoTelemetry), [];
        "Which clients are asked, as `property=pattern` entries; all where it is empty.";
    "metrics" List = "", Items { of: &[], may_be_empty: true }, Ignored(NoTelemetry), [];
        "Prefixes of the names of the metrics that are asked for; `*` for all.";
}

/// The row of a client metrics setting.
pub fn client_metrics_setting(name: &str) -> Option<&'static Setting> {
    CLIENT_METRICS_SETTINGS.iter().find(|row| row.name == name)
}
