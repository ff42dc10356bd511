//! Drives: Fetch, versions 4 to 18 (KIP-74, KIP-227, KIP-320, KIP-516, KIP-951).
//!
//! What consumers poll with. Records at the end of a log come from memory without a copy; older
//! ones from disk. A fetch that finds too little parks on its partitions and is woken by the
//! ack that brings more. Left out: followers (there is no replication yet), aborted transactions.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::{Either, select};

use super::super::{Context, Row, Run, errors};
use crate::base::{ErrorCode, LeaderEpoch, NodeId, Offset, TopicId};
use crate::io::buffer::Slice;
use crate::io::cores;
use crate::io::stream::Stream;
use crate::partition::Partition;
use crate::partition::fetch::ReadError;
use crate::server::ServerState;
use crate::server::fetch_sessions::{FetchSessions, Key, NO_SESSION, News, Opened, Wanted};
use crate::shard::partitions::LookupError;
use crate::wire::cursor::Short;
use crate::wire::fetch::{self, Aborted, Encoder, Head, Item, PartitionAnswer, TOPIC_ID_FROM};
use crate::wire::field::{CurrentLeader, NodeEndpoint};
use crate::wire::{frame, header};

/// The table's row.
pub const ROW: Row = Row {
    key: 1,
    name: "Fetch",
    versions: (4, 18),
    advertised_min: 4,
    memory_estimate: |frame_bytes| frame_bytes.saturating_mul(4),
    run: Run::Fetch,
};

/// Slices sent with one list on the stack; longer answers allocate theirs.
const SHORT_LIST: usize = 32;

/// The work lists of a fetch, kept between fetches so that steady state allocates nothing.
#[derive(Default)]
pub struct Scratch {
    wanted: Vec<(Key, Wanted)>,
    forgotten: Vec<Key>,
    parts: Vec<Part>,
    slices: Vec<Slice>,
    /// Where in the output which slices go.
    splices: Vec<(usize, Range<usize>)>,
}

/// An answer whose records are yet to be spliced in.
pub struct Answer {
    scratch: Scratch,
    server: Rc<ServerState>,
}

/// One partition of the fetch and what was found of it.
struct Part {
    key: Key,
    wanted: Wanted,
    partition: Option<Rc<Partition>>,
    found: Found,
}

struct Found {
    error: ErrorCode,
    high_watermark: Offset,
    start_offset: Offset,
    diverging: Option<(LeaderEpoch, Offset)>,
    leader: Option<CurrentLeader>,
    slices: Range<usize>,
    bytes: usize,
}

/// Answers one fetch: the frame without its records is appended to `out`.
pub async fn answer(cx: &Rc<Context>, body: &[u8], out: &mut Vec<u8>) -> Result<Answer, Short> {
    let mut scratch = cx.server.spare_fetch();
    let head = scratch.read_request(body, cx.version)?;
    let by_id = cx.version >= TOPIC_ID_FROM;
    let opened = {
        let (wanted, forgotten) = (scratch.wanted.iter().cloned(), scratch.forgotten.drain(..));
        let (id, epoch) = (head.session_id, head.session_epoch);
        cx.server
            .sessions
            .borrow_mut()
            .open(id, epoch, by_id, wanted, forgotten, cx.now)
    };
    if let Opened::Refused(error) = opened {
        return Ok(scratch.encode(cx, &head, error, NO_SESSION, out));
    }
    if let Opened::Incremental(id) = opened {
        let sessions = cx.server.sessions.borrow();
        scratch.wanted.clear();
        let partitions = sessions.partitions(id);
        scratch
            .wanted
            .extend(partitions.map(|(key, wanted)| (key.clone(), *wanted)));
    }
    scratch.find_partitions(cx);
    scratch.collect(cx, &head).await;
    let mut sessions = cx.server.sessions.borrow_mut();
    let session = match opened {
        Opened::Full => {
            let wanted = scratch
                .parts
                .iter()
                .map(|part| (part.key.clone(), part.wanted));
            let id = sessions.create(by_id, wanted, cx.now);
            scratch.keep_news(&mut sessions, id, false);
            id
        }
        Opened::Incremental(id) => {
            scratch.keep_news(&mut sessions, id, true);
            id
        }
        _ => NO_SESSION,
    };
    drop(sessions);
    Ok(scratch.encode(cx, &head, ErrorCode::NONE, session, out))
}

// === impl Scratch ===

impl Scratch {
    /// Empties the lists, keeping their room.
    pub fn clear(&mut self) {
        self.wanted.clear();
        self.forgotten.clear();
        self.parts.clear();
        self.slices.clear();
        self.splices.clear();
    }

    fn read_request(&mut self, body: &[u8], version: i16) -> Result<Head, Short> {
        let mut topic: Key = Key {
            topic: "".into(),
            topic_id: TopicId::ZERO,
            index: 0,
        };
        fetch::walk(body, version, |item| match item {
            Item::Topic { name, id } => {
                topic = Key {
                    topic: name.into(),
                    topic_id: id,
                    index: 0,
                };
            }
            Item::Partition {
                index,
                leader_epoch,
                offset,
                last_fetched_epoch,
                max_bytes,
            } => {
                let wanted = Wanted {
                    offset,
                    max_bytes,
                    leader_epoch,
                    last_fetched_epoch,
                };
                self.wanted.push((
                    Key {
                        index,
                        ..topic.clone()
                    },
                    wanted,
                ));
            }
            Item::Forgotten { index } => self.forgotten.push(Key {
                index,
                ..topic.clone()
            }),
        })
    }

