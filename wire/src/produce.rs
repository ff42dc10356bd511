//! Pure: Produce, versions 3 to 13, read and answered in place without allocating.

use super::cursor::{Cursor, Short, Sink};
use super::field::{self, CurrentLeader, NodeEndpoint};
use super::primitive::Form;
use crate::{ErrorCode, Offset, TopicId, WallMs};

/// First version whose fields are flexible.
const FLEXIBLE_FROM: i16 = 9;
/// First version that names topics by id (KIP-516).
pub const TOPIC_ID_FROM: i16 = 13;

/// What stands before the topics of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The transactional id, of transactional producers.
    pub transactional_id: Option<&'a str>,
    /// Replicas that must have the records before the answer: 0 none, 1 the leader, -1 all in sync.
    pub acks: i16,
    /// How long to wait for them, in milliseconds.
    pub timeout_ms: i32,
}

/// A topic or partition of a request, in the request's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A topic begins; its partitions follow.
    Topic {
        /// Its name; empty from version 13 on.
        name: &'a str,
        /// Its id; zero before version 13.
        id: TopicId,
    },
    /// A partition of the topic.
    Partition {
        /// Its index.
        index: i32,
        /// Its batches.
        records: Option<&'a [u8]>,
    },
}

/// Walks a request's body, handing each topic and partition to `visit`. The walk stops at the
/// first byte that cannot be right, after the items before it: walk once with a visitor that
/// does nothing, then again to act.
pub fn walk<'a>(
    body: &'a [u8],
    version: i16,
    mut visit: impl FnMut(Item<'a>),
) -> Result<Head<'a>, Short> {
    let mut items = Items::new(body, version)?;
    while let Some(item) = items.next()? {
        visit(item);
    }
    Ok(items.head)
}

/// A request's body on its way through [`Items::next`], for those who do not read it in one go.
pub struct Items<'a> {
    cursor: Cursor<'a>,
    form: Form,
    version: i16,
    head: Head<'a>,
    /// Topics that are not begun.
    topics: usize,
    /// Partitions of the topic that are not read; `None` between topics.
    partitions: Option<usize>,
    ended: bool,
}

impl<'a> Items<'a> {
    /// The items of `body`.
    pub fn new(body: &'a [u8], version: i16) -> Result<Items<'a>, Short> {
        let form = Form {
            flexible: version >= FLEXIBLE_FROM,
        };
        let mut cursor = Cursor::new(body);
        let head = Head {
            transactional_id: form.nullable_string(&mut cursor)?,
            acks: cursor.i16()?,
            timeout_ms: cursor.i32()?,
        };
        let topics = form.count(&mut cursor)?;
        Ok(Items {
            cursor,
            form,
            version,
            head,
            topics,
            partitions: None,
            ended: false,
        })
    }

    /// What stands before the topics.
    pub fn head(&self) -> Head<'a> {
        self.head
    }

    /// The next item; `None` at the end of a request that is right.
    #[allow(clippy::should_implement_trait)] // It may fail, and is then not to be called again.
    pub fn next(&mut self) -> Result<Option<Item<'a>>, Short> {
        let (form, cursor) = (self.form, &mut self.cursor);
        loop {
            match self.partitions {
                Some(0) => {
                    form.skip_tags(cursor)?;
                    self.partitions = None;
                }
                Some(left) => {
                    self.partitions = Some(left - 1);
                    let index = cursor.i32()?;
                    let records = form.nullable_bytes(cursor)?;
                    form.skip_tags(cursor)?;
                    return Ok(Some(Item::Partition { index, records }));
                }
                None if self.topics > 0 => {
                    self.topics -= 1;
                    let (name, id) = if self.version >= TOPIC_ID_FROM {
                        let id = crate::ids::Uuid::from_bytes(cursor.uuid()?);
                        ("", TopicId(id))
                    } else {
                        (form.string(cursor)?, TopicId::ZERO)
                    };
                    self.partitions = Some(form.count(cursor)?);
                    return Ok(Some(Item::Topic { name, id }));
                }
                None if self.ended => return Ok(None),
                None => {
                    self.ended = true;
                    form.skip_tags(cursor)?;
                }
            }
        }
    }
}

/// The answer for one partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionAnswer<'a> {
    /// Its index.
    pub index: i32,
    /// What went wrong, or none.
    pub error: ErrorCode,
    /// The offset of the first record appended; -1 on errors.
    pub base_offset: Offset,
    /// When they were appended, if the topic stamps that; -1 else.
    pub log_append_time: WallMs,
    /// The partition's first offset; -1 on errors.
    pub log_start_offset: Offset,
    /// Which records were refused, by index in the batch, and why.
    pub record_errors: &'a [(i32, Option<String>)],
    /// Why all were refused.
    pub message: Option<&'a str>,
    /// Who leads, when that is not this node.
    pub leader: Option<CurrentLeader>,
}

/// Writes an answer's body field by field.
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    version: i16,
    form: Form,
}

