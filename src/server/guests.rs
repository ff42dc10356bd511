//! Drives: the connections of the admin pages: where there are too many, the one that has been
//! silent for longest is closed for a new one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::base::{Instant, limits};
use crate::io::descriptors;
use crate::io::stream::Stream;

/// The connections that are open.
#[derive(Default)]
pub struct Guests(RefCell<Vec<Rc<Guest>>>);

/// One of them.
pub struct Guest {
    /// Its bytes.
    pub stream: Stream,
    /// When it last asked for something, or came.
    active: Cell<Instant>,
    /// Requests that are being answered.
    busy: Cell<usize>,
    /// Whether it has asked for anything yet.
    has_asked: Cell<bool>,
}

// === impl Guests ===

impl Guests {
    /// Adds a connection. Where there are too many, the one that has been silent for longest is
    /// closed; `None`, and none is added, where all are being answered.
    pub async fn enter(&self, stream: Stream, now: Instant) -> Option<Rc<Guest>> {
        if self.are_too_many() {
            let silent = self.longest_silent()?;
            self.leave(&silent);
            silent.stream.shutdown().await;
        }
        let guest = Rc::new(Guest {
            stream,
            active: Cell::new(now),
            busy: Cell::new(0),
            has_asked: Cell::new(false),
        });
        self.0.borrow_mut().push(guest.clone());
        Some(guest)
    }

    /// Takes one out of the list.
    pub fn leave(&self, guest: &Rc<Guest>) {
        self.0.borrow_mut().retain(|one| !Rc::ptr_eq(one, guest));
    }

    fn are_too_many(&self) -> bool {
        let count = self.0.borrow().len();
        let most = descriptors::sockets_max().saturating_add(limits::ADMIN_CONNECTIONS_MIN);
        count >= limits::ADMIN_CONNECTIONS_MAX
            || (count >= limits::ADMIN_CONNECTIONS_MIN && descriptors::sockets() > most)
    }

    fn longest_silent(&self) -> Option<Rc<Guest>> {
        let guests = self.0.borrow();
        let silent = guests.iter().filter(|one| one.busy.get() == 0);
        silent.min_by_key(|one| one.active.get()).cloned()
    }
}

// === impl Guest ===

impl Guest {
    /// Notes that a request is being answered.
    pub fn asks(&self) {
        self.has_asked.set(true);
        self.busy.set(self.busy.get() + 1);
    }

    /// Notes that it has been.
    pub fn is_answered(&self, now: Instant) {
        self.busy.set(self.busy.get() - 1);
        self.active.set(now);
    }

    /// Whether it has asked for anything yet.
    pub fn has_asked(&self) -> bool {
        self.has_asked.get()
    }
}
