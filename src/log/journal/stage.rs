//! Pure: how far a journal is: whether it takes entries.

/// Whether a journal takes entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Its file is being made.
    Preparing,
    /// Appends may go into it.
    Open,
    /// A log cannot write its records to its segments, so nothing of the circle is given back:
    /// appends go past the journal, cuts go in while there is a place for them.
    Pinned,
    /// Its file could not be written or flushed. Nothing goes into it any more; what it holds
    /// counts until all of it is in the logs' own files.
    Failed,
    /// It is closed or void, or could not be made: nothing goes into it any more.
    Ended,
}
