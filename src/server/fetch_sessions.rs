//! Pure: incremental fetch sessions (KIP-227): a consumer names its partitions once, and from
//! then on only what changed goes over the wire.

use std::collections::HashMap;
use std::rc::Rc;

use indexmap::IndexMap;

use crate::base::{ErrorCode, Instant, LeaderEpoch, Offset, PartitionIndex, TopicId};

/// "No session": asked for by clients that want none, answered when none was made.
pub const NO_SESSION: i32 = 0;
/// The epoch of a request that opens a session.
pub const FIRST_EPOCH: i32 = 0;
/// The epoch of a request that ends its session, or wants none.
pub const FINAL_EPOCH: i32 = -1;

/// A partition as a fetch names it: by topic name before version 13, by topic id since.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The topic's name; empty where the id counts.
    pub topic: Rc<str>,
    /// The topic's id; zero where the name counts.
    pub topic_id: TopicId,
    /// The partition.
    pub index: PartitionIndex,
}

/// What a client wants of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The first offset it lacks.
    pub offset: Offset,
    /// At most so many bytes of this partition.
    pub max_bytes: i32,
    /// The term the client believes in; -1 for any.
    pub leader_epoch: LeaderEpoch,
    /// The term of the last batch it has; -1 for none.
    pub last_fetched_epoch: LeaderEpoch,
}

/// What the client was last told of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    high_watermark: Offset,
    start_offset: Offset,
}

/// What there is to tell now.
#[derive(Clone, Copy, Debug)]
pub struct News {
    /// Whether records go with it.
    pub has_records: bool,
    /// The partition's error, or none.
    pub error: ErrorCode,
    /// Everything below is acked.
    pub high_watermark: Offset,
    /// The first readable offset.
    pub start_offset: Offset,
}

/// A session's partitions, in the order in which they are served.
#[derive(Debug, Default)]
pub struct Session {
    /// The epoch the client's next request must carry.
    epoch: i32,
    by_topic_id: bool,
    used: Instant,
    partitions: IndexMap<Key, (Wanted, Option<Told>)>,
}

/// All sessions of one shard.
pub struct FetchSessions {
    slots_max: usize,
    evict_after_ms: i64,
    sessions: HashMap<i32, Session>,
    next_id: i32,
}

/// How a fetch is to be served.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// On its own: what the request names, all of it answered.
    Sessionless,
    /// As the first request of a session, made if there is room.
    Full,
    /// Within this session; only news is answered.
    Incremental(i32),
    /// Not at all.
    Refused(ErrorCode),
}

