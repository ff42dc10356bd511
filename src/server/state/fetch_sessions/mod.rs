//! Pure: incremental fetch sessions (KIP-227): a consumer names its partitions once, and from
//! then on only what changed goes over the wire.
//!
//! A session may have very many partitions. What is done to many of them is done in steps, by
//! one call for some of them after the other.

mod key;
mod partitions;

use std::collections::HashMap;

pub use key::{Key, Wanted};
use partitions::{Partitions, Sent};

use crate::base::{ErrorCode, Instant, Offset};

/// "No session": asked for by clients that want none, answered when none was made.
pub const NO_SESSION: i32 = 0;
/// The epoch of a request that opens a session.
pub const FIRST_EPOCH: i32 = 0;
/// The epoch of a request that ends its session, or wants none.
pub const FINAL_EPOCH: i32 = -1;

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

/// A session: its partitions, in the order in which they are served. However many there are, no
/// call takes long: they lie in blocks, and a tree finds them.
#[derive(Debug)]
struct Session {
    /// The epoch the client's next request must carry.
    epoch: i32,
    by_topic_id: bool,
    used: Instant,
    partitions: Partitions,
    /// Memory that it takes.
    bytes: usize,
}

/// Memory that an empty session takes.
const SESSION_BYTES: usize = 256;
/// Memory that a partition of a session takes, with what blocks and tree keep free to grow.
const PARTITION_BYTES: usize = 176;

/// A session that ends drops so many partitions at once; the rest is for
/// [`FetchSessions::drop_some`].
const DROPPED_AT_ONCE: usize = 1_000;

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
    /// Partitions of sessions that have ended, which are still to be dropped.
    ended: Vec<Partitions>,
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
    /// As the first request of a session, made if there is a slot free.
    Full,
    /// Within this session; only news is answered.
    Incremental(i32),
    /// Not at all.
    Refused(ErrorCode),
}

impl FetchSessions {
    /// Space for `slots_max` sessions (`max.incremental.fetch.session.cache.slots`), of which
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
            ended: Vec::new(),
            next_id,
            memory,
            bytes: 0,
        }
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    /// Finds out how the request with this session id and epoch is to be served. What it adds,
    /// changes and forgets in its session is noted by [`Self::add`] and [`Self::forget`], what
    /// comes of that by [`Self::opened`].
    pub fn open(&mut self, id: i32, epoch: i32, by_topic_id: bool, now: Instant) -> Opened {
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
        session.epoch = next_epoch(epoch);
        session.used = now;
        Opened::Incremental(id)
    }

    /// How a request is served whose session is brought up to date: one that has no partitions
    /// left ends.
    pub fn opened(&mut self, id: i32) -> Opened {
        match self.partition_count(id) {
            0 => {
                self.remove(id);
                Opened::Sessionless
            }
            _ => Opened::Incremental(id),
        }
    }

    /// Takes a partition out of a session.
    pub fn forget(&mut self, id: i32, key: &Key) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.partitions.remove(key)
        {
            let bytes = bytes_of(key);
            session.bytes -= bytes;
            self.bytes -= bytes;
            self.memory.count(self.bytes);
        }
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
            self.end(session.partitions);
        }
    }

    fn end(&mut self, mut partitions: Partitions) {
        if partitions.drop_some(DROPPED_AT_ONCE) {
            self.ended.push(partitions);
        }
    }

    /// Drops about `most` partitions of sessions that have ended; whether there are more.
    pub fn drop_some(&mut self, most: usize) -> bool {
        if let Some(last) = self.ended.last_mut()
            && !last.drop_some(most)
        {
            self.ended.pop();
        }
        !self.ended.is_empty()
    }

    /// Adds partitions to a session, or changes what is wanted of them; `false`, without a session,
    /// where there is no memory for them.
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
        if after != before && !self.resize(before, after, id, now) {
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
            partitions: Partitions::default(),
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
                    self.end(session.partitions);
                    return NO_SESSION;
                }
                counted = ahead;
            }
        }
        self.resize(counted, session.bytes, NO_SESSION, now);
        let id = self.free_id();
        self.sessions.insert(id, session);
        id
    }

    /// How many partitions a session has.
    pub fn partition_count(&self, id: i32) -> usize {
        let session = self.sessions.get(&id);
        session.map_or(0, |session| session.partitions.len())
    }

    /// Where the first partition of a session lies, for [`Self::copy`].
    pub fn first(&self, id: i32) -> Option<u32> {
        self.sessions.get(&id)?.partitions.first()
    }

    /// Appends the partitions of a session from the one at `from` on to `to`, in serving order and
    /// at most `most` of them. Where the next one lies, if there are more; the session is not to
    /// change in between, or some may be missing.
    pub fn copy(
        &self,
        id: i32,
        from: u32,
        most: usize,
        to: &mut Vec<(Key, Wanted)>,
    ) -> Option<u32> {
        self.sessions.get(&id)?.partitions.copy(from, most, to)
    }

    /// Notes what is about to be sent of a partition, and says whether it is news to the
    /// session's client. Partitions that deliver records move to the end of the order, so that
    /// none starves behind a busy one.
    pub fn note_sent(&mut self, id: i32, key: &Key, news: News) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return true;
        };
        let Some(place) = session.partitions.find(key) else {
            return true;
        };
        let last = session.partitions.last_sent(place);
        let now = Sent {
            high_watermark: news.high_watermark,
            start_offset: news.start_offset,
        };
        let is_news = news.has_records || news.error.is_error() || *last != Some(now);
        // After an error the next good answer is news whatever it says.
        *last = (!news.error.is_error()).then_some(now);
        if news.has_records {
            session.partitions.move_to_end(place);
        }
        is_news
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
        if self.partitions.set(key, wanted) {
            self.bytes += bytes;
        }
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
