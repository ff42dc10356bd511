//! Drives: the way to the leader of a partition, by what the members say that answer.

use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use crate::checked::broker::Connection;
use crate::members::{connect, view};

/// Members to ask, and the topic.
pub struct Leaders {
    pub members: Vec<SocketAddr>,
    pub topic: &'static str,
    /// The newest term of each partition that a member has told of.
    terms: Mutex<BTreeMap<usize, i32>>,
}

impl Leaders {
    pub fn new(members: Vec<SocketAddr>, topic: &'static str) -> Leaders {
        Leaders {
            members,
            topic,
            terms: Mutex::default(),
        }
    }

    /// The newest term of a partition, as clients keep it: a leader that stood still and knows of
    /// an older one says so, and not that an offset is out of range. -1 while none is known.
    pub fn term(&self, partition: usize) -> i32 {
        let terms = self.terms.lock().unwrap();
        terms.get(&partition).copied().unwrap_or(-1)
    }

    /// A connection to the leader of a partition as one of the members knows it, whose answers may
    /// take so long. Which member is asked first changes with `turn`.
    pub fn connect(&self, partition: usize, turn: usize, patience: Duration) -> Result<Connection> {
        for at in 0..self.members.len() {
            let member = self.members[(turn + at) % self.members.len()];
            let views = view(member, self.topic).unwrap_or_default();
            let Some(seen) = views.get(partition) else {
                continue;
            };
            let mut terms = self.terms.lock().unwrap();
            let term = terms.entry(partition).or_insert(-1);
            *term = seen.leader_epoch.max(*term);
            drop(terms);
            if let Some(address) = seen.address {
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
