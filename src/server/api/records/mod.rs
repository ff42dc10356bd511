//! Drives: what clients do with records.

pub mod fetch;
pub mod produce;
