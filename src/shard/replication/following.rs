//! Pure: the partitions that follow one leader: which of them may be asked for now, and which wait
//! after an error.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::base::{Instant, LeaderEpoch, PartitionIndex, TopicId};
use crate::partition::Partition;

/// The first pause after an error; each further one is twice as long, up to that of the settings.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Which partition.
pub type Key = (TopicId, PartitionIndex);

/// A partition that follows a leader in some term.
pub struct Followed {
    /// The replica.
    pub partition: Rc<Partition>,
    /// The term.
    pub leader_epoch: LeaderEpoch,
    pause: Pause,
}

/// Whether a partition may be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pause {
    None,
    /// After an error; the length of the pause.
    Until(Instant, Duration),
    /// Until the metadata tells of another term.
    ForTheTerm,
}

/// All partitions that follow one leader.
#[derive(Default)]
pub struct Following(BTreeMap<Key, Followed>);

// === impl Followed ===

impl Followed {
    /// The partition in its current term.
    pub fn new(partition: Rc<Partition>) -> Followed {
        Followed {
            leader_epoch: partition.leader_epoch(),
            partition,
            pause: Pause::None,
        }
    }

    fn key(&self) -> Key {
        let name = self.partition.name();
        (name.topic_id, name.index)
    }

    fn is_same(&self, other: &Followed) -> bool {
        Rc::ptr_eq(&self.partition, &other.partition) && self.leader_epoch == other.leader_epoch
    }

    /// Whether it follows in this term still.
    fn is_current(&self) -> bool {
        self.partition.is_follower() && self.partition.leader_epoch() == self.leader_epoch
    }
}

// === impl Following ===

