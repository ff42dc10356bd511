//! Pure: a member of a classic group and the protocols it speaks.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;

use crate::base::limits;
use crate::coordinator::group::memory;
use crate::coordinator::group::request::{Join, Protocol};
use crate::coordinator::record::MemberValue;
use crate::coordinator::runtime::Token;
use crate::wire::cursor::{Cursor, Short};
use crate::wire::primitive::Form;

/// A member. What is not in its record (parked requests, other protocols) is lost when the
/// group is loaded anew; clients find their way from there.
#[derive(Clone, Debug)]
pub(in crate::coordinator::group) struct Member {
    pub id: Rc<str>,
    pub instance_id: Option<Rc<str>>,
    pub client_id: Rc<str>,
    pub client_host: Rc<str>,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// By preference.
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    /// The join that waits for the rebalance to complete.
    pub joining: Option<Token>,
    /// The sync that waits for the leader's assignment.
    pub syncing: Option<Token>,
    /// Whether it has not been through a rebalance yet.
    pub is_new: bool,
}

/// How many members speak each protocol.
#[derive(Default, Debug)]
pub(super) struct Speakers(BTreeMap<Rc<str>, usize>);

impl Speakers {
    /// How many members speak `protocol`.
    pub fn of(&self, protocol: &str) -> usize {
        self.0.get(protocol).copied().unwrap_or(0)
    }

    /// A member with these protocols is there.
    pub fn add(&mut self, protocols: &[Protocol]) {
        for name in names(protocols) {
            *self.0.entry(name.clone()).or_default() += 1;
        }
    }

    /// A member with these protocols is gone.
    pub fn remove(&mut self, protocols: &[Protocol]) {
        for name in names(protocols) {
            match self.0.get_mut(name) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.0.remove(name)),
            }
        }
    }
}

/// The names of protocols, each once.
fn names(protocols: &[Protocol]) -> BTreeSet<&Rc<str>> {
    protocols.iter().map(|protocol| &protocol.name).collect()
}

impl Member {
    /// A member that comes with `join`, not yet parked.
    pub fn new(id: Rc<str>, join: &Join) -> Member {
        Member {
            id,
            instance_id: join.instance_id.clone(),
            client_id: memory::prefix(&join.client_id, limits::CLIENT_ID_BYTES_MAX),
            client_host: join.client_host.clone(),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: true,
        }
    }

    /// A member out of its group's record, where only the chosen protocol is kept.
    pub fn loaded(value: &MemberValue, protocol: &Rc<str>) -> Member {
        let mut member = Member {
            id: value.member_id.clone(),
            instance_id: None,
            client_id: value.client_id.clone(),
            client_host: value.client_host.clone(),
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: false,
        };
        member.replay(value, protocol);
        member
    }

    /// Takes over what the record says; what it does not say stays.
    pub fn replay(&mut self, value: &MemberValue, protocol: &Rc<str>) {
        self.instance_id = value.instance_id.clone();
        self.client_id = value.client_id.clone();
        self.client_host = value.client_host.clone();
        self.session_timeout_ms = value.session_timeout_ms;
        self.rebalance_timeout_ms = value
            .rebalance_timeout_ms
            .unwrap_or(value.session_timeout_ms);
        self.assignment = value.assignment.clone();
        if self.metadata(protocol) != Some(&value.subscription) {
            self.protocols = vec![Protocol {
                name: protocol.clone(),
                metadata: value.subscription.clone(),
            }];
        }
    }

    /// The member's record, with `assignment` as its assignment.
    pub fn value(&self, protocol: Option<&str>, assignment: Bytes) -> MemberValue {
        let subscription = protocol.and_then(|name| self.metadata(name)).cloned();
        MemberValue {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: Some(self.rebalance_timeout_ms),
            session_timeout_ms: self.session_timeout_ms,
            subscription: subscription.unwrap_or_default(),
            assignment,
        }
    }

    /// The memory that it takes.
    pub fn bytes(&self) -> usize {
        let texts = [&self.id, &self.client_id, &self.client_host];
        memory::MEMBER_BYTES
            + texts.into_iter().map(|text| text.len()).sum::<usize>()
            + self.instance_id.as_ref().map_or(0, |id| id.len())
            + memory::of_protocols(&self.protocols)
            + self.assignment.len()
    }

    /// Its metadata for `protocol`.
    pub fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        let found = self.protocols.iter().find(|known| &*known.name == protocol);
        found.map(|known| &known.metadata)
    }

    /// Whether a parked request stands for the heartbeat. A member that is new is not trusted
    /// that far: its client may be gone.
    pub fn is_heard(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    /// The topics that a consumer's metadata subscribes to; `Err` when it does not begin like
    /// a subscription.
    pub fn topics(&self, protocol: &str) -> Result<Vec<&str>, Short> {
        let metadata = self.metadata(protocol).ok_or(Short)?;
        consumer_topics(metadata)
    }
}

/// The topics of a `ConsumerProtocolSubscription`. Every version of it begins with version
/// int16, topics [string], user data nullable bytes.
fn consumer_topics(metadata: &[u8]) -> Result<Vec<&str>, Short> {
    let mut cursor = Cursor::new(metadata);
    if cursor.i16()? < 0 {
        return Err(Short);
    }
    let count = Form::PLAIN.count(&mut cursor)?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        topics.push(Form::PLAIN.string(&mut cursor)?);
    }
    if let Ok(length) = usize::try_from(cursor.i32()?) {
        cursor.take(length)?;
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_begins_with_its_topics() {
        let mut bytes = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c'];
        bytes.extend_from_slice(&(-1i32).to_be_bytes());
        // Later versions append fields.
        bytes.extend_from_slice(&[9, 9, 9]);
        assert_eq!(consumer_topics(&bytes), Ok(vec!["a", "bc"]));
        for length in 0..17 {
            assert_eq!(consumer_topics(&bytes[..length]), Err(Short));
        }
        assert_eq!(consumer_topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), Err(Short));
    }
}
