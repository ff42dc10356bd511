//! Drives: the connections of one shard: which are admitted, and which there are.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::{Rc, Weak};

use super::hub::Hub;
use super::serve::Connection;
use crate::base::limits;
use crate::io::budget::Use;
use crate::io::descriptors;
use crate::io::stream::Stream;
use crate::server::session::Session;
use crate::server::state::ServerState;
use crate::server::state::probe::Closing;

/// The connections of one shard.
pub struct Connections {
    hub: Rc<Hub>,
    list: RefCell<BTreeMap<u64, Weak<Connection>>>,
    next_number: Cell<u64>,
}

impl Connections {
    /// The connections of a shard that starts to serve: none.
    pub fn new(server: Rc<ServerState>) -> Rc<Connections> {
        Rc::new(Connections {
            hub: Hub::new(server),
            list: RefCell::default(),
            next_number: Cell::new(0),
        })
    }

    /// The state of the server.
    pub fn server(&self) -> &Rc<ServerState> {
        &self.hub.server
    }

    /// Whether one more connection from this address is allowed, or which limit it breaks.
    pub fn admit(&self, from: IpAddr) -> Result<(), Closing> {
        let shard = &self.hub.server.shard;
        let network = &shard.config().network;
        let list = self.list.borrow();
        if list.len() >= network.connections_max {
            return Err(Closing::Connections);
        }
        // The one that asks is counted by now.
        if descriptors::sockets() > descriptors::sockets_max() {
            return Err(Closing::Descriptors);
        }
        let share = shard.budget.total_bytes() / 16 * limits::CONNECTIONS_SIXTEENTHS;
        if shard.budget.used_by(Use::Connections) + limits::CONNECTION_BYTES > share {
            return Err(Closing::Memory);
        }
        if network.connections_per_ip_max < list.len() {
            let same = |one: &Weak<Connection>| {
                one.upgrade()
                    .is_some_and(|one| one.session().address.ip() == from)
            };
            let count = list.values().filter(|one| same(one)).count();
            if count >= network.connections_per_ip_max {
                return Err(Closing::ConnectionsPerIp);
            }
        }
        Ok(())
    }

    /// A connection to the client at the other end of `stream`, to be given to [`Self::serve`].
    pub fn open(&self, session: Session, stream: Stream) -> Rc<Connection> {
        let now = self.hub.server.now();
        Rc::new(Connection::new(self.hub.clone(), session, stream, now))
    }

    /// Serves a connection until it ends. It is in the list meanwhile.
    pub async fn serve(&self, connection: Rc<Connection>) {
        let address = connection.session().address;
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        let weak = Rc::downgrade(&connection);
        self.list.borrow_mut().insert(number, weak);
        if let Err(refused) = connection.serve().await {
            let server = &self.hub.server;
            server.log_closing(address, refused.closing(), &refused);
        }
        self.list.borrow_mut().remove(&number);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.borrow().len()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Rc<Connection>> {
        let list = self.list.borrow();
        list.values().filter_map(Weak::upgrade).collect()
    }
}