impl<'o> Encoder<'o> {
    /// An answer with `topics` topics, appended to `out`.
    pub fn new(out: &'o mut Vec<u8>, version: i16, topics: usize) -> Encoder<'o> {
        let form = Form {
            flexible: version >= FLEXIBLE_FROM,
        };
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

    /// One partition of the topic.
    pub fn partition(&mut self, answer: &PartitionAnswer<'_>) {
        self.out.put(&answer.index.to_be_bytes());
        self.out.put(&answer.error.0.to_be_bytes());
        self.out.put(&answer.base_offset.to_be_bytes());
        self.out.put(&answer.log_append_time.to_be_bytes());
        if self.version >= 5 {
            self.out.put(&answer.log_start_offset.to_be_bytes());
        }
        if self.version >= 8 {
            self.form.put_length(self.out, answer.record_errors.len());
            for (index, message) in answer.record_errors {
                self.out.put(&index.to_be_bytes());
                self.form.put_nullable_string(self.out, message.as_deref());
                self.form.put_no_tags(self.out);
            }
            self.form.put_nullable_string(self.out, answer.message);
        }
        match answer.leader {
            Some(leader) if self.version >= 10 => {
                self.out.push(1);
                field::put_leader_tag(self.out, 0, leader);
            }
            _ => self.form.put_no_tags(self.out),
        }
    }

    /// The topic is complete.
    pub fn end_topic(&mut self) {
        self.form.put_no_tags(self.out);
    }

    /// The answer is complete.
    pub fn end(self, throttle_ms: i32, endpoints: &[NodeEndpoint]) {
        self.out.put(&throttle_ms.to_be_bytes());
        if self.version >= 10 {
            field::put_endpoints_tag(self.out, endpoints);
        } else {
            self.form.put_no_tags(self.out);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    use super::*;
    use crate::ids::Uuid;

    fn request(version: i16) -> BytesMut {
        let partition = |index, bytes: &'static [u8]| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(Bytes::from_static(bytes)))
        };
        let topic = TopicProduceData::default()
            .with_partition_data(vec![partition(3, b"batch"), partition(4, b"")]);
        let topic = if version >= TOPIC_ID_FROM {
            topic.with_topic_id(Uuid::from_u128(9))
        } else {
            topic.with_name(TopicName(StrBytes::from_static_str("orders")))
        };
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(1_500)
            .with_topic_data(vec![topic]);
        let mut bytes = BytesMut::new();
        request.encode(&mut bytes, version).unwrap();
        bytes
    }

    #[test]
    fn every_version_is_read_as_the_codec_wrote_it() {
        for version in 3..=13 {
            let bytes = request(version);
            let mut items = Vec::new();
            let head = walk(&bytes, version, |item| items.push(item)).unwrap();
            assert_eq!(
                head,
                Head {
                    transactional_id: None,
                    acks: -1,
                    timeout_ms: 1_500
                }
            );
            let topic = if version >= TOPIC_ID_FROM {
                Item::Topic {
                    name: "",
                    id: TopicId(Uuid::from_u128(9)),
                }
            } else {
                Item::Topic {
                    name: "orders",
                    id: TopicId::ZERO,
                }
            };
            let third = Item::Partition {
                index: 3,
                records: Some(b"batch"),
            };
            let fourth = Item::Partition {
                index: 4,
                records: Some(b""),
            };
            assert_eq!(items, [topic, third, fourth]);
            for cut in 0..bytes.len() {
                assert_eq!(
                    walk(&bytes[..cut], version, |_| ()),
                    Err(Short),
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn a_claimed_count_of_two_billion_is_refused() {
        let mut bytes = request(3);
        let at = 2 + 2 + 4;
        bytes[at..at + 4].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(walk(&bytes, 3, |_| ()), Err(Short));
    }

    #[test]
    fn every_version_of_the_answer_is_read_by_the_codec() {
        let errors = [(2, Some("no key".to_owned())), (5, None)];
        let endpoint = NodeEndpoint {
            node_id: 2,
            host: "h".into(),
            port: 9093,
            rack: Some("r".into()),
        };
        for version in 3..=13 {
            let mut out = Vec::new();
            let mut encoder = Encoder::new(&mut out, version, 1);
            encoder.topic("orders", TopicId(Uuid::from_u128(9)), 1);
            encoder.partition(&PartitionAnswer {
                index: 3,
                error: ErrorCode::INVALID_RECORD,
                base_offset: -1,
                log_append_time: -1,
                log_start_offset: 7,
                record_errors: &errors,
                message: Some("refused"),
                leader: Some(CurrentLeader {
                    leader_id: 2,
                    leader_epoch: 5,
                }),
            });
            encoder.end_topic();
            encoder.end(0, std::slice::from_ref(&endpoint));
            let mut bytes = Bytes::from(out);
            let answer = ProduceResponse::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty(), "version {version} leaves bytes");
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!((partition.index, partition.error_code), (3, 87));
            if version >= 8 {
                assert_eq!(partition.record_errors.len(), 2);
                assert_eq!(partition.error_message.as_deref(), Some("refused"));
            }
            if version >= 10 {
                assert_eq!(partition.current_leader.leader_epoch, 5);
                assert_eq!(answer.node_endpoints[0].port, 9093);
            }
        }
    }
}
