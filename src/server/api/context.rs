//! Drives: what a handler may reach.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::base::{Instant, WallMs};
use crate::metadata::image::Image;
use crate::server::ServerState;
use crate::server::connection::Peer;
use crate::shard::Shard;

/// One request's surroundings.
pub struct Context {
    /// The core's state that only the server room knows: fetch sessions, API counters.
    pub server: Rc<ServerState>,
    /// The shard that serves the connection.
    pub shard: Rc<Shard>,
    /// Who asks.
    pub peer: Rc<Peer>,
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
}

impl Context {
    /// The cluster as this shard knows it now.
    pub fn image(&self) -> Arc<Image> {
        self.shard.image()
    }
}

/// Bodies up to this size are kept in memory that is used again, in bytes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What a connection keeps from one request for the next, so that the usual one is taken up
/// without an allocation.
#[derive(Default)]
pub struct Spare {
    context: RefCell<Option<Rc<Context>>>,
    client_id: RefCell<Rc<str>>,
    body: RefCell<BytesMut>,
}

// === impl Spare ===

impl Spare {
    /// `context` behind a counter that the last request is done with, or else a new one.
    pub fn context(&self, context: Context) -> Rc<Context> {
        if let Some(mut spare) = self.context.borrow_mut().take()
            && let Some(place) = Rc::get_mut(&mut spare)
        {
            *place = context;
            return spare;
        }
        Rc::new(context)
    }

    /// Takes back what [`Spare::context`] gave; it is used again if nobody else holds it.
    pub fn give_back(&self, context: Rc<Context>) {
        *self.context.borrow_mut() = Some(context);
    }

    /// A client's name, which hardly ever changes on a connection.
    pub fn client_id(&self, name: &str) -> Rc<str> {
        let mut last = self.client_id.borrow_mut();
        if **last != *name {
            *last = name.into();
        }
        last.clone()
    }

    /// A copy of `body` that may outlive it.
    pub fn body(&self, body: &[u8]) -> Bytes {
        if body.len() > BODY_BYTES_MAX {
            return Bytes::copy_from_slice(body);
        }
        let mut spare = self.body.borrow_mut();
        if spare.capacity() < body.len() {
            // Takes the whole buffer again once every body that was cut from it is gone.
            spare.reserve(body.len().max(1024));
        }
        spare.extend_from_slice(body);
        spare.split().freeze()
    }
}
