//! Pure: what a consumer group can be asked, and what it answers, free of wire versions.

use std::rc::Rc;
use std::sync::Arc;

use crate::base::ids::Uuid;
use crate::base::{PartitionIndex, TopicId};
use crate::coordinator::group::request::GroupError;

use super::assign::Partitions;
use super::member::{AWAY, LEFT};

/// Partitions that a client says it has.
pub type OwnedByClient = Vec<(TopicId, Vec<PartitionIndex>)>;

/// A member's heartbeat, by which it also joins and leaves. What is `None` is as it was.
#[derive(Clone, Debug)]
pub struct ConsumerHeartbeat {
    /// The group.
    pub group: Rc<str>,
    /// The member's id; empty where the coordinator is to choose one (v0).
    pub member_id: Rc<str>,
    /// Its epoch: 0 to join, -1 to leave, -2 to leave for a while as a static member.
    pub member_epoch: i32,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// Where it is.
    pub rack: Option<Rc<str>>,
    /// How long it may take to give up partitions, in milliseconds.
    pub rebalance_timeout_ms: Option<i32>,
    /// The topics that it consumes.
    pub topics: Option<Vec<Rc<str>>>,
    /// A regular expression that stands for topics (v1).
    pub regex: Option<Rc<str>>,
    /// The assignor that it prefers.
    pub assignor: Option<Rc<str>>,
    /// The partitions that it has.
    pub owned: Option<OwnedByClient>,
    /// The client's name for itself.
    pub client_id: Rc<str>,
    /// The client's address as Kafka prints it, such as `/127.0.0.1`.
    pub client_host: Rc<str>,
    /// Whether it must bring an id (v1).
    pub must_have_id: bool,
    /// Makes the id of a member that brings none.
    pub unique: Uuid,
}

/// Answer to a [`ConsumerHeartbeat`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerBeat {
    /// The member's id.
    pub member_id: Rc<str>,
    /// Its epoch from now on.
    pub member_epoch: i32,
    /// When its next heartbeat is due, in milliseconds; 0 for one that leaves.
    pub heartbeat_interval_ms: i32,
    /// What it is to have, if it is to be told.
    pub assignment: Option<Partitions>,
}

/// Why a request to a consumer group is refused, with the text that Kafka sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerRefused {
    /// Why.
    pub error: GroupError,
    /// The text; `None` where Kafka sends none.
    pub message: Option<String>,
}

/// A consumer group as ConsumerGroupDescribe shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedConsumerGroup {
    /// The state's name.
    pub state: &'static str,
    /// The group's epoch.
    pub epoch: i32,
    /// The epoch of the target assignment.
    pub target_epoch: i32,
    /// The assignor's name.
    pub assignor: Rc<str>,
    /// The members.
    pub members: Vec<DescribedConsumer>,
}

/// A member as ConsumerGroupDescribe shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedConsumer {
    /// Its id.
    pub member_id: Rc<str>,
    /// Its instance id, if it is static.
    pub instance_id: Option<Rc<str>>,
    /// Where it is.
    pub rack: Option<Rc<str>>,
    /// Its epoch.
    pub epoch: i32,
    /// The client's name for itself.
    pub client_id: Rc<str>,
    /// The client's address.
    pub client_host: Rc<str>,
    /// The topics that it names.
    pub topics: Vec<Rc<str>>,
    /// The regular expression that it subscribes to.
    pub regex: Option<Rc<str>>,
    /// What it has, with what it must give up.
    pub assigned: NamedPartitions,
    /// What it is to have.
    pub target: NamedPartitions,
    /// Whether it speaks the classic protocol.
    pub is_classic: bool,
}

/// Partitions of topics that exist, with the topics' names.
pub type NamedPartitions = Vec<(TopicId, Arc<str>, Vec<PartitionIndex>)>;

// === impl ConsumerRefused ===

impl ConsumerRefused {
    fn with(error: GroupError, message: String) -> ConsumerRefused {
        let message = Some(message);
        ConsumerRefused { error, message }
    }

    /// There is no such group.
    pub(in crate::coordinator::group) fn no_group(group: &str) -> ConsumerRefused {
        let message = format!("Consumer group {group} not found.");
        ConsumerRefused::with(GroupError::GroupNotFound, message)
    }

    /// There is no such group; the text is that of requests which do not join.
    pub(in crate::coordinator::group) fn not_found(group: &str) -> ConsumerRefused {
        let message = format!("Group {group} not found.");
        ConsumerRefused::with(GroupError::GroupNotFound, message)
    }

    /// The group is of another kind.
    pub(in crate::coordinator::group) fn other_kind(group: &str) -> ConsumerRefused {
        let message = format!("Group {group} is not a consumer group.");
        ConsumerRefused::with(GroupError::GroupNotFound, message)
    }

    /// A classic group cannot become one of the consumer protocol.
    pub(in crate::coordinator::group) fn no_upgrade(group: &str, why: &str) -> ConsumerRefused {
        let message =
            format!("Cannot upgrade classic group {group} to consumer group because {why}.");
        ConsumerRefused::with(GroupError::GroupNotFound, message)
    }