    /// Looks every wanted partition up.
    fn find_partitions(&mut self, cx: &Context) {
        let partitions = &cx.shard.partitions;
        let by_id = cx.version >= TOPIC_ID_FROM;
        for (key, wanted) in self.wanted.drain(..) {
            let looked_up = if by_id {
                partitions.lookup_id(key.topic_id, key.index)
            } else {
                partitions.lookup(&key.topic, key.index)
            };
            let (partition, found) = match looked_up {
                Ok(partition) => (Some(partition), Found::error(ErrorCode::NONE)),
                Err(error) => (None, Found::lookup(error)),
            };
            self.parts.push(Part {
                key,
                wanted,
                partition,
                found,
            });
        }
    }

    /// Reads until there is enough, something is wrong, or time is up.
    async fn collect(&mut self, cx: &Context, head: &Head) {
        let limit = cx
            .shard
            .config()
            .fetch
            .response_bytes_max
            .min(head.max_bytes.max(0) as usize);
        let wait = Duration::from_millis(head.max_wait_ms.max(0) as u64);
        let mut time_up = wait.is_zero();
        let mut timer = None;
        loop {
            let bytes = self.read_all(limit).await;
            let failed = self.parts.iter().any(|part| part.found.is_final());
            let enough = bytes as i64 >= i64::from(head.min_bytes);
            if enough || failed || time_up || self.parts.is_empty() {
                return;
            }
            let timer = timer.get_or_insert_with(|| Box::pin(cores::sleep(wait)));
            time_up = matches!(
                select(timer, pin!(self.wait_for_more())).await,
                Either::Left(_)
            );
        }
    }

    /// Reads every partition once; bytes found.
    async fn read_all(&mut self, limit: usize) -> usize {
        self.slices.clear();
        let mut total = 0;
        for part in &mut self.parts {
            let Some(partition) = &part.partition else {
                continue;
            };
            let left = limit - total.min(limit);
            let found = read(partition, &part.wanted, left, total == 0, &mut self.slices).await;
            total += found.bytes;
            part.found = found;
        }
        total
    }

    /// Waits until one of the partitions moves.
    async fn wait_for_more(&self) {
        let mut parked = Parked {
            parts: &self.parts,
            waker: None,
        };
        poll_fn(|cx| {
            if parked.waker.is_some() {
                // Whether it was one of the partitions that woke us shows by reading again.
                return Poll::Ready(());
            }
            parked.park(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Notes in the session what is told, and drops what is not news if `only_news`.
    fn keep_news(&mut self, sessions: &mut FetchSessions, session: i32, only_news: bool) {
        self.parts.retain(|part| {
            let news = News {
                has_records: part.found.bytes > 0,
                error: part.found.error,
                high_watermark: part.found.high_watermark,
                start_offset: part.found.start_offset,
            };
            sessions.tell(session, &part.key, news) || !only_news
        });
    }

    fn encode(
        mut self,
        cx: &Rc<Context>,
        head: &Head,
        error: ErrorCode,
        session: i32,
        out: &mut Vec<u8>,
    ) -> Answer {
        let open = frame::open(out);
        header::put_response_header(out, ROW.key, cx.version, cx.correlation_id);
        let topics = self.parts.chunk_by(Part::same_topic).count();
        let mut encoder = Encoder::new(out, cx.version, 0, error, session, topics);
        let mut records_bytes = 0;
        for topic in self.parts.chunk_by(Part::same_topic) {
            encoder.topic(&topic[0].key.topic, topic[0].key.topic_id, topic.len());
            for part in topic {
                let answer = part.answer(head.isolation_level);
                let at = encoder.partition(&answer);
                if part.found.bytes > 0 {
                    self.splices.push((at, part.found.slices.clone()));
                    records_bytes += part.found.bytes;
                }
                encoder.end_partition(&answer);
            }
            encoder.end_topic();
        }
        encoder.end(&self.endpoints(cx));
        frame::close(out, open, records_bytes);
        cx.server.probe.fetched_bytes.add(records_bytes as u64);
        Answer {
            scratch: self,
            server: cx.server.clone(),
        }
    }

    fn endpoints(&self, cx: &Context) -> Vec<NodeEndpoint> {
        let leaders = self.parts.iter().filter_map(|part| part.found.leader);
        cx.shard
            .endpoints_of(leaders.map(|leader| leader.leader_id))
    }
}

/// Reads one partition: from memory, else from disk.
async fn read(
    partition: &Rc<Partition>,
    wanted: &Wanted,
    left: usize,
    nothing_yet: bool,
    slices: &mut Vec<Slice>,
) -> Found {
    if let Err(error) = partition.check_leader_epoch(wanted.leader_epoch) {
        return Found::read_error(&error, partition);
    }
    if let Some(diverging) = diverging(partition, wanted) {
        return Found {
            diverging: Some(diverging),
            ..Found::good(partition, 0..0, 0)
        };
    }
    let from = slices.len();
    let max_bytes = left.min(wanted.max_bytes.max(0) as usize);
    let read = match partition.read_cached(wanted.offset, max_bytes, nothing_yet, slices) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            partition
                .read(wanted.offset, max_bytes, nothing_yet, slices)
                .await
        }
        Err(error) => Err(error),
    };
    match read {
        Ok(bytes) => Found::good(partition, from..slices.len(), bytes),
        Err(error) => {
            slices.truncate(from);
            Found::read_error(&error, partition)
        }
    }
}

/// Where the client's log parts from ours, if it does.
fn diverging(partition: &Partition, wanted: &Wanted) -> Option<(LeaderEpoch, Offset)> {
    if wanted.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end_offset) = partition.epoch_end(wanted.last_fetched_epoch);
    let parts = epoch < wanted.last_fetched_epoch || end_offset < wanted.offset;
    parts.then_some((epoch, end_offset))
}

/// A reader parked on its partitions; takes its waker back when the wait ends, however it ends.
struct Parked<'a> {
    parts: &'a [Part],
    waker: Option<Waker>,
}

