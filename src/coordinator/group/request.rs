//! Pure: what a group can be asked, and what it answers, free of wire versions.

use std::rc::Rc;

use bytes::Bytes;

pub use super::error::GroupError;
use crate::base::ids::Uuid;
use crate::base::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use crate::coordinator::runtime::{self, InTransaction, Token, Unavailable};

/// What a step of the machine wants done.
pub type Outcome = runtime::Outcome<Reply>;

/// A request whose reply may have to wait for other members, or for work in many steps.
#[derive(Clone, Debug)]
pub enum Request {
    /// JoinGroup.
    Join(Join),
    /// SyncGroup.
    Sync(Sync),
    /// DeleteGroups, for one group.
    Delete(Rc<str>),
}

/// The reply to a [`Request`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// To [`Request::Join`].
    Join(JoinReply),
    /// To [`Request::Sync`].
    Sync(SyncReply),
    /// To [`Request::Delete`].
    Delete(Result<(), GroupError>),
}

/// A protocol (assignor) that a member speaks, and its metadata for it: what the leader gets to
/// see, opaque but for consumers' topics.
pub use crate::coordinator::record::ClassicProtocol as Protocol;

/// A request to become, or stay, a member.
#[derive(Clone, Debug)]
pub struct Join {
    /// The group.
    pub group: Rc<str>,
    /// The member id, empty when it has none yet.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// The client's name for itself.
    pub client_id: Rc<str>,
    /// The client's address as Kafka prints it, such as `/127.0.0.1`.
    pub client_host: Rc<str>,
    /// After how many milliseconds of silence the member is removed.
    pub session_timeout_ms: i32,
    /// How many milliseconds a rebalance waits for the member.
    pub rebalance_timeout_ms: i32,
    /// The class of protocols.
    pub protocol_type: Rc<str>,
    /// The protocols, by preference.
    pub protocols: Vec<Protocol>,
    /// Why the client joins, for the log (KIP-800).
    pub reason: Option<Rc<str>>,
    /// Whether a new dynamic member is sent back with an id first (JoinGroup v4, KIP-394).
    pub member_id_required: bool,
    /// Whether a static leader that comes back may be told to skip the assignment (v9, KIP-814).
    pub may_skip_assignment: bool,
    /// Makes the id of a new member unique.
    pub unique: Uuid,
}

/// Answer to a [`Join`].
pub type JoinReply = Result<Joined, JoinRefused>;

/// A member's place in the new generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// The class of protocols.
    pub protocol_type: Option<Rc<str>>,
    /// The protocol chosen.
    pub protocol: Option<Rc<str>>,
    /// Member id of the leader.
    pub leader: Option<Rc<str>>,
    /// The member's own id.
    pub member_id: Rc<str>,
    /// Whether the leader may leave the assignment as it is.
    pub skip_assignment: bool,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
}

/// What the leader learns of a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: Rc<str>,
    /// Its instance id, if it is static.
    pub instance_id: Option<Rc<str>>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// The refusal of a join.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinRefused {
    /// Why.
    pub error: GroupError,
    /// The member id to answer with.
    pub member_id: Rc<str>,
}

/// A member's request for its assignment; the leader's brings the assignments of all.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The group.
    pub group: Rc<str>,
    /// The generation the member joined.
    pub generation: i32,
    /// The member's id.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// The class of protocols, to compare (v5).
    pub protocol_type: Option<Rc<str>>,
    /// The protocol, to compare (v5).
    pub protocol: Option<Rc<str>>,
    /// Assignments by member id, from the leader.
    pub assignments: Vec<(Rc<str>, Bytes)>,
}

/// Answer to a [`Sync`].
pub type SyncReply = Result<Synced, GroupError>;

/// A member's assignment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Synced {
    /// The class of protocols.
    pub protocol_type: Option<Rc<str>>,
    /// The protocol chosen.
    pub protocol: Option<Rc<str>>,
    /// The assignment, as the leader wrote it.
    pub assignment: Bytes,
}

/// A member's heartbeat.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The group.
    pub group: Rc<str>,
    /// The generation the member belongs to.
    pub generation: i32,
    /// The member's id.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
}

/// Members that leave.
#[derive(Clone, Debug)]
pub struct Leave {
    /// The group.
    pub group: Rc<str>,
    /// The members that leave.
    pub members: Vec<Leaving>,
}

