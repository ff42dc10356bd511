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

    /// The partition, if it is followed.
    pub fn get(&self, key: &Key) -> Option<&Followed> {
        self.0.get(key)
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
