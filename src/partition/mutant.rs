//! Pure: bugs of replication that a test plants, to see that the tests find them; in test builds
//! only.

use crate::base::planting::planting;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Readers of committed records are shown open transactions.
    StableTooFar,
    /// The high watermark passes what one replica in sync has not stored.
    OneForgotten,
    /// A follower does not look where its own records of the leader's last common term end.
    EpochForgotten,
    /// `acks=all` is answered once the leader has stored it.
    AckedAlone,
    /// A follower says that it has what it has not stored yet.
    AskedBeforeStored,
    /// What was appended is acked although another node leads by now, which decides what becomes of
    /// it.
    EndedTenureAcks,
}

planting!();
