//! Pure: incremental fetch sessions (KIP-227): a consumer names its partitions once, and from
//! then on only what changed goes over the wire.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use indexmap::IndexMap;
use indexmap::map::Entry;

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
    /// Partitions that move to the end once the answer is complete.
    to_move: Vec<Key>,
    /// Memory that it takes.
    bytes: usize,
}

/// Memory that an empty session takes.
const SESSION_BYTES: usize = 256;
/// Memory that a partition of a session takes, with what its map keeps free to grow.
const PARTITION_BYTES: usize = 160;
/// Up to so many partitions that leave a session are taken out of its order one by one.
const FORGOTTEN_ONE_BY_ONE: usize = 8;
/// A partition that delivers records is moved to the end at once over so many others.
const MOVED_ONE_BY_ONE: usize = 1_000;
/// A map that has room for so many more partitions than it holds gives it back.
const SPARE_PARTITIONS: usize = 64;

/// The memory that the sessions of one shard may take together.
pub trait Memory {
    /// Counts `bytes` as what all sessions take, instead of what was counted before; `false`, and
    /// nothing changes, where that is more than there is.
    fn count(&mut self, bytes: usize) -> bool;
}

/// All sessions of one shard.
pub struct FetchSessions {
    slots_max: usize,
    evict_after_ms: i64,
    sessions: HashMap<i32, Session>,
    next_id: i32,
    memory: Box<dyn Memory>,
    /// What is counted in `memory`.
    bytes: usize,
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
    pub fn new(
        slots_max: usize,
        evict_after_ms: i64,
        seed: u32,
        memory: Box<dyn Memory>,
    ) -> FetchSessions {
        let next_id = (seed & 0x3fff_ffff) as i32 | 1;
        FetchSessions {
            slots_max,
            evict_after_ms,
            sessions: HashMap::new(),
            next_id,
            memory,
            bytes: 0,
        }
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    /// Finds out how the request with this session id and epoch is to be served, and brings
    /// its session up to date with what it adds, changes and forgets. A session that grows beyond
    /// the memory there is, is dropped: its client asks for a new one with all its partitions.
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
            self.remove(id);
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
        let before = session.bytes;
        for (key, wanted) in wanted {
            session.want(key, wanted);
        }
        session.forget(forgotten.collect());
        session.epoch = next_epoch(epoch);
        session.used = now;
        let (after, is_empty) = (session.bytes, session.partitions.is_empty());
        if is_empty {
            self.bytes = self.bytes - before + after;
            self.remove(id);
            return Opened::Sessionless;
        }
        if after != before && !self.resize(before, after, id, now) {
            self.bytes = self.bytes - before + after;
            self.remove(id);
            return Opened::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        Opened::Incremental(id)
    }

    /// Counts that session `id` takes `after` instead of `before` bytes, which may cost those that
    /// are silent for long theirs; `false`, with nothing counted, where there is no memory for it.
    fn resize(&mut self, before: usize, after: usize, id: i32, now: Instant) -> bool {
        while !self.memory.count(self.bytes - before + after) {
            if !self.evict_stale(id, now) {
                return false;
            }
        }
        self.bytes = self.bytes - before + after;
        true
    }

    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.bytes -= session.bytes;
            self.memory.count(self.bytes);
        }
    }

    /// Adds partitions to a session that was just made, where a fetch names so many that they are
    /// added step by step; `false`, without a session, where there is no memory for them.
    pub fn add(
        &mut self,
        id: i32,
        wanted: impl Iterator<Item = (Key, Wanted)>,
        now: Instant,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let before = session.bytes;
        for (key, want) in wanted {
            session.want(key, want);
        }
        let after = session.bytes;
        if !self.resize(before, after, id, now) {
            self.bytes = self.bytes - before + after;
            self.remove(id);
            return false;
        }
        true
    }

    /// Makes a session of what a full fetch named; [`NO_SESSION`] when there is no place or no
    /// memory for it, as when Kafka's cache is full.
    pub fn create(
        &mut self,
        by_topic_id: bool,
        wanted: impl Iterator<Item = (Key, Wanted)>,
        now: Instant,
    ) -> i32 {
        if self.sessions.len() >= self.slots_max && !self.evict_stale(NO_SESSION, now) {
            return NO_SESSION;
        }
        let mut session = Session {
            epoch: next_epoch(FIRST_EPOCH),
            by_topic_id,
            used: now,
            partitions: IndexMap::new(),
            to_move: Vec::new(),
            bytes: SESSION_BYTES,
        };
        let mut counted = 0;
        for (key, want) in wanted {
            session.want(key, want);
            // What there is no memory for is not built first.
            if session.bytes > counted {
                let ahead = session.bytes + session.bytes / 4;
                if !self.resize(counted, ahead, NO_SESSION, now) {
                    self.resize(counted, 0, NO_SESSION, now);
                    return NO_SESSION;
                }
                counted = ahead;
            }
        }
        session.partitions.shrink_to_fit();
        self.resize(counted, session.bytes, NO_SESSION, now);
        let id = self.free_id();
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
            session.move_to_end(index);
        }
        is_news
    }

    /// Ends what [`Self::tell`] began: all partitions of one answer have been told.
    pub fn told(&mut self, id: i32) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.move_rest();
        }
    }

    /// Makes the session go that is unused for longest, if that is long enough and it is not
    /// `but` (`FetchSessionCacheShard.tryEvict` of Kafka).
    fn evict_stale(&mut self, but: i32, now: Instant) -> bool {
        let others = self.sessions.iter().filter(|(id, _)| **id != but);
        let oldest = others.min_by_key(|(_, session)| session.used);
        match oldest.map(|(id, session)| (*id, session.used)) {
            Some((id, used)) if used.after_ms(self.evict_after_ms) < now => {
                self.remove(id);
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

// === impl Session ===

impl Session {
    fn want(&mut self, key: Key, wanted: Wanted) {
        let bytes = bytes_of(&key);
        match self.partitions.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().0 = wanted,
            Entry::Vacant(new) => {
                new.insert((wanted, None));
                self.bytes += bytes;
            }
        }
    }

    fn forget(&mut self, keys: HashSet<Key>) {
        if keys.len() <= FORGOTTEN_ONE_BY_ONE {
            for key in &keys {
                if self.partitions.shift_remove(key).is_some() {
                    self.bytes -= bytes_of(key);
                }
            }
        } else {
            // Each of them moves all behind it: all at once they move everything once.
            let bytes = &mut self.bytes;
            self.partitions.retain(|key, _| {
                let is_forgotten = keys.contains(key);
                *bytes -= if is_forgotten { bytes_of(key) } else { 0 };
                !is_forgotten
            });
        }
        if self.partitions.capacity() > 2 * self.partitions.len() + SPARE_PARTITIONS {
            self.partitions.shrink_to_fit();
        }
    }

    /// Moves a partition that delivers records to the end, now or with all others like it.
    fn move_to_end(&mut self, index: usize) {
        let last = self.partitions.len() - 1;
        if last - index <= MOVED_ONE_BY_ONE {
            self.partitions.move_index(index, last);
        } else if let Some((key, _)) = self.partitions.get_index(index) {
            self.to_move.push(key.clone());
        }
    }

    fn move_rest(&mut self) {
        if self.to_move.is_empty() {
            return;
        }
        let keys: HashSet<Key> = self.to_move.drain(..).collect();
        let all = std::mem::take(&mut self.partitions).into_iter();
        let (moved, staying): (Vec<_>, Vec<_>) = all.partition(|(key, _)| keys.contains(key));
        self.partitions = staying.into_iter().chain(moved).collect();
    }
}

/// Memory that a partition takes in a session. Partitions of one topic share its name, which is
/// counted for each: names are short, but for those that only a hostile client sends.
fn bytes_of(key: &Key) -> usize {
    PARTITION_BYTES + key.topic.len()
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

#[cfg(test)]
mod tests;
