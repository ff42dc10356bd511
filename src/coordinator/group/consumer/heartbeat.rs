//! Pure: ConsumerGroupHeartbeat: members join, beat, and learn what they are to have
//! (`GroupMetadataManager.consumerGroupHeartbeat` of Kafka).

use std::borrow::Cow;
use std::rc::Rc;

use crate::base::limits;
use crate::coordinator::group::memory;
use crate::coordinator::group::request::GroupError;
use crate::coordinator::record::{ConsumerChange, GroupEpoch};

use super::assign::Partitions;
use super::member::{Member, MemberState};
use super::reconcile::Reconcile;
use super::regex::RegexChange;
use super::request::{ConsumerBeat, ConsumerHeartbeat, ConsumerRefused, OwnedByClient};
use super::subscription::{Consumed, Subscriptions};
use super::target::{self, Changed};
use super::{ConsumerGroup, Plan, REFRESH_MS, Surroundings, Timers};

/// What the request of a member changes, collected while it is handled.
struct Draft {
    changes: Vec<ConsumerChange>,
    epoch: i32,
    refresh: Option<(i64, i32)>,
}

/// A member that has sent a heartbeat or a join.
pub(super) struct Coming<'a> {
    /// As it was before.
    pub member: Member,
    /// As its request describes it.
    pub updated: Member,
    /// The records to write first: those by which it takes the place of another static member.
    pub changes: Vec<ConsumerChange>,
    /// What its client says it has.
    pub owned: Option<&'a OwnedByClient>,
}

impl ConsumerGroup {
    /// A heartbeat of a member that joins or stays.
    pub fn heartbeat(
        &self,
        cx: Surroundings<'_>,
        beat: &ConsumerHeartbeat,
    ) -> Result<Plan<ConsumerBeat>, ConsumerRefused> {
        let most = cx.config.members_max;
        if self.members.len() >= most && !self.has_member(&beat.member_id) {
            return Err(ConsumerRefused::full(most));
        }
        let (member, changes) = self.sender(beat)?;
        let plan = self.advance(
            cx,
            Coming {
                updated: described(&member, beat),
                member,
                changes,
                owned: beat.owned.as_ref(),
            },
        )?;
        let member = &plan.reply;
        let before = self.members.get(&member.id);
        let is_as_before = before.is_some_and(|before| before.assigned == member.assigned);
        let tells = beat.member_epoch == 0 || beat.is_full() || !is_as_before;
        let reply = ConsumerBeat {
            member_id: member.id.clone(),
            member_epoch: member.epoch,
            heartbeat_interval_ms: cx.config.heartbeat_interval_ms,
            assignment: tells.then(|| member.assigned_partitions()),
        };
        Ok(plan.replying(reply))
    }

    /// Applies the request of a member: the group's epoch rises and partitions are assigned anew
    /// where that is due, and the member takes a step towards its target.
    pub(super) fn advance(
        &self,
        cx: Surroundings<'_>,
        coming: Coming<'_>,
    ) -> Result<Plan<Member>, ConsumerRefused> {
        let Coming {
            member,
            updated,
            mut changes,
            owned,
        } = coming;
        self.check_memory(cx, &member, &updated)?;
        if updated.about != member.about {
            let about = Some(updated.about.clone());
            changes.push(ConsumerChange::Member(updated.id.clone(), about));
        }
        let names_changed = updated.about.topics != member.about.topics;
        let regex = self.change_regex(cx, &member, &updated, &mut changes)?;
        let regex_changed = regex.change != RegexChange::None;
        let mut draft = Draft {
            changes,
            epoch: self.epoch,
            refresh: None,
        };
        let subscriptions = self.subscriptions_with(&member, &updated);
        // A member that speaks the classic protocol now has no expression any more.
        let is_known = regex.change == RegexChange::Resolved || updated.is_classic();
        let rises = names_changed || regex_changed && is_known;
        if rises || self.is_refresh_due(cx.now.wall_ms) {
            self.look_at_topics(cx, rises, &subscriptions, &mut draft);
        }
        let (target_epoch, target) = self.new_target(cx, &updated, &subscriptions, &mut draft);
        let reconcile = Reconcile {
            group: self,
            target: &target,
            target_epoch,
            consumed: Consumed::by(&updated, self, cx.topics),
            has_subscription_changed: names_changed || regex_changed,
            owned,
        };
        let is_there = updated.is_reconciled_to(target_epoch);
        let reconciled = match is_there && !reconcile.has_subscription_changed {
            true => updated.clone(),
            false => reconcile.step(&updated)?,
        };
        let timers = self.deadlines(cx, &updated, &reconciled);
        if reconciled != updated {
            let value = Some(reconciled.value());
            draft
                .changes
                .push(ConsumerChange::Current(reconciled.id.clone(), value));
        }
        Ok(Plan {
            reply: reconciled,
            timers,
            refresh: draft.refresh,
            regexes: regex.refresh,
            rebalances: draft.epoch != self.epoch,
            changes: draft.changes,
        })
    }

