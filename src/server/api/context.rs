//! Drives: what a handler may reach.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::base::{Instant, WallMs, limits};
use crate::io::turn;
use crate::metadata::image::Image;
use crate::server::session::Session;
use crate::server::state::ServerState;
use crate::server::state::answer_memory::{AnswerMemory, NotMade};
use crate::shard::Shard;

/// One request's surroundings.
pub struct Context {
    /// The core's state that only the server room knows: fetch sessions, API counters.
    pub server: Rc<ServerState>,
    /// The shard that serves the connection.
    pub shard: Rc<Shard>,
    /// The session of the client that asks.
    pub session: Rc<Session>,
    /// The request's API version.
    pub version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// The client id of the request header; empty when the client sent none.
    pub client_id: Rc<str>,
    /// When the request was taken up.
    pub now: Instant,
    /// The same moment on the wall clock.
    pub wall_ms: WallMs,
    /// What the answer takes of the shard's memory.
    pub memory: AnswerMemory,
}

impl Context {
    /// Lets other tasks run if this turn has lasted long enough. To be called between the items of
    /// work whose length the client chooses.
    pub async fn pace(&self) {
        turn::pace().await;
    }

    /// Runs long work on another thread, which must need nothing of this core. `None`: it
    /// panicked; the handler gives up, as after a refused claim.
    pub async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let done = self.shard.runtime().offload(work).await.ok();
        if done.is_none() {
            self.memory.refuse(NotMade::Panicked);
        }
        done
    }

    /// Drops a value that a handler is done with; on another thread if the answer is large.
    pub fn drop_later<T: Send + 'static>(&self, value: T) {
        if self.memory.bytes() >= limits::LARGE_ANSWER_BYTES {
            self.shard.runtime().drop_later(value);
        }
    }

    /// Counts `bytes` more, which the answer is about to take, against the shard's memory.
    /// `false`: there is none. The handler then gives up at once; whatever it returns is not
    /// sent, the connection is closed.
    pub async fn claim(&self, bytes: usize) -> bool {
        let (runtime, budget) = (self.shard.runtime(), &self.shard.budget);
        self.memory.claim(runtime, budget, bytes).await
    }

    /// The cluster as this shard knows it now.
    pub fn image(&self) -> Arc<Image> {
        self.shard.image()
    }
}

/// Bodies up to this size are kept in memory that is used again, in bytes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// Bytes of a large body that are copied before other tasks may run: some 100 µs.
const COPY_BYTES: usize = 256 << 10;

/// Memory that a connection keeps from one request for the next, so that a usual request is begun
/// without an allocation.
#[derive(Default)]
pub struct Spare {
    context: RefCell<Option<Rc<Context>>>,
    client_id: RefCell<Rc<str>>,
    body: RefCell<BytesMut>,
}

// === impl Spare ===

impl Spare {
    /// `context`, in the memory of the last request's context if that is no longer used.
    pub fn context(&self, context: Context) -> Rc<Context> {
        if let Some(mut spare) = self.context.borrow_mut().take()
            && let Some(place) = Rc::get_mut(&mut spare)
        {
            *place = context;
            return spare;
        }
        Rc::new(context)
    }

    /// Takes back what [`Spare::context`] gave. It is used again unless something else holds it.
    pub fn give_back(&self, context: Rc<Context>) {
        *self.context.borrow_mut() = Some(context);
    }

    /// A client's name. It hardly ever changes on a connection, so that the last one is kept.
    pub fn client_id(&self, name: &str) -> Rc<str> {
        let mut last = self.client_id.borrow_mut();
        if **last != *name {
            *last = name.into();
        }
        last.clone()
    }

    /// A copy of `body` that may outlive it.
    pub async fn body(&self, body: &[u8]) -> Bytes {
        if body.len() > BODY_BYTES_MAX {
            let mut copy = BytesMut::with_capacity(body.len());
            for piece in body.chunks(COPY_BYTES) {
                copy.extend_from_slice(piece);
                turn::pace().await;
            }
            return copy.freeze();
        }
        let mut spare = self.body.borrow_mut();
        if spare.capacity() < body.len() {
            // Uses the whole buffer again if every body that was cut from it is dropped.
            spare.reserve(body.len().max(1024));
        }
        spare.extend_from_slice(body);
        spare.split().freeze()
    }
}
