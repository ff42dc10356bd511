//! Drives: one client connection: reads requests, runs them, answers in order.
//!
//! Two tasks: the reader takes requests up, the writer answers them. Produce requests are begun
//! as they are read, so that pipelined ones share a write and a flush; all others run one after
//! another, as in Kafka. When too much is pending the socket is not read.

pub mod dispatch;
mod lifetime;
pub mod receive;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures_util::future::{Either, select};

use crate::base::{Instant, limits};
use crate::io::budget::{Reserved, Use};
use crate::io::cores;
use crate::io::event::Event;
use crate::io::room;
use crate::io::stream::Stream;
use crate::io::turn::{self, Work};
use crate::server::api::Spare;
use crate::server::connection::dispatch::{self, Refused, Slot};
use crate::server::connection::receive::ReceiveBuffer;
use crate::server::session::Session;
use crate::server::state::ServerState;
use crate::server::state::probe::Closing;
pub use lifetime::Overdue;
use lifetime::{Facts, Lifetime};

/// One connection, shared by its two tasks and the registry.
pub struct Connection {
    pub(super) server: Rc<ServerState>,
    pub(super) session: Rc<Session>,
    pub(super) stream: Stream,
    pub(super) spare: Spare,
    slots: RefCell<VecDeque<Slot>>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
    lifetime: Lifetime,
    /// Whether the writer is answering a produce request.
    acking: Cell<bool>,
    /// Whether the other side takes no more answers: what is pending is still done.
    deaf: Cell<bool>,
    /// The writer is through with everything that came before the end.
    drained: Event,
    closed: Event,
    /// What it takes at rest.
    _memory: Reserved,
}

/// Why a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The client closed it, or the network did.
    Gone,
    /// We closed it: what came was not acceptable.
    Refused(Refused),
}

impl Connection {
    /// A connection over `stream`.
    pub fn new(server: Rc<ServerState>, stream: Stream, session: Session, now: Instant) -> Self {
        let budget = &server.shard.budget;
        let memory = budget.hold(Use::Connections, limits::CONNECTION_BYTES);
        Connection {
            _memory: memory,
            server,
            session: Rc::new(session),
            stream,
            spare: Spare::default(),
            slots: RefCell::default(),
            reader: RefCell::default(),
            writer: RefCell::default(),
            lifetime: Lifetime::new(now),
            acking: Cell::new(false),
            deaf: Cell::new(false),
            drained: Event::default(),
            closed: Event::default(),
        }
    }

    /// Why it has lasted too long, if it has.
    pub fn overdue(&self, now: Instant) -> Option<Overdue> {
        let facts = Facts {
            written_bytes: self.stream.written_bytes(),
            is_write_blocked: self.stream.is_write_blocked(),
            idle_max_ms: self.server.shard.config().network.idle_max_ms,
            is_memory_short: self.server.shard.budget.is_short(),
        };
        self.lifetime.overdue(now, &facts)
    }

    /// Whether batches of it wait for their ack.
    pub fn has_produce(&self) -> bool {
        let slots = self.slots.borrow();
        let is_produce = |slot: &Slot| matches!(slot, Slot::Produce(_));
        self.acking.get() || slots.iter().any(is_produce)
    }

    /// Sends an answer, or drops it where the other side takes none any more.
    pub(super) async fn send(&self, answer: &[u8]) -> io::Result<()> {
        match self.deaf.get() {
            true => Ok(()),
            false => self.stream.write_all(answer).await,
        }
    }

    /// As [`Self::send`], for an answer in several pieces.
    pub(super) async fn send_vectored(&self, pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
        match self.deaf.get() {
            true => Ok(()),
            false => self.stream.write_all_vectored(pieces).await,
        }
    }

    /// Whether answers are still taken.
    pub(super) fn takes_answers(&self) -> bool {
        !self.deaf.get()
    }

    /// Closes it from this side for a reason that the log is told.
    pub async fn close_as(&self, overdue: &Overdue) {
        self.server
            .log_closing(self.session.address, Some(counted_as(*overdue)), overdue);
        self.close().await;
    }

    /// Closes it from this side. Its reader ends wherever it is: it may not be reading.
    pub async fn close(&self) {
        self.closed.call();
        self.stream.shutdown().await;
    }

    /// Serves it until it ends. Requests that were received whole before the other side ended,
    /// or sent what cannot be a request, are done in their order and answered, as in Kafka.
    pub async fn serve(self: Rc<Self>) -> Ended {
        let work = Work::job("connection");
        let writer = cores::spawn(turn::measured(work, self.clone().write_responses()));
        let mut buffer = ReceiveBuffer::new(&self.server.large_rooms);
        let read = {
            let reading = pin!(self.read_requests(&mut buffer));
            match select(reading, pin!(self.closed.wait())).await {
                Either::Left((read, _)) => Some(read),
                Either::Right(_) => None,
            }
        };
        if let Some(large) = buffer.end() {
            room::free(large).await;
        }
        if read.is_some() {
            self.lifetime.end(self.server.now());
            self.wake_writer();
            select(pin!(self.drained.wait()), pin!(self.closed.wait())).await;
        }
        let ended = read.and_then(Result::err).unwrap_or(Ended::Gone);
        writer.cancel().await;
        self.stream.shutdown().await;
        self.slots.borrow_mut().clear();
        ended
    }

