//! Pure: one node's membership of the cluster: it registers, reports, is unfenced, leaves. The
//! session sends what [`Member::next`] says and hands the answer back.

use std::time::Duration;

use crate::base::ids::Uuid;
use crate::base::{ErrorCode, NodeId, Offset};
use crate::metadata::record::Endpoint;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::broker_registration_request::{Feature, Listener};
use crate::wire::codec::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerId, BrokerRegistrationRequest,
    BrokerRegistrationResponse,
};

/// The features of a cluster, and the levels at which this build can be a part of it. One that is
/// not listed must be off, and a cluster that was formatted by Kafka's defaults has all of these
/// on. 30 is the metadata version of Kafka 4.3, the newest one whose records are all known here.
/// What a feature brings to clients is offered as far as the table of APIs has it: who asks for
/// more finds no such API.
const FEATURES: [(&str, i16, i16); 7] = [
    ("metadata.version", 7, 30),
    ("kraft.version", 0, 1),
    ("eligible.leader.replicas.version", 0, 1),
    ("group.version", 0, 1),
    ("share.version", 0, 1),
    ("streams.version", 0, 1),
    ("transaction.version", 0, 2),
];
/// How often a node reports while it waits for something that the controller does at once.
const HURRY: Duration = Duration::from_millis(50);
/// The longest pause before another try to register.
const RETRY_MAX: Duration = Duration::from_millis(500);

/// What does not change about a node while its process runs.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its id.
    pub node: NodeId,
    /// The cluster.
    pub cluster_id: String,
    /// Made up by this process, to be told from one that ran before.
    pub incarnation: Uuid,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its rack.
    pub rack: Option<String>,
    /// Ids of its folders.
    pub log_dirs: Vec<Uuid>,
    /// The epoch in which it was last stopped cleanly, -1 where it was not.
    pub previous_epoch: i64,
    /// How often it reports.
    pub interval: Duration,
}

/// What a node does, as its shard tells.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The last offset of the metadata log that it serves by; -1 for none.
    pub applied: Offset,
    /// Whether its logs are open.
    pub opened: bool,
    /// Whether it wants to stop.
    pub leaving: bool,
    /// Ids of its folders that have failed.
    pub offline_dirs: Vec<Uuid>,
}

/// What to send.
#[derive(Debug)]
pub enum Next {
    /// Version 4.
    Register(BrokerRegistrationRequest),
    /// Version 1.
    Report(BrokerHeartbeatRequest),
}

/// Why a node cannot be of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fatal {
    /// Error 104.
    #[error(
        "the controllers refuse node {0}: they belong to another cluster than its meta.properties \
         names (INCONSISTENT_CLUSTER_ID)"
    )]
    OtherCluster(NodeId),
    /// Error 119.
    #[error(
        "the controllers refuse node {0}: one of its folders has a directory.id that another node \
         has registered, most likely since the folder was copied (INVALID_REGISTRATION)"
    )]
    Directories(NodeId),
    /// Error 35.
    #[error(
        "the controllers refuse node {0}: a feature of the cluster is at a level that this build \
         does not know (UNSUPPORTED_VERSION); it knows those of Kafka 4.3 (metadata.version 7 to \
         30)"
    )]
    Features(NodeId),
    /// Error 31.
    #[error(
        "the controllers refuse node {0}: its principal needs ClusterAction on the cluster \
         (CLUSTER_AUTHORIZATION_FAILED)"
    )]
    Unauthorized(NodeId),
    /// Another process has the id.
    #[error(
        "node {0} is registered by another process that still reports \
         (DUPLICATE_BROKER_REGISTRATION); each node.id may be served by one process"
    )]
    Taken(NodeId),
    /// No controller took the registration in time.
    #[error(
        "node {0} could not register within initial.broker.registration.timeout.ms; is a \
         controller active at controller.quorum.bootstrap.servers?"
    )]
    Late(NodeId),
}

/// An answer that is an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Denied {
    /// To be tried again.
    Again(ErrorCode),
    /// It was not the active controller that was asked.
    NotController,
    /// No controller will answer otherwise.
    Fatal(Fatal),
}

/// A node's membership.
#[derive(Debug)]
pub struct Member {
    facts: Facts,
    /// The epoch of its registration, while it has one.
    epoch: Option<i64>,
    was_registered: bool,
    caught_up: bool,
    fenced: bool,
    may_stop: bool,
    /// Whether the last registration was refused since another process has the id.
    is_taken: bool,
}

// === impl Member ===

impl Member {
    /// A node that is not registered.
    pub fn new(facts: Facts) -> Member {
        Member {
            facts,
            epoch: None,
            was_registered: false,
            caught_up: false,
            fenced: true,
            may_stop: false,
            is_taken: false,
        }
    }

    /// Its id.
    pub fn node(&self) -> NodeId {
        self.facts.node
    }

