//! Pure: deadlines by key. Time comes in as an argument; the driver that waits asks for the next
//! deadline.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

use super::Instant;

/// At most one deadline per key.
///
/// Made for deadlines that are mostly pushed into the future before they come (heartbeats):
/// moving one later costs a look-up and nothing else. Of deadlines at the same moment the
/// smaller key comes first.
#[derive(Debug)]
pub struct Deadlines<K> {
    armed: HashMap<K, Armed>,
    /// A superset of what `armed` waits for; entries that no longer fit it are dropped when met.
    queue: BinaryHeap<Reverse<(Instant, K)>>,
}

#[derive(Clone, Copy, Debug)]
struct Armed {
    /// The deadline.
    at: Instant,
    /// The moment of the queue's entry for it, at most `at`.
    queued: Instant,
}

impl<K> Default for Deadlines<K>
where
    K: Ord,
{
    fn default() -> Self {
        Deadlines {
            armed: HashMap::new(),
            queue: BinaryHeap::new(),
        }
    }
}

impl<K: Clone + Ord + Hash> Deadlines<K> {
    /// Sets `key`'s deadline, in place of one it may have.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(armed) = self.armed.get_mut(&key) {
            armed.at = at;
            if at >= armed.queued {
                return;
            }
            armed.queued = at;
        } else {
            self.armed.insert(key.clone(), Armed { at, queued: at });
        }
        self.queue.push(Reverse((at, key)));
        if self.queue.len() > 2 * self.armed.len() + 64 {
            let armed = &self.armed;
            self.queue.retain(|Reverse((at, key))| {
                armed.get(key).is_some_and(|armed| armed.queued == *at)
            });
        }
    }

    /// Forgets `key`'s deadline, if it has one.
    pub fn cancel(&mut self, key: &K) {
        self.armed.remove(key);
    }

    /// `key`'s deadline, if it has one.
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.armed.get(key).map(|armed| armed.at)
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.armed.len()
    }

    /// Whether no key has a deadline.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// The earliest deadline.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        self.refresh_head();
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the earliest deadline out if it has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next_deadline()? > now {
            return None;
        }
        let Reverse((_, key)) = self.queue.pop()?;
        self.armed.remove(&key);
        Some(key)
    }

    /// Brings the queue's head in line with `armed`.
    fn refresh_head(&mut self) {
        while let Some(mut head) = self.queue.peek_mut() {
            let Reverse((at, key)) = &mut *head;
            match self.armed.get_mut(key) {
                Some(armed) if armed.queued == *at => {
                    if armed.at == *at {
                        return;
                    }
                    armed.queued = armed.at;
                    *at = armed.at;
                }
                _ => {
                    std::collections::binary_heap::PeekMut::pop(head);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(deadlines: &mut Deadlines<&'static str>, now: u64) -> Vec<&'static str> {
        std::iter::from_fn(|| deadlines.pop_due(Instant(now))).collect()
    }

    #[test]
    fn deadlines_come_in_order_and_once() {
        let mut deadlines = Deadlines::default();
        deadlines.set("b", Instant(20));
        deadlines.set("a", Instant(20));
        deadlines.set("c", Instant(10));
        assert_eq!(deadlines.next_deadline(), Some(Instant(10)));
        assert_eq!(due(&mut deadlines, 9), [""; 0]);
        assert_eq!(due(&mut deadlines, 20), ["c", "a", "b"]);
        assert_eq!(deadlines.next_deadline(), None);
        assert!(deadlines.is_empty());
    }

    #[test]
    fn a_deadline_moves_both_ways() {
        let mut deadlines = Deadlines::default();
        deadlines.set("a", Instant(20));
        deadlines.set("a", Instant(40));
        assert_eq!(due(&mut deadlines, 30), [""; 0]);
        assert_eq!(deadlines.next_deadline(), Some(Instant(40)));
        deadlines.set("a", Instant(5));
        assert_eq!(deadlines.get(&"a"), Some(Instant(5)));
        assert_eq!(due(&mut deadlines, 100), ["a"]);
    }

    #[test]
    fn a_cancelled_deadline_does_not_come_and_can_be_set_again() {
        let mut deadlines = Deadlines::default();
        deadlines.set("a", Instant(20));
        deadlines.cancel(&"a");
        assert_eq!(deadlines.next_deadline(), None);
        deadlines.set("a", Instant(20));
        deadlines.cancel(&"a");
        deadlines.set("a", Instant(30));
        assert_eq!(due(&mut deadlines, 25), [""; 0]);
        assert_eq!(due(&mut deadlines, 30), ["a"]);
    }

    #[test]
    fn what_is_set_and_cancelled_for_ever_takes_no_memory() {
        let mut deadlines = Deadlines::default();
        for i in 0..10_000 {
            deadlines.set("a", Instant(1_000_000 - i));
            deadlines.set("b", Instant(i));
            deadlines.cancel(&"b");
        }
        assert_eq!(deadlines.len(), 1);
        assert!(deadlines.queue.len() < 100);
    }
}
