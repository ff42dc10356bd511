//! Drives: Fetch, versions 4 to 18 (KIP-74, KIP-227, KIP-320, KIP-516, KIP-951).
//!
//! What consumers poll with. Records at the end of a log come from memory without a copy; older
//! ones from disk. A fetch that finds too little parks on its partitions and is woken by the
//! ack that brings more. A reader of committed records is told which transactions were aborted.
//! Followers get what is appended, before it is stored (KIP-903); each fetch says how far one is.

mod asking;
mod encode;
mod many;
mod part;
mod scratch;
mod send;
mod serve;
mod session;
mod throttle;
mod write;

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::{Either, select};
use indexmap::IndexMap;

use crate::base::{ErrorCode, Instant, limits};
use crate::io::turn;
use crate::partition::read::Reader;
use crate::partition::{Isolation, Partition};
use crate::server::api::Context;
use crate::server::api::authorizer::Operation::{ClusterAction, Read};
use crate::server::api::authorizer::Resource::{Cluster, Topic};
use crate::server::api::row::{Row, Run};
use crate::server::state::fetch_sessions::{Key, NO_SESSION, Opened, Wanted};
use crate::server::state::probe::Probe;
use crate::shard::partitions::LookupError;
use crate::wire::cursor::Short;
use crate::wire::fetch::{self, Head, Item, TOPIC_ID_FROM};
use asking::{follower, near};
use part::{Asker, Found, NONE, Part, read};
use scratch::Scratch;
use send::Answer;
pub use serve::Fetch;
use throttle::Throttling;

/// The table's row.
pub const ROW: Row = Row {
    key: 1,
    name: "Fetch",
    versions: (4, 18),
    advertised_min: 4,
    memory_estimate: |frame_bytes| frame_bytes.saturating_mul(4),
    is_forwarded: false,
    asks: &[(ClusterAction, Cluster), (Read, Topic)],
    run: Run::Fetch,
};

/// Partitions that are looked after before there is a look at how long that takes.
const AT_ONCE: usize = 32;
/// What a partition takes while a fetch is answered, in bytes.
const PART_BYTES: usize = 400;

/// First version whose consumers say their rack, and may read from any replica (KIP-392).
const RACK_FROM: i16 = 11;

/// First version that names the leader to clients that ask the wrong node (KIP-951).
const LEADER_FROM: i16 = 16;

// === impl Scratch ===

