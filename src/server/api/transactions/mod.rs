//! Drives: APIs of producers: their ids, their transactions, and what partitions know of both.

pub mod add_offsets_to_txn;
pub mod add_partitions_to_txn;
pub mod describe_producers;
pub mod describe_transactions;
pub mod end_txn;
pub mod init_producer_id;
pub mod joining;
pub mod list_transactions;
pub mod txn_offset_commit;
pub mod write_txn_markers;

use crate::base::ErrorCode;
use crate::coordinator::transaction::TransactionError;
use crate::server::api::errors;

/// What a client is told. Those that send a version before `fenced_from` do not know the code of
/// a producer that was fenced, and get an older one (KIP-588).
fn code(error: TransactionError, version: i16, fenced_from: i16) -> ErrorCode {
    match errors::transaction(error) {
        ErrorCode::PRODUCER_FENCED if version < fenced_from => ErrorCode::INVALID_PRODUCER_EPOCH,
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_clients_get_the_older_code_of_a_fenced_producer() {
        let fenced = TransactionError::ProducerFenced;
        assert_eq!(code(fenced, 1, 2), ErrorCode::INVALID_PRODUCER_EPOCH);
        assert_eq!(code(fenced, 2, 2), ErrorCode::PRODUCER_FENCED);
        let other = TransactionError::InvalidState;
        assert_eq!(code(other, 1, 2), ErrorCode::INVALID_TXN_STATE);
    }
}
