//! Pure: broker settings: transactions.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static TRANSACTIONS;

    "transaction.max.timeout.ms" Int = Some("900000"), AtLeast(1), High, ReadOnly, Applied;
        "The longest transaction timeout that a producer may ask for.";
}
