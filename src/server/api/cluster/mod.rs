//! Drives: what clients ask about the cluster and its settings.

pub mod api_versions;
