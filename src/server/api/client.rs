//! Drives: the client of one connection, as the APIs see it.

use std::rc::Rc;

use super::context::{Context, Spare};
use super::outlet::Outlet;
use crate::base::Instant;
use crate::io::stream::Stream;
use crate::server::session::Session;
use crate::server::state::ServerState;
use crate::server::state::answer_memory::AnswerMemory;
use crate::wire::header::RequestHeader;

/// What the APIs need of a connection.
pub struct Client {
    /// The state of the shard that serves it.
    pub server: Rc<ServerState>,
    /// Who it is.
    pub session: Rc<Session>,
    /// Where its answers go.
    pub outlet: Outlet,
    /// Memory that its requests use one after another.
    pub spare: Spare,
}

impl Client {
    /// The client at the other end of `stream`.
    pub fn new(server: Rc<ServerState>, session: Session, stream: Stream) -> Client {
        Client {
            server,
            session: Rc::new(session),
            outlet: Outlet::new(stream),
            spare: Spare::default(),
        }
    }

    /// What the handler of a request may reach.
    pub fn context(&self, header: &RequestHeader<'_>, now: Instant) -> Rc<Context> {
        let server = self.server.clone();
        self.spare.context(Context {
            shard: server.shard.clone(),
            session: self.session.clone(),
            version: header.api_version,
            correlation_id: header.correlation_id,
            client_id: self.spare.client_id(&header.client_id_text()),
            now,
            wall_ms: server.wall_ms(),
            memory: AnswerMemory::default(),
            server,
        })
    }
}
