//! Pure: bugs of consumer groups that a test plants, to see that the tests find them; in test
//! builds only.

use crate::base::planting::planting;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A member takes what another one still has.
    OwnerIgnored,
    /// A member is thought to have given up what its client does not say that it has given up.
    GivenUpUnasked,
    /// A member that comes with any older epoch is served.
    OldEpochTaken,
    /// That a member has no target any more is not written.
    TombstoneForgotten,
    /// A group goes back to the classic protocol, and its old records stay.
    OldKindStays,
    /// Topics that have changed are looked at by nothing.
    ChangeUnseen,
}

planting!();
