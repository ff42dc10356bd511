//! Pure: DeleteGroups, and topics that are gone: offsets are removed in steps, so that others get
//! their turn in between.
//!
//! A group is gone for every client from the moment its deletion begins, and its name can be used
//! again when it is over. What is left of it lies hidden until its records are written: should the
//! machine be unloaded meanwhile, the group is there again with the rest of its offsets, as if the
//! others had expired, and the request was not answered.

use std::rc::Rc;

use crate::base::TopicId;
use crate::coordinator::record::{OffsetKey, Record};

use super::offsets::{Allowance, SearchPlace};
use super::{GroupError, GroupMachine, Outcome, Token};

/// A group that is being deleted.
#[derive(Debug)]
pub(super) struct Deletion {
    /// The request for it.
    token: Token,
    /// Offsets that were removed so far.
    removed: usize,
    /// The records that remove the group itself.
    last: Vec<Record>,
}

/// Topics that are gone, whose offsets are being removed.
#[derive(Debug)]
pub(super) struct GoneTopics {
    topics: Rc<[(Rc<str>, TopicId)]>,
    next: SearchPlace,
}

impl GroupMachine {
    /// DeleteGroups, for one group: its offsets go with it. The answer comes through an outcome,
    /// of this step or a later one.
    pub fn delete(&mut self, token: Token, id: &Rc<str>, out: &mut Outcome) {
        let checked = match self.groups.get(id) {
            None => Err(GroupError::GroupNotFound),
            Some(group) if !group.is_empty() => Err(GroupError::NonEmpty),
            Some(group) => Ok(group.removal()),
        };
        let last = match checked {
            Ok(last) => last,
            Err(error) => return out.deleted(token, Err(error)),
        };
        self.drop_group(id);
        self.offsets.hide(id);
        let deletion = Deletion {
            token,
            removed: 0,
            last,
        };
        self.deletions.insert(id.clone(), deletion);
        self.remove_some(out);
    }

    /// Removes the offsets of topics that are gone.
    pub fn topics_deleted(&mut self, topics: &Rc<[(Rc<str>, TopicId)]>, out: &mut Outcome) {
        self.gone_topics.push_back(GoneTopics {
            topics: topics.clone(),
            next: SearchPlace::default(),
        });
        self.remove_some(out);
    }

    /// Whether offsets of deleted groups or topics are left to be removed.
    pub(super) fn has_removals(&self) -> bool {
        !(self.deletions.is_empty() && self.gone_topics.is_empty())
    }

    /// Goes on with the removal of offsets of deleted groups and topics, one step.
    pub(super) fn remove_some(&mut self, out: &mut Outcome) {
        let mut allowance = Allowance::of_a_step();
        while !allowance.is_used_up()
            && let Some((id, _)) = self.deletions.first_key_value()
        {
            let id = id.clone();
            self.go_on_deleting(&id, &mut allowance, out);
        }
        while !allowance.is_used_up()
            && let Some(gone) = self.gone_topics.front_mut()
        {
            let next = std::mem::take(&mut gone.next);
            let (topics, offsets) = (&gone.topics, &self.offsets);
            let (keys, stopped) = offsets.some_of_topics(topics, next, &mut allowance);
            match stopped {
                Some(place) => gone.next = place,
                None => drop(self.gone_topics.pop_front()),
            }
            self.remove(keys, out);
        }
    }

    /// Removes some offsets of a deleted group, and then what is left of the group itself.
    fn go_on_deleting(&mut self, id: &Rc<str>, allowance: &mut Allowance, out: &mut Outcome) {
        let keys = self.offsets.some_deleted(id, allowance.removals_left());
        allowance.look();
        allowance.remove(keys.len());
        if let Some(deletion) = self.deletions.get_mut(id)
            && !keys.is_empty()
        {
            deletion.removed += keys.len();
            return self.remove(keys, out);
        }
        self.offsets.forget_deleted(id);
        if let Some(Deletion {
            token,
            removed,
            last,
        }) = self.deletions.remove(id)
        {
            for record in last {
                self.write(out, record);
            }
            tracing::info!(group = &**id, offsets = removed, "group deleted");
            out.deleted(token, Ok(()));
        }
    }