impl Following {
    /// Follows these from now on, and no others. Whether there are new ones.
    pub fn set(&mut self, partitions: Vec<Followed>) -> bool {
        let mut known = std::mem::take(&mut self.0);
        let mut any_new = false;
        for followed in partitions {
            let key = followed.key();
            let kept = known.remove(&key).filter(|it| it.is_same(&followed));
            any_new |= kept.is_none();
            self.0.insert(key, kept.unwrap_or(followed));
        }
        any_new
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that may be asked for now: what was appended is stored, and no error holds them up.
    pub fn ready(&self, now: Instant) -> impl Iterator<Item = (Key, &Followed)> {
        let ready = self.0.iter().filter(move |(_, it)| {
            let may = match it.pause {
                Pause::None => true,
                Pause::Until(then, _) => then <= now,
                Pause::ForTheTerm => false,
            };
            let takes_more = it.partition.failure().is_none() && it.partition.is_all_stored();
            may && takes_more && it.is_current()
        });
        ready.map(|(key, it)| (*key, it))
    }

    /// When the first pause ends, if there is one.
    pub fn next_pause_ends(&self) -> Option<Instant> {
        let pauses = self.0.values().filter_map(|it| match it.pause {
            Pause::Until(then, _) => Some(then),
            Pause::None | Pause::ForTheTerm => None,
        });
        pauses.min()
    }

    /// The partition, if it is followed in this term. What a leader says of an earlier one, which
    /// may come late, is no reason to do anything in the next.
    pub fn get(&self, key: &Key, leader_epoch: LeaderEpoch) -> Option<&Followed> {
        let followed = self.0.get(key);
        followed.filter(|it| it.leader_epoch == leader_epoch)
    }

    /// It was answered for without an error.
    pub fn went_well(&mut self, key: &Key) {
        if let Some(followed) = self.0.get_mut(key) {
            followed.pause = Pause::None;
        }
    }

    /// It was answered for with an error that may pass: it is asked for again after a pause of at
    /// most `longest`.
    pub fn pause(&mut self, key: &Key, now: Instant, longest: Duration) {
        if let Some(followed) = self.0.get_mut(key) {
            let length = match followed.pause {
                Pause::Until(_, length) => length * 2,
                _ => FIRST_PAUSE,
            };
            let length = length.min(longest.max(FIRST_PAUSE));
            followed.pause = Pause::Until(now.after(length), length);
        }
    }

    /// It is not asked for in this term any more.
    pub fn give_up(&mut self, key: &Key) {
        if let Some(followed) = self.0.get_mut(key) {
            followed.pause = Pause::ForTheTerm;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::base::NodeId;
    use crate::base::config::{Flags, HostFacts, load};
    use crate::io::disk::Disk;
    use crate::io::sim::World;
    use crate::log::{Logs, LogsOptions, Opening};
    use crate::partition::replicas::Term;
    use crate::partition::{Name, PartitionOptions};

    const LONGEST: Duration = Duration::from_millis(50);

    fn term(leader_epoch: LeaderEpoch, leader: i32) -> Term {
        Term {
            leader: NodeId(leader),
            leader_epoch,
            partition_epoch: leader_epoch,
            replicas: vec![NodeId(1), NodeId(2)],
            isr: vec![NodeId(1), NodeId(2)],
        }
    }

    async fn open(disk: &Disk, index: PartitionIndex) -> Rc<Partition> {
        let broker = load(None, &Flags::default(), &HostFacts::of_cores(1)).unwrap();
        let dir = PathBuf::from(format!("/data/t-{index}"));
        let options = PartitionOptions {
            name: Name {
                topic: "t".into(),
                topic_id: TopicId::ZERO,
                index,
            },
            dir: &dir,
            opening: Opening::default(),
            node: NodeId(1),
            term: term(3, 2),
            shared: Rc::default(),
            config: broker.topic_config(&Default::default()).unwrap(),
            producer_expiration_ms: 1,
        };
        let logs = Logs::new(disk, LogsOptions::default());
        Partition::open(&logs, options, 1_000).await.unwrap()
    }

    fn at(ms: u64) -> Instant {
        Instant::default().after(Duration::from_millis(ms))
    }

    fn ready(following: &Following, ms: u64) -> Vec<PartitionIndex> {
        following.ready(at(ms)).map(|(key, _)| key.1).collect()
    }

    #[test]
    fn a_partition_is_asked_for_again_after_pauses_that_grow() {
        let world = World::new(1);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let partitions = [open(&disk, 0).await, open(&disk, 1).await];
            let all = || partitions.iter().cloned().map(Followed::new).collect();
            let mut following = Following::default();
            assert!(following.set(all()));
            assert!(!following.set(all()), "none is new");
            let key = (TopicId::ZERO, 1);
            following.pause(&key, at(100), LONGEST);
            assert_eq!(ready(&following, 119), [0]);
            assert_eq!(following.next_pause_ends(), Some(at(120)));
            assert_eq!(ready(&following, 120), [0, 1]);
            following.pause(&key, at(120), LONGEST);
            following.pause(&key, at(160), LONGEST);
            assert_eq!(following.next_pause_ends(), Some(at(160).after(LONGEST)));
            following.went_well(&key);
            assert_eq!(ready(&following, 161), [0, 1]);
        });
    }

    #[test]
    fn one_that_is_given_up_or_leads_by_now_waits_for_another_term() {
        let world = World::new(1);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let partition = open(&disk, 0).await;
            let mut following = Following::default();
            following.set(vec![Followed::new(partition.clone())]);
            following.give_up(&(TopicId::ZERO, 0));
            assert!(ready(&following, 1_000_000).is_empty());
            partition.take_term(&term(4, 2));
            assert!(following.set(vec![Followed::new(partition.clone())]));
            let key = (TopicId::ZERO, 0);
            let in_term = |it| following.get(&key, it).is_some();
            assert!(
                in_term(4) && !in_term(3),
                "an answer of the old term is none"
            );
            assert_eq!(ready(&following, 0), [0]);
            partition.take_term(&term(5, 1));
            assert!(ready(&following, 0).is_empty(), "it leads");
            assert!(!following.set(Vec::new()) && following.is_empty());
        });
    }
}