    /// The epoch of its registration, while it has one.
    pub fn epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// Whether it is registered and may lead, as the controller said last.
    pub fn is_unfenced(&self) -> bool {
        self.epoch.is_some() && !self.fenced
    }

    /// Whether the controller has granted its wish to stop.
    pub fn may_stop(&self) -> bool {
        self.may_stop
    }

    /// Why it is not registered, now that the time for that is over.
    pub fn late(&self) -> Fatal {
        match self.is_taken {
            true => Fatal::Taken(self.facts.node),
            false => Fatal::Late(self.facts.node),
        }
    }

    /// What to send.
    pub fn next(&self, view: &View) -> Next {
        let node = BrokerId(self.facts.node.0);
        let Some(epoch) = self.epoch else {
            return Next::Register(self.registration());
        };
        let report = BrokerHeartbeatRequest::default()
            .with_broker_id(node)
            .with_broker_epoch(epoch)
            .with_current_metadata_offset(view.applied)
            .with_want_fence(!view.opened)
            .with_want_shut_down(view.leaving)
            .with_offline_log_dirs(view.offline_dirs.clone());
        Next::Report(report)
    }

    /// How long to wait before it, after an answer that was right.
    pub fn pause(&self, view: &View) -> Duration {
        let waits = !self.caught_up || (view.opened && self.fenced) || view.leaving;
        match self.epoch {
            Some(_) if !waits => self.facts.interval,
            _ => HURRY.min(self.facts.interval),
        }
    }

    /// How long to wait after an error, or no answer at all.
    pub fn retry_pause(&self) -> Duration {
        RETRY_MAX.min(self.facts.interval)
    }

    fn registration(&self) -> BrokerRegistrationRequest {
        let facts = &self.facts;
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let listener = Listener::default()
            .with_name(text(&facts.endpoint.name))
            .with_host(text(&facts.endpoint.host))
            .with_port(facts.endpoint.port)
            .with_security_protocol(facts.endpoint.security_protocol);
        let features = FEATURES.map(|(name, min, max)| {
            Feature::default()
                .with_name(StrBytes::from_static_str(name))
                .with_min_supported_version(min)
                .with_max_supported_version(max)
        });
        // Said once: what this process has done since is not what the last one had closed.
        let previous = match self.was_registered {
            true => -1,
            false => facts.previous_epoch,
        };
        BrokerRegistrationRequest::default()
            .with_broker_id(BrokerId(facts.node.0))
            .with_cluster_id(text(&facts.cluster_id))
            .with_incarnation_id(facts.incarnation)
            .with_listeners(vec![listener])
            .with_features(features.into())
            .with_rack(facts.rack.as_deref().map(text))
            .with_log_dirs(facts.log_dirs.clone())
            .with_previous_broker_epoch(previous)
    }

    /// A registration was answered.
    pub fn registered(&mut self, answer: &BrokerRegistrationResponse) -> Result<(), Denied> {
        let node = self.facts.node;
        self.is_taken = false;
        match ErrorCode(answer.error_code) {
            ErrorCode::NONE => {
                self.epoch = Some(answer.broker_epoch);
                self.was_registered = true;
                self.caught_up = false;
                self.fenced = true;
                Ok(())
            }
            ErrorCode::NOT_CONTROLLER => Err(Denied::NotController),
            ErrorCode::INCONSISTENT_CLUSTER_ID => Err(Denied::Fatal(Fatal::OtherCluster(node))),
            ErrorCode::INVALID_REGISTRATION => Err(Denied::Fatal(Fatal::Directories(node))),
            ErrorCode::UNSUPPORTED_VERSION => Err(Denied::Fatal(Fatal::Features(node))),
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
                Err(Denied::Fatal(Fatal::Unauthorized(node)))
            }
            error => {
                self.is_taken = error == ErrorCode::DUPLICATE_BROKER_REGISTRATION;
                Err(Denied::Again(error))
            }
        }
    }

    /// A report was answered.
    pub fn reported(&mut self, answer: &BrokerHeartbeatResponse) -> Result<(), Denied> {
        match ErrorCode(answer.error_code) {
            ErrorCode::NONE => {
                self.caught_up = answer.is_caught_up;
                self.fenced = answer.is_fenced;
                self.may_stop |= answer.should_shut_down;
                Ok(())
            }
            // Another process has registered the id, or it was unregistered.
            error @ (ErrorCode::STALE_BROKER_EPOCH | ErrorCode::BROKER_ID_NOT_REGISTERED) => {
                self.epoch = None;
                self.fenced = true;
                Err(Denied::Again(error))
            }
            ErrorCode::NOT_CONTROLLER => Err(Denied::NotController),
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
                Err(Denied::Fatal(Fatal::Unauthorized(self.facts.node)))
            }
            error => Err(Denied::Again(error)),
        }
    }
}

#[cfg(test)]
pub mod tests;
