//! Pure: Fetch, versions 4 to 18: requests read into reused lists; answers are in `fetch/answer.rs`.

mod answer;

use super::cursor::{Cursor, Short};
use super::primitive::Form;
use crate::ids::Uuid;
use crate::{LeaderEpoch, Offset, TopicId};
pub use answer::{Aborted, AbortedTransaction, Encoder, PartitionAnswer};

/// First version whose fields are flexible.
const FLEXIBLE_FROM: i16 = 12;
/// First version that names topics by id (KIP-516).
pub const TOPIC_ID_FROM: i16 = 13;
/// First version with sessions (KIP-227).
const SESSIONS_FROM: i16 = 7;

/// What a wanted partition takes of a request at the least, in bytes.
pub const PARTITION_BYTES_MIN: usize = 16;

/// What stands before the topics of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The follower that asks; -1 for a consumer.
    pub replica_id: i32,
    /// The epoch of its registration (KIP-903); -1 where it does not say.
    pub replica_epoch: i64,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Bytes of records that make the wait worth ending.
    pub min_bytes: i32,
    /// Most bytes of records to answer with; the first batch comes whatever its size.
    pub max_bytes: i32,
    /// 0 reads everything acked, 1 only what no open transaction may still undo.
    pub isolation_level: i8,
    /// The fetch session, 0 for none.
    pub session_id: i32,
    /// The request's number in its session; 0 opens one, -1 ends it.
    pub session_epoch: i32,
}

/// A part of a request, in the request's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A topic begins; its partitions follow.
    Topic {
        /// Its name; empty from version 13 on.
        name: &'a str,
        /// Its id; zero before version 13.
        id: TopicId,
    },
    /// A partition of the topic is wanted.
    Partition {
        /// Its index.
        index: i32,
        /// The term the client believes in; -1 for any.
        leader_epoch: LeaderEpoch,
        /// The first offset wanted.
        offset: Offset,
        /// The term of the last batch the client has; -1 for none.
        last_fetched_epoch: LeaderEpoch,
        /// Where the log of a follower begins; -1 of a consumer.
        start_offset: Offset,
        /// At most so many bytes of this partition.
        max_bytes: i32,
    },
    /// A partition of the topic leaves the session.
    Forgotten {
        /// Its index.
        index: i32,
    },
}

/// Walks a request's body, handing each part to `visit`. The walk stops at the first byte that
/// cannot be right, after the parts before it.
pub fn walk<'a>(
    body: &'a [u8],
    version: i16,
    mut visit: impl FnMut(Item<'a>),
) -> Result<Head, Short> {
    let mut parts = Parts::new(body, version)?;
    while let Some(item) = parts.next()? {
        visit(item);
    }
    Ok(parts.head)
}

/// A request's body on its way through [`Parts::next`], for those who do not read it in one go.
pub struct Parts<'a> {
    cursor: Cursor<'a>,
    form: Form,
    version: i16,
    head: Head,
    list: List,
    /// Topics of the list that are not begun.
    topics: usize,
    /// Partitions of the topic that are not read; `None` between topics.
    partitions: Option<usize>,
    rack: &'a str,
}

/// Which list of a request is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Wanted,
    Forgotten,
    Ended,
}

impl<'a> Parts<'a> {
    /// The parts of `body`.
    pub fn new(body: &'a [u8], version: i16) -> Result<Parts<'a>, Short> {
        let form = Form {
            flexible: version >= FLEXIBLE_FROM,
        };
        let mut cursor = Cursor::new(body);
        let head = read_head(&mut cursor, version)?;
        let topics = form.count(&mut cursor)?;
        Ok(Parts {
            cursor,
            form,
            version,
            head,
            list: List::Wanted,
            topics,
            partitions: None,
            rack: "",
        })
    }

    /// The client's rack (KIP-392), empty where it does not say; known once [`Self::next`] has
    /// given all.
    pub fn rack(&self) -> &'a str {
        self.rack
    }