    pub(in crate::coordinator::group) fn unknown_member(id: &str, group: &str) -> ConsumerRefused {
        let message = format!("Member {id} is not a member of group {group}.");
        ConsumerRefused::with(GroupError::UnknownMember, message)
    }

    pub(super) fn unknown_instance(id: &str) -> ConsumerRefused {
        let message = format!("Instance id {id} is unknown.");
        ConsumerRefused::with(GroupError::UnknownMember, message)
    }

    pub(super) fn fenced_instance(id: &str, instance: &str, by: &str) -> ConsumerRefused {
        let message =
            format!("Static member {id} with instance id {instance} was fenced by member {by}.");
        ConsumerRefused::with(GroupError::FencedInstanceId, message)
    }

    pub(super) fn unreleased_instance(id: &str, instance: &str, by: &str) -> ConsumerRefused {
        let message = format!(
            "Static member {id} with instance id {instance} cannot join the group because the \
             instance id is owned by {by} member."
        );
        ConsumerRefused::with(GroupError::UnreleasedInstanceId, message)
    }

    pub(super) fn full(most: usize) -> ConsumerRefused {
        let message =
            format!("The consumer group has reached its maximum capacity of {most} members.");
        ConsumerRefused::with(GroupError::GroupFull, message)
    }

    pub(super) fn fenced_epoch(received: i32, known: i32) -> ConsumerRefused {
        let how = if received > known {
            "greater"
        } else {
            "smaller"
        };
        let message = format!(
            "The consumer group member has a {how} member epoch ({received}) than the one known \
             by the group coordinator ({known}). The member must abandon all its partitions and \
             rejoin."
        );
        ConsumerRefused::with(GroupError::FencedMemberEpoch, message)
    }

    pub(super) fn unknown_state() -> ConsumerRefused {
        let message = "The consumer group member is in a unknown state. The member must abandon \
                       all its partitions and rejoin.";
        ConsumerRefused::with(GroupError::FencedMemberEpoch, message.to_owned())
    }

    pub(super) fn regex(regex: &str, why: &str) -> ConsumerRefused {
        let message =
            format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {why}.");
        ConsumerRefused::with(GroupError::InvalidRegex, message)
    }

    fn invalid(message: &str) -> ConsumerRefused {
        ConsumerRefused::with(GroupError::InvalidRequest, message.to_owned())
    }

    fn unsupported_assignor(name: &str, supported: &[Rc<str>]) -> ConsumerRefused {
        let supported = supported.join(", ");
        let message =
            format!("ServerAssignor {name} is not supported. Supported assignors: {supported}.");
        ConsumerRefused::with(GroupError::UnsupportedAssignor, message)
    }
}

impl From<GroupError> for ConsumerRefused {
    fn from(error: GroupError) -> ConsumerRefused {
        let message = None;
        ConsumerRefused { error, message }
    }
}

// === impl ConsumerHeartbeat ===

impl ConsumerHeartbeat {
    /// What is checked before the group's partition is looked for, with the names of the assignors
    /// that there are.
    pub fn check(&self, assignors: &[Rc<str>]) -> Result<(), ConsumerRefused> {
        let refuse = |is_wrong: bool, text: &str| match is_wrong {
            true => Err(ConsumerRefused::invalid(text)),
            false => Ok(()),
        };
        let is_blank = |text: &str| text.trim().is_empty();
        let must_have_id = self.must_have_id || self.member_epoch > 0 || self.member_epoch == LEFT;
        refuse(
            must_have_id && is_blank(&self.member_id),
            "MemberId can't be empty.",
        )?;
        refuse(is_blank(&self.group), "GroupId can't be empty.")?;
        let is_given_blank = |text: &Option<Rc<str>>| text.as_deref().is_some_and(is_blank);
        refuse(
            is_given_blank(&self.instance_id),
            "InstanceId can't be empty.",
        )?;
        refuse(is_given_blank(&self.rack), "RackId can't be empty.")?;
        match self.member_epoch {
            0 => {
                refuse(
                    self.rebalance_timeout_ms.is_none(),
                    "RebalanceTimeoutMs must be provided in first request.",
                )?;
                refuse(
                    !self.owned.as_ref().is_some_and(Vec::is_empty),
                    "TopicPartitions must be empty when (re-)joining.",
                )?;
                refuse(
                    self.topics.is_none() && self.regex.is_none(),
                    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when \
                     (re-)joining.",
                )?;
            }
            AWAY => refuse(self.instance_id.is_none(), "InstanceId can't be null.")?,
            epoch => refuse(epoch < AWAY, "MemberEpoch is invalid.")?,
        }
        match &self.assignor {
            Some(name) if !assignors.contains(name) => {
                Err(ConsumerRefused::unsupported_assignor(name, assignors))
            }
            _ => Ok(()),
        }
    }

    /// Whether its client tells all of itself, and so is to be told what it has.
    pub(super) fn is_full(&self) -> bool {
        let subscribes = self.topics.is_some() || self.regex.is_some();
        self.rebalance_timeout_ms.is_some() && subscribes && self.owned.is_some()
    }
}
