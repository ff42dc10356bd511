//! Pure: answers to Fetch, written so that the records can be spliced in from wherever they are.

use super::{FLEXIBLE_FROM, SESSIONS_FROM, TOPIC_ID_FROM};
use crate::cursor::Sink;
use crate::field::{self, CurrentLeader, NodeEndpoint};
use crate::primitive::Form;
use crate::{ErrorCode, LeaderEpoch, Offset, ProducerId, TopicId};

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
