//! Drives: APIs of committed offsets.

pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