    async fn read_requests(self: &Rc<Self>, buffer: &mut ReceiveBuffer) -> Result<(), Ended> {
        let max_bytes = self.server.shard.config().network.request_bytes_max;
        let mut reserved: Option<Reserved> = None;
        // What was asked for it, which may be more than was there to be had.
        let mut asked = 0;
        loop {
            while let Some(frame) = buffer.next_frame(max_bytes).map_err(Refused::Frame)? {
                self.wait_for_room().await;
                let now = self.server.now();
                // Of many requests that came at once the next are for a later turn.
                if turn::is_due_at(now) {
                    cores::yield_now().await;
                }
                let frame = buffer.bytes(frame);
                let slot = dispatch::take_up(self, frame, &mut reserved, now).await?;
                if let Some(slot) = slot {
                    self.push(slot);
                }
            }
            let announced = buffer.announced_bytes();
            if buffer.wanted_bytes() <= limits::CONNECTION_FREE_BYTES {
                reserved = None;
                self.lifetime.holds_no_memory();
            } else if announced > limits::CONNECTION_FREE_BYTES {
                // What a large request takes counts against the core's budget, all at once and
                // before most of it is there: who had a part of it and waited for the rest
                // would keep others from theirs.
                let bytes = dispatch::memory_of(buffer.announced_key(), announced);
                if reserved.is_none() || asked < bytes {
                    asked = bytes;
                    drop(reserved.take());
                    // Who waits for memory has not left anything half sent.
                    self.lifetime.has_all();
                    reserved = Some(self.server.shard.budget.reserve(Use::Requests, bytes).await);
                    self.lifetime.holds_memory(self.server.now());
                }
            }
            if let Some(large) = buffer.make_room() {
                room::free(large).await;
            }
            if buffer.partial_bytes() > 0 {
                self.lifetime.lacks_rest(buffer.announced_bytes());
            }
            let count = match self.stream.read(buffer.spare()).await {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(_) => {
                    self.deaf.set(true);
                    return Ok(());
                }
            };
            buffer.filled(count);
            // This turn began when the bytes were there.
            self.lifetime.received(count, turn::began());
            // A large request comes in faster than it is read.
            let is_large = buffer.announced_bytes() > limits::CONNECTION_FREE_BYTES;
            if is_large && turn::is_due() {
                turn::give_way().await;
            }
        }
    }

    async fn write_responses(self: Rc<Self>) {
        let mut out = Vec::with_capacity(512);
        while let Some(slot) = self.next_slot().await {
            match dispatch::answer(&self, slot, &mut out).await {
                Ok(()) => {}
                // The reader finds the end of what came before, and ends the connection.
                Err(Refused::Gone(error)) => {
                    tracing::debug!(peer = %self.session.address, principal = %self.session.principal, %error, "answers are not taken");
                    self.deaf.set(true);
                }
                Err(refused) => {
                    self.server
                        .log_closing(self.session.address, refused.closing(), &refused);
                    return self.close().await;
                }
            }
            self.lifetime.answered(turn::began());
            if !self.slots.borrow().is_empty() && turn::is_due() {
                cores::yield_now().await;
            }
            if out.capacity() > limits::CONNECTION_FREE_BYTES {
                room::free(std::mem::replace(&mut out, Vec::with_capacity(512))).await;
            }
        }
        self.drained.call();
    }

    /// Hands the writer a slot. A writer at rest that could only wait for an ack is woken by that
    /// ack, and not twice.
    fn push(&self, slot: Slot) {
        let is_left_to_ack = match (&slot, &*self.writer.borrow()) {
            (Slot::Produce(pending), Some(writer)) => pending.park(writer),
            _ => false,
        };
        self.slots.borrow_mut().push_back(slot);
        if !is_left_to_ack {
            self.wake_writer();
        }
    }

    fn wake_writer(&self) {
        if let Some(writer) = self.writer.borrow_mut().take() {
            writer.wake();
        }
    }

    /// The next slot, if it stands ready and `wanted` agrees.
    pub(super) fn next_if(&self, wanted: impl FnOnce(&Slot) -> bool) -> Option<Slot> {
        let mut slots = self.slots.borrow_mut();
        if !wanted(slots.front()?) {
            return None;
        }
        let slot = slots.pop_front();
        self.acking.set(matches!(slot, Some(Slot::Produce(_))));
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
        slot
    }

    /// The next slot; `None` once all are done and no more come.
    async fn next_slot(&self) -> Option<Slot> {
        poll_fn(|cx| match self.next_if(|_| true) {
            Some(slot) => Poll::Ready(Some(slot)),
            None if self.lifetime.is_ending() => Poll::Ready(None),
            None => {
                self.acking.set(false);
                set_waker(&mut self.writer.borrow_mut(), cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    async fn wait_for_room(&self) {
        self.lifetime.has_all();
        self.wait_for_pending(limits::CONNECTION_PENDING_MAX - 1)
            .await;
    }

    /// Waits until no more than `most` requests are pending.
    pub(super) async fn wait_for_pending(&self, most: usize) {
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

/// Puts a waker in place, unless what is there wakes the same task.
fn set_waker(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(known) => known.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Ended {
        Ended::Refused(refused)
    }
}

fn counted_as(overdue: Overdue) -> Closing {
    match overdue {
        Overdue::Idle => Closing::Idle,
        Overdue::HalfSent => Closing::HalfSent,
        Overdue::SlowRequest => Closing::SlowSender,
        Overdue::Unread => Closing::Unread,
        Overdue::SlowReader => Closing::SlowReader,
        Overdue::Lingering => Closing::Ended,
    }
}
