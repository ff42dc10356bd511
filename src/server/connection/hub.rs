//! Drives: what the connections of one shard share besides the server's state.

use std::rc::Rc;

use super::receive::LargeBuffers;
use super::slot::Handlers;
use crate::server::state::ServerState;

/// What the connections of one shard share.
pub struct Hub {
    /// The server's state.
    pub server: Rc<ServerState>,
    /// The implementations of the APIs.
    pub handlers: Handlers,
    /// Receive buffers of large requests.
    pub large_buffers: Rc<LargeBuffers>,
}

impl Hub {
    /// The hub of a shard that starts to serve.
    pub fn new(server: Rc<ServerState>) -> Rc<Hub> {
        Rc::new(Hub {
            server,
            handlers: Handlers::default(),
            large_buffers: Rc::default(),
        })
    }
}
