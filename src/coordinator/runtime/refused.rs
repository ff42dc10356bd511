//! Pure: why nothing was done in a transaction.

use super::machine::Unavailable;
use crate::partition::append::AppendError;

/// Why nothing was done in a transaction.
#[derive(Debug)]
pub enum NotInTransaction {
    /// The machine cannot be asked.
    Unavailable(Unavailable),
    /// The log would refuse what belongs to the transaction.
    Refused(AppendError),
}
