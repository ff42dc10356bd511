//! Pure: how the metadata log is followed: whom to ask for what, and what an answer means.
//!
//! The driver sends what [`Observer::next`] says, and hands the answer, or that none came, back.

use bytes::Bytes;
use std::time::Duration;

use crate::base::{ErrorCode, LeaderEpoch, NodeId, Offset};
use crate::wire::codec::messages::{FetchRequest, FetchResponse};
use crate::wire::codec::messages::{FetchSnapshotRequest, FetchSnapshotResponse};

use super::download::{Download, DownloadError};
use super::messages::{Address, Asker, Fetched, Piece, Progress, SaidLeader, Unusable};
use super::tail::{Tail, TailError};

/// Pause after the first answer that led nowhere; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What is known of the leader of the quorum, which is the active controller.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leader {
    /// The newest term of the quorum that was heard of.
    pub epoch: LeaderEpoch,
    /// The leader of that term, once it is known.
    pub id: Option<NodeId>,
    /// Where it listens, as long as it is reached there.
    pub address: Option<Address>,
}

/// What is to be asked.
#[derive(Debug)]
pub struct Ask {
    /// Whom.
    pub to: Address,
    /// How long to wait before.
    pub after: Duration,
    /// What.
    pub what: What,
}

/// A request about the metadata log.
#[derive(Debug)]
pub enum What {
    /// To be encoded in the version that was given.
    Fetch(FetchRequest),
    /// Version 1.
    Snapshot(FetchSnapshotRequest),
}

/// What an answer brings, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A whole batch: of the log where it is committed, of a snapshot between its two events.
    Batch(Bytes),
    /// A snapshot begins; one that was under way is void.
    SnapshotBegins,
    /// The snapshot that began is there: it holds everything before this offset.
    SnapshotIsThere(Offset),
}

/// Why an answer, or that there was none, is of no use; another controller is asked then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Useless {
    /// An error of Kafka's.
    #[error("error {0:?}")]
    Code(ErrorCode),
    /// It is about something else.
    #[error("an answer is not about the metadata log")]
    Other,
    /// Its batches cannot be.
    #[error("{0}")]
    Tail(TailError),
    /// Its piece of a snapshot cannot be.
    #[error("{0}")]
    Download(DownloadError),
    /// It has a snapshot that is older than what is known.
    #[error("the snapshot that is offered ends at {0}, before what is known")]
    OldSnapshot(Offset),
}

/// Why the log cannot be followed, whomever is asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Halt {
    /// The quorum belongs to another cluster.
    #[error(
        "the controllers belong to another cluster than {0}, which the meta.properties of this \
         broker names; check controller.quorum.bootstrap.servers"
    )]
    OtherCluster(String),
    /// The quorum has given up what was committed.
    #[error("{0}; the controllers have lost data or are those of another cluster")]
    Diverged(TailError),
    /// The quorum does not let this process read the log.
    #[error(
        "the controllers do not let this broker read the metadata log \
         (CLUSTER_AUTHORIZATION_FAILED); its principal needs ClusterAction on the cluster"
    )]
    Unauthorized,
    /// The leader has the id of a node of this process.
    #[error(
        "node {0} of this broker has the id of a controller: choose a node.id that none of them has"
    )]
    IdOfController(NodeId),
}

/// An answer that cannot be gone on with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Another controller, or the same later, may give another one.
    Useless(Useless),
    /// None will.
    Halt(Halt),
}

impl From<Halt> for Refused {
    fn from(halt: Halt) -> Refused {
        Refused::Halt(halt)
    }
}

/// Follows the metadata log.
#[derive(Debug)]
pub struct Observer {
    asker: Asker,
    /// The ids of this process's nodes.
    nodes: std::ops::RangeInclusive<i32>,
    bootstrap: Vec<Address>,
    leader: Leader,
    /// Whom the last request was for; `None` where another one of them all is to be chosen.
    asked: Option<Address>,
    tail: Tail,
    download: Option<Download>,
    /// How many answers in a row led nowhere.
    failures: u32,
}

// === impl Observer ===

impl Observer {
    /// Follows the log from its beginning. `bootstrap`, which must not be empty, says where
    /// controllers may be.
    pub fn new(
        asker: Asker,
        nodes: std::ops::RangeInclusive<i32>,
        bootstrap: Vec<Address>,
    ) -> Observer {
        assert!(!bootstrap.is_empty(), "a controller must be known");
        Observer {
            asker,
            nodes,
            bootstrap,
            leader: Leader::default(),
            asked: None,
            tail: Tail::default(),
            download: None,
            failures: 0,
        }
    }

    /// What is known of the leader.
    pub fn leader(&self) -> &Leader {
        &self.leader
    }

    /// Offset after what is known to be committed; -1 before anything is.
    pub fn high_watermark(&self) -> Offset {
        self.tail.high_watermark()
    }

    /// From now on the quorum knows this process as the observer `node`. Until it is sure that no
    /// controller has that id it must stay unnamed: the leader would take it for that voter.
    pub fn call_itself(&mut self, node: NodeId) {
        self.asker.replica = Some(node);
    }

    /// What to ask next, with Fetch in `version`. `random` chooses one of several.
    pub fn next(&mut self, version: i16, random: u64) -> Ask {
        let any = &self.bootstrap[(random % self.bootstrap.len() as u64) as usize];
        let known = self.leader.address.as_ref().or(self.asked.as_ref());
        let to = known.unwrap_or(any).clone();
        self.asked = Some(to.clone());
        let what = match &self.download {
            Some(download) => What::Snapshot(self.asker.fetch_snapshot(
                self.leader.epoch,
                download.id(),
                download.position(),
            )),
            None => {
                let (offset, last_epoch) = self.tail.end();
                let progress = Progress {
                    leader_epoch: self.leader.epoch,
                    offset,
                    last_epoch,
                    high_watermark: self.tail.high_watermark(),
                };
                What::Fetch(self.asker.fetch(version, &progress))
            }
        };
        let after = match self.failures {
            0 => Duration::ZERO,
            failures => (PAUSE * (1 << (failures - 1).min(10))).min(PAUSE_MAX),
        };
        Ask { to, after, what }
    }

