//! Drives: APIs of consumer groups: finding their coordinator, membership, administration.

pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
pub mod delete_groups;
pub mod describe_groups;
pub mod find_coordinator;
pub mod heartbeat;
pub mod join_group;
pub mod leave_group;
pub mod list_groups;
pub mod sync_group;

use std::net::IpAddr;
use std::rc::Rc;

use crate::server::api::Context;
use crate::wire::codec::StrBytes;

/// Members or partitions that a group is asked about in one turn.
pub(super) const AT_ONCE: usize = 1_000;

/// What may be done with a group, as bits by `AclOperation` code: READ 3, DELETE 6, DESCRIBE 8,
/// DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11. Without access rules every client may do all of it.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// Whether the cluster has the consumer protocol (`group.version`).
fn has_consumer_protocol(cx: &Context) -> bool {
    let image = cx.image();
    let level = image.features.get("group.version");
    level.is_some_and(|level| *level >= 1)
}

/// A text of the wire as groups keep it.
pub(super) fn kept(text: &StrBytes) -> Rc<str> {
    Rc::from(&**text)
}

/// A text that may be absent, as groups keep it.
pub(super) fn kept_option(text: &Option<StrBytes>) -> Option<Rc<str>> {
    text.as_ref().map(kept)
}

/// A kept text for the wire.
pub(super) fn sent(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A kept text that may be absent, for the wire.
pub(super) fn sent_option(text: &Option<Rc<str>>) -> Option<StrBytes> {
    text.as_deref().map(sent)
}

/// A client's address as Java prints an `InetAddress` without a name, which is what tools show.
fn host_text(address: IpAddr) -> Rc<str> {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("/{address}").into(),
        IpAddr::V6(address) => {
            let groups = address.segments().map(|group| format!("{group:x}"));
            format!("/{}", groups.join(":")).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_look_as_java_prints_them() {
        let host = |text: &str| host_text(text.parse().unwrap());
        assert_eq!(&*host("127.0.0.1"), "/127.0.0.1");
        assert_eq!(&*host("::1"), "/0:0:0:0:0:0:0:1");
        assert_eq!(&*host("fe80::ab:1"), "/fe80:0:0:0:0:0:ab:1");
        assert_eq!(&*host("::ffff:10.0.0.1"), "/10.0.0.1");
    }
}
