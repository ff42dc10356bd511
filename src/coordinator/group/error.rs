//! Pure: why groups refuse.

/// Why a group refuses. Each stands for the Kafka error of the same meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupError {
    /// The group's partition is not led here.
    NotCoordinator,
    /// The group's partition is being loaded, or a group of this name is being deleted: to be
    /// tried again.
    Loading,
    /// An empty group id.
    InvalidGroupId,
    /// A session timeout outside the broker's bounds.
    InvalidSessionTimeout,
    /// The member is not (or no longer) one of the group's.
    UnknownMember,
    /// The generation is not the group's.
    IllegalGeneration,
    /// The member shares no protocol with the group, or has another protocol type.
    InconsistentProtocol,
    /// The group is rebalancing: join again.
    RebalanceInProgress,
    /// The member must come again with the id it is given here (KIP-394).
    MemberIdRequired,
    /// Another client has taken this `group.instance.id` over (KIP-345).
    FencedInstanceId,
    /// The group has `group.max.size` members.
    GroupFull,
    /// There is no such group.
    GroupNotFound,
    /// The group still has members.
    NonEmpty,
    /// The group still consumes the topic.
    SubscribedToTopic,
    /// A commit's metadata is longer than `offset.metadata.max.bytes`.
    MetadataTooLarge,
    /// The offset is part of an open transaction.
    UnstableOffset,
    /// The group's record would not fit the log.
    RecordTooLarge,
    /// Groups have all the memory of the shard that they may take: a client that comes again
    /// later may find some.
    NoMemory,
    /// A member of a consumer group comes with an epoch that is not its own: it joins anew.
    FencedMemberEpoch,
    /// A commit or a fetch comes with an epoch that is not the member's.
    StaleMemberEpoch,
    /// Another member has this `group.instance.id` and has not left.
    UnreleasedInstanceId,
    /// There is no such assignor.
    UnsupportedAssignor,
    /// Text that is no regular expression.
    InvalidRegex,
    /// A request that contradicts itself.
    InvalidRequest,
    /// The version of a request is too old for what it asks for.
    UnsupportedVersion,
    /// A transactional commit of an old epoch of its producer.
    InvalidProducerEpoch,
    /// A transactional commit that is not part of an open transaction.
    InvalidTxnState,
    /// A request that no correct client sends.
    Unexpected,
}
