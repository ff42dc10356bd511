//! Pure: a member of a group of the classic protocol. Who leads it gives each member an even part.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use corelane_testing::requests::text;
use corelane_testing::{decode, frame};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};

use crate::loads::{Life, SESSION_MS, TOPIC};
use crate::role::{LATER, Next, Role, Share, Step, comes_later, go_on};

const JOIN: i16 = 9;
const SYNC: i16 = 5;
const HEARTBEAT: i16 = 4;
const LEAVE: i16 = 5;
/// Errors of Kafka.
const REBALANCE_IN_PROGRESS: i16 = 27;
const ILLEGAL_GENERATION: i16 = 22;
const MEMBER_ID_REQUIRED: i16 = 79;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Out,
    Joining,
    Syncing,
    Stable,
    Leaving,
    Left,
}

/// A member.
pub struct Member {
    group: String,
    /// Partitions of the topic.
    partitions: usize,
    life: Life,
    /// Time between an answer and the next heartbeat.
    pace: Duration,
    id: String,
    generation: i32,
    share: usize,
    state: State,
    leaves: bool,
}

impl Member {
    /// One that has not joined yet.
    pub fn new(group: String, partitions: usize, life: Life, pace: Duration) -> Member {
        Member {
            group,
            partitions,
            life,
            pace,
            id: String::new(),
            generation: -1,
            share: 0,
            state: State::Out,
            leaves: false,
        }
    }

    fn group(&self) -> GroupId {
        GroupId(text(self.group.as_str()))
    }

    fn join(&mut self) -> Result<Step, String> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(about_topic(&[], false));
        let request = JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(SESSION_MS)
            .with_member_id(text(self.id.as_str()))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        self.state = State::Joining;
        go_on(Next::Send(frame(JOIN, 0, &request)))
    }

    fn sync(&mut self, joined: &JoinGroupResponse) -> Result<Step, String> {
        let members = joined.members.len();
        // Empty for all but the leader.
        let assignments = joined.members.iter().enumerate().map(|(index, member)| {
            let share: Vec<i32> = (index..self.partitions)
                .step_by(members)
                .map(|partition| partition as i32)
                .collect();
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id.clone())
                .with_assignment(about_topic(&share, true))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_generation_id(joined.generation_id)
            .with_member_id(text(self.id.as_str()))
            .with_protocol_type(joined.protocol_type.clone())
            .with_protocol_name(joined.protocol_name.clone())
            .with_assignments(assignments.collect());
        self.state = State::Syncing;
        self.generation = joined.generation_id;
        go_on(Next::Send(frame(SYNC, 0, &request)))
    }

    fn heartbeat(&mut self) -> Next {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group())
            .with_generation_id(self.generation)
            .with_member_id(text(self.id.as_str()));
        Next::Send(frame(HEARTBEAT, 0, &request))
    }

    /// What comes after a heartbeat that was good, or after the partitions came.
    fn rest(&mut self, is_over: bool) -> Step {
        let next = match (self.leaves || self.life == Life::Short, self.pace.is_zero()) {
            (true, _) => {
                let member = MemberIdentity::default().with_member_id(text(self.id.as_str()));
                let request = LeaveGroupRequest::default()
                    .with_group_id(self.group())
                    .with_members(vec![member]);
                self.state = State::Leaving;
                Next::Send(frame(LEAVE, 0, &request))
            }
            (false, true) => self.heartbeat(),
            (false, false) => Next::Pause(self.pace),
        };
        Step { next, is_over }
    }
}

impl Role for Member {
    fn step(&mut self, answer: Option<Bytes>) -> Result<Step, String> {
        let Some(answer) = answer else {
            return match self.state {
                State::Left => go_on(Next::Pause(self.pace)),
                State::Stable if self.leaves => Ok(self.rest(false)),
                State::Stable => go_on(self.heartbeat()),
                _ => self.join(),
            };
        };
        match self.state {
            State::Joining => {
                let (_, answer) = decode::<JoinGroupRequest>(JOIN, answer)?;
                self.id = answer.member_id.to_string();
                match answer.error_code {
                    0 => self.sync(&answer),
                    MEMBER_ID_REQUIRED => self.join(),
                    code if comes_later(code) => go_on(Next::Pause(LATER)),
                    code => Err(format!("JoinGroup: error {code}")),
                }
            }
            State::Syncing => {
                let (_, answer) = decode::<SyncGroupRequest>(SYNC, answer)?;
                match answer.error_code {
                    0 => {
                        self.share = count(&answer.assignment);
                        self.state = State::Stable;
                        Ok(self.rest(false))
                    }
                    REBALANCE_IN_PROGRESS | ILLEGAL_GENERATION => self.join(),
                    code => Err(format!("SyncGroup: error {code}")),
                }
            }
            State::Stable => {
                let (_, answer) = decode::<HeartbeatRequest>(HEARTBEAT, answer)?;
                match answer.error_code {
                    0 => Ok(self.rest(true)),
                    REBALANCE_IN_PROGRESS if self.leaves => Ok(self.rest(false)),
                    REBALANCE_IN_PROGRESS | ILLEGAL_GENERATION => self.join(),
                    code => Err(format!("Heartbeat: error {code}")),
                }
            }
            State::Leaving => {
                let (_, answer) = decode::<LeaveGroupRequest>(LEAVE, answer)?;
                if answer.error_code != 0 || answer.members[0].error_code != 0 {
                    return Err(format!("LeaveGroup: {answer:?}"));
                }
                self.id.clear();
                if self.life == Life::Short && !self.leaves {
                    let step = self.join()?;
                    return Ok(Step {
                        is_over: true,
                        ..step
                    });
                }
                self.state = State::Left;
                go_on(Next::Pause(LATER))
            }
            State::Out | State::Left => Err("an answer that was not asked for".to_owned()),
        }
    }

    fn share(&self) -> Option<Share> {
        (self.state == State::Stable).then_some(Share {
            epoch: self.generation,
            partitions: self.share,
        })
    }

    fn leave(&mut self) {
        self.leaves = true;
    }

    fn has_left(&self) -> bool {
        self.state == State::Left
    }
}

/// A subscription or an assignment (version 0 of both): the topic, with its partitions where it
/// is an assignment.
fn about_topic(partitions: &[i32], is_assignment: bool) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(TOPIC.len() as i16);
    bytes.put_slice(TOPIC.as_bytes());
    if is_assignment {
        bytes.put_i32(partitions.len() as i32);
        partitions.iter().for_each(|it| bytes.put_i32(*it));
    }
    // No user data.
    bytes.put_i32(-1);
    bytes.freeze()
}

/// How many partitions an assignment of [`about_topic`] has.
fn count(assignment: &[u8]) -> usize {
    let at = 2 + 4 + 2 + TOPIC.len();
    let count = assignment.get(at..).and_then(|rest| rest.first_chunk());
    count.map_or(0, |it| i32::from_be_bytes(*it) as usize)
}
