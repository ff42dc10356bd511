//! Drives: the way to the leader of a partition, by what the members say that answer.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::Duration;

use crate::checked::broker::Connection;
use crate::members::{connect, view};

/// Members to ask, and the topic.
#[derive(Clone)]
pub struct Leaders {
    pub members: Vec<SocketAddr>,
    pub topic: &'static str,
}

impl Leaders {
    /// A connection to the leader of a partition as one of the members knows it, whose answers may
    /// take so long. Which member is asked first changes with `turn`.
    pub fn connect(&self, partition: usize, turn: usize, patience: Duration) -> Result<Connection> {
        for at in 0..self.members.len() {
            let member = self.members[(turn + at) % self.members.len()];
            let views = view(member, self.topic).unwrap_or_default();
            if let Some(address) = views.get(partition).and_then(|it| it.address) {
                let client = connect(address, patience)?;
                return Ok(Connection { client });
            }
        }
        Err(Error::other("no leader is known"))
    }

    /// A producer id, of the first member that gives one.
    pub fn producer_id(&self, turn: usize) -> Result<i64> {
        let mut refused = Error::other("no member");
        for at in 0..self.members.len() {
            let member = self.members[(turn + at) % self.members.len()];
            let client = connect(member, Duration::from_secs(5));
            match client.and_then(|client| Connection { client }.producer_id()) {
                Ok(id) => return Ok(id),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}
