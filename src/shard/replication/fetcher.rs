//! Drives: the fetches from one leader, one after the other, on one connection. What a fetch has
//! brought is stored before the next one says so.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};

use super::ask::{self, Asker, FETCH_VERSION};
use super::following::{Followed, Following};
use super::session::{Asked, Session};
use crate::base::config::ReplicaConfig;
use crate::base::seldom::Seldom;
use crate::base::{ErrorCode, Instant, NodeId, TopicId};
use crate::io::budget::Use;
use crate::io::event::Event;
use crate::io::peer::{Peer, PeerError, PeerOptions};
use crate::io::turn;
use crate::partition::Partition;
use crate::shard::Shard;
use crate::shard::nodes::CallError;
use crate::wire::codec::messages::{FetchRequest, FetchResponse};

/// The largest answer that is taken beyond what was asked for: a single batch comes whole.
const LARGEST_BATCH_BYTES: u32 = 100 << 20;
/// The next fetch waits no longer for a partition whose records are not stored.
const STORED_WITHIN: Duration = Duration::from_millis(200);
/// How often it is looked whether there is something to ask for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// New partitions end a fetch that waits at the leader, but not more often than this.
const CUT_SHORT_AGAIN: Duration = Duration::from_millis(100);

/// Follows one leader.
pub struct Fetcher {
    pub(super) shard: Rc<Shard>,
    pub(super) leader: NodeId,
    pub(super) following: RefCell<Following>,
    session: RefCell<Session>,
    changed: Event,
    cut_short_at: Cell<Instant>,
    failures: Seldom,
}

/// Why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The metadata does not say where the leader listens, or who this node is.
    #[error("the cluster's metadata does not say where it listens")]
    Unknown,
    #[error("{0}")]
    Peer(PeerError),
    /// The leader refused all of it.
    #[error("it answers {0}")]
    Refused(&'static str),
}

// === impl Fetcher ===

impl Fetcher {
    pub fn new(shard: Rc<Shard>, leader: NodeId) -> Rc<Fetcher> {
        Rc::new(Fetcher {
            shard,
            leader,
            following: RefCell::default(),
            session: RefCell::default(),
            changed: Event::default(),
            cut_short_at: Cell::default(),
            failures: Seldom::default(),
        })
    }

    /// Fetches these partitions from now on, and no others.
    pub fn follow(&self, partitions: Vec<Followed>) {
        let mut following = self.following.borrow_mut();
        if following.set(partitions) || following.is_empty() {
            self.changed.call();
        }
    }

    /// Fetches until there is nothing to follow; the leader, then.
    pub async fn run(self: Rc<Self>) -> NodeId {
        let mut peer = None;
        while !self.following.borrow().is_empty() {
            let asked = self.asked();
            if asked.is_empty() {
                let runtime = self.shard.runtime();
                runtime.within(LOOK_AGAIN, self.changed.wait()).await;
                continue;
            }
            if let Err(error) = self.round(&mut peer, asked).await {
                peer = None;
                self.failed(&error).await;
            }
        }
        self.leader
    }

    /// What may be asked for now.
    fn asked(&self) -> Vec<Asked> {
        let now = self.shard.runtime().now();
        let in_debt = self.throttled_until(now).is_some();
        let following = self.following.borrow();
        let ready = following.ready(now);
        let ready = ready.filter(|(_, it)| !in_debt || !self.is_throttled(&it.partition));
        let asked = ready.map(|(key, it)| Asked {
            key,
            leader_epoch: it.leader_epoch,
            offset: it.partition.end_offset(),
            last_epoch: it.partition.last_epoch().unwrap_or(-1),
            start_offset: it.partition.start_offset(),
        });
        asked.collect()
    }

    /// When replicas that are throttled may be asked for again, where that is not now.
    fn throttled_until(&self, now: Instant) -> Option<Instant> {
        let rate = self.shard.config().follower_throttle_rate?;
        self.shard.replication.taken.free_at(rate, now)
    }

    /// Whether it is one that is throttled, and catches up (KIP-73: one in sync is not held back).
    fn is_throttled(&self, partition: &Partition) -> bool {
        let config = partition.config();
        let index = partition.name().index;
        config.throttled_followers.has(index, self.shard.node) && !partition.is_caught_up()
    }

    /// Counts what was fetched of a partition that is throttled.
    pub(super) fn spend(&self, partition: &Partition, bytes: usize) {
        let rate = self.shard.config().follower_throttle_rate;
        if let Some(rate) = rate.filter(|_| bytes > 0 && self.is_throttled(partition)) {
            let now = self.shard.runtime().now();
            self.shard.replication.taken.spend(bytes, rate, now);
        }
    }

    async fn failed(&self, error: &FetchError) {
        let (shard, runtime) = (&self.shard, self.shard.runtime());
        shard.replication.failures_count.add(1);
        if let Some(times) = self.failures.happens(runtime.now()) {
            tracing::warn!(node = %shard.node, leader = %self.leader, %error, times,
                "cannot fetch from a leader: trying again");
        }
        let pause = Duration::from_millis(self.config().fetch_backoff_ms).max(LOOK_AGAIN);
        // Should there be other partitions by then, they need not wait.
        runtime.within(pause, self.changed.wait()).await;
    }

    pub(super) fn config(&self) -> ReplicaConfig {
        let config = self.shard.config();
        let cluster = config.cluster.as_ref().expect("a broker of a cluster");
        cluster.replica.clone()
    }

