//! Drives: the part of a shard's memory that the machines of one kind may take. Memory within the
//! share is granted even when the rest of the budget is taken: a group must not fail because of a
//! burst of requests.

use std::rc::Rc;

use crate::io::budget::{Budget, Reserved, Use};

use super::group::Memory;

/// What one machine takes of its kind's share.
pub(super) struct ShareOf {
    budget: Rc<Budget>,
    used_for: Use,
    /// The share is the budget divided by this.
    share: usize,
    held: Reserved,
}

// === impl ShareOf ===

impl ShareOf {
    /// Nothing yet, of one in `share` parts of `budget`.
    pub fn new(budget: &Rc<Budget>, used_for: Use, share: usize) -> ShareOf {
        ShareOf {
            budget: budget.clone(),
            used_for,
            share,
            held: budget.hold(used_for, 0),
        }
    }
}

impl Memory for ShareOf {
    fn can_take(&self, bytes: usize) -> bool {
        let share = self.budget.total_bytes() / self.share;
        self.budget.used_by(self.used_for).saturating_add(bytes) <= share
    }

    fn count(&mut self, bytes: usize) {
        if bytes != self.held.bytes() {
            self.held.resize(bytes);
        }
    }
}