    /// No answer came.
    pub fn failed(&mut self) {
        self.leader.address = None;
        self.asked = None;
        self.failures = self.failures.saturating_add(1);
    }

    /// An answer to a Fetch came: what it brings.
    pub fn fetched(&mut self, answer: FetchResponse) -> Result<Vec<Event>, Refused> {
        let fetched = Fetched::read(answer).map_err(|error| self.unusable(error))?;
        self.hear(&fetched.leader)?;
        if !self.is_of_leader(fetched.error)? {
            return Ok(Vec::new());
        }
        if let Some((epoch, end)) = fetched.diverging {
            let cut = self.tail.truncate(epoch, end);
            return match cut {
                Ok(()) => Ok(Vec::new()),
                Err(error @ TailError::Uncommitted { .. }) => Err(Halt::Diverged(error).into()),
                Err(error) => Err(self.useless(Useless::Tail(error))),
            };
        }
        if let Some(id) = fetched.snapshot {
            if id.end_offset <= self.tail.committed_end() {
                return Err(self.useless(Useless::OldSnapshot(id.end_offset)));
            }
            self.download = Some(Download::new(id));
            return Ok(vec![Event::SnapshotBegins]);
        }
        let appended = self.tail.append(&fetched.records, self.leader.epoch);
        let committed = self.tail.advance(fetched.high_watermark);
        match (appended, committed.is_empty()) {
            (Err(error), true) => Err(self.useless(Useless::Tail(error))),
            // What came before the fault is right; the fault comes again.
            _ => Ok(committed.into_iter().map(Event::Batch).collect()),
        }
    }

    /// An answer to a FetchSnapshot came: what it brings.
    pub fn snapshot_fetched(
        &mut self,
        answer: FetchSnapshotResponse,
    ) -> Result<Vec<Event>, Refused> {
        let id = self.download.as_ref().expect("a snapshot is fetched").id();
        let piece = Piece::read(answer, id).map_err(|error| self.unusable(error))?;
        self.hear(&piece.leader)?;
        match piece.error {
            // It is deleted there, or was another one: the log says what to fetch instead.
            ErrorCode::SNAPSHOT_NOT_FOUND | ErrorCode::POSITION_OUT_OF_RANGE => {
                self.download = None;
                return Err(self.useless(Useless::Code(piece.error)));
            }
            error if !self.is_of_leader(error)? => return Ok(Vec::new()),
            _ => {}
        }
        let Some(download) = &mut self.download else {
            return Ok(Vec::new());
        };
        let batches = match download.piece(piece.size, piece.position, &piece.bytes) {
            Ok(batches) => batches,
            Err(error) => {
                self.download = None;
                return Err(self.useless(Useless::Download(error)));
            }
        };
        let mut events: Vec<Event> = batches.into_iter().map(Event::Batch).collect();
        if download.is_complete() {
            events.push(Event::SnapshotIsThere(id.end_offset));
            self.tail = Tail::after(id.end_offset, id.epoch);
            self.download = None;
        }
        Ok(events)
    }

    /// Takes note of who is said to lead.
    fn hear(&mut self, said: &SaidLeader) -> Result<(), Halt> {
        if let Some(id) = said.id.filter(|id| self.nodes.contains(&id.0)) {
            return Err(Halt::IdOfController(id));
        }
        if said.epoch > self.leader.epoch {
            // Each controller makes its own snapshots: pieces of two do not fit together.
            self.download = None;
            self.leader = Leader {
                epoch: said.epoch,
                id: said.id,
                address: said.address.clone(),
            };
        } else if said.epoch == self.leader.epoch && said.id.is_some() {
            if self.leader.id.is_none() {
                self.leader.id = said.id;
            }
            if self.leader.id == said.id && self.leader.address.is_none() {
                self.leader.address = said.address.clone();
            }
        }
        Ok(())
    }

    /// Whether an answer with this error comes from the leader, which is then known to be where it
    /// was asked. Where it does not, the leader is asked next, if it is known.
    fn is_of_leader(&mut self, error: ErrorCode) -> Result<bool, Refused> {
        match error {
            ErrorCode::NONE => {
                self.failures = 0;
                self.leader.address = self.asked.clone();
                Ok(true)
            }
            ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH => {
                // What was asked does not lead, or not in the term that was known.
                let asked = self.asked.take();
                if self.leader.address == asked && error == ErrorCode::NOT_LEADER_OR_FOLLOWER {
                    self.leader.address = None;
                }
                self.failures = match self.leader.address {
                    Some(_) => 1,
                    None => self.failures.saturating_add(1),
                };
                Ok(false)
            }
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED => Err(Halt::Unauthorized.into()),
            other => Err(self.useless(Useless::Code(other))),
        }
    }

    fn unusable(&mut self, unusable: Unusable) -> Refused {
        match unusable {
            Unusable::Error(ErrorCode::INCONSISTENT_CLUSTER_ID) => {
                Halt::OtherCluster(self.asker.cluster_id.to_string()).into()
            }
            Unusable::Error(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => Halt::Unauthorized.into(),
            Unusable::Error(error) => self.useless(Useless::Code(error)),
            Unusable::Other => self.useless(Useless::Other),
        }
    }

    fn useless(&mut self, why: Useless) -> Refused {
        self.failed();
        Refused::Useless(why)
    }
}

#[cfg(test)]
mod tests;