    /// One fetch of these partitions, and all that follows from it.
    async fn round(&self, peer: &mut Option<Peer>, asked: Vec<Asked>) -> Result<(), FetchError> {
        let config = self.config();
        let asker = self.asker()?;
        let mut open = match peer.take() {
            Some(open) => open,
            None => self.connect(&config).await?,
        };
        let named = self.session.borrow_mut().ask_for(&asked);
        let request = ask::fetch(asker, &named, self.wait(&config), &config);
        let answer = match self.fetch(&mut open, &request, &config).await {
            Ok(Some(answer)) => answer,
            unanswered => {
                self.session.borrow_mut().restart();
                return unanswered.map(drop);
            }
        };
        let error = ErrorCode(answer.error_code);
        if error.is_error() {
            self.session.borrow_mut().restart();
            if Session::is_lost(error) {
                *peer = Some(open);
                return Ok(());
            }
            return Err(FetchError::Refused(error.name()));
        }
        self.session.borrow_mut().answered(answer.session_id);
        self.shard.replication.fetches_count.add(1);
        let bytes = bytes_of(&answer);
        let held = self.shard.budget.hold(Use::Replication, bytes);
        let mut changed = Vec::new();
        for topic in answer.responses {
            for answered in topic.partitions {
                let key = (TopicId(topic.topic_id), answered.partition_index);
                // They were asked for in the order of their keys.
                let found = asked.binary_search_by_key(&key, |one| one.key);
                let asked = found.ok().map(|at| &asked[at]);
                if let Some((asked, partition)) = asked.and_then(|it| self.still_follows(it)) {
                    self.take(&mut open, asker, asked, &partition, answered, &config)
                        .await?;
                    changed.push(partition);
                }
                turn::pace().await;
            }
        }
        drop(held);
        self.wait_until_stored(&changed).await;
        *peer = Some(open);
        Ok(())
    }

    fn asker(&self) -> Result<Asker, FetchError> {
        let image = self.shard.image();
        let own = image.brokers.get(self.shard.node);
        own.map(|own| Asker {
            node: self.shard.node,
            broker_epoch: own.epoch,
        })
        .ok_or(FetchError::Unknown)
    }

    async fn connect(&self, config: &ReplicaConfig) -> Result<Peer, FetchError> {
        let answer_bytes_max = config.response_bytes_max.max(LARGEST_BATCH_BYTES) + (1 << 20);
        let options = PeerOptions {
            // As Kafka's replica fetcher calls itself.
            client_id: format!("broker-{}-fetcher-0", self.shard.node),
            answer_bytes_max: i32::try_from(answer_bytes_max).unwrap_or(i32::MAX),
            connect_within: Duration::from_millis(config.socket_timeout_ms),
        };
        let nodes = &self.shard.nodes;
        let peer = nodes.connect(&self.shard, self.leader, options).await;
        peer.map_err(|error| match error {
            CallError::Unknown => FetchError::Unknown,
            CallError::Peer(error) => FetchError::Peer(error),
        })
    }

    /// How long the leader may wait for records: no longer than until a partition that is paused
    /// may be asked for again.
    fn wait(&self, config: &ReplicaConfig) -> Duration {
        let now = self.shard.runtime().now();
        let wait = Duration::from_millis(config.fetch_wait_max_ms.into());
        let paused = self.following.borrow().next_pause_ends();
        let ends = paused.into_iter().chain(self.throttled_until(now));
        let longest = ends.map(|then| then.since(now)).min();
        longest.map_or(wait, |longest| wait.min(longest))
    }

    /// `None` where it was ended because there are other partitions to ask for.
    async fn fetch(
        &self,
        peer: &mut Peer,
        request: &FetchRequest,
        config: &ReplicaConfig,
    ) -> Result<Option<FetchResponse>, FetchError> {
        let runtime = self.shard.runtime().clone();
        let limit = Duration::from_millis(request.max_wait_ms as u64 + config.socket_timeout_ms);
        let answer = pin!(peer.call(FETCH_VERSION, request, limit));
        let answer = match select(answer, pin!(self.changed.wait())).await {
            Either::Left((answered, _)) => return answered.map(Some).map_err(FetchError::Peer),
            Either::Right(((), answer)) => answer,
        };
        let early = CUT_SHORT_AGAIN.saturating_sub(runtime.now().since(self.cut_short_at.get()));
        match runtime.within(early, answer).await {
            Some(answered) => answered.map(Some).map_err(FetchError::Peer),
            None => {
                self.cut_short_at.set(runtime.now());
                Ok(None)
            }
        }
    }

    /// The partition that was asked for, if it follows in the same term still.
    fn still_follows<'a>(&self, asked: &'a Asked) -> Option<(&'a Asked, Rc<Partition>)> {
        let following = self.following.borrow();
        let followed = following.get(&asked.key, asked.leader_epoch)?;
        Some((asked, followed.partition.clone()))
    }

    /// Waits until what was appended is stored, but not for long: a disk that is full or stuck
    /// holds up its own partitions only.
    async fn wait_until_stored(&self, changed: &[Rc<Partition>]) {
        let all = async {
            for partition in changed {
                // A log that has failed is not asked for again.
                let _ = partition.wait_all_stored().await;
            }
        };
        self.shard.runtime().within(STORED_WITHIN, all).await;
    }
}

fn bytes_of(answer: &FetchResponse) -> usize {
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let records = partitions.map(|it| it.records.as_ref().map_or(0, Bytes::len));
    records.sum()
}
