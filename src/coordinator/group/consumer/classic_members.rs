//! Pure: members of a consumer group that speak the classic protocol
//! (`classicGroup…ToConsumerGroup` of Kafka): they join, sync and beat as if the group were of
//! theirs, and are told to join again whenever there is something new for them.

use std::rc::Rc;

use bytes::Bytes;

use crate::base::limits;
use crate::coordinator::group::memory;
use crate::coordinator::group::request::{GroupError, Heartbeat, Join, Joined, Sync, Synced};
use crate::coordinator::group::topics::Topics;
use crate::coordinator::record::{ClassicMetadata, ConsumerChange};

use super::heartbeat::Coming;
use super::member::{Member, MemberState};
use super::protocol::{self, Subscription};
use super::request::ConsumerRefused;
use super::{ConsumerGroup, Plan, Surroundings, Timers};

/// The class of protocols of consumers.
const CONSUMER: &str = "consumer";

impl ConsumerGroup {
    /// JoinGroup of a classic member. `Err` has the member id to answer with.
    pub fn classic_join(
        &self,
        cx: Surroundings<'_>,
        join: &Join,
    ) -> Result<Plan<Joined>, (GroupError, Rc<str>)> {
        // As in Kafka, only MEMBER_ID_REQUIRED carries a member id.
        let refuse = |error: GroupError| (error, Rc::from(""));
        if !cx.config.may_upgrade && !cx.config.may_downgrade {
            return Err(refuse(GroupError::InconsistentProtocol));
        }
        let is_new = join.member_id.is_empty();
        if self.members.len() >= cx.config.members_max && !self.has_member(&join.member_id) {
            return Err(refuse(GroupError::GroupFull));
        }
        let names = || join.protocols.iter().map(|protocol| &protocol.name);
        if *join.protocol_type != *CONSUMER || !self.subscriptions.share_protocol(names()) {
            return Err(refuse(GroupError::InconsistentProtocol));
        }
        let id: Rc<str> = match is_new {
            true => crate::wire::ids::base64_url(join.unique.as_bytes()).into(),
            false => join.member_id.clone(),
        };
        if is_new && join.instance_id.is_none() && join.member_id_required {
            return Err((GroupError::MemberIdRequired, id));
        }
        let (member, changes) = self.joining(join, id, is_new).map_err(refuse)?;
        let first = join.protocols.first().ok_or(GroupError::Unexpected);
        let first = first.map_err(refuse)?;
        let subscription = Subscription::read(&first.metadata);
        let subscription = subscription.map_err(|_| refuse(GroupError::Unexpected))?;
        let owned = subscription.owned(cx.topics);
        let coming = Coming {
            updated: described(&member, join, &subscription),
            member,
            changes,
            owned: Some(&owned),
        };
        let plan = self.advance(cx, coming);
        let plan = plan.map_err(|refused: ConsumerRefused| refuse(refused.error))?;
        let joined = Joined {
            generation: plan.reply.epoch,
            protocol_type: Some(CONSUMER.into()),
            protocol: Some(first.name.clone()),
            leader: None,
            member_id: plan.reply.id.clone(),
            skip_assignment: false,
            members: Vec::new(),
        };
        Ok(plan.replying(joined))
    }

    /// The member that joins, as it was; and the records by which it takes the place of another.
    fn joining(
        &self,
        join: &Join,
        id: Rc<str>,
        is_new: bool,
    ) -> Result<(Member, Vec<ConsumerChange>), GroupError> {
        let known = || self.members.get(&id).cloned();
        let Some(instance) = &join.instance_id else {
            let member = known().unwrap_or_else(|| Member::new(id.clone()));
            return Ok((member, Vec::new()));
        };
        match self.static_member(instance) {
            None if is_new => Ok((Member::new(id), Vec::new())),
            None => Err(GroupError::UnknownMember),
            Some(old) if is_new => {
                let new = Member {
                    id,
                    epoch: 0,
                    previous_epoch: 0,
                    ..old.clone()
                };
                let changes = self.replace(old, &new);
                Ok((new, changes))
            }
            Some(old) if old.id != id => Err(GroupError::FencedInstanceId),
            Some(old) => Ok((old.clone(), Vec::new())),
        }
    }

    /// The classic member that has sent a request, its generation checked.
    fn classic_member(
        &self,
        id: &Rc<str>,
        instance: Option<&Rc<str>>,
        generation: i32,
    ) -> Result<&Member, GroupError> {
        let member = match instance {
            None => self.members.get(id),
            Some(instance) => self.static_member(instance),
        };
        let member = member.ok_or(GroupError::UnknownMember)?;
        if member.id != *id {
            return Err(GroupError::FencedInstanceId);
        }
        if !member.is_classic() {
            return Err(GroupError::UnknownMember);
        }
        match member.epoch == generation {
            true => Ok(member),
            false => Err(GroupError::IllegalGeneration),
        }
    }

