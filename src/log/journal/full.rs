//! Drives: has logs with much in the journal write it to their own files before the next round
//! does, a few of them at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::io::event::Event;
use crate::log::inner::Inner;

/// Logs that are written at the same time. Logs that are appended to at the same rate have much at
/// the same moment, and what they write all at once every ack waits behind.
pub(super) const AT_ONCE: usize = 2;

/// The logs that are to write what they have, in the order in which that became much.
#[derive(Default)]
pub(super) struct FullLogs {
    waiting: RefCell<VecDeque<Rc<Inner>>>,
    /// One for each task.
    calls: [Event; AT_ONCE],
}

impl FullLogs {
    /// Has `log` write what it has in its turn.
    pub(super) fn add(&self, log: &Rc<Inner>) {
        if !log.side.is_full.replace(true) {
            self.waiting.borrow_mut().push_back(Rc::clone(log));
            self.call();
        }
    }

    /// Lets [`FullLogs::write`] return.
    pub(super) fn call(&self) {
        self.calls.iter().for_each(Event::call);
    }

    /// Waits for logs and has them write, as the task `number`; returns when none is left, or after
    /// a call.
    pub(super) async fn write(&self, number: usize) {
        self.calls[number].wait().await;
        while let Some(log) = self.next() {
            log.side.is_full.set(false);
            log.write_out(log.end_offset.get()).await;
        }
    }

    fn next(&self) -> Option<Rc<Inner>> {
        self.waiting.borrow_mut().pop_front()
    }
}
