//! Pure: the limits that transactions live under.

use crate::base::config::BrokerConfig;
use crate::coordinator::group::BATCH_OVERHEAD_BYTES;

/// The limits that transactions live under; the names are those of Kafka's broker settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`.
    pub timeout_max_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub timeout_check_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub expiration_check_ms: i64,
    /// Largest record, key and value, that the log of `__transaction_state` takes, in bytes.
    pub record_bytes_max: usize,
}

impl Default for TransactionConfig {
    /// Kafka 4.3's defaults.
    fn default() -> TransactionConfig {
        TransactionConfig {
            timeout_max_ms: 900_000,
            id_expiration_ms: 7 * 24 * 60 * 60 * 1000,
            timeout_check_ms: 10_000,
            expiration_check_ms: 3_600_000,
            record_bytes_max: 1_048_588 - BATCH_OVERHEAD_BYTES,
        }
    }
}

// === impl TransactionConfig ===

impl TransactionConfig {
    /// The limits that a broker's settings give.
    pub fn of(broker: &BrokerConfig) -> TransactionConfig {
        let transactions = &broker.transactions;
        TransactionConfig {
            timeout_max_ms: transactions.timeout_max_ms,
            id_expiration_ms: transactions.id_expiration_ms,
            timeout_check_ms: transactions.timeout_check_ms,
            expiration_check_ms: transactions.expiration_check_ms,
            ..TransactionConfig::default()
        }
    }

    /// The same limits for a log that takes batches of so many bytes.
    #[must_use]
    pub fn with_batch_bytes_max(mut self, batch_bytes_max: usize) -> TransactionConfig {
        self.record_bytes_max = batch_bytes_max.saturating_sub(BATCH_OVERHEAD_BYTES);
        self
    }
}
