//! Drives: tasks of one core that share a bounded amount of something, first come first served.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A bounded number of units. A task takes some, or waits in line until they are free.
pub struct Semaphore {
    total: usize,
    used: Cell<usize>,
    line: Line,
}

/// Units taken from a semaphore; given back when dropped.
pub struct Permit {
    semaphore: Rc<Semaphore>,
    units: usize,
}

/// Tasks that wait in line. Only the first of them may go on.
#[derive(Default)]
pub struct Line {
    waiting: RefCell<VecDeque<Place>>,
    next_number: Cell<u64>,
}

struct Place {
    number: u64,
    is_urgent: bool,
    waker: Waker,
}

/// A place in a line; left when dropped.
struct Ticket<'a> {
    line: &'a Line,
    number: u64,
}

// === impl Semaphore ===

impl Semaphore {
    /// A semaphore of `total` units.
    pub fn new(total: usize) -> Rc<Semaphore> {
        Rc::new(Semaphore {
            total,
            used: Cell::new(0),
            line: Line::default(),
        })
    }

    /// Takes `units`, waiting until they are free. A task that wants more than there are gets
    /// them once nothing else is taken.
    pub async fn take(self: &Rc<Self>, units: usize) -> Permit {
        self.take_as(units, false).await
    }

    /// As [`Semaphore::take`], before all that wait and are not urgent.
    pub async fn take_urgently(self: &Rc<Self>, units: usize) -> Permit {
        self.take_as(units, true).await
    }

    async fn take_as(self: &Rc<Self>, units: usize, is_urgent: bool) -> Permit {
        let attempt = || self.try_take(units);
        match self.line.is_empty().then(attempt).flatten() {
            Some(permit) => permit,
            None => self.line.wait_for(is_urgent, attempt).await,
        }
    }

    fn try_take(self: &Rc<Self>, units: usize) -> Option<Permit> {
        let used = self.used.get();
        (used == 0 || used + units <= self.total).then(|| {
            self.used.set(used + units);
            Permit {
                semaphore: Rc::clone(self),
                units,
            }
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let semaphore = &self.semaphore;
        semaphore.used.set(semaphore.used.get() - self.units);
        semaphore.line.wake_first();
    }
}

// === impl Line ===

impl Line {
    /// How many tasks wait.
    pub fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Whether no task waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Has the first in line try again: something has become free.
    pub fn wake_first(&self) {
        if let Some(first) = self.waiting.borrow().front() {
            first.waker.wake_by_ref();
        }
    }

    /// Waits until this task is the first in line and `attempt` succeeds; it is made when the
    /// task becomes the first, and whenever the first is woken. Urgent tasks stand before others.
    pub async fn wait_for<T>(&self, is_urgent: bool, attempt: impl Fn() -> Option<T>) -> T {
        let ticket = self.enter(is_urgent);
        poll_fn(|cx| {
            if ticket.is_first(cx.waker())
                && let Some(taken) = attempt()
            {
                return Poll::Ready(taken);
            }
            Poll::Pending
        })
        .await
    }

    fn enter(&self, is_urgent: bool) -> Ticket<'_> {
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        let mut waiting = self.waiting.borrow_mut();
        let before = waiting.iter().take_while(|it| it.is_urgent || !is_urgent);
        let at = before.count();
        let waker = Waker::noop().clone();
        waiting.insert(
            at,
            Place {
                number,
                is_urgent,
                waker,
            },
        );
        Ticket { line: self, number }
    }
}

// === impl Ticket ===

impl Ticket<'_> {
    /// Whether it is first in line; `waker` is woken when it may have become so.
    fn is_first(&self, waker: &Waker) -> bool {
        let mut waiting = self.line.waiting.borrow_mut();
        let at = waiting.iter().position(|it| it.number == self.number);
        if let Some(at) = at {
            waiting[at].waker.clone_from(waker);
        }
        at == Some(0)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting.borrow_mut();
        waiting.retain(|it| it.number != self.number);
        drop(waiting);
        // What is left may be enough for the next in line.
        self.line.wake_first();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Context;

    use super::*;

    type Taking<'a> = Pin<Box<dyn Future<Output = Permit> + 'a>>;

    fn poll(taking: &mut Taking<'_>) -> Option<Permit> {
        match taking
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn units_go_to_tasks_in_order_and_one_that_is_dropped_holds_up_no_other() {
        let semaphore = Semaphore::new(10);
        let held = semaphore.try_take(6).unwrap();
        let mut large: Taking<'_> = Box::pin(semaphore.take(8));
        let mut small: Taking<'_> = Box::pin(semaphore.take(1));
        assert!(poll(&mut large).is_none());
        assert!(poll(&mut small).is_none(), "it came later");
        drop(large);
        let small = poll(&mut small).unwrap();
        drop(held);
        // More than there are: alone.
        let mut giant: Taking<'_> = Box::pin(semaphore.take(100));
        assert!(poll(&mut giant).is_none());
        drop(small);
        let giant = poll(&mut giant).unwrap();
        assert!(poll(&mut (Box::pin(semaphore.take(1)) as Taking<'_>)).is_none());
        drop(giant);
        assert_eq!((semaphore.used.get(), semaphore.line.len()), (0, 0));
    }

    #[test]
    fn urgent_tasks_stand_before_others_in_the_order_in_which_they_came() {
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_take(1).unwrap();
        let mut line: Vec<Taking<'_>> = vec![
            Box::pin(semaphore.take(1)),
            Box::pin(semaphore.take_urgently(1)),
            Box::pin(semaphore.take(1)),
            Box::pin(semaphore.take_urgently(1)),
        ];
        assert!(line.iter_mut().all(|taking| poll(taking).is_none()));
        drop(held);
        let mut order = Vec::new();
        while order.len() < 4 {
            let granted = |taking: &mut Taking<'_>| poll(taking).map(drop);
            let next = (0..4).find(|at| !order.contains(at) && granted(&mut line[*at]).is_some());
            order.push(next.expect("the first in line is let through"));
        }
        assert_eq!(order, [1, 3, 0, 2]);
    }
}
