//! Drives: what a start waits for: that all nodes are registered and known, then that they may
//! lead; the broker's log says again and again what is lacking.

use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::{Node, QuorumController};
use crate::base::{NodeId, Offset};
use crate::metadata::image::Image;
use crate::metadata::source::quorum::Address;

/// How often the log says what a start waits for.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What a start waits for.
#[derive(Debug, PartialEq, Eq)]
enum Lacking {
    /// A controller that answers, and says that it is active or which one is.
    Controller { any_answered: bool },
    /// The active controller has not taken these nodes.
    Registered(Vec<NodeId>, Address),
    /// The metadata log is known to `end`, and the nodes are registered behind that.
    Image { end: Offset, committed: Offset },
    /// The active controller has not said yet that these nodes may lead.
    Unfenced(Vec<NodeId>, Address),
}

// === impl QuorumController ===

impl QuorumController {
    /// Waits until all nodes are registered, and their registrations are part of the image.
    pub(super) async fn joined(&self) -> Result<(), String> {
        let joining = async {
            for node in &self.nodes {
                node.registered().await;
            }
            let is_known = |image: &Image, node: &Rc<Node>| {
                let known = image.brokers.get(node.id());
                known.is_some_and(|known| node.epoch().is_none_or(|epoch| known.epoch >= epoch))
            };
            let all = |image: &Image| self.nodes.iter().all(|node| is_known(image, node));
            let image = self.watch.image_where(all).await;
            for node in &self.nodes {
                node.has_applied(image.highest_offset());
            }
        };
        let joining = pin!(self.telling(joining));
        match select(joining, pin!(self.failure())).await {
            Either::Left(_) => Ok(()),
            Either::Right((why, _)) => Err(why),
        }
    }

    /// Waits until all nodes may lead, and the image says so.
    pub async fn unfenced(&self) {
        let unfenced = async {
            for node in &self.nodes {
                node.unfenced().await;
            }
            let all = |image: &Image| {
                let mut nodes = self.nodes.iter();
                nodes.all(|node| image.brokers.is_alive(node.id()))
            };
            self.watch.image_where(all).await;
        };
        self.telling(unfenced).await;
    }

    /// Waits for `what`, and has the log say meanwhile what is lacking.
    async fn telling(&self, what: impl Future<Output = ()>) {
        let begun = self.runtime.now();
        let mut what = pin!(what);
        while self
            .runtime
            .within(SAY_EVERY, what.as_mut())
            .await
            .is_none()
        {
            let seconds = self.runtime.now().since(begun).as_secs();
            tracing::info!(seconds, "the start waits for {}", self.lacking());
        }
    }

    fn lacking(&self) -> Lacking {
        let Some(active) = self.watch.leader().address else {
            let any_answered = self.watch.high_watermark() >= 0 || self.watch.answered().is_some();
            return Lacking::Controller { any_answered };
        };
        let those = |lack: &dyn Fn(&Node) -> bool| -> Vec<NodeId> {
            let lacking = self.nodes.iter().filter(|node| lack(node));
            lacking.map(|node| node.id()).collect()
        };
        let unregistered = those(&|node| node.epoch().is_none());
        if !unregistered.is_empty() {
            return Lacking::Registered(unregistered, active);
        }
        let image = self.image();
        let is_unknown = |node: &Node| {
            let known = image.brokers.get(node.id());
            known.is_none_or(|known| node.epoch().is_some_and(|epoch| known.epoch < epoch))
        };
        let fenced = those(&|node| !node.is_unfenced());
        if fenced.is_empty() || !those(&is_unknown).is_empty() {
            return Lacking::Image {
                end: image.end_offset,
                committed: self.watch.high_watermark(),
            };
        }
        Lacking::Unfenced(fenced, active)
    }
}

// === impl Lacking ===

impl fmt::Display for Lacking {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[NodeId]| -> String {
            let ids: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
            ids.join(", ")
        };
        match self {
            Lacking::Controller {
                any_answered: false,
            } => write!(
                to,
                "a controller: none of controller.quorum.bootstrap.servers has answered yet"
            ),
            Lacking::Controller { any_answered: true } => {
                write!(to, "the controllers to elect one of them")
            }
            Lacking::Registered(nodes, at) => write!(
                to,
                "the active controller at {}:{} to register the nodes {}",
                at.host,
                at.port,
                list(nodes)
            ),
            Lacking::Image { end, committed } => write!(
                to,
                "the cluster's metadata: {end} of {committed} records are here"
            ),
            Lacking::Unfenced(nodes, at) => write!(
                to,
                "the active controller at {}:{} to let the nodes {} lead",
                at.host,
                at.port,
                list(nodes)
            ),
        }
    }
}
