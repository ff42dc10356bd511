//! Pure: broker settings: what clients tell of themselves.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`MetricConfigs`).
    pub static TELEMETRY;

    "telemetry.max.bytes" Int = Some("1048576"), AtLeast(1), Low, ReadOnly, Applied;
        "The most bytes of metrics that a client may push at a time, as they are compressed.";
}
