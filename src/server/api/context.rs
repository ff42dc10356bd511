//! Drives: what a handler may reach.

use std::rc::Rc;
use std::sync::Arc;

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
