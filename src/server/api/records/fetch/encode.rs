//! Drives: from what was found to the frame of the answer, without its records.

use std::mem;
use std::rc::Rc;

use super::{AT_ONCE, Answer, Part, ROW, Scratch, many, pace_at};
use crate::base::{ErrorCode, limits};
use crate::io::free;
use crate::server::api::Context;
use crate::server::api::spares::Reusable;
use crate::wire::fetch::Encoder;
use crate::wire::field::NodeEndpoint;
use crate::wire::{frame, header};

/// Space for what is said of a partition, in bytes: a little more than it takes without aborted
/// transactions.
const ANSWER_BYTES: usize = 64;

impl Scratch {
    pub(super) async fn encode(
        mut self,
        cx: &Rc<Context>,
        error: ErrorCode,
        session: i32,
        out: &mut Vec<u8>,
    ) -> Answer {
        if self.parts.len() > AT_ONCE {
            // Lists that grow later are copied in one go.
            out.reserve(self.parts.len() * ANSWER_BYTES);
            self.topics.reserve(self.parts.len());
        }
        self.count_topics().await;
        let open = frame::open(out);
        header::put_response_header(out, ROW.key, cx.version, cx.correlation_id);
        cx.server.probe.note_error(ROW.key, error);
        let topics = self.topics.len();
        let mut encoder = Encoder::new(out, cx.version, 0, error, session, topics);
        let (mut records_bytes, mut at) = (0, 0);
        let mut leaders = Vec::new();
        for count in &self.topics {
            let key = &self.parts[at].key;
            encoder.topic(&key.topic, key.topic_id, *count);
            for part in &self.parts[at..at + count] {
                if self.any_partition.is_none() {
                    self.any_partition.clone_from(&part.partition);
                }
                let answer = part.answer(&self.aborted);
                cx.server.probe.note_error(ROW.key, answer.error);
                let place = encoder.partition(&answer);
                if part.found.bytes > 0 {
                    self.splices.push((place, at));
                    records_bytes += part.found.bytes;
                    self.streams |= part.found.stream.is_some();
                    if let (Some(partition), false) = (&part.partition, part.follows) {
                        partition.traffic().fetched(part.found.bytes);
                    }
                }
                if let Some(leader) = part.found.leader
                    && !leaders.contains(&leader.leader_id)
                {
                    leaders.push(leader.leader_id);
                }
                encoder.end_partition(&answer);
                at += 1;
                pace_at(at).await;
            }
            encoder.end_topic();
        }
        encoder.end(&self.endpoints(cx, leaders));
        frame::close(out, open, records_bytes);
        if !self.is_follower {
            cx.server.probe.fetched_bytes.add(records_bytes as u64);
        }
        Answer { scratch: self }
    }

    /// Counts the parts of each topic, of which those in a row make one entry of the answer.
    async fn count_topics(&mut self) {
        for at in 0..self.parts.len() {
            let goes_on = at > 0 && Part::same_topic(&self.parts[at - 1], &self.parts[at]);
            match self.topics.last_mut().filter(|_| goes_on) {
                Some(count) => *count += 1,
                None => self.topics.push(1),
            }
            pace_at(at + 1).await;
        }
    }

    /// Where the leaders are to be found (KIP-951).
    fn endpoints(&self, cx: &Context, leaders: Vec<i32>) -> Vec<NodeEndpoint> {
        match self.is_follower {
            true => Vec::new(),
            false => cx
                .shard
                .endpoints_of(&cx.session.listener, leaders.into_iter()),
        }
    }

    /// Gives up what it holds of many partitions, and their memory, in steps.
    pub(super) async fn empty(&mut self) {
        many::shorten(&mut self.parts, 0).await;
        many::shorten(&mut self.wanted, 0).await;
        if self.capacity() > limits::SPARE_PARTITIONS_MAX {
            free::list(mem::take(&mut self.parts)).await;
            free::list(mem::take(&mut self.wanted)).await;
        }
    }
}
