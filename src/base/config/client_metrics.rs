//! Pure: the settings of a subscription to clients' metrics (KIP-714).

use regex::{Regex, RegexBuilder};

use super::setting::Setting;
use super::table::dynamic_settings;

dynamic_settings! {
    /// Every setting of a client metrics subscription in Kafka 4.3 (`ClientMetricsConfigs`).
    pub static CLIENT_METRICS_SETTINGS;

    "interval.ms" Int = "300000", Any, Applied, [];
        "How often a client sends its metrics, in milliseconds, 100 to 3600000.";
    "match" List = "", Items { of: &[], may_be_empty: true }, Applied, [];
        "Which clients are asked, as `property=pattern` entries; all where it is empty.";
    "metrics" List = "", Items { of: &[], may_be_empty: true }, Applied, [];
        "Prefixes of the names of the metrics that are asked for; `*` for all.";
}

/// The row of a client metrics setting.
pub fn client_metrics_setting(name: &str) -> Option<&'static Setting> {
    CLIENT_METRICS_SETTINGS.iter().find(|row| row.name == name)
}

/// What patterns of a subscription look at, by their places in [`Facts`].
const PROPERTIES: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// What is known of a client instance: the texts of `client_instance_id`, `client_id`,
/// `client_software_name`, `client_software_version`, `client_source_address` and
/// `client_source_port`.
pub type Facts = [String; 6];

/// Memory that one compiled pattern may take, in bytes: some hundred symbols of any kind.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// An entry of `match`: which of the [`Facts`] is looked at, and the whole of which text it must
/// be. `None` where it is no such entry. Patterns are those of the crate `regex`, which takes time
/// in proportion to the text; of Java's they lack what looks around or back.
pub fn client_pattern(entry: &str) -> Option<(usize, Regex)> {
    // Equals signs at the very end do not count for Java's split.
    let parts: Vec<&str> = entry.trim_end_matches('=').split('=').collect();
    let [property, pattern] = parts[..] else {
        return None;
    };
    let place = PROPERTIES
        .iter()
        .position(|known| *known == property.trim())?;
    let whole = format!("^(?:{})$", pattern.trim());
    let regex = RegexBuilder::new(&whole)
        .size_limit(PATTERN_BYTES_MAX)
        .build();
    Some((place, regex.ok()?))
}
