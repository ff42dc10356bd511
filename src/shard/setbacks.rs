//! Pure: work that failed is left alone for a while and then tried again: twice as long after each
//! failure, up to a limit, and never for good.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::base::Instant;

/// What failed when it was last tried, and until when each is left alone.
pub struct Setbacks<K>(HashMap<K, Setback>);

struct Setback {
    until: Instant,
    pause: Duration,
    reason: String,
}

/// How long to leave alone what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// After the first failure.
    pub first: Duration,
    /// The longest, however often it failed.
    pub most: Duration,
}

impl<K> Default for Setbacks<K> {
    fn default() -> Setbacks<K> {
        Setbacks(HashMap::new())
    }
}

impl<K: Eq + Hash> Setbacks<K> {
    /// Whether `key` is to be left alone at `now`.
    pub fn rests(&self, key: &K, now: Instant) -> bool {
        self.0.get(key).is_some_and(|it| now < it.until)
    }

    /// Notes that `key` failed for this reason; whether it had not failed for the same one when it
    /// was last tried.
    pub fn failed(&mut self, key: K, reason: String, pause: Pause, now: Instant) -> bool {
        let before = self.0.remove(&key);
        let doubled = before.as_ref().map_or(pause.first, |it| it.pause * 2);
        let pause = doubled.min(pause.most);
        let is_news = before.is_none_or(|it| it.reason != reason);
        let until = now.after(pause);
        self.0.insert(
            key,
            Setback {
                until,
                pause,
                reason,
            },
        );
        is_news
    }

    /// Notes that `key` went well, or is gone; whether it had failed when it was last tried.
    pub fn clear(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    /// How many have failed when they were last tried.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Pause = Pause {
        first: Duration::from_secs(10),
        most: Duration::from_secs(60),
    };

    #[test]
    fn pauses_double_up_to_the_limit_and_end() {
        let mut setbacks = Setbacks::default();
        let mut now = Instant(0);
        for seconds in [10, 20, 40, 60, 60] {
            assert!(!setbacks.rests(&"a", now), "it is tried again");
            setbacks.failed("a", "full".to_owned(), PAUSE, now);
            assert!(setbacks.rests(&"a", now.after(Duration::from_secs(seconds - 1))));
            now = now.after(Duration::from_secs(seconds));
        }
        assert!(!setbacks.rests(&"a", now) && !setbacks.rests(&"b", Instant(0)));
    }

    #[test]
    fn what_went_well_begins_anew_and_only_news_is_told() {
        let mut setbacks = Setbacks::default();
        let now = Instant(0);
        assert!(setbacks.failed("a", "full".to_owned(), PAUSE, now));
        assert!(!setbacks.failed("a", "full".to_owned(), PAUSE, now));
        assert!(setbacks.failed("a", "damaged".to_owned(), PAUSE, now));
        assert_eq!(setbacks.count(), 1);
        assert!(setbacks.clear(&"a") && !setbacks.clear(&"a"));
        assert_eq!(setbacks.count(), 0);
        assert!(setbacks.failed("a", "full".to_owned(), PAUSE, now));
        assert!(!setbacks.rests(&"a", now.after(PAUSE.first)));
    }
}