impl Parked<'_> {
    fn partitions(&self) -> impl Iterator<Item = &Rc<Partition>> {
        self.parts.iter().filter_map(|part| part.partition.as_ref())
    }

    fn park(&mut self, waker: &Waker) {
        self.partitions()
            .for_each(|partition| partition.park_reader(waker));
        self.waker = Some(waker.clone());
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if let Some(waker) = &self.waker {
            self.partitions()
                .for_each(|partition| partition.leave_reader(waker));
        }
    }
}

// === impl Part ===

impl Part {
    fn same_topic(a: &Part, b: &Part) -> bool {
        a.key.topic_id == b.key.topic_id && a.key.topic == b.key.topic
    }

    fn answer(&self, isolation_level: i8) -> PartitionAnswer {
        let found = &self.found;
        let unasked = isolation_level == 0 && !found.error.is_error();
        PartitionAnswer {
            index: self.key.index,
            error: found.error,
            high_watermark: found.high_watermark,
            last_stable_offset: found.high_watermark,
            log_start_offset: found.start_offset,
            diverging: found.diverging,
            leader: found.leader,
            aborted: if unasked {
                Aborted::Unasked
            } else {
                Aborted::None
            },
            records_bytes: found.bytes,
        }
    }
}

// === impl Found ===

impl Found {
    fn error(error: ErrorCode) -> Found {
        Found {
            error,
            high_watermark: -1,
            start_offset: -1,
            diverging: None,
            leader: None,
            slices: 0..0,
            bytes: 0,
        }
    }

    fn lookup(error: LookupError) -> Found {
        let mut found = Found::error(errors::lookup(error));
        if let LookupError::NotLeader {
            leader: NodeId(leader_id),
            leader_epoch,
        } = error
        {
            found.leader = Some(CurrentLeader {
                leader_id,
                leader_epoch,
            });
        }
        found
    }

    fn read_error(error: &ReadError, partition: &Partition) -> Found {
        if let ReadError::Log(error) = error {
            partition.name().report("cannot read", error);
        }
        Found::error(errors::read(error))
    }

    fn good(partition: &Partition, slices: Range<usize>, bytes: usize) -> Found {
        Found {
            high_watermark: partition.high_watermark(),
            start_offset: partition.start_offset(),
            slices,
            bytes,
            ..Found::error(ErrorCode::NONE)
        }
    }

    /// Whether waiting longer cannot change it.
    fn is_final(&self) -> bool {
        self.error.is_error() || self.diverging.is_some()
    }
}

// === impl Answer ===

impl Answer {
    /// Sends the frame in `out` with its records in their places.
    pub async fn send(self, out: &[u8], stream: &Stream) -> io::Result<()> {
        let pieces = 1 + self.scratch.splices.len() + self.scratch.slices.len();
        let sent = if pieces <= SHORT_LIST {
            let mut list = [IoSlice::new(&[]); SHORT_LIST];
            let count = self.lay_out(out, &mut list);
            stream.write_all_vectored(&mut list[..count]).await
        } else {
            let mut list = vec![IoSlice::new(&[]); pieces];
            let count = self.lay_out(out, &mut list);
            stream.write_all_vectored(&mut list[..count]).await
        };
        self.server.keep_fetch(self.scratch);
        sent
    }

    fn lay_out<'a>(&'a self, out: &'a [u8], list: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut put = |bytes: &'a [u8]| {
            list[count] = IoSlice::new(bytes);
            count += 1;
        };
        let mut from = 0;
        for (at, slices) in &self.scratch.splices {
            put(&out[from..*at]);
            self.scratch.slices[slices.clone()]
                .iter()
                .for_each(|slice| put(slice));
            from = *at;
        }
        put(&out[from..]);
        count
    }
}
