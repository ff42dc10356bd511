//! Drives: what the reader and the writer of one connection share.

use std::rc::Rc;

use super::hub::Hub;
use super::lifetime::Lifetime;
use super::queue::Queue;
use crate::base::Instant;
use crate::io::stream::Stream;
use crate::server::api::client::Client;
use crate::server::session::Session;

/// What the two tasks of a connection share.
pub struct Desk {
    /// What it shares with other connections.
    pub hub: Rc<Hub>,
    /// Its client.
    pub client: Client,
    /// Its requests that have no answer yet.
    pub queue: Queue,
    /// How long it may take for what.
    pub lifetime: Lifetime,
}

impl Desk {
    /// That of a connection that begins.
    pub fn new(hub: Rc<Hub>, session: Session, stream: Stream, now: Instant) -> Desk {
        Desk {
            client: Client::new(hub.server.clone(), session, stream),
            hub,
            queue: Queue::default(),
            lifetime: Lifetime::new(now),
        }
    }
}
