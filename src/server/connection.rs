//! Drives: one client connection: reads requests, runs them, answers in order.
//!
//! Two tasks: the reader takes requests up, the writer answers them. Produce requests are begun
//! as they are read, so that pipelined ones share a write and a flush; all others run one after
//! another, as in Kafka. When too much is pending the socket is not read.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures_util::future::{Either, select};

use crate::base::{Instant, limits};
use crate::io::budget::{Reserved, Use};
use crate::io::cores;
use crate::io::event::Event;
use crate::io::stream::Stream;
use crate::server::ServerState;
use crate::server::api::Spare;
use crate::server::dispatch::{self, Refused, Slot};
use crate::server::receive::ReceiveBuffer;

/// Who is at the other end.
#[derive(Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
}

/// One connection, shared by its two tasks and the registry.
pub struct Connection {
    pub(super) server: Rc<ServerState>,
    pub(super) peer: Rc<Peer>,
    pub(super) stream: Stream,
    pub(super) spare: Spare,
    slots: RefCell<VecDeque<Slot>>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
    /// When the last byte came or went.
    active: Cell<Instant>,
    /// Whether the last byte left a request unfinished.
    partial: Cell<bool>,
    /// The large request that is arriving, if it holds memory that others may wait for.
    arrival: Cell<Option<Arrival>>,
    /// Whether the writer is answering a produce request.
    acking: Cell<bool>,
    /// Whether no more requests come: what is pending is still done, and answered.
    ending: Cell<bool>,
    /// Whether the other side takes no more answers: what is pending is still done.
    deaf: Cell<bool>,
    /// The writer is through with everything that came before the end.
    drained: Event,
    closed: Event,
}

/// A large request on its way in, since it was given its memory.
#[derive(Clone, Copy)]
struct Arrival {
    since: Instant,
    bytes: u64,
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
    pub fn new(server: Rc<ServerState>, stream: Stream, address: SocketAddr, now: Instant) -> Self {
        Connection {
            server,
            peer: Rc::new(Peer { address }),
            stream,
            spare: Spare::default(),
            slots: RefCell::default(),
            reader: RefCell::default(),
            writer: RefCell::default(),
            active: Cell::new(now),
            partial: Cell::new(false),
            arrival: Cell::new(None),
            acking: Cell::new(false),
            ending: Cell::new(false),
            deaf: Cell::new(false),
            drained: Event::default(),
            closed: Event::default(),
        }
    }

    /// When it last did something.
    pub fn active(&self) -> Instant {
        self.active.get()
    }

    /// Whether a request has begun to arrive and is not complete.
    pub fn is_partial(&self) -> bool {
        self.partial.get()
    }

    /// Whether it holds memory for a large request and sends that more slowly than those who
    /// wait for memory should have to bear.
    pub fn dawdles(&self, now: Instant) -> bool {
        self.arrival
            .get()
            .is_some_and(|arrival| arrival.dawdles(now))
    }

    /// Whether batches of it wait for their ack.
    pub fn has_produce(&self) -> bool {
        let slots = self.slots.borrow();
        let is_produce = |slot: &Slot| matches!(slot, Slot::Produce(_));
        self.acking.get() || slots.iter().any(is_produce)
    }

    /// Whether nothing is pending on it.
    pub fn is_idle(&self) -> bool {
        self.slots.borrow().is_empty()
    }

    /// Whether its requests have ended and only answers are due.
    pub fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Sends an answer, or drops it where the other side takes none any more.
    pub(super) async fn send(&self, answer: &[u8]) -> io::Result<()> {
        match self.deaf.get() {
            true => Ok(()),
            false => self.stream.write_all(answer).await,
        }
    }

    /// Whether answers are still taken.
    pub(super) fn takes_answers(&self) -> bool {
        !self.deaf.get()
    }

    /// Closes it from this side. Its reader ends wherever it is: it may not be reading.
    pub async fn close(&self) {
        self.closed.call();
        self.stream.shutdown().await;
    }

