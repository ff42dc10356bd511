//! Pure: what a connection is for.

use std::time::Duration;

use bytes::Bytes;

/// What a role does next.
pub enum Next {
    /// This frame goes out, and its answer is waited for.
    Send(Vec<u8>),
    /// Nothing for so long.
    Pause(Duration),
}

/// What comes after an answer.
pub struct Step {
    /// What is done next.
    pub next: Next,
    /// Whether an operation is over with that.
    pub is_over: bool,
}

/// What a member of a group has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share {
    /// Its generation or epoch.
    pub epoch: i32,
    /// Its partitions.
    pub partitions: usize,
}

/// One of those who do the same thing again and again.
pub trait Role {
    /// What comes after this answer, or at first and after a pause; the error is told.
    fn step(&mut self, answer: Option<Bytes>) -> Result<Step, String>;

    /// What it has, where it is a member that takes part in no rebalance now.
    fn share(&self) -> Option<Share> {
        None
    }

    /// Has it leave its group as soon as it can; then it does nothing any more.
    fn leave(&mut self) {}

    /// Whether it has left.
    fn has_left(&self) -> bool {
        true
    }
}

/// Whether an error means that a coordinator is not there yet: 14, 15 and 16 of Kafka.
pub fn comes_later(code: i16) -> bool {
    (14..=16).contains(&code)
}

/// How long a request waits that came too early for a coordinator.
pub const LATER: Duration = Duration::from_millis(20);

/// A step that ends no operation.
pub fn go_on(next: Next) -> Result<Step, String> {
    Ok(Step {
        next,
        is_over: false,
    })
}
