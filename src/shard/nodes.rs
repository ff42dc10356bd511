//! Drives: requests of a shard to other nodes: the shards of this process by the mesh, brokers on
//! other machines by connections on which this node is the client.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::lock::Mutex;

use super::Shard;
use super::mesh::ToShard;
use crate::base::NodeId;
use crate::io::net::Net;
use crate::io::peer::{Peer, PeerError, PeerOptions};
use crate::wire::codec::Request;

/// Connections to one node for each kind of request, so that as many may be under way: those of a
/// kind that is answered late hold up no others.
const LINKS: usize = 4;
/// The largest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: i32 = 16 << 20;
/// How long a node has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to reach it.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The ways from a shard to other nodes.
pub struct Nodes {
    siblings: BTreeMap<NodeId, ToShard>,
    net: Net,
    /// By node and API.
    links: RefCell<BTreeMap<(NodeId, i16), Links>>,
}

/// Connections for one API, each made when it is wanted first.
type Links = Rc<[Mutex<Option<Peer>>; LINKS]>;

/// Why a node has not answered.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The metadata does not say where it listens.
    #[error("the cluster's metadata does not say where it listens")]
    Unknown,
    /// It could not be asked, or has not answered.
    #[error("{0}")]
    Peer(PeerError),
}

impl Nodes {
    /// The ways to the shards of this process, and over `net` to all others.
    pub fn new(siblings: BTreeMap<NodeId, ToShard>, net: Net) -> Nodes {
        Nodes {
            siblings,
            net,
            links: RefCell::default(),
        }
    }

    /// The shard of this process that is the node, if one is.
    pub fn sibling(&self, node: NodeId) -> Option<&ToShard> {
        self.siblings.get(&node)
    }

    /// Asks a node on another machine, and waits for its answer.
    pub async fn call<R: Request>(
        &self,
        shard: &Shard,
        node: NodeId,
        version: i16,
        request: &R,
    ) -> Result<R::Response, CallError> {
        let links = self.links_to(node, R::KEY);
        let free = links.iter().find_map(Mutex::try_lock);
        let mut link = match free {
            Some(link) => link,
            None => {
                links[shard.runtime().random() as usize % LINKS]
                    .lock()
                    .await
            }
        };
        // One that was given up half way is closed.
        let mut peer = match link.take().filter(Peer::is_open) {
            Some(peer) => peer,
            None => {
                let options = PeerOptions {
                    client_id: format!("broker-{}", shard.node),
                    answer_bytes_max: ANSWER_BYTES_MAX,
                    connect_within: CONNECT_WITHIN,
                };
                self.connect(shard, node, options).await?
            }
        };
        let answer = peer.call(version, request, ANSWER_WITHIN).await;
        *link = Some(peer);
        answer.map_err(CallError::Peer)
    }

    fn links_to(&self, node: NodeId, api_key: i16) -> Links {
        let mut all = self.links.borrow_mut();
        all.entry((node, api_key)).or_default().clone()
    }

    /// A new connection to a node on another machine, by the listener for other brokers.
    pub async fn connect(
        &self,
        shard: &Shard,
        node: NodeId,
        options: PeerOptions,
    ) -> Result<Peer, CallError> {
        let (image, config) = (shard.image(), shard.config());
        let listener = match &config.cluster {
            Some(cluster) => cluster.inter_broker_listener.as_str(),
            None => config.listener.listener.as_str(),
        };
        let broker = image.brokers.get(node);
        let to = broker.and_then(|broker| broker.endpoint(listener));
        let to = to.ok_or(CallError::Unknown)?;
        let peer = Peer::connect(&self.net, shard.runtime(), (&*to.host, to.port), options).await;
        peer.map_err(CallError::Peer)
    }
}
