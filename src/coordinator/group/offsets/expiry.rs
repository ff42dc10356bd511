//! Pure: offsets that have expired are removed, and groups that have neither offsets nor members.

use std::ops::Bound;
use std::rc::Rc;

use crate::base::PartitionIndex;
use crate::coordinator::group::kind::AnyGroup;
use crate::coordinator::group::step::Timer;
use crate::coordinator::group::{GroupConfig, GroupMachine, Now, Outcome};
use crate::coordinator::record::{OffsetKey, Record};

use super::removal::{Allowance, key};
use super::{Offsets, Place, before_all};

/// Groups whose offsets are looked at in one step for those that have expired.
const GROUPS_AT_ONCE: usize = 64;

/// Where the look for expired offsets goes on.
#[derive(Clone, Default, Debug)]
pub(in crate::coordinator::group) enum ExpiryPlace {
    /// At the first group.
    #[default]
    Begin,
    /// In this group, at this place among its offsets.
    Within(Rc<str>, Place),
    /// Behind this group.
    Behind(Rc<str>),
}

impl GroupMachine {
    /// Removes expired offsets, and groups that have neither offsets nor members: so many at a
    /// time that others get their turn in between. Offsets expire one by one, so that a group of
    /// which only some are removed is as good as any other.
    pub(in crate::coordinator::group) fn expire_offsets(&mut self, now: Now, out: &mut Outcome) {
        let mut allowance = Allowance::of_a_step();
        let place = std::mem::take(&mut self.expiry);
        let next = self
            .groups
            .range::<str, _>((place.bound(), Bound::Unbounded));
        let ids: Vec<_> = next
            .take(GROUPS_AT_ONCE)
            .map(|(id, _)| id.clone())
            .collect();
        if ids.len() == GROUPS_AT_ONCE {
            self.expiry = ExpiryPlace::Behind(ids[GROUPS_AT_ONCE - 1].clone());
        }
        for id in ids {
            let from = match &place {
                ExpiryPlace::Within(group, from) if *group == id => from.clone(),
                _ => before_all(),
            };
            if let Some(stopped) = self.expire_offsets_of(&id, from, &mut allowance, now, out) {
                self.expiry = ExpiryPlace::Within(id, stopped);
                break;
            }
        }
        if !self.expiry.is_under_way() {
            let wait_ms = self.config.retention_check_ms.max(1);
            let next = now.instant.after_ms(wait_ms);
            self.timers.set(Timer::Retention, next);
        }
    }

    /// Removes the expired offsets of one group, from a place among them on. Returns the next
    /// place, if the allowance is used up before the end.
    fn expire_offsets_of(
        &mut self,
        id: &Rc<str>,
        from: Place,
        allowance: &mut Allowance,
        now: Now,
        out: &mut Outcome,
    ) -> Option<Place> {
        let group = self.groups.get(id)?;
        let some = self
            .offsets
            .some_expired(group, from, allowance, &self.config, now);
        let (expired, stopped) = some;
        let is_empty = group.is_empty();
        self.probe.expired_offsets.add(expired.len() as u64);
        for key in expired {
            self.write(out, Record::Offset(key, None));
        }
        if is_empty && stopped.is_none() && !self.offsets.any_of(id) {
            tracing::info!(
                group = &**id,
                "group removed: it has neither members nor offsets"
            );
            let removal = self.groups.get(id).map(AnyGroup::removal);
            for record in removal.into_iter().flatten() {
                self.write(out, record);
            }
        }
        stopped
    }
}

// === impl ExpiryPlace ===

impl ExpiryPlace {
    /// Whether groups are left that were not looked at.
    pub fn is_under_way(&self) -> bool {
        !matches!(self, ExpiryPlace::Begin)
    }

    fn bound(&self) -> Bound<&str> {
        match self {
            ExpiryPlace::Begin => Bound::Unbounded,
            ExpiryPlace::Within(group, _) => Bound::Included(group),
            ExpiryPlace::Behind(group) => Bound::Excluded(group),
        }
    }
}

// === impl Offsets ===

impl Offsets {
    /// Looks from `place` on for expired offsets of the group, and says where to go on if the
    /// allowance is used up before the end.
    fn some_expired(
        &self,
        group: &AnyGroup,
        place: Place,
        allowance: &mut Allowance,
        config: &GroupConfig,
        now: Now,
    ) -> (Vec<OffsetKey>, Option<Place>) {
        let mut expired = Vec::new();
        let topics = self.by_group.get(group.id());
        let topics = topics.map(|topics| topics.range(place.0.clone()..));
        for (topic, partitions) in topics.into_iter().flatten() {
            let consumed = group.is_subscribed_to(topic);
            let first = match *topic == place.0 {
                true => place.1,
                false => PartitionIndex::MIN,
            };
            for (&partition, kept) in partitions.range(first..) {
                if allowance.is_used_up() {
                    return (expired, Some((topic.clone(), partition)));
                }
                allowance.look();
                if !consumed
                    && kept.is_expired(group, config, now.wall_ms)
                    && !self.has_pending(group.id(), topic, partition)
                {
                    allowance.remove(1);
                    expired.push(key(group.id(), topic, partition));
                }
            }
        }
        (expired, None)
    }
}