    /// Serves it until it ends. Requests that were received whole before the other side ended,
    /// or sent what cannot be a request, are done in their order and answered, as in Kafka.
    pub async fn serve(self: Rc<Self>) -> Ended {
        let writer = cores::spawn(self.clone().write_responses());
        let read = {
            let reading = pin!(self.read_requests());
            match select(reading, pin!(self.closed.wait())).await {
                Either::Left((read, _)) => Some(read),
                Either::Right(_) => None,
            }
        };
        if read.is_some() {
            self.ending.set(true);
            self.partial.set(false);
            self.arrival.set(None);
            self.active.set(self.server.now());
            self.wake_writer();
            select(pin!(self.drained.wait()), pin!(self.closed.wait())).await;
        }
        let ended = read.and_then(Result::err).unwrap_or(Ended::Gone);
        writer.cancel().await;
        self.stream.shutdown().await;
        self.slots.borrow_mut().clear();
        ended
    }

    async fn read_requests(self: &Rc<Self>) -> Result<(), Ended> {
        let max_bytes = self.server.shard.config().network.request_bytes_max;
        let mut buffer = ReceiveBuffer::new(&self.server.large_rooms);
        let mut room: Option<Reserved> = None;
        loop {
            while let Some(frame) = buffer.next_frame(max_bytes).map_err(Refused::Frame)? {
                self.wait_for_room().await;
                let slot = dispatch::take_up(self, buffer.bytes(frame), &mut room).await?;
                if let Some(slot) = slot {
                    self.push(slot);
                }
            }
            let announced = buffer.announced_bytes();
            if buffer.wanted_bytes() <= limits::CONNECTION_FREE_BYTES {
                room = None;
                self.arrival.set(None);
            } else if announced > limits::CONNECTION_FREE_BYTES {
                // What a large request takes counts against the core's budget, all at once and
                // before most of it is there: who had a part of it and waited for the rest
                // would keep others from theirs.
                let bytes = dispatch::memory_of(buffer.announced_key(), announced);
                if room.as_ref().is_none_or(|room| room.bytes() < bytes) {
                    drop(room.take());
                    // Who waits for memory has not left anything half sent.
                    self.partial.set(false);
                    room = Some(self.server.shard.budget.reserve(Use::Requests, bytes).await);
                    self.active.set(self.server.now());
                    self.arrival.set(Some(Arrival::begin(self.server.now())));
                }
            }
            buffer.make_room();
            self.partial.set(buffer.partial_bytes() > 0);
            let count = match self.stream.read(buffer.spare()).await {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(_) => {
                    self.deaf.set(true);
                    return Ok(());
                }
            };
            buffer.filled(count);
            self.active.set(self.server.now());
            self.arrival
                .set(self.arrival.get().map(|arrival| arrival.with(count)));
        }
    }

    async fn write_responses(self: Rc<Self>) {
        let mut out = Vec::with_capacity(512);
        while let Some(slot) = self.next_slot().await {
            match dispatch::answer(&self, slot, &mut out).await {
                Ok(()) => {}
                // The reader finds the end of what came before, and ends the connection.
                Err(Refused::Gone(error)) => {
                    tracing::debug!(peer = %self.peer.address, %error, "answers are not taken");
                    self.deaf.set(true);
                }
                Err(refused) => {
                    tracing::warn!(peer = %self.peer.address, reason = %refused, "closing connection");
                    let probe = &self.server.probe;
                    let why = refused.closing();
                    why.into_iter().for_each(|why| probe.note_closing(why));
                    return self.close().await;
                }
            }
            self.active.set(self.server.now());
            if out.capacity() > limits::CONNECTION_FREE_BYTES {
                out = Vec::with_capacity(512);
            }
        }
        self.drained.call();
    }

    fn push(&self, slot: Slot) {
        self.slots.borrow_mut().push_back(slot);
        self.wake_writer();
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
            None if self.ending.get() => Poll::Ready(None),
            None => {
                self.acking.set(false);
                *self.writer.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    async fn wait_for_room(&self) {
        self.partial.set(false);
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

// === impl Arrival ===

impl Arrival {
    fn begin(since: Instant) -> Arrival {
        Arrival { since, bytes: 0 }
    }

    fn with(self, count: usize) -> Arrival {
        let bytes = self.bytes + count as u64;
        Arrival { bytes, ..self }
    }

    fn dawdles(self, now: Instant) -> bool {
        let lasted_ms = now.since(self.since).as_millis() as u64;
        let wanted = lasted_ms * limits::ARRIVAL_BYTES_PER_MS;
        lasted_ms > limits::ARRIVAL_GRACE_MS && self.bytes < wanted
    }
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Ended {
        Ended::Refused(refused)
    }
}
