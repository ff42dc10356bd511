//! Pure: fields that produce and fetch answers have in common: a partition's leader, and where
//! nodes are to be found (KIP-951).

use super::cursor::Sink;
use super::primitive::Form;

/// A node's endpoint, as produce and fetch answers name it (KIP-951).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The node.
    pub node_id: i32,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

/// A partition's leader, as produce and fetch answers name it (KIP-951).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    /// The node that leads; -1 for none.
    pub leader_id: i32,
    /// Its term; -1 where it is not known.
    pub leader_epoch: i32,
}

/// Puts the tagged field `tag` that holds a leader: its number, its size, its bytes.
pub fn put_leader_tag(out: &mut Vec<u8>, tag: u32, leader: CurrentLeader) {
    out.put_uvarint(tag);
    out.put_uvarint(9);
    out.put(&leader.leader_id.to_be_bytes());
    out.put(&leader.leader_epoch.to_be_bytes());
    out.push(0);
}

/// Puts the tagged fields that end an answer: the endpoints of the nodes it has named, as tag
/// 0, or nothing.
pub fn put_endpoints_tag(out: &mut Vec<u8>, endpoints: &[NodeEndpoint]) {
    if endpoints.is_empty() {
        out.push(0);
        return;
    }
    let form = Form::FLEXIBLE;
    let mut field = Vec::new();
    form.put_length(&mut field, endpoints.len());
    for endpoint in endpoints {
        field.put(&endpoint.node_id.to_be_bytes());
        form.put_string(&mut field, &endpoint.host);
        field.put(&endpoint.port.to_be_bytes());
        form.put_nullable_string(&mut field, endpoint.rack.as_deref());
        form.put_no_tags(&mut field);
    }
    out.push(1);
    out.put_uvarint(0);
    out.put_uvarint(field.len() as u32);
    out.put(&field);
}
