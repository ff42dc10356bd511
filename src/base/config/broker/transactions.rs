//! Pure: broker settings: transactions.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static TRANSACTIONS;

    "transaction.max.timeout.ms" Int = Some("900000"), AtLeast(1), High, ReadOnly, Applied;
        "The longest transaction timeout that a producer may ask for.";
    "transactional.id.expiration.ms" Int = Some("604800000"), AtLeast(1), High, ReadOnly, Applied;
        "How long a quiet transactional id is remembered.";
    "transaction.state.log.num.partitions" Int = Some("50"), AtLeast(1), High, ReadOnly, Applied;
        "Partitions of `__transaction_state`; fixed when that topic is created.";
    "transaction.state.log.replication.factor" Short = Some("1"), AtLeast(1), High, ReadOnly,
        Applied;
        "Replicas of `__transaction_state`. A machine alone can give one only.";
    "transaction.state.log.min.isr" Int = Some("1"), AtLeast(1), High, ReadOnly, Applied;
        "Replicas that must have a record of `__transaction_state` before it counts.";
    "transaction.state.log.segment.bytes" Int = Some("104857600"), AtLeast(1), High, ReadOnly,
        Applied;
        "Segment size of `__transaction_state`: small, so that it loads fast.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int = Some("10000"), AtLeast(1),
        Low, ReadOnly, Applied;
        "How often transactions that took too long are looked for.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" Int = Some("3600000"),
        AtLeast(1), Low, ReadOnly, Applied;
        "How often transactional ids that were quiet for too long are looked for.";
}
