//! Pure: one step of a member towards what it is to have (`CurrentAssignmentBuilder` of Kafka):
//! it gives up what others are to have, and takes partitions that are free.

use crate::base::{PartitionIndex, TopicId};

use super::ConsumerGroup;
use super::assign::Partitions;
use super::member::{Member, MemberState, Owned};
use super::request::{ConsumerRefused, OwnedByClient};
use super::subscription::Consumed;

/// What the step of a member depends on.
pub(super) struct Reconcile<'a> {
    /// The group, which knows the owner of each partition.
    pub group: &'a ConsumerGroup,
    /// What the member is to have, and since which epoch.
    pub target: &'a Partitions,
    pub target_epoch: i32,
    /// The topics that it consumes now.
    pub consumed: Consumed<'a>,
    /// Whether its request has changed them.
    pub has_subscription_changed: bool,
    /// What its client says it has, where it says so.
    pub owned: Option<&'a OwnedByClient>,
}

impl Reconcile<'_> {
    /// The member after the step; as it was where nothing can be done yet.
    pub fn step(&self, member: &Member) -> Result<Member, ConsumerRefused> {
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => {
                Ok(self.next(member, member.epoch))
            }
            MemberState::Stable if self.has_subscription_changed => Ok(self.shrink(member)),
            MemberState::Stable => Ok(member.clone()),
            MemberState::Unrevoked if self.still_has(&member.revoked) => {
                Ok(match self.has_subscription_changed {
                    true => self.shrink(member),
                    false => member.clone(),
                })
            }
            MemberState::Unrevoked | MemberState::Unreleased => Ok(self.next(member, member.epoch)),
            MemberState::Unknown if self.owned.is_some_and(|owned| owned.is_empty()) => {
                Ok(self.next(member, self.target_epoch))
            }
            MemberState::Unknown => Err(ConsumerRefused::unknown_state()),
        }
    }

    /// Whether the client has, or may have, one of these partitions.
    fn still_has(&self, revoked: &Owned) -> bool {
        let Some(owned) = self.owned else {
            return !planted!(GivenUpUnasked);
        };
        let has = |(topic, partitions): &(TopicId, Vec<PartitionIndex>)| {
            let of = revoked.get(topic);
            of.is_some_and(|of| partitions.iter().any(|index| of.contains_key(index)))
        };
        owned.iter().any(has)
    }

    /// Takes away only what the member does not consume any more.
    fn shrink(&self, member: &Member) -> Member {
        let gone = |topic: &TopicId| !self.consumed.contains(*topic);
        let (mut assigned, mut revoked) = (member.assigned.clone(), member.revoked.clone());
        let topics: Vec<TopicId> = assigned.keys().copied().filter(gone).collect();
        if topics.is_empty() {
            return member.clone();
        }
        for topic in topics {
            let of = assigned.remove(&topic).unwrap_or_default();
            revoked.entry(topic).or_default().extend(of);
        }
        let next = Member {
            assigned,
            ..member.at_epoch(member.epoch)
        };
        match self.still_has(&revoked) {
            true => Member {
                state: MemberState::Unrevoked,
                revoked,
                ..next
            },
            // It has given them up already.
            false => next,
        }
    }

    fn next(&self, member: &Member, epoch: i32) -> Member {
        let nothing = Default::default();
        let (mut keeps, mut gives) = (Owned::new(), Owned::new());
        for (topic, has) in &member.assigned {
            let target = match self.consumed.contains(*topic) {
                true => self.target.get(topic).unwrap_or(&nothing),
                false => &nothing,
            };
            for (index, since) in has {
                let to = match target.contains(index) {
                    true => &mut keeps,
                    false => &mut gives,
                };
                to.entry(*topic).or_default().insert(*index, *since);
            }
        }
        if !gives.is_empty() && self.still_has(&gives) {
            return Member {
                state: MemberState::Unrevoked,
                assigned: keeps,
                revoked: gives,
                ..member.at_epoch(epoch)
            };
        }
        let is_complete = self.take_what_is_free(member, &mut keeps);
        Member {
            state: match is_complete {
                true => MemberState::Stable,
                false => MemberState::Unreleased,
            },
            assigned: keeps,
            revoked: Owned::new(),
            ..member.at_epoch(self.target_epoch)
        }
    }

    /// Adds what the member is to have and no other has; whether that is all.
    fn take_what_is_free(&self, member: &Member, keeps: &mut Owned) -> bool {
        let mut is_complete = true;
        let topics = self.target.iter();
        for (topic, target) in topics.filter(|(topic, _)| self.consumed.contains(**topic)) {
            let given_up = member.revoked.get(topic);
            let had = member.assigned.get(topic);
            for index in target {
                if had.is_some_and(|had| had.contains_key(index)) {
                    continue;
                }
                let is_own = given_up.is_some_and(|of| of.contains_key(index));
                let is_free = self.group.owner_epoch(*topic, *index).is_none();
                if is_own || is_free || planted!(OwnerIgnored) {
                    let of = keeps.entry(*topic).or_default();
                    of.insert(*index, self.target_epoch);
                } else {
                    is_complete = false;
                }
            }
        }
        is_complete
    }
}
