//! Drives: why a machine cannot be loaded, and whether that may pass.

use crate::io::cause::Cause;
use crate::log;
use crate::partition::read::ReadError;

use super::batches::LoadError;

/// Why a machine cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unloadable {
    /// The log cannot be read.
    #[error("{0}")]
    Read(ReadError),
    /// What is in the log is none of the machine's.
    #[error("{0}")]
    Contents(LoadError),
    /// The log gives nothing before its end is reached.
    #[error("the log gives no batch where there must be one")]
    Short,
}

// === impl Unloadable ===

impl Unloadable {
    /// Whether the host is to blame, as when memory is short, so that it may work later.
    pub fn may_pass(&self) -> bool {
        match self {
            Unloadable::Read(ReadError::Log(log::ReadError::Io(error))) => {
                Cause::of(error).is_of_the_host()
            }
            _ => false,
        }
    }
}
