//! Drives: the APIs about clients as such: what they may use.

pub mod alter_client_quotas;
pub mod describe_client_quotas;