    /// SyncGroup of a classic member: the answer, and the deadlines to set even where it is
    /// refused.
    pub fn classic_sync(
        &self,
        topics: &Topics,
        sync: &Sync,
    ) -> (Result<Synced, GroupError>, Timers) {
        let instance = sync.instance_id.as_ref();
        let member = match self.classic_member(&sync.member_id, instance, sync.generation) {
            Ok(member) => member,
            Err(error) => return (Err(error), Vec::new()),
        };
        let classic = member.about.classic.as_ref();
        let first = classic.and_then(|classic| classic.protocols.first());
        let is_other = |asked: &Option<Rc<str>>, own: &str| {
            asked.as_ref().is_some_and(|asked| **asked != *own)
        };
        let name = first.map_or("", |first| &first.name);
        if is_other(&sync.protocol_type, CONSUMER) || is_other(&sync.protocol, name) {
            return (Err(GroupError::InconsistentProtocol), Vec::new());
        }
        let [session, _, rejoin, resync] = self.timers_of(&member.id);
        if self.target_epoch > member.epoch && member.state != MemberState::Unrevoked {
            let length = Some(i64::from(member.about.rebalance_timeout_ms));
            return (Err(GroupError::RebalanceInProgress), vec![(rejoin, length)]);
        }
        let metadata = first
            .map(|first| first.metadata.clone())
            .unwrap_or_default();
        let session_ms = classic.map_or(0, |classic| classic.session_timeout_ms);
        let partitions = member.assigned_partitions();
        let assignment: Bytes = protocol::assignment(&partitions, &metadata, topics);
        let synced = Synced {
            protocol_type: sync.protocol_type.clone(),
            protocol: sync.protocol.clone(),
            assignment,
        };
        let timers = vec![(resync, None), (session, Some(i64::from(session_ms)))];
        (Ok(synced), timers)
    }

    /// Heartbeat of a classic member, with the deadlines that it sets.
    pub fn classic_heartbeat(&self, beat: &Heartbeat) -> (Result<(), GroupError>, Timers) {
        let instance = beat.instance_id.as_ref();
        let member = match self.classic_member(&beat.member_id, instance, beat.generation) {
            Ok(member) => member,
            Err(error) => return (Err(error), Vec::new()),
        };
        let [session, _, rejoin, _] = self.timers_of(&member.id);
        let classic = member.about.classic.as_ref();
        let session_ms = classic.map_or(0, |classic| classic.session_timeout_ms);
        let mut timers = vec![(session, Some(i64::from(session_ms)))];
        let has_news = member.epoch < self.epoch
            || member.state == MemberState::Unrevoked
            || member.state == MemberState::Unreleased && !self.waits_for_others(member);
        if !has_news {
            return (Ok(()), timers);
        }
        let length = i64::from(member.about.rebalance_timeout_ms);
        timers.push((rejoin, Some(length)));
        (Err(GroupError::RebalanceInProgress), timers)
    }

    /// Whether a member still waits for what another has.
    fn waits_for_others(&self, member: &Member) -> bool {
        let nothing = Default::default();
        let mut target = self.targets.get(&member.id).into_iter().flatten();
        target.any(|(topic, of)| {
            let has = member.assigned.get(topic).unwrap_or(&nothing);
            let mut missing = of.iter().filter(|index| !has.contains_key(index));
            missing.any(|index| self.owner_epoch(*topic, *index).is_some())
        })
    }

    /// The id of a member that leaves by LeaveGroup.
    pub fn leaving(&self, id: &Rc<str>, instance: Option<&Rc<str>>) -> Result<Rc<str>, GroupError> {
        let member = match instance {
            None => self.members.get(id),
            Some(instance) => self.static_member(instance),
        };
        let member = member.ok_or(GroupError::UnknownMember)?;
        match instance.is_some() && !id.is_empty() && member.id != *id {
            true => Err(GroupError::FencedInstanceId),
            false => Ok(member.id.clone()),
        }
    }
}

/// A member as its join describes it.
fn described(member: &Member, join: &Join, subscription: &Subscription) -> Member {
    let mut updated = member.clone();
    let about = &mut updated.about;
    if join.instance_id.is_some() {
        about.instance_id.clone_from(&join.instance_id);
    }
    if subscription.rack.is_some() {
        about.rack.clone_from(&subscription.rack);
    }
    if join.rebalance_timeout_ms != -1 {
        about.rebalance_timeout_ms = join.rebalance_timeout_ms;
    }
    about.topics.clone_from(&subscription.topics);
    about.topics.sort();
    about.topics.dedup();
    about.regex = Some("".into());
    about.client_id = memory::prefix(&join.client_id, limits::CLIENT_ID_BYTES_MAX);
    about.client_host = join.client_host.clone();
    about.classic = Some(ClassicMetadata {
        session_timeout_ms: join.session_timeout_ms,
        protocols: join.protocols.clone(),
    });
    updated
}
