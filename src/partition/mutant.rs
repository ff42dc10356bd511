//! Pure: bugs of replication that a test plants, to see that the tests find them; in test builds
//! only.

use std::cell::Cell;

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

thread_local! {
    static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Plants a bug on this thread, or takes it out.
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

/// Whether this bug is planted.
pub fn is_planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}
