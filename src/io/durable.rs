//! Pure: when what is written is durable: at once, or many files together.

/// When what is written is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// Before the call returns.
    Now,
    /// With the [`WriteBatch`](super::write_batch::WriteBatch) that was begun before it; until then
    /// it is in doubt.
    WithBatch,
}
