//! Drives: what producers ask before they write idempotently or in transactions.

pub mod describe_producers;
pub mod init_producer_id;
pub mod write_txn_markers;
