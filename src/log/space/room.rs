//! Pure: whether a log gets what it needs for more records: room on the device, a descriptor for a
//! new file. Lack of it ends by itself.

use std::cell::{Cell, RefCell};

use crate::log::inner::LogFailure;

/// What a log knows of the room on its device.
#[derive(Default)]
pub struct Room {
    lack: RefCell<Option<LogFailure>>,
    /// No attempt until one is asked for.
    rests: Cell<bool>,
    /// What is appended waits for space that could not be had.
    starved: Cell<bool>,
}

// === impl Room ===

impl Room {
    /// Notes that it could not be had. Nothing is tried again before [`Room::retry`].
    pub fn lacks(&self, failure: LogFailure) {
        *self.lack.borrow_mut() = Some(failure);
        self.rests.set(true);
    }

    /// Notes that all that was wanted is there.
    pub fn suffices(&self) {
        self.lack.borrow_mut().take();
    }

    /// Why there is no room, if that is so.
    pub fn lack(&self) -> Option<LogFailure> {
        self.lack.borrow().clone()
    }

    /// Whether there is no room.
    pub fn is_lacking(&self) -> bool {
        self.lack.borrow().is_some()
    }

    /// Whether no attempt is to be made now.
    pub fn rests(&self) -> bool {
        self.rests.get()
    }

    /// Has another attempt made; `false` when nothing lacks.
    pub fn retry(&self) -> bool {
        self.rests.set(false);
        self.is_lacking()
    }

    /// Notes whether what is appended waits for space.
    pub fn set_starved(&self, starved: bool) {
        self.starved.set(starved);
    }

    /// Whether what is appended waits, and not only until it is prepared.
    pub fn is_stuck(&self) -> bool {
        self.starved.get() && self.is_lacking()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::cause::Cause;
    use crate::log::inner::FailedOperation;

    #[test]
    fn what_waits_is_stuck_only_while_room_lacks() {
        let room = Room::default();
        room.set_starved(true);
        assert!(!room.is_stuck() && !room.retry());
        room.lacks(LogFailure {
            operation: FailedOperation::Prepare,
            cause: Cause::NoRoom,
            reason: "full".to_owned(),
        });
        assert!(room.is_stuck() && room.rests());
        assert!(room.retry() && !room.rests() && room.is_stuck());
        room.suffices();
        assert!(!room.is_stuck() && !room.retry());
    }
}
