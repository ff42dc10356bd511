//! Pure: what classic consumers say to each other inside JoinGroup and SyncGroup
//! (`ConsumerProtocolSubscription` and `ConsumerProtocolAssignment` of Kafka's clients), which a
//! coordinator that assigns for them has to read and write.
//!
//! Subscription: version int16 · topics [string] · user data nullable bytes · owned partitions
//! [topic string, partitions [int32]] (1+) · generation int32 (2+) · rack nullable string (3+).
//! Assignment: version int16 · partitions [topic string, partitions [int32]] · user data nullable
//! bytes. Newer versions add fields at the end.

use std::rc::Rc;

use bytes::Bytes;

use crate::base::PartitionIndex;
use crate::coordinator::group::topics::Topics;
use crate::wire::cursor::{Cursor, Short, Sink};
use crate::wire::primitive::Form;

use super::assign::Partitions;
use super::request::OwnedByClient;

/// The newest version that is known.
const VERSION_MAX: i16 = 3;

/// What a classic consumer subscribes to.
#[derive(Debug)]
pub(super) struct Subscription {
    pub topics: Vec<Rc<str>>,
    pub rack: Option<Rc<str>>,
    /// What it says it has: topics by name.
    owned: Vec<OfTopic>,
}

/// What a classic consumer was given.
#[derive(Debug)]
pub(super) struct Given {
    /// Topics by name.
    pub partitions: Vec<OfTopic>,
    /// Whether its assignor has added something of its own.
    pub has_user_data: bool,
}

/// The version that begins either of them, as far as it is known.
fn version(cursor: &mut Cursor<'_>) -> Result<i16, Short> {
    match cursor.i16()? {
        version @ 0.. => Ok(version.min(VERSION_MAX)),
        _ => Err(Short),
    }
}

/// A topic and partitions of it.
type OfTopic = (Rc<str>, Vec<PartitionIndex>);

fn partitions(cursor: &mut Cursor<'_>) -> Result<Vec<OfTopic>, Short> {
    let mut all = Vec::new();
    for _ in 0..Form::PLAIN.count(cursor)? {
        let topic = Form::PLAIN.string(cursor)?.into();
        let count = Form::PLAIN.nullable_count(cursor, size_of::<PartitionIndex>())?;
        let mut of_topic = Vec::new();
        for _ in 0..count.ok_or(Short)? {
            of_topic.push(cursor.i32()?);
        }
        all.push((topic, of_topic));
    }
    Ok(all)
}

impl Subscription {
    /// Reads a member's metadata.
    pub fn read(metadata: &[u8]) -> Result<Subscription, Short> {
        let mut cursor = Cursor::new(metadata);
        let version = version(&mut cursor)?;
        let count = Form::PLAIN.count(&mut cursor)?;
        let topics = (0..count).map(|_| Ok(Form::PLAIN.string(&mut cursor)?.into()));
        let topics = topics.collect::<Result<_, Short>>()?;
        Form::PLAIN.nullable_bytes(&mut cursor)?;
        let owned = match version {
            0 => Vec::new(),
            _ => partitions(&mut cursor)?,
        };
        if version >= 2 {
            cursor.i32()?;
        }
        let rack = match version {
            3.. => Form::PLAIN.nullable_string(&mut cursor)?.map(Rc::from),
            _ => None,
        };
        Ok(Subscription {
            topics,
            rack,
            owned,
        })
    }

    /// What the member says it has, as far as the topics exist.
    pub fn owned(&self, topics: &Topics) -> OwnedByClient {
        let owned = self.owned.iter();
        owned
            .filter_map(|(name, of)| Some((topics.id_of(name)?, of.clone())))
            .collect()
    }
}

impl Given {
    /// Reads what a member was given; empty bytes mean no partitions.
    pub fn read(assignment: &[u8]) -> Result<Given, Short> {
        if assignment.is_empty() {
            return Ok(Given {
                partitions: Vec::new(),
                has_user_data: false,
            });
        }
        let mut cursor = Cursor::new(assignment);
        version(&mut cursor)?;
        let partitions = partitions(&mut cursor)?;
        let user_data = Form::PLAIN.nullable_bytes(&mut cursor)?;
        Ok(Given {
            partitions,
            has_user_data: user_data.is_some_and(|data| !data.is_empty()),
        })
    }
}

/// Encodes an assignment in the version of the member's subscription `metadata`.
pub(super) fn assignment(partitions: &Partitions, metadata: &[u8], topics: &Topics) -> Bytes {
    let version = version(&mut Cursor::new(metadata)).unwrap_or_default();
    let named = partitions.iter();
    let named = named.filter_map(|(topic, of)| Some((topics.name_of(*topic)?, of)));
    let named: Vec<_> = named.collect();
    let mut out = version.to_be_bytes().to_vec();
    Form::PLAIN.put_length(&mut out, named.len());
    for (name, of) in named {
        Form::PLAIN.put_string(&mut out, name);
        Form::PLAIN.put_length(&mut out, of.len());
        for index in of {
            out.put(&index.to_be_bytes());
        }
    }
    Form::PLAIN.put_null_array(&mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::group::samples;

    #[test]
    fn what_is_given_comes_back() {
        let topics = samples::topics(&[("a", 1, 3), ("b", 2, 1)]);
        let id = |name: &str| topics.id_of(name).unwrap();
        let partitions: Partitions = [(id("a"), [0, 2].into()), (id("b"), [0].into())].into();
        let bytes = assignment(&partitions, &[0, 1, 9], &topics);
        assert_eq!(bytes[..2], [0, 1]);
        let given = Given::read(&bytes).unwrap();
        assert_eq!(
            given.partitions,
            [("a".into(), vec![0, 2]), ("b".into(), vec![0])]
        );
        assert!(!given.has_user_data);
        for length in 1..bytes.len() {
            assert_eq!(Given::read(&bytes[..length]).err(), Some(Short));
        }
    }

    #[test]
    fn a_subscription_of_each_version_is_read() {
        let mut bytes = vec![0, 3, 0, 0, 0, 1, 0, 1, b'a'];
        bytes.extend_from_slice(&(-1i32).to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 7]);
        bytes.extend_from_slice(&5i32.to_be_bytes());
        bytes.extend_from_slice(&[0, 1, b'r']);
        let read = Subscription::read(&bytes).unwrap();
        assert_eq!((&*read.topics[0], read.rack.as_deref()), ("a", Some("r")));
        let topics = samples::topics(&[("a", 1, 3)]);
        assert_eq!(read.owned(&topics)[0].1, [7]);
        for length in 0..bytes.len() {
            assert!(Subscription::read(&bytes[..length]).is_err());
        }
        bytes[1] = 0;
        assert!(Subscription::read(&bytes[..13]).unwrap().owned.is_empty());
    }
}