impl Scratch {
    /// Answers one fetch: the frame without its records is appended to `out`. [`Short`] also where
    /// there is no memory for a very long list of partitions, which the context then knows.
    async fn answer(
        mut self,
        cx: &Rc<Context>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Answer, Short> {
        match self.find(cx, body).await {
            Ok((error, session)) => Ok(self.encode(cx, error, session, out).await),
            Err(Short) => {
                self.empty().await;
                Err(Short)
            }
        }
    }

    /// Finds what a request asks for; the error of the whole answer, and the number of the session.
    async fn find(&mut self, cx: &Rc<Context>, body: &[u8]) -> Result<(ErrorCode, i32), Short> {
        let head = self.read_request(cx, body).await?;
        let count = self.wanted.len();
        if count > AT_ONCE && !cx.claim(count * PART_BYTES).await {
            return Err(Short);
        }
        self.drop_repeated().await;
        let by_id = cx.version >= TOPIC_ID_FROM;
        let Some(isolation) = Isolation::from_wire(head.isolation_level) else {
            let error = ErrorCode::UNKNOWN_SERVER_ERROR;
            if !by_id {
                self.refuse_all(error).await;
            }
            return Ok((error, NO_SESSION));
        };
        let forgotten = self.forgets.then_some(body);
        let opened = self.open_session(cx, &head, forgotten).await?;
        if let Opened::Refused(error) = opened {
            return Ok((error, NO_SESSION));
        }
        if let Opened::Incremental(id) = opened {
            self.take_session(cx, id).await;
        }
        self.find_partitions(cx, head.replica_id < 0).await;
        self.collect(cx, &head, isolation).await;
        let session = self.note_sent(cx, &opened, by_id).await;
        Ok((ErrorCode::NONE, session))
    }

    async fn read_request(&mut self, cx: &Context, body: &[u8]) -> Result<Head, Short> {
        let version = cx.version;
        let nameless = &self.nameless;
        let mut topic = Key::nameless(nameless);
        let mut parts = fetch::Parts::new(body, version)?;
        if body.len() > limits::LARGE_REQUEST_BYTES {
            // A list that grows later is copied in one go.
            self.wanted.reserve(body.len() / fetch::PARTITION_BYTES_MIN);
        }
        let mut read = 0;
        while let Some(item) = parts.next()? {
            read += 1;
            pace_at(read).await;
            match item {
                Item::Topic { name, id } => topic.move_to(name, id, nameless),
                Item::Partition {
                    index,
                    leader_epoch,
                    offset,
                    last_fetched_epoch,
                    start_offset,
                    max_bytes,
                } => {
                    let wanted = Wanted {
                        offset,
                        max_bytes,
                        // Anything below 0 stands for none, other than in ListOffsets.
                        leader_epoch: leader_epoch.max(-1),
                        last_fetched_epoch: last_fetched_epoch.max(-1),
                        start_offset,
                    };
                    let key = Key {
                        index,
                        ..topic.clone()
                    };
                    self.wanted.push((key, wanted));
                }
                Item::Forgotten { .. } => self.forgets = true,
            }
        }
        self.near = near(cx, parts.rack());
        Ok(parts.head())
    }

    /// Of a partition that comes more than once the last mention counts, where the first stood:
    /// Kafka holds a request in a map.
    async fn drop_repeated(&mut self) {
        if self.wanted.len() < 2 {
            return;
        }
        let Scratch { wanted, order, .. } = self;
        if wanted.len() > AT_ONCE {
            return many::drop_repeated(wanted).await;
        }
        order.clear();
        order.extend(0..wanted.len() as u32);
        let key = |at: u32| {
            let key = &wanted[at as usize].0;
            (key.topic_id, &*key.topic, key.index)
        };
        order.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)).then(a.cmp(b)));
        if order.windows(2).all(|pair| key(pair[0]) != key(pair[1])) {
            return;
        }
        let once: IndexMap<Key, Wanted> = wanted.drain(..).collect();
        wanted.extend(once);
    }

    /// Answers the same error for every partition.
    async fn refuse_all(&mut self, error: ErrorCode) {
        for (key, wanted) in self.wanted.drain(..) {
            self.parts.push(Part {
                key,
                wanted,
                partition: None,
                follows: false,
                found: Found::error(error, NONE),
            });
            pace_at(self.parts.len()).await;
        }
    }

    /// Looks every wanted partition up.
    async fn find_partitions(&mut self, cx: &Context, is_consumer: bool) {
        let partitions = &cx.shard.partitions;
        let by_id = cx.version >= TOPIC_ID_FROM;
        let any_replica = is_consumer && cx.version >= RACK_FROM;
        self.parts.reserve(self.wanted.len());
        for (key, wanted) in self.wanted.drain(..) {
            let topic = match by_id {
                true => partitions
                    .topic_by_id(key.topic_id)
                    .ok_or(LookupError::UnknownTopicId),
                false => partitions
                    .topic(&key.topic)
                    .ok_or(LookupError::UnknownTopicOrPartition),
            };
            let looked_up = topic.and_then(|topic| match any_replica {
                true => topic.replica(key.index),
                false => topic.partition(key.index),
            });
            let (partition, found) = match looked_up {
                Ok(partition) => (Some(partition), Found::error(ErrorCode::NONE, NONE)),
                Err(error) => (None, Found::lookup(error, cx.version)),
            };
            self.parts.push(Part {
                key,
                wanted,
                partition,
                follows: false,
                found,
            });
            pace_at(self.parts.len()).await;
        }
    }

    /// Reads until there is enough, something is wrong, or time is up.
    async fn collect(&mut self, cx: &Context, head: &Head, isolation: Isolation) {
        let config_max = cx.shard.config().fetch.response_bytes_max as i64;
        let limit = config_max.min(i64::from(head.max_bytes));
        self.is_follower = head.replica_id >= 0;
        let asker = Asker {
            node: cx.shard.node,
            reader: match self.is_follower {
                true => follower(cx, head),
                false => Reader::Consumer(isolation),
            },
        };
        let throttling = Throttling::of(cx, asker);
        self.send_elsewhere(isolation).await;
        let wait = Duration::from_millis(head.max_wait_ms.max(0) as u64);
        let mut time_up = wait.is_zero();
        let mut timer = None;
        loop {
            let held = throttling.filter(|it| it.free_at(cx).is_some());
            let all = self.read_all(asker, held, limit, cx.version).await;
            let enough = all.bytes as i64 >= i64::from(head.min_bytes);
            if enough || all.is_final || all.is_void || time_up {
                if let Some(throttling) = throttling {
                    throttling.spend(cx, &self.parts);
                }
                return;
            }
            let timer = timer.get_or_insert_with(|| Box::pin(cx.shard.runtime().sleep(wait)));
            let free_at = held.and_then(|it| it.free_at(cx));
            let more = pin!(self.wait_for_more(cx, free_at));
            time_up = matches!(select(timer, more).await, Either::Left(_));
        }
    }

    /// Reads every partition once; of those that are `held` no records.
    async fn read_all(
        &mut self,
        asker: Asker,
        held: Option<Throttling>,
        limit: i64,
        version: i16,
    ) -> All {
        self.slices.clear();
        self.aborted.clear();
        let mut left = limit;
        let mut all = All {
            bytes: 0,
            is_final: false,
            is_void: true,
        };
        for (at, part) in self.parts.iter_mut().enumerate() {
            pace_at(at + 1).await;
            let Some(partition) = &part.partition else {
                all.is_final |= part.found.is_final;
                continue;
            };
            all.is_void = false;
            let is_held = held.is_some_and(|held| held.has(partition));
            let max_bytes = match is_held {
                true => 0,
                false => left.min(i64::from(part.wanted.max_bytes)),
            };
            let at_least_one = all.bytes == 0 && !is_held;
            let (slices, aborted) = (&mut self.slices, &mut self.aborted);
            part.follows = self.is_follower;
            let found = read(
                partition,
                &part.wanted,
                asker,
                max_bytes,
                at_least_one,
                slices,
                aborted,
            );
            part.found = found.await;
            if version < LEADER_FROM {
                part.found.leader = None;
            }
            all.is_final |= part.found.is_final;
            all.bytes += part.found.bytes;
            left = (left - part.found.bytes as i64).max(0);
        }
        all
    }

    /// Waits until one of the partitions moves, or those that are held are `free`.
    async fn wait_for_more(&self, cx: &Context, free: Option<Instant>) {
        let mut parked = Parked {
            parts: &self.parts,
            probe: &cx.server.probe,
            waker: None,
        };
        let moves = poll_fn(|cx| {
            if parked.waker.is_some() {
                // Whether it was one of the partitions that woke us shows by reading again.
                return Poll::Ready(());
            }
            // One may have moved while another was read from disk.
            if self.parts.iter().any(Part::has_moved) {
                return Poll::Ready(());
            }
            parked.park(cx.waker());
            Poll::Pending
        });
        let runtime = cx.shard.runtime();
        match free {
            Some(free) => drop(runtime.within(free.since(runtime.now()), moves).await),
            None => moves.await,
        }
    }
}

