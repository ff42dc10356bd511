//! Drives: one client connection from its first byte to its end.

use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};

use super::desk::Desk;
use super::hub::Hub;
use super::lifetime::{Facts, Overdue};
use super::receive::ReceiveBuffer;
use super::{reader, writer};
use crate::base::{Instant, limits};
use crate::io::budget::{Reserved, Use};
use crate::io::event::Event;
use crate::io::free;
use crate::io::stream::Stream;
use crate::io::turn::{self, Work};
use crate::server::api::refused::Refused;
use crate::server::session::Session;
use crate::server::state::probe::Closing;

/// One connection: two tasks, of which one reads requests and begins them, and the other finishes
/// and answers them in order. Produce requests append when they are begun, so that pipelined ones
/// share a write and a flush; all others run one after another, as in Kafka. While too many are
/// pending the socket is not read.
pub struct Connection {
    desk: Desk,
    /// The writer is through with all requests that came before the end.
    drained: Event,
    closed: Event,
    /// What it takes at rest.
    _memory: Reserved,
}

impl Connection {
    /// A connection over `stream`.
    pub fn new(hub: Rc<Hub>, session: Session, stream: Stream, now: Instant) -> Connection {
        let budget = &hub.server.shard.budget;
        Connection {
            _memory: budget.hold(Use::Connections, limits::CONNECTION_BYTES),
            desk: Desk::new(hub, session, stream, now),
            drained: Event::default(),
            closed: Event::default(),
        }
    }

    /// What its two tasks share.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Its client.
    pub fn session(&self) -> &Session {
        &self.desk.client.session
    }

    /// Why it has lasted too long, if it has.
    pub fn overdue(&self, now: Instant) -> Option<Overdue> {
        let stream = self.desk.client.outlet.stream();
        let shard = &self.desk.hub.server.shard;
        let facts = Facts {
            written_bytes: stream.written_bytes(),
            is_write_blocked: stream.is_write_blocked(),
            idle_max_ms: shard.config().network.idle_max_ms,
            is_memory_short: shard.budget.is_short(),
        };
        self.desk.lifetime.overdue(now, &facts)
    }

    /// Whether batches of it may not be acked yet.
    pub fn has_batches(&self) -> bool {
        self.desk.queue.has_batches()
    }

    /// Closes it because it has lasted too long, with a line in the log.
    pub async fn close_as(&self, overdue: &Overdue) {
        let server = &self.desk.hub.server;
        let why = Some(counted_as(*overdue));
        server.log_closing(self.session().address, why, overdue);
        self.close().await;
    }

    /// Closes it. Its reader ends also where it waits for something other than the socket.
    pub async fn close(&self) {
        self.closed.call();
        self.desk.client.outlet.stream().shutdown().await;
    }

    /// Serves it until it ends. Requests that were received whole before the other side ended,
    /// or sent what cannot be a request, are done in their order and answered, as in Kafka.
    /// The error says why the broker closed it; one that the writer has met is logged already.
    pub async fn serve(self: Rc<Self>) -> Result<(), Refused> {
        let desk = &self.desk;
        let work = Work::job("connection");
        let writer = desk
            .client
            .outlet
            .stream()
            .runtime()
            .spawn(turn::measured(work, self.clone().write()));
        let mut buffer = ReceiveBuffer::new(&desk.hub.large_buffers);
        let read = {
            let reading = pin!(reader::read(desk, &mut buffer));
            match select(reading, pin!(self.closed.wait())).await {
                Either::Left((read, _)) => Some(read),
                Either::Right(_) => None,
            }
        };
        if let Some(large) = buffer.end() {
            free::list(large).await;
        }
        if read.is_some() {
            desk.lifetime.end(desk.hub.server.now());
            desk.queue.wake_writer();
            select(pin!(self.drained.wait()), pin!(self.closed.wait())).await;
        }
        writer.cancel().await;
        desk.client.outlet.stream().shutdown().await;
        desk.queue.clear().await;
        desk.hub.handlers.free_cut_off().await;
        read.unwrap_or(Ok(()))
    }

    async fn write(self: Rc<Self>) {
        match writer::write(&self.desk).await {
            Ok(()) => self.drained.call(),
            Err(refused) => {
                let server = &self.desk.hub.server;
                server.log_closing(self.session().address, refused.closing(), &refused);
                self.close().await;
            }
        }
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
