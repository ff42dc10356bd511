//! Drives: the APIs about clients as such: what they may use, and what they tell of themselves.

pub mod alter_client_quotas;
pub mod describe_client_quotas;
pub mod get_telemetry_subscriptions;
pub mod push_telemetry;