/// Lets others run behind every so many partitions, of which `done` are dealt with.
async fn pace_at(done: usize) {
    if done.is_multiple_of(AT_ONCE) {
        turn::pace().await;
    }
}

/// What a look at all partitions has found.
struct All {
    /// Bytes of records.
    bytes: usize,
    /// Waiting longer cannot change what was found of some partition.
    is_final: bool,
    /// None of the partitions is here.
    is_void: bool,
}

/// A reader parked on its partitions; takes its waker back when the wait ends, however it ends.
struct Parked<'a> {
    parts: &'a [Part],
    probe: &'a Probe,
    waker: Option<Waker>,
}

impl Parked<'_> {
    fn partitions(&self) -> impl Iterator<Item = &Rc<Partition>> {
        self.parts.iter().filter_map(|part| part.partition.as_ref())
    }

    fn park(&mut self, waker: &Waker) {
        for part in self.parts {
            match &part.partition {
                Some(partition) if part.follows => partition.park_follower(waker),
                Some(partition) => partition.park_reader(waker),
                None => {}
            }
        }
        self.probe.parked_fetches.rise();
        self.waker = Some(waker.clone());
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if let Some(waker) = &self.waker {
            self.probe.parked_fetches.fall();
            self.partitions()
                .for_each(|partition| partition.leave_reader(waker));
        }
    }
}