    /// The member that sends a heartbeat, as it was; new where it joins. Where it takes the place
    /// of another static member, the records that let it do so.
    fn sender(
        &self,
        beat: &ConsumerHeartbeat,
    ) -> Result<(Member, Vec<ConsumerChange>), ConsumerRefused> {
        let joins = beat.member_epoch == 0;
        let id: Rc<str> = match beat.member_id.is_empty() {
            true => crate::wire::ids::base64_url(beat.unique.as_bytes()).into(),
            false => beat.member_id.clone(),
        };
        let known = || self.members.get(&id).cloned();
        let Some(instance) = &beat.instance_id else {
            let member = match known() {
                Some(member) => member,
                None if joins => Member::new(id.clone()),
                None => return Err(ConsumerRefused::unknown_member(&id, &self.id)),
            };
            check_epoch(&member, beat)?;
            return Ok((member, Vec::new()));
        };
        match self.static_member(instance) {
            None if joins => {
                let member = known().unwrap_or_else(|| Member::new(id.clone()));
                Ok((member, Vec::new()))
            }
            None => Err(ConsumerRefused::unknown_instance(instance)),
            Some(old) if joins => {
                if !old.is_classic() && old.epoch != super::AWAY {
                    let error = ConsumerRefused::unreleased_instance(&id, instance, &old.id);
                    return Err(error);
                }
                let new = Member {
                    id,
                    epoch: 0,
                    previous_epoch: 0,
                    ..old.clone()
                };
                let records = self.replace(old, &new);
                Ok((new, records))
            }
            Some(old) if old.id != id => {
                Err(ConsumerRefused::fenced_instance(&id, instance, &old.id))
            }
            Some(old) => {
                check_epoch(old, beat)?;
                Ok((old.clone(), Vec::new()))
            }
        }
    }

    /// The records by which `new` takes the place of `old`.
    pub(super) fn replace(&self, old: &Member, new: &Member) -> Vec<ConsumerChange> {
        let target = self.targets.get(&old.id).cloned().unwrap_or_default();
        let id = || new.id.clone();
        let mut records = super::leave::removal(&old.id);
        records.extend([
            ConsumerChange::Member(id(), Some(new.about.clone())),
            ConsumerChange::Target(id(), Some(target::listed(&target))),
            ConsumerChange::Current(id(), Some(new.value())),
        ]);
        records
    }

    /// Refuses growth that the shard's memory has no room for; a member may always shrink.
    fn check_memory(
        &self,
        cx: Surroundings<'_>,
        member: &Member,
        updated: &Member,
    ) -> Result<(), ConsumerRefused> {
        let known = match self.has_member(&updated.id) {
            true => member.bytes(),
            false => 0,
        };
        let more = updated.bytes().saturating_sub(known);
        match more == 0 || cx.memory.can_take(more) {
            true => Ok(()),
            false => Err(GroupError::NoMemory.into()),
        }
    }

