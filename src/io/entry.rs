//! Pure: what a folder says of what is in it.

use crate::base::WallMs;

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name without its folder; names that are not UTF-8 are left out of listings.
    pub name: String,
    /// Length in bytes; of no meaning for a folder.
    pub bytes: u64,
    /// Whether this is a folder.
    pub is_dir: bool,
    /// When its content was last changed, or said to be; `None` where that is not known.
    pub modified_ms: Option<WallMs>,
}