impl FetchSessions {
    /// Room for `slots_max` sessions (`max.incremental.fetch.session.cache.slots`), of which
    /// the longest unused may be evicted after `evict_after_ms`. `seed` starts the session ids.
    pub fn new(slots_max: usize, evict_after_ms: i64, seed: u32) -> FetchSessions {
        let next_id = (seed & 0x3fff_ffff) as i32 | 1;
        FetchSessions {
            slots_max,
            evict_after_ms,
            sessions: HashMap::new(),
            next_id,
        }
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    /// Finds out how the request with this session id and epoch is to be served, and brings
    /// its session up to date with what it adds, changes and forgets.
    #[allow(clippy::too_many_arguments)] // One per field of the request.
    pub fn open(
        &mut self,
        id: i32,
        epoch: i32,
        by_topic_id: bool,
        wanted: impl Iterator<Item = (Key, Wanted)>,
        forgotten: impl Iterator<Item = Key>,
        now: Instant,
    ) -> Opened {
        if epoch == FIRST_EPOCH || epoch == FINAL_EPOCH {
            self.sessions.remove(&id);
            return if epoch == FINAL_EPOCH {
                Opened::Sessionless
            } else {
                Opened::Full
            };
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return Opened::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        };
        if session.epoch != epoch {
            return Opened::Refused(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.by_topic_id != by_topic_id {
            return Opened::Refused(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        for (key, wanted) in wanted {
            session.partitions.entry(key).or_insert((wanted, None)).0 = wanted;
        }
        for key in forgotten {
            session.partitions.shift_remove(&key);
        }
        session.epoch = next_epoch(epoch);
        session.used = now;
        if session.partitions.is_empty() {
            self.sessions.remove(&id);
            return Opened::Sessionless;
        }
        Opened::Incremental(id)
    }

    /// Makes a session of what a full fetch named; [`NO_SESSION`] when there is no room.
    pub fn create(
        &mut self,
        by_topic_id: bool,
        wanted: impl Iterator<Item = (Key, Wanted)>,
        now: Instant,
    ) -> i32 {
        let partitions: IndexMap<_, _> = wanted.map(|(key, want)| (key, (want, None))).collect();
        if !self.make_room(now) {
            return NO_SESSION;
        }
        let id = self.free_id();
        let session = Session {
            epoch: next_epoch(FIRST_EPOCH),
            by_topic_id,
            used: now,
            partitions,
        };
        self.sessions.insert(id, session);
        id
    }

    /// The partitions of a session, in serving order.
    pub fn partitions(&self, id: i32) -> impl Iterator<Item = (&Key, &Wanted)> {
        let session = self.sessions.get(&id);
        session
            .into_iter()
            .flat_map(|s| s.partitions.iter().map(|(key, (want, _))| (key, want)))
    }

    /// Notes what is about to be told of a partition, and says whether it is news to the
    /// session's client. Partitions that deliver records move to the end of the order, so that
    /// none starves behind a busy one.
    pub fn tell(&mut self, id: i32, key: &Key, news: News) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return true;
        };
        let Some(index) = session.partitions.get_index_of(key) else {
            return true;
        };
        let told = &mut session.partitions[index].1;
        let now = Told {
            high_watermark: news.high_watermark,
            start_offset: news.start_offset,
        };
        let is_news = news.has_records || news.error.is_error() || *told != Some(now);
        // After an error the next good answer is news whatever it says.
        *told = (!news.error.is_error()).then_some(now);
        if news.has_records {
            let last = session.partitions.len() - 1;
            session.partitions.move_index(index, last);
        }
        is_news
    }

    fn make_room(&mut self, now: Instant) -> bool {
        if self.sessions.len() < self.slots_max {
            return true;
        }
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used);
        match oldest.map(|(id, session)| (*id, session.used)) {
            Some((id, used)) if used.after_ms(self.evict_after_ms) < now => {
                self.sessions.remove(&id);
                true
            }
            _ => false,
        }
    }

    fn free_id(&mut self) -> i32 {
        loop {
            let id = self.next_id;
            self.next_id = if id == i32::MAX { 1 } else { id + 1 };
            if !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant(0);

    fn key(topic: &str, index: i32) -> Key {
        Key {
            topic: topic.into(),
            topic_id: TopicId::ZERO,
            index,
        }
    }

    fn want(offset: Offset) -> Wanted {
        Wanted {
            offset,
            max_bytes: 1_024,
            leader_epoch: -1,
            last_fetched_epoch: -1,
        }
    }

    fn news(has_records: bool, high_watermark: Offset) -> News {
        News {
            has_records,
            error: ErrorCode::NONE,
            high_watermark,
            start_offset: 0,
        }
    }

    fn open(
        sessions: &mut FetchSessions,
        id: i32,
        epoch: i32,
        add: &[(Key, Wanted)],
        drop: &[Key],
    ) -> Opened {
        sessions.open(
            id,
            epoch,
            false,
            add.iter().cloned(),
            drop.iter().cloned(),
            T0,
        )
    }

    #[test]
    fn a_session_remembers_its_partitions_and_tells_only_news() {
        let mut sessions = FetchSessions::new(10, 1_000, 7);
        assert_eq!(open(&mut sessions, 0, 0, &[], &[]), Opened::Full);
        let wanted = [(key("a", 0), want(0)), (key("b", 0), want(5))];
        let id = sessions.create(false, wanted.iter().cloned(), T0);
        assert!(
            sessions.tell(id, &key("a", 0), news(false, 3)),
            "first word on a"
        );
        assert_eq!(
            open(&mut sessions, id, 1, &[], &[]),
            Opened::Incremental(id)
        );
        assert!(
            !sessions.tell(id, &key("a", 0), news(false, 3)),
            "nothing new"
        );
        assert!(
            sessions.tell(id, &key("a", 0), news(false, 4)),
            "the watermark moved"
        );
        assert!(sessions.tell(id, &key("a", 0), news(true, 4)), "records");
        let order: Vec<_> = sessions
            .partitions(id)
            .map(|(key, _)| key.topic.to_string())
            .collect();
        assert_eq!(order, ["b", "a"], "a has had its turn");
        assert_eq!(
            open(&mut sessions, id, 2, &[], &[key("b", 0)]),
            Opened::Incremental(id)
        );
        assert_eq!(sessions.partitions(id).count(), 1);
        assert_eq!(
            open(&mut sessions, id, 3, &[], &[key("a", 0)]),
            Opened::Sessionless
        );
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn wrong_ids_epochs_and_naming_are_refused_with_kafkas_codes() {
        let mut sessions = FetchSessions::new(10, 1_000, 7);
        let id = sessions.create(false, [(key("a", 0), want(0))].into_iter(), T0);
        let refused = |code| Opened::Refused(code);
        let unknown = refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(open(&mut sessions, id + 1, 1, &[], &[]), unknown);
        let stale = refused(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        assert_eq!(open(&mut sessions, id, 2, &[], &[]), stale);
        let mixed = sessions.open(id, 1, true, std::iter::empty(), std::iter::empty(), T0);
        assert_eq!(mixed, refused(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
        assert_eq!(
            open(&mut sessions, id, FINAL_EPOCH, &[], &[]),
            Opened::Sessionless
        );
        assert_eq!(open(&mut sessions, id, 1, &[], &[]), unknown);
    }

    #[test]
    fn an_error_makes_the_next_good_answer_news() {
        let mut sessions = FetchSessions::new(10, 1_000, 7);
        let id = sessions.create(false, [(key("a", 0), want(0))].into_iter(), T0);
        assert!(sessions.tell(id, &key("a", 0), news(false, 3)));
        let failed = News {
            error: ErrorCode::KAFKA_STORAGE_ERROR,
            ..news(false, -1)
        };
        assert!(sessions.tell(id, &key("a", 0), failed));
        assert!(sessions.tell(id, &key("a", 0), news(false, 3)));
    }

    #[test]
    fn a_full_house_evicts_only_who_has_been_silent_long_enough() {
        let mut sessions = FetchSessions::new(1, 1_000, 7);
        let one = || [(key("a", 0), want(0))].into_iter();
        let first = sessions.create(false, one(), T0);
        assert_ne!(first, NO_SESSION);
        assert_eq!(
            sessions.create(false, one(), T0.after_ms(1_000)),
            NO_SESSION
        );
        let second = sessions.create(false, one(), T0.after_ms(1_001));
        assert_ne!(second, NO_SESSION);
        assert_eq!(sessions.count(), 1);
    }
}
