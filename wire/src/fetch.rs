//! Pure: Fetch, versions 4 to 18: requests read into reused lists, answers written so that the
//! records can be spliced in from wherever they are.

use super::cursor::{Cursor, Short, Sink};
use super::field::{self, CurrentLeader, NodeEndpoint};
use super::primitive::Form;
use crate::ids::Uuid;
use crate::{ErrorCode, LeaderEpoch, Offset, ProducerId, TopicId};

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

    /// The client's rack (KIP-392), empty where it does not say; known once [`Self::next`] has given
    /// all.
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
    if version >= 5 {
        cursor.i64()?; // A follower's own start offset; consumers send -1.
    }
    let max_bytes = cursor.i32()?;
    Ok(Item::Partition {
        index,
        leader_epoch,
        offset,
        last_fetched_epoch,
        max_bytes,
    })
}

/// A transaction that was aborted: whose, and the offset of its first record.
pub type AbortedTransaction = (ProducerId, Offset);

/// What an answer says of aborted transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aborted<'a> {
    /// Nothing: the reader did not ask for committed records only.
    Unasked,
    /// These have records in what was read.
    These(&'a [AbortedTransaction]),
}

impl Aborted<'_> {
    /// There are none in what was read.
    pub const NONE: Aborted<'static> = Aborted::These(&[]);
}

/// The answer for one partition; its records are spliced in behind it.
#[derive(Clone, Copy, Debug)]
pub struct PartitionAnswer<'a> {
    /// Its index.
    pub index: i32,
    /// What went wrong, or none.
    pub error: ErrorCode,
    /// Everything below is acked; -1 on errors.
    pub high_watermark: Offset,
    /// Everything below is free of open transactions; -1 on errors.
    pub last_stable_offset: Offset,
    /// The first readable offset; -1 on errors.
    pub log_start_offset: Offset,
    /// The client's last term and offset part from ours here: term and end offset (KIP-595).
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// Who leads, when that is not this node or the client's term is off.
    pub leader: Option<CurrentLeader>,
    /// The node to read from instead of this one (KIP-392); -1 for none.
    pub preferred_replica: i32,
    /// Aborted transactions among the records.
    pub aborted: Aborted<'a>,
    /// Bytes of records that the caller sends behind.
    pub records_bytes: usize,
}

/// Writes an answer's body field by field.
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    version: i16,
    form: Form,
}

impl<'o> Encoder<'o> {
    /// An answer with `topics` topics, appended to `out`.
    pub fn new(
        out: &'o mut Vec<u8>,
        version: i16,
        throttle_ms: i32,
        error: ErrorCode,
        session_id: i32,
        topics: usize,
    ) -> Encoder<'o> {
        let form = Form {
            flexible: version >= FLEXIBLE_FROM,
        };
        out.put(&throttle_ms.to_be_bytes());
        if version >= SESSIONS_FROM {
            out.put(&error.0.to_be_bytes());
            out.put(&session_id.to_be_bytes());
        }
        form.put_length(out, topics);
        Encoder { out, version, form }
    }

    /// A topic with `partitions` partitions begins; end it with [`Self::end_topic`].
    pub fn topic(&mut self, name: &str, id: TopicId, partitions: usize) {
        if self.version >= TOPIC_ID_FROM {
            self.out.put(id.0.as_bytes());
        } else {
            self.form.put_string(self.out, name);
        }
        self.form.put_length(self.out, partitions);
    }

    /// One partition of the topic, up to its records. Returns where in the output the records
    /// must be spliced in; then comes [`Self::end_partition`].
    pub fn partition(&mut self, answer: &PartitionAnswer<'_>) -> usize {
        self.out.put(&answer.index.to_be_bytes());
        self.out.put(&answer.error.0.to_be_bytes());
        self.out.put(&answer.high_watermark.to_be_bytes());
        self.out.put(&answer.last_stable_offset.to_be_bytes());
        if self.version >= 5 {
            self.out.put(&answer.log_start_offset.to_be_bytes());
        }
        match answer.aborted {
            Aborted::Unasked => self.form.put_null_array(self.out),
            Aborted::These(these) => {
                self.form.put_length(self.out, these.len());
                for (producer_id, first_offset) in these {
                    self.out.put(&producer_id.to_be_bytes());
                    self.out.put(&first_offset.to_be_bytes());
                    self.form.put_no_tags(self.out);
                }
            }
        }
        if self.version >= 11 {
            self.out.put(&answer.preferred_replica.to_be_bytes());
        }
        self.form.put_length(self.out, answer.records_bytes);
        self.out.len()
    }

    /// The partition's records stand; its tagged fields end it.
    pub fn end_partition(&mut self, answer: &PartitionAnswer<'_>) {
        if !self.form.flexible {
            return;
        }
        let count = u32::from(answer.diverging.is_some()) + u32::from(answer.leader.is_some());
        self.out.put_uvarint(count);
        if let Some((epoch, end_offset)) = answer.diverging {
            self.out.put_uvarint(0);
            self.out.put_uvarint(13);
            self.out.put(&epoch.to_be_bytes());
            self.out.put(&end_offset.to_be_bytes());
            self.out.push(0);
        }
        if let Some(leader) = answer.leader {
            field::put_leader_tag(self.out, 1, leader);
        }
    }

    /// The topic is complete.
    pub fn end_topic(&mut self) {
        self.form.put_no_tags(self.out);
    }

    /// The answer is complete.
    pub fn end(self, endpoints: &[NodeEndpoint]) {
        if self.version >= 16 {
            field::put_endpoints_tag(self.out, endpoints);
        } else {
            self.form.put_no_tags(self.out);
        }
    }
}

#[cfg(test)]
mod tests;
