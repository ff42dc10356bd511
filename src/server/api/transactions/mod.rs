//! Drives: what producers ask before they write idempotently or in transactions.

pub mod init_producer_id;
