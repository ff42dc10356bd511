//! Pure: broker settings: transactions.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static TRANSACTIONS;

    "transactional.id.expiration.ms" Int = Some("604800000"), AtLeast(1), High, ReadOnly,
        Ignored(NoTransactions);
        "How long a quiet transactional id is remembered.";
    "transaction.max.timeout.ms" Int = Some("900000"), AtLeast(1), High, ReadOnly, Applied;
        "The longest transaction timeout that a producer may ask for.";
    "transaction.state.log.num.partitions" Int = Some("50"), AtLeast(1), High, ReadOnly,
        Ignored(NoTransactions);
        "Partitions of `__transaction_state`.";
    "transaction.state.log.replication.factor" Short = Some("1"), AtLeast(1), High, ReadOnly,
        Ignored(NoTransactions);
        "Replicas of `__transaction_state`. A machine alone can give one only.";
    "transaction.state.log.min.isr" Int = Some("1"), AtLeast(1), High, ReadOnly,
        Ignored(NoTransactions);
        "Replicas that must hold a record of `__transaction_state`.";
    "transaction.state.log.segment.bytes" Int = Some("104857600"), AtLeast(1), High, ReadOnly,
        Ignored(NoTransactions);
        "Segment size of `__transaction_state`.";
    "transaction.state.log.load.buffer.size" Int = Some("5242880"), AtLeast(1), High, ReadOnly,
        Ignored(NoTransactions);
        "How much is read at a time when transactions are loaded.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int = Some("10000"), AtLeast(1),
        Low, ReadOnly, Ignored(NoTransactions);
        "How often transactions that took too long are looked for.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" Int = Some("3600000"), AtLeast(1),
        Low, ReadOnly, Ignored(NoTransactions);
        "How often forgotten transactional ids are looked for.";
    "transaction.partition.verification.enable" Boolean = Some("true"), Any, Low, ClusterWide,
        Ignored(NoTransactions);
        "Whether a leader asks the coordinator if a partition is part of a transaction.";
    "transaction.two.phase.commit.enable" Boolean = Some("false"), Any, Low, ReadOnly,
        Ignored(NoTransactions);
        "Whether producers may take part in two-phase commit (KIP-939).";
    "add.partitions.to.txn.retry.backoff.ms" Int = Some("20"), AtLeast(1), High, ReadOnly,
        Ignored(NoTransactions);
        "The first pause before adding a partition to a transaction is tried again.";
    "add.partitions.to.txn.retry.backoff.max.ms" Int = Some("100"), AtLeast(0), High, ReadOnly,
        Ignored(NoTransactions);
        "The longest pause before adding a partition to a transaction is tried again.";
}
