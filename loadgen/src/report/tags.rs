//! Pure: the tags of an interval log, and what each is of.

/// Tags of floors begin so.
pub const FLOOR: &str = "floor_";

/// Whether a tag's values are durations; sizes of batches are in the log, too.
pub fn is_time(tag: &str) -> bool {
    !tag.starts_with("batch_")
}
