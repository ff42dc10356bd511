//! Pure: a member of a group of the consumer protocol (KIP-848).

use std::time::Duration;

use bytes::Bytes;
use corelane_testing::requests::{text, topic_name};
use corelane_testing::{decode, frame};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, GroupId};

use crate::loads::{Life, SESSION_MS, TOPIC};
use crate::role::{LATER, Next, Role, Share, Step, comes_later, go_on};

/// The version in which a member chooses its own id.
const VERSION: i16 = 1;
/// The epoch of who joins, and of who leaves.
const JOINS: i32 = 0;
const LEAVES: i32 = -1;
/// An error of Kafka.
const FENCED_MEMBER_EPOCH: i16 = 110;

/// A member.
pub struct Member {
    group: String,
    life: Life,
    /// Time between an answer and the next heartbeat.
    pace: Duration,
    id: String,
    epoch: i32,
    owned: Vec<TopicPartitions>,
    /// Whether the coordinator knows what is owned.
    is_told: bool,
    leaves: bool,
    has_left: bool,
}

impl Member {
    /// One that has not joined yet; its id is its own alone.
    pub fn new(group: String, id: String, life: Life, pace: Duration) -> Member {
        Member {
            group,
            life,
            pace,
            id,
            epoch: JOINS,
            owned: Vec::new(),
            is_told: true,
            leaves: false,
            has_left: false,
        }
    }

    fn heartbeat(&mut self) -> Next {
        let mut request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(self.group.as_str())))
            .with_member_id(text(self.id.as_str()))
            .with_member_epoch(self.epoch)
            .with_rebalance_timeout_ms(-1);
        if self.epoch == JOINS {
            request = request
                .with_rebalance_timeout_ms(SESSION_MS)
                .with_subscribed_topic_names(Some(vec![topic_name(TOPIC)]))
                .with_topic_partitions(Some(Vec::new()));
        } else if !self.is_told {
            request = request.with_topic_partitions(Some(self.owned.clone()));
        }
        self.is_told = true;
        Next::Send(frame(VERSION, 0, &request))
    }

    fn partitions(&self) -> usize {
        self.owned.iter().map(|topic| topic.partitions.len()).sum()
    }

    /// What comes after an answer.
    fn rest(&mut self, is_over: bool) -> Step {
        let has_enough = self.life == Life::Short && self.partitions() > 0 && self.is_told;
        let next = match (self.leaves || has_enough, self.is_told, self.pace.is_zero()) {
            (true, _, _) => {
                self.epoch = LEAVES;
                self.heartbeat()
            }
            (false, true, false) => Next::Pause(self.pace),
            (false, _, _) => self.heartbeat(),
        };
        Step { next, is_over }
    }
}

impl Role for Member {
    fn step(&mut self, answer: Option<Bytes>) -> Result<Step, String> {
        let Some(answer) = answer else {
            return match (self.has_left, self.leaves) {
                (true, _) => go_on(Next::Pause(LATER)),
                (false, true) => Ok(self.rest(false)),
                (false, false) => go_on(self.heartbeat()),
            };
        };
        let (_, answer) = decode::<ConsumerGroupHeartbeatRequest>(VERSION, answer)?;
        match answer.error_code {
            0 => {}
            code if comes_later(code) => return go_on(Next::Pause(LATER)),
            FENCED_MEMBER_EPOCH => return Err("a member was fenced".to_owned()),
            code => return Err(format!("ConsumerGroupHeartbeat: error {code}")),
        }
        if self.epoch == LEAVES {
            self.owned.clear();
            self.is_told = true;
            self.has_left = self.leaves;
            self.epoch = JOINS;
            let next = match self.has_left {
                true => Next::Pause(LATER),
                false => self.heartbeat(),
            };
            return Ok(Step {
                next,
                is_over: !self.leaves,
            });
        }
        self.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            let owned = assignment.topic_partitions.into_iter().map(|topic| {
                TopicPartitions::default()
                    .with_topic_id(topic.topic_id)
                    .with_partitions(topic.partitions)
            });
            self.owned = owned.collect();
            self.is_told = false;
            return Ok(self.rest(false));
        }
        Ok(self.rest(self.life == Life::Long))
    }

    fn share(&self) -> Option<Share> {
        (self.epoch > JOINS && self.is_told).then_some(Share {
            epoch: self.epoch,
            partitions: self.partitions(),
        })
    }

    fn leave(&mut self) {
        self.leaves = true;
    }

    fn has_left(&self) -> bool {
        self.has_left
    }
}