/// One member that leaves.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// Its id; empty to name a static member by its instance id alone.
    pub member_id: Rc<str>,
    /// Its instance id.
    pub instance_id: Option<Rc<str>>,
    /// Why it leaves, for the log (KIP-800).
    pub reason: Option<Rc<str>>,
}

/// A commit of offsets.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The group.
    pub group: Rc<str>,
    /// The generation, or negative for a client outside the group protocol.
    pub generation: i32,
    /// The member's id, or empty.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// How long the offsets are kept, in milliseconds, instead of the broker's retention (v2-4).
    pub retention_ms: Option<i64>,
    /// Whether an unknown group with a generation gets GROUP_ID_NOT_FOUND (v9).
    pub knows_group_not_found: bool,
    /// Whether its topics are named by their ids (v10).
    pub names_ids: bool,
    /// The transaction that the commit is part of (TxnOffsetCommit).
    pub transaction: Option<InTransaction>,
    /// What is committed.
    pub topics: Vec<CommitTopic>,
}

/// The offsets committed of one topic.
#[derive(Clone, Debug)]
pub struct CommitTopic {
    /// The topic.
    pub name: Rc<str>,
    /// Its id, to be kept beside the offset; zero when unknown.
    pub id: TopicId,
    /// Its partitions.
    pub partitions: Vec<CommitPartition>,
}

/// The offset committed of one partition.
#[derive(Clone, Debug)]
pub struct CommitPartition {
    /// The partition.
    pub partition: PartitionIndex,
    /// The next offset to consume.
    pub offset: Offset,
    /// Leader epoch of the last consumed record, -1 when unknown.
    pub leader_epoch: LeaderEpoch,
    /// What the client wants to keep beside it.
    pub metadata: Rc<str>,
}

/// The outcome per partition of a commit or an offset deletion, in the order of the request.
pub type PartitionResults = Vec<Vec<(PartitionIndex, Result<(), GroupError>)>>;

/// A topic and some of its partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicPartitions {
    /// The topic.
    pub name: Rc<str>,
    /// The id the offset must have been committed for; zero matches any.
    pub id: TopicId,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// A partition's committed offset as a reader gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// The partition.
    pub partition: PartitionIndex,
    /// The offset; `None` when none is committed.
    pub offset: Result<Option<Committed>, GroupError>,
}

/// A committed offset without its times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The next offset to consume.
    pub offset: Offset,
    /// Leader epoch of the last consumed record, -1 when unknown.
    pub leader_epoch: LeaderEpoch,
    /// What the client kept beside it.
    pub metadata: Rc<str>,
}

/// A group as DescribeGroups shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// The state's name.
    pub state: &'static str,
    /// The class of protocols, empty when none ever joined.
    pub protocol_type: Rc<str>,
    /// The protocol chosen; only shown of a stable group.
    pub protocol: Option<Rc<str>>,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// A member as DescribeGroups shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: Rc<str>,
    /// Its instance id, if it is static.
    pub instance_id: Option<Rc<str>>,
    /// The client's name for itself.
    pub client_id: Rc<str>,
    /// The client's address.
    pub client_host: Rc<str>,
    /// Its metadata for the chosen protocol; only shown of a stable group.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// A group as ListGroups shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The group.
    pub group: Rc<str>,
    /// The class of protocols, empty when none ever joined.
    pub protocol_type: Rc<str>,
    /// The state's name.
    pub state: &'static str,
    /// The kind's name: `classic` or `consumer`.
    pub kind: &'static str,
}

// === impl GroupError ===

impl From<Unavailable> for GroupError {
    fn from(unavailable: Unavailable) -> GroupError {
        match unavailable {
            Unavailable::NotCoordinator => GroupError::NotCoordinator,
            Unavailable::Loading => GroupError::Loading,
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// Answers a join.
    pub(super) fn join(&mut self, token: Token, reply: JoinReply) {
        self.replies.push((token, Reply::Join(reply)));
    }

    /// Refuses a join.
    pub(super) fn refuse_join(&mut self, token: Token, member_id: &Rc<str>, error: GroupError) {
        let member_id = member_id.clone();
        self.join(token, Err(JoinRefused { error, member_id }));
    }

    /// Answers a sync.
    pub(super) fn sync(&mut self, token: Token, reply: SyncReply) {
        self.replies.push((token, Reply::Sync(reply)));
    }

    /// Answers the request to delete a group.
    pub(super) fn deleted(&mut self, token: Token, reply: Result<(), GroupError>) {
        self.replies.push((token, Reply::Delete(reply)));
    }
}
