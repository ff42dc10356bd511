//! Drives: why a machine cannot be loaded, and whether that may pass.

use std::fmt;

use crate::io::cause::Cause;
use crate::log;
use crate::partition::read::ReadError;

use super::batches::LoadError;

/// Why a machine cannot be loaded.
#[derive(Debug)]
pub(super) enum Unloadable {
    /// The log cannot be read.
    Read(ReadError),
    /// What is in the log is none of the machine's.
    Contents(LoadError),
    /// The log gives nothing before its end is reached.
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

impl fmt::Display for Unloadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unloadable::Read(error) => error.fmt(f),
            Unloadable::Contents(error) => error.fmt(f),
            Unloadable::Short => f.write_str("the log gives no batch where there must be one"),
        }
    }
}