    /// What stands before the topics; complete once [`Self::next`] has given all.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The next part; `None` at the end of a request that is right.
    #[allow(clippy::should_implement_trait)] // It may fail, and is then not to be called again.
    pub fn next(&mut self) -> Result<Option<Item<'a>>, Short> {
        loop {
            match self.partitions {
                Some(0) => {
                    self.form.skip_tags(&mut self.cursor)?;
                    self.partitions = None;
                }
                Some(left) => {
                    self.partitions = Some(left - 1);
                    return self.partition().map(Some);
                }
                None if self.topics > 0 => {
                    self.topics -= 1;
                    let item = topic(&mut self.cursor, self.form, self.version)?;
                    self.partitions = Some(self.form.count(&mut self.cursor)?);
                    return Ok(Some(item));
                }
                None if self.list == List::Ended => return Ok(None),
                None if self.list == List::Wanted && self.version >= SESSIONS_FROM => {
                    self.list = List::Forgotten;
                    self.topics = self.form.count(&mut self.cursor)?;
                }
                None => {
                    self.list = List::Ended;
                    self.read_rest()?;
                }
            }
        }
    }

    fn partition(&mut self) -> Result<Item<'a>, Short> {
        if self.list == List::Forgotten {
            let index = self.cursor.i32()?;
            return Ok(Item::Forgotten { index });
        }
        let version = self.version;
        let item = partition(&mut self.cursor, version)?;
        let tags = self.form.tags(&mut self.cursor, |tag, field| {
            partition_tag(version, tag, field)
        });
        tags.map(|()| item)
    }

    fn read_rest(&mut self) -> Result<(), Short> {
        let (form, version, head) = (self.form, self.version, &mut self.head);
        if version >= 11 {
            self.rack = form.string(&mut self.cursor)?;
        }
        form.tags(&mut self.cursor, |tag, mut field| {
            match tag {
                0 => drop(form.nullable_string(&mut field)?), // The cluster's id.
                1 if version >= 15 => {
                    head.replica_id = field.i32()?;
                    head.replica_epoch = field.i64()?;
                    form.skip_tags(&mut field)?;
                }
                1 => return Err(Short),
                _ => return Ok(()),
            }
            ended(&field)
        })
    }
}

/// The tagged fields of a partition are a follower's: its log directory, its high watermark.
fn partition_tag(version: i16, tag: u32, mut field: Cursor<'_>) -> Result<(), Short> {
    match tag {
        0 if version >= 17 => drop(field.uuid()?),
        1 if version >= 18 => drop(field.i64()?),
        0 | 1 => return Err(Short),
        _ => return Ok(()),
    }
    ended(&field)
}

/// Fails unless a tagged field that is known was as long as it claimed.
fn ended(field: &Cursor<'_>) -> Result<(), Short> {
    (field.remaining() == 0).then_some(()).ok_or(Short)
}

fn read_head(cursor: &mut Cursor<'_>, version: i16) -> Result<Head, Short> {
    let replica_id = if version < 15 { cursor.i32()? } else { -1 };
    let mut head = Head {
        replica_id,
        replica_epoch: -1,
        max_wait_ms: cursor.i32()?,
        min_bytes: cursor.i32()?,
        max_bytes: cursor.i32()?,
        isolation_level: cursor.i8()?,
        session_id: 0,
        session_epoch: -1,
    };
    if version >= SESSIONS_FROM {
        head.session_id = cursor.i32()?;
        head.session_epoch = cursor.i32()?;
    }
    Ok(head)
}

fn topic<'a>(cursor: &mut Cursor<'a>, form: Form, version: i16) -> Result<Item<'a>, Short> {
    if version >= TOPIC_ID_FROM {
        let id = TopicId(Uuid::from_bytes(cursor.uuid()?));
        return Ok(Item::Topic { name: "", id });
    }
    Ok(Item::Topic {
        name: form.string(cursor)?,
        id: TopicId::ZERO,
    })
}

fn partition<'a>(cursor: &mut Cursor<'a>, version: i16) -> Result<Item<'a>, Short> {
    let index = cursor.i32()?;
    let leader_epoch = if version >= 9 { cursor.i32()? } else { -1 };
    let offset = cursor.i64()?;
    let last_fetched_epoch = if version >= 12 { cursor.i32()? } else { -1 };
    let start_offset = if version >= 5 { cursor.i64()? } else { -1 };
    let max_bytes = cursor.i32()?;
    Ok(Item::Partition {
        index,
        leader_epoch,
        offset,
        last_fetched_epoch,
        start_offset,
        max_bytes,
    })
}

#[cfg(test)]
mod tests;
