//! Pure: one that commits an offset, again and again.

use bytes::Bytes;
use corelane_testing::requests::{text, topic_name};
use corelane_testing::{decode, frame};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest};

use crate::loads::TOPIC;
use crate::role::{LATER, Next, Role, Step, comes_later, go_on};

/// Version of OffsetCommit: the last one that names topics.
const VERSION: i16 = 9;

/// A consumer that has assigned a partition to itself.
pub struct Committer {
    group: String,
    offset: i64,
}

impl Committer {
    /// One that commits for this group.
    pub fn new(group: String) -> Committer {
        Committer { group, offset: 0 }
    }

    fn request(&self) -> Next {
        let place = OffsetCommitRequestPartition::default()
            .with_committed_offset(self.offset)
            .with_committed_metadata(Some(text("")));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name(TOPIC))
            .with_partitions(vec![place]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(self.group.as_str())))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        Next::Send(frame(VERSION, self.offset as i32, &request))
    }
}

impl Role for Committer {
    fn step(&mut self, answer: Option<Bytes>) -> Result<Step, String> {
        let Some(answer) = answer else {
            return go_on(self.request());
        };
        let (_, answer) = decode::<OffsetCommitRequest>(VERSION, answer)?;
        match answer.topics[0].partitions[0].error_code {
            0 => {
                self.offset += 1;
                Ok(Step {
                    next: self.request(),
                    is_over: true,
                })
            }
            code if comes_later(code) => go_on(Next::Pause(LATER)),
            code => Err(format!("OffsetCommit: error {code}")),
        }
    }
}