    /// What the members want once `updated` is in the place of `member`.
    fn subscriptions_with(&self, member: &Member, updated: &Member) -> Cow<'_, Subscriptions> {
        let is_known = |it: &&Member| self.members.contains_key(&it.id);
        let instance = updated.about.instance_id.as_ref();
        let place = instance.and_then(|instance| self.static_member(instance));
        let old = Some(member).filter(is_known).or(place);
        if old.is_some_and(|old| old.about == updated.about) {
            return Cow::Borrowed(&self.subscriptions);
        }
        let mut subscriptions = self.subscriptions.clone();
        subscriptions.change(old, Some(updated));
        if let Some(regex) = old.and_then(Member::regex)
            && subscriptions.members_with(regex) == 0
            && let Some(resolved) = self.resolved.get(regex)
        {
            subscriptions.forget_resolved(&resolved.topics);
        }
        Cow::Owned(subscriptions)
    }

    /// Looks at the topics that the group consumes, and raises its epoch where that is due.
    fn look_at_topics(
        &self,
        cx: Surroundings<'_>,
        rises: bool,
        subscriptions: &Subscriptions,
        draft: &mut Draft,
    ) {
        let metadata_hash = subscriptions.hash(cx.topics);
        if rises || metadata_hash != self.metadata_hash {
            draft.epoch += 1;
            draft.changes.push(ConsumerChange::Epoch(Some(GroupEpoch {
                epoch: draft.epoch,
                metadata_hash,
            })));
        }
        draft.refresh = Some((cx.now.wall_ms + REFRESH_MS, draft.epoch));
        if self.lists_topics {
            draft.changes.push(ConsumerChange::PartitionMetadata(false));
        }
    }

    /// What the member is to have, and since which epoch: computed anew where that is due.
    fn new_target(
        &self,
        cx: Surroundings<'_>,
        updated: &Member,
        subscriptions: &Subscriptions,
        draft: &mut Draft,
    ) -> (i32, Partitions) {
        if !self.may_assign(cx, draft.epoch) {
            let instance = updated.about.instance_id.as_ref();
            return (self.target_epoch, self.target_of(&updated.id, instance));
        }
        let changed = Changed {
            group: self,
            member: updated,
            subscriptions,
            topics: cx.topics,
            assignors: &cx.config.assignors,
        };
        let (records, own) = changed.target(draft.epoch, cx.now.wall_ms);
        draft.changes.extend(records);
        (draft.epoch, own)
    }

    /// Whether the target assignment is to be computed for `epoch` now: not twice within the
    /// interval that is set (KIP-1263).
    fn may_assign(&self, cx: Surroundings<'_>, epoch: i32) -> bool {
        let interval = i64::from(cx.config.assignment_interval_ms);
        let made = self.target_timestamp;
        self.target_epoch < epoch
            && (made == 0 || interval == 0 || cx.now.wall_ms >= made + interval)
    }

    fn deadlines(&self, cx: Surroundings<'_>, before: &Member, member: &Member) -> Timers {
        let [session, revocation, rejoin, resync] = self.timers_of(&member.id);
        if let Some(classic) = &member.about.classic {
            let session_ms = i64::from(classic.session_timeout_ms);
            let rebalance_ms = i64::from(member.about.rebalance_timeout_ms);
            return vec![
                (session, Some(session_ms)),
                (rejoin, None),
                (resync, Some(rebalance_ms)),
            ];
        }
        let mut timers = vec![(session, Some(i64::from(cx.config.session_timeout_ms)))];
        if before != member {
            let length = match member.state {
                MemberState::Unrevoked => Some(i64::from(member.about.rebalance_timeout_ms)),
                _ => None,
            };
            timers.push((revocation, length));
        }
        timers
    }
}

/// Whether the epoch of a heartbeat is accepted. The previous one is, because the answer with the
/// newer one may have been lost, as long as the client has only partitions that are assigned to it.
fn check_epoch(member: &Member, beat: &ConsumerHeartbeat) -> Result<(), ConsumerRefused> {
    let (received, known) = (beat.member_epoch, member.epoch);
    let owns_no_more = || {
        let owned = beat.owned.as_ref();
        owned.is_some_and(|owned| {
            owned.iter().all(|(topic, partitions)| {
                let has = member.assigned.get(topic);
                let mut partitions = partitions.iter();
                has.is_some_and(|has| partitions.all(|index| has.contains_key(index)))
            })
        })
    };
    let is_previous = received == member.previous_epoch || planted!(OldEpochTaken);
    let is_lost = received < known && is_previous && owns_no_more();
    match received == 0 || received == known || is_lost {
        true => Ok(()),
        false => Err(ConsumerRefused::fenced_epoch(received, known)),
    }
}

/// A member as its heartbeat describes it.
fn described(member: &Member, beat: &ConsumerHeartbeat) -> Member {
    let mut updated = member.clone();
    let about = &mut updated.about;
    let set = |known: &mut Option<Rc<str>>, given: &Option<Rc<str>>| {
        if given.is_some() {
            known.clone_from(given);
        }
    };
    set(&mut about.instance_id, &beat.instance_id);
    set(&mut about.rack, &beat.rack);
    set(&mut about.assignor, &beat.assignor);
    set(&mut about.regex, &beat.regex);
    if let Some(timeout) = beat.rebalance_timeout_ms {
        about.rebalance_timeout_ms = timeout;
    }
    if let Some(topics) = &beat.topics {
        about.topics.clone_from(topics);
        about.topics.sort();
        about.topics.dedup();
    }
    about.client_id = memory::prefix(&beat.client_id, limits::CLIENT_ID_BYTES_MAX);
    about.client_host = beat.client_host.clone();
    about.classic = None;
    updated
}
