//! Pure: what one partition decides about batches before they reach its log.
//! May use: everything left of `partition`. Never: knows of connections or other cores.

pub mod producers;
pub mod validate;
