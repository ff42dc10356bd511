//! Drives: one core: everything it owns, in one struct.
//! May use: everything to its left. Never: shares anything with another core but messages.

pub mod budget;
pub mod mesh;
pub mod partitions;
pub mod probe;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::NodeId;
use crate::base::config::BrokerConfig;
use crate::io::disk::Disk;
use crate::log::Flusher;
use crate::metadata::image::Image;
use crate::wire::field::NodeEndpoint;
use budget::Budget;
use mesh::ToControl;
use partitions::Partitions;
use probe::Probe;

/// One core and what it owns. Verbs live in the files beside this one.
pub struct Shard {
    /// The Kafka node this shard is.
    pub node: NodeId,
    /// The broker's settings, the same on every shard.
    pub config: Arc<BrokerConfig>,
    /// The partitions it leads, and where the others are.
    pub partitions: Partitions,
    /// The way to the controller.
    pub control: ToControl,
    /// Memory that requests may take.
    pub budget: Rc<Budget>,
    /// Its numbers.
    pub probe: Probe,
    /// Its folder.
    pub dir: PathBuf,
    pub(crate) disk: Disk,
    pub(crate) flusher: Flusher,
    image: RefCell<Arc<Image>>,
}

impl Shard {
    /// The cluster as this shard serves it now.
    pub fn image(&self) -> Arc<Image> {
        self.image.borrow().clone()
    }

    /// Endpoints of the nodes that an answer names, each once (KIP-951).
    pub fn endpoints_of(&self, nodes: impl Iterator<Item = i32>) -> Vec<NodeEndpoint> {
        let mut endpoints: Vec<NodeEndpoint> = Vec::new();
        for node_id in nodes {
            if endpoints.iter().any(|known| known.node_id == node_id) {
                continue;
            }
            let image = self.image.borrow();
            if let Some(endpoint) = image.endpoint(NodeId(node_id)) {
                endpoints.push(NodeEndpoint {
                    node_id,
                    host: endpoint.host.clone(),
                    port: i32::from(endpoint.port),
                    rack: endpoint.rack.clone(),
                });
            }
        }
        endpoints
    }
}
