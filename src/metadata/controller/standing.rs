//! Pure: how this process stands to the controller of its cluster, for its admin pages.

use std::time::Duration;

use crate::base::metrics::Snapshot;
use crate::base::{LeaderEpoch, NodeId, Offset};

/// How this process stands to the controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Whether the controller is part of this process.
    pub is_local: bool,
    /// The active controller, its term, and where it listens.
    pub controller: Option<NodeId>,
    /// The newest term of the quorum that was heard of.
    pub epoch: LeaderEpoch,
    /// Where the active controller listens; empty where that is not known.
    pub address: String,
    /// First offset of the metadata log that the image does not have.
    pub end_offset: Offset,
    /// First one that is not known to be committed.
    pub committed_end: Offset,
    /// How long the active controller has been silent; `None` where it never answered.
    pub silence: Option<Duration>,
    /// Nodes of this process that may not lead.
    pub fenced: Vec<NodeId>,
}

// === impl Standing ===

impl Standing {
    /// Committed records of the metadata log that the image does not have.
    fn lag(&self) -> Offset {
        (self.committed_end - self.end_offset).max(0)
    }

    /// Adds it to a snapshot.
    pub fn export(&self, to: &mut Snapshot) {
        to.gauge(
            "corelane_active_controller",
            "Whether this process holds the cluster's active controller. \
             Kafka: kafka.controller:type=KafkaController,name=ActiveControllerCount",
            f64::from(u8::from(self.is_local)),
        );
        to.gauge(
            "corelane_controller_id",
            "Node id of the active controller; -1 where none is known.",
            self.controller.map_or(-1.0, |node| node.0.into()),
        );
        to.gauge(
            "corelane_controller_silence_seconds",
            "Time since the active controller answered last; -1 where it never did, 0 where it is \
             part of this process.",
            self.silence.map_or(-1.0, |silence| silence.as_secs_f64()),
        );
        to.gauge(
            "corelane_fenced_nodes",
            "Nodes of this process that may not lead, as the active controller says.",
            self.fenced.len() as f64,
        );
        to.gauge(
            "corelane_metadata_lag",
            "Committed records of the metadata log that this process has not acted on.",
            self.lag() as f64,
        );
    }

    /// A line for the health page; `None` where there is nothing to tell.
    pub fn line(&self) -> Option<String> {
        if self.is_local {
            return None;
        }
        let controller = match self.controller {
            Some(node) => format!("controller {node} at {}", self.address),
            None => "no active controller".to_owned(),
        };
        let silence = match self.silence {
            Some(silence) => format!("last answer {} ms ago", silence.as_millis()),
            None => "no answer yet".to_owned(),
        };
        let fenced: Vec<String> = self.fenced.iter().map(NodeId::to_string).collect();
        let fenced = match fenced.is_empty() {
            true => "all nodes may lead".to_owned(),
            false => format!("fenced: node {}", fenced.join(", node ")),
        };
        Some(format!(
            "cluster: {controller}, epoch {}, {silence}; metadata up to offset {}, {} behind; \
             {fenced}",
            self.epoch,
            self.end_offset,
            self.lag()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_who_leads_and_how_far_it_is() {
        let mut standing = Standing {
            is_local: false,
            controller: Some(NodeId(3001)),
            epoch: 4,
            address: "c:9093".to_owned(),
            end_offset: 90,
            committed_end: 100,
            silence: Some(Duration::from_millis(250)),
            fenced: vec![NodeId(1), NodeId(2)],
        };
        assert_eq!(
            standing.line().unwrap(),
            "cluster: controller 3001 at c:9093, epoch 4, last answer 250 ms ago; metadata up to \
             offset 90, 10 behind; fenced: node 1, node 2"
        );
        standing.controller = None;
        standing.silence = None;
        standing.fenced.clear();
        assert_eq!(
            standing.line().unwrap(),
            "cluster: no active controller, epoch 4, no answer yet; metadata up to offset 90, 10 \
             behind; all nodes may lead"
        );
        standing.is_local = true;
        assert_eq!(standing.line(), None);
    }
}
