//! Drives: the requests of one connection that were begun and not finished, in their order: the
//! reader puts them in, the writer takes them out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::task::{Poll, Waker};

use super::slot::Slot;

/// Requests that were begun and not finished.
#[derive(Default)]
pub struct Queue {
    slots: RefCell<VecDeque<Slot>>,
    /// Wakes the reader, where it waits for the queue to get shorter.
    reader: RefCell<Option<Waker>>,
    /// Wakes the writer, where it waits for a request.
    writer: RefCell<Option<Waker>>,
    /// Whether the request that was taken out last has batches that may not be acked.
    is_acking: Cell<bool>,
}

impl Queue {
    /// Whether batches of the connection may not be acked yet.
    pub fn has_batches(&self) -> bool {
        self.is_acking.get() || self.slots.borrow().iter().any(Slot::has_batches)
    }

    /// Whether nothing is left in it.
    pub fn is_empty(&self) -> bool {
        self.slots.borrow().is_empty()
    }

    /// Drops all that is left in it, large requests in steps.
    pub async fn clear(&self) {
        let left = mem::take(&mut *self.slots.borrow_mut());
        for slot in left {
            slot.drop_unfinished().await;
        }
    }

    /// Puts a request in. A writer that waits and could do no more than wait for an ack is woken by
    /// that ack only.
    pub fn push(&self, slot: Slot) {
        let is_left_to_ack = match &*self.writer.borrow() {
            Some(writer) => slot.wake_at_ack(writer),
            None => false,
        };
        self.slots.borrow_mut().push_back(slot);
        if !is_left_to_ack {
            self.wake_writer();
        }
    }

    /// Wakes the writer, if it waits for a request.
    pub fn wake_writer(&self) {
        if let Some(writer) = self.writer.borrow_mut().take() {
            writer.wake();
        }
    }

    /// Takes the oldest request out, if there is one and it is `wanted`.
    pub fn next_if(&self, wanted: impl FnOnce(&Slot) -> bool) -> Option<Slot> {
        let mut slots = self.slots.borrow_mut();
        if !wanted(slots.front()?) {
            return None;
        }
        let slot = slots.pop_front();
        self.is_acking
            .set(slot.as_ref().is_some_and(Slot::has_batches));
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
        slot
    }

    /// Waits for the oldest request and takes it out; `None` once there is none and the connection
    /// `is_ending`, so that no more come.
    pub async fn next(&self, is_ending: impl Fn() -> bool) -> Option<Slot> {
        poll_fn(|cx| match self.next_if(|_| true) {
            Some(slot) => Poll::Ready(Some(slot)),
            None if is_ending() => Poll::Ready(None),
            None => {
                self.is_acking.set(false);
                set_waker(&mut self.writer.borrow_mut(), cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    /// Waits until there are no more than `most` requests in it.
    pub async fn wait_for_length(&self, most: usize) {
        poll_fn(|cx| {
            if self.slots.borrow().len() <= most {
                return Poll::Ready(());
            }
            *self.reader.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Puts a waker in place, unless the one that is there wakes the same task.
fn set_waker(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(known) => known.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use bytes::BytesMut;
    use futures_util::FutureExt;

    use super::*;

    fn ready(byte: u8) -> Slot {
        Slot::Ready(BytesMut::from(&[byte][..]))
    }

    fn byte(slot: Option<Slot>) -> Option<u8> {
        match slot {
            Some(Slot::Ready(frame)) => Some(frame[0]),
            _ => None,
        }
    }

    #[test]
    fn requests_come_out_in_order_until_the_connection_ends() {
        let queue = Queue::default();
        (1..=3).for_each(|number| queue.push(ready(number)));
        assert_eq!(byte(queue.next_if(|_| true)), Some(1));
        assert!(queue.next_if(Slot::is_acked).is_none(), "it has no batches");
        for number in [2, 3] {
            assert_eq!(
                byte(queue.next(|| true).now_or_never().unwrap()),
                Some(number)
            );
        }
        assert!(queue.next(|| true).now_or_never().unwrap().is_none());
        assert!(queue.next(|| false).now_or_never().is_none(), "it waits");
    }

    #[test]
    fn a_reader_that_waits_for_the_queue_goes_on_when_it_is_short_enough() {
        let queue = Queue::default();
        (1..=3).for_each(|number| queue.push(ready(number)));
        let mut waiting = pin!(queue.wait_for_length(1));
        let mut cx = Context::from_waker(Waker::noop());
        for number in [1, 2] {
            assert!(waiting.as_mut().poll(&mut cx).is_pending());
            assert_eq!(byte(queue.next_if(|_| true)), Some(number));
        }
        assert!(waiting.as_mut().poll(&mut cx).is_ready());
    }
}
