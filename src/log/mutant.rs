//! Pure: bugs that a test plants, to see that the tests find them; in test builds only.

use crate::base::planting::planting;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Records are acked once written, whatever was asked for.
    AckBeforeFlush,
    /// A write's trailer says that the write itself was flushed.
    TrailerTooLarge,
    /// Checksums are not looked at.
    NoCrc,
    /// The checkpoint says that all written records need no check.
    RecoveryPointTooLarge,
    /// A snapshot of producers behind the end is left where it is, and believed.
    StaleSnapshot,
    /// A torn end is left where it is.
    NoCut,
    /// Of two files that hold what is not durable only the newer one is flushed.
    OlderFileForgotten,
    /// An entry of the journal is acked once it is written.
    EntryBeforeFlush,
    /// An entry is taken though its checksum does not fit.
    TornEntryTaken,
    /// The circle is given back before its entries are in the segments.
    GivenBackEarly,
    /// What the journal holds of segments that are gone is put in place again.
    CutForgotten,
    /// Only one of the two front blocks says what is given back.
    OneFront,
    /// A journal that has failed is thought void while a start still reads it.
    VoidForgotten,
    /// The checkpoint goes on saying that what is to be cut off was flushed.
    CutStillFlushed,
    /// What the journal holds of a log that is cut back is put in place again.
    CutInJournalForgotten,
    /// What the journal holds of a log that goes to another folder is put in place again.
    HandedOverInJournal,
    /// A copy takes its place before its bytes are durable.
    CopyNotFlushed,
    /// The epochs of what was cut off are kept.
    CutKeepsEpochs,
    /// What compaction has left is put in place before it is durable.
    SwapBeforeFlush,
}

planting!();