    fn remove(&mut self, keys: Vec<OffsetKey>, out: &mut Outcome) {
        for key in keys {
            self.write(out, Record::Offset(key, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::ids::Uuid;
    use crate::base::{Instant, TopicId, limits};
    use crate::coordinator::group::*;
    use crate::coordinator::record::{Encoded, Record};
    use std::rc::Rc;

    const MANY: i32 = 2_600;
    const MOST: usize = limits::OFFSETS_REMOVED_AT_ONCE;

    /// A machine, and what its steps have made.
    pub(in crate::coordinator::group) struct Steps {
        pub machine: GroupMachine,
        pub now: Now,
        pub log: Vec<Encoded>,
        pub replies: Vec<(Token, Reply)>,
    }

    impl Steps {
        pub fn new() -> Steps {
            let mut steps = Steps {
                machine: GroupMachine::new(GroupConfig::default()),
                now: Now {
                    instant: Instant(1_000_000_000),
                    wall_ms: 1_000_000,
                },
                log: Vec::new(),
                replies: Vec::new(),
            };
            steps.step(|machine, now, out| machine.loaded(now, out));
            steps
        }

        /// Does a step; how many records it made.
        pub fn step(&mut self, act: impl FnOnce(&mut GroupMachine, Now, &mut Outcome)) -> usize {
            let mut out = Outcome::default();
            act(&mut self.machine, self.now, &mut out);
            let count = out.records.len();
            self.log.append(&mut out.records);
            self.replies.append(&mut out.replies);
            count
        }

        /// Commits an offset for so many partitions of a topic.
        pub fn commit(
            &mut self,
            group: &str,
            (topic, id): (&str, u128),
            partitions: std::ops::Range<i32>,
        ) -> Result<(), GroupError> {
            let topic = CommitTopic {
                name: topic.into(),
                id: TopicId(Uuid::from_u128(id)),
                partitions: partitions
                    .map(|index| samples::partition(index, 7))
                    .collect(),
            };
            let commit = samples::commit(group, vec![topic]);
            let mut result = Ok(());
            self.step(|machine, now, out| result = machine.commit(&commit, now, out).map(|_| ()));
            result
        }

        /// Does what is due at this moment; how many records each of the steps made.
        pub fn run(&mut self) -> Vec<usize> {
            let mut counts = Vec::new();
            let is_due = |at: Instant| at <= self.now.instant;
            if self.machine.next_deadline().is_some_and(is_due) {
                counts.push(self.step(|machine, now, out| machine.expire(now, out)));
            }
            while self.machine.has_work() {
                counts.push(self.step(|machine, now, out| machine.work(now, out)));
                assert!(counts.len() < 1_000, "it never ends");
            }
            counts
        }

        pub fn offsets(&self, group: &str) -> usize {
            let topics = self.machine.fetch_all(group, true);
            topics.iter().map(|(_, partitions)| partitions.len()).sum()
        }

        /// The machine that is loaded from what was written so far.
        pub fn loaded(&self) -> Steps {
            let mut loaded = Steps::new();
            for record in &self.log {
                let record = Record::decode(Some(&record.key), record.value.as_deref()).unwrap();
                loaded.machine.replay(&record, Origin::NEW);
            }
            loaded
        }
    }

    #[test]
    fn a_group_with_very_many_offsets_is_deleted_in_steps_and_is_not_seen_meanwhile() {
        let mut steps = Steps::new();
        steps.commit("g", ("t", 1), 0..MANY).unwrap();
        steps.commit("h", ("t", 1), 0..1).unwrap();
        let id: Rc<str> = "g".into();
        let made = steps.step(|machine, _, out| machine.delete(Token(1), &id, out));
        assert!(made <= MOST && steps.replies.is_empty(), "{made} records");
        // It is gone for every client, and its name cannot be used yet.
        assert_eq!(steps.offsets("g"), 0);
        assert_eq!(steps.machine.list(&[], &[]).len(), 1);
        assert_eq!(steps.machine.describe("g"), None);
        let refused = steps.commit("g", ("t", 1), 0..1);
        assert_eq!(refused, Err(GroupError::Loading));
        steps.step(|machine, now, out| machine.join(Token(2), &samples::join("g", ""), now, out));
        let reply = steps.replies.pop();
        let Some((Token(2), Reply::Join(Err(refused)))) = reply else {
            panic!("a join is refused meanwhile");
        };
        assert_eq!(refused.error, GroupError::Loading);
        steps.step(|machine, _, out| machine.delete(Token(3), &id, out));
        let again = (Token(3), Reply::Delete(Err(GroupError::GroupNotFound)));
        assert_eq!(steps.replies.pop(), Some(again));
        // Should the process end now, some of the offsets are there as before.
        let halfway = steps.loaded();
        assert_eq!(halfway.offsets("g"), MANY as usize - made);

        let counts = steps.run();
        assert!(counts.iter().all(|made| *made <= MOST + 1), "{counts:?}");
        let all = made + counts.iter().sum::<usize>();
        assert_eq!(all, MANY as usize + 1, "a tombstone each, and the group's");
        assert_eq!(steps.replies, [(Token(1), Reply::Delete(Ok(())))]);
        assert_eq!(steps.offsets("h"), 1);
        let loaded = steps.loaded();
        assert_eq!((loaded.machine.count(), loaded.offsets("h")), (1, 1));
        // The name is free again.
        steps.commit("g", ("t", 1), 0..1).unwrap();
        assert_eq!(steps.offsets("g"), 1);
    }

    #[test]
    fn offsets_of_a_topic_that_is_gone_are_removed_in_steps() {
        let mut steps = Steps::new();
        for (group, count) in [("a", 700), ("b", 1), ("c", 900)] {
            steps.commit(group, ("gone", 1), 0..count).unwrap();
            steps.commit(group, ("stays", 2), 0..3).unwrap();
        }
        let topic = ("gone".into(), TopicId(Uuid::from_u128(1)));
        let gone = [topic, ("other".into(), TopicId::ZERO)].into();
        let made = steps.step(|machine, _, out| machine.topics_deleted(&gone, out));
        assert!(made <= MOST, "{made} records");
        // A topic of the same name is made meanwhile.
        steps.commit("c", ("gone", 9), 0..5).unwrap();
        steps.commit("a", ("gone", 9), 0..1).unwrap();
        let counts = steps.run();
        assert!(counts.iter().all(|made| *made <= MOST), "{counts:?}");
        assert_eq!(made + counts.iter().sum::<usize>(), 700 + 1 + 900 - 5);
        for steps in [&steps, &steps.loaded()] {
            let left = ["a", "b", "c"].map(|group| steps.offsets(group));
            assert_eq!(left, [4, 3, 8]);
        }
    }

    #[test]
    fn very_many_offsets_of_one_group_expire_in_steps() {
        let mut steps = Steps::new();
        steps.commit("g", ("t", 1), 0..MANY).unwrap();
        let retention_ms = steps.machine.config.offsets_retention_ms;
        let pass = |steps: &mut Steps, ms: i64| {
            steps.now.instant = steps.now.instant.after_ms(ms);
            steps.now.wall_ms += ms;
        };
        pass(&mut steps, retention_ms / 2);
        steps.commit("g", ("t", 1), 1_000..1_010).unwrap();
        assert_eq!(steps.run(), [0]);
        pass(&mut steps, retention_ms / 2);
        let counts = steps.run();
        assert!(counts.iter().all(|made| *made <= MOST), "{counts:?}");
        assert_eq!(counts.iter().sum::<usize>(), MANY as usize - 10);
        assert_eq!(steps.offsets("g"), 10);
        // The last of them take their group with them.
        pass(&mut steps, retention_ms / 2);
        assert_eq!(steps.run(), [11]);
        assert_eq!(steps.machine.count(), 0);
    }

    #[test]
    fn offsets_that_do_not_expire_are_looked_at_in_steps() {
        let mut steps = Steps::new();
        let many = limits::OFFSETS_EXAMINED_AT_ONCE as i32 + 10;
        steps.commit("g", ("t", 1), 0..many / 2).unwrap();
        steps.commit("h", ("t", 1), 0..many - many / 2).unwrap();
        steps.now.instant = steps.now.instant.after_ms(600_000);
        assert_eq!(steps.run(), [0, 0]);
    }
}
