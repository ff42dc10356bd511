//! Drives: following the metadata log: asks what the observer says, feeds what it brings, and keeps
//! the [`Watch`] up to date.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::NodeId;
use crate::base::seldom::Seldom;
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::wire::codec::messages::{FetchRequest, FetchSnapshotRequest};

use super::feeder::{FeedError, Feeder};
use super::link::{Link, LinkError};
use super::messages::{Address, Asker, WAIT_MS};
use super::observer::{Event, Halt, Observer, Refused, What};
use super::watch::Watch;

/// The versions of Fetch that are asked of a controller: 17 (Kafka 3.9) is the first that says
/// where its leader listens.
const FETCH_VERSIONS: (i16, i16) = (17, 18);

/// What following the log takes.
pub struct Following {
    /// The network.
    pub net: Net,
    /// The executor.
    pub runtime: Runtime,
    /// Who asks; unnamed until it is sure that no controller has the id of the first node.
    pub asker: Asker,
    /// The ids of this process's nodes.
    pub nodes: RangeInclusive<i32>,
    /// Where controllers may be; not empty.
    pub bootstrap: Vec<Address>,
}

/// Why the log cannot be followed any more. Each is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// No controller will answer otherwise.
    #[error("{0}")]
    Halt(Halt),
    /// The log cannot be made into an image.
    #[error("{0}")]
    Feed(FeedError),
    /// The controllers are of another time than this build.
    #[error("the controller at {0}:{1}: {2}")]
    Versions(String, u16, LinkError),
}

/// Follows the log until that is not possible any more.
pub async fn follow(following: Following, watch: Watch) -> Stopped {
    let Following {
        net,
        runtime,
        asker,
        nodes,
        bootstrap,
    } = following;
    let name = format!("corelane-{}-observer", nodes.start());
    let feeder = Feeder::new(asker.cluster_id.clone(), nodes.clone());
    let mut follower = Follower {
        observer: Observer::new(asker, nodes.clone(), bootstrap),
        feeder,
        net,
        runtime,
        watch,
        name,
        node: Some(NodeId(*nodes.start())),
        link: None,
        troubles: Seldom::default(),
    };
    loop {
        if let Err(stopped) = follower.step().await {
            return stopped;
        }
    }
}

struct Follower {
    observer: Observer,
    feeder: Feeder,
    net: Net,
    runtime: Runtime,
    watch: Watch,
    name: String,
    /// The id under which the quorum shall know this process, until it does.
    node: Option<NodeId>,
    link: Option<Link>,
    troubles: Seldom,
}

// === impl Follower ===

impl Follower {
    /// Asks once, and takes the answer in.
    async fn step(&mut self) -> Result<(), Stopped> {
        let (first, last) = FETCH_VERSIONS;
        let version = self.watch.ranges().choose::<FetchRequest>(first, last);
        let ask = self
            .observer
            .next(version.unwrap_or(first), self.runtime.random());
        if !ask.after.is_zero() {
            self.runtime.sleep(ask.after).await;
        }
        if self.link.as_ref().is_none_or(|link| *link.to() != ask.to) {
            return self.connect(ask.to).await;
        }
        let Some(mut link) = self.link.take() else {
            return Ok(());
        };
        let brought = match &ask.what {
            What::Fetch(request) => {
                let version = link.ranges().choose::<FetchRequest>(first, last);
                let version = version.map_err(|error| too_old(&link, error))?;
                let wait = Duration::from_millis(WAIT_MS as u64);
                let answer = link.call(version, request, wait).await;
                answer.map(|answer| self.observer.fetched(answer))
            }
            What::Snapshot(request) => {
                let version = link.ranges().choose::<FetchSnapshotRequest>(1, 1);
                let version = version.map_err(|error| too_old(&link, error))?;
                let answer = link.call(version, request, Duration::ZERO).await;
                answer.map(|answer| self.observer.snapshot_fetched(answer))
            }
        };
        match brought {
            Ok(Ok(events)) => {
                let heard = (self.observer.leader(), self.observer.high_watermark());
                self.watch.hear_answer(heard.0, heard.1, self.runtime.now());
                self.link = Some(link);
                self.feed(&events)
            }
            Ok(Err(Refused::Halt(halt))) => Err(Stopped::Halt(halt)),
            Ok(Err(Refused::Useless(why))) => {
                self.trouble(&ask.to, &why);
                Ok(())
            }
            Err(error) => {
                self.observer.failed();
                self.trouble(&ask.to, &error);
                Ok(())
            }
        }
    }

    /// Connects to a controller, which is then asked in the next step.
    async fn connect(&mut self, to: Address) -> Result<(), Stopped> {
        self.link = None;
        match Link::open(&self.net, &self.runtime, to.clone(), &self.name).await {
            Ok(link) => {
                self.watch.hear_ranges(link.ranges());
                self.link = Some(link);
            }
            Err(error) => {
                self.observer.failed();
                self.trouble(&to, &error);
            }
        }
        Ok(())
    }

    fn trouble(&mut self, with: &Address, why: &dyn std::fmt::Display) {
        self.watch.hear_silence(self.observer.leader());
        if let Some(times) = self.troubles.happens(self.runtime.now()) {
            tracing::warn!(
                controller = format!("{}:{}", with.host, with.port),
                error = %why,
                times,
                "a controller cannot be asked about the metadata log; others are tried"
            );
        }
    }

    fn feed(&mut self, events: &[Event]) -> Result<(), Stopped> {
        for event in events {
            self.feeder.take(event).map_err(Stopped::Feed)?;
        }
        if events.is_empty() {
            return Ok(());
        }
        let Some(image) = self.feeder.image() else {
            return Ok(());
        };
        let is_whole = image.end_offset >= self.observer.high_watermark();
        self.watch.become_image(image);
        if let Some(node) = self.node.take_if(|_| is_whole) {
            // All controllers are known, and none has an id of this process's nodes.
            self.observer.call_itself(node);
            if self.feeder.passed_over() > 0 {
                tracing::warn!(
                    records = self.feeder.passed_over(),
                    "the cluster has quotas of clients or credentials, which this build does not \
                     act on"
                );
            }
        }
        Ok(())
    }
}

fn too_old(link: &Link, error: LinkError) -> Stopped {
    let to = link.to();
    Stopped::Versions(to.host.clone(), to.port, error)
}
