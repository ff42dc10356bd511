//! Drives: what the double does for brokers: it registers them, unfences those that report, fences
//! those that do not, and lets them go.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Quorum;
use crate::base::ids::Uuid;
use crate::base::{Instant, NodeId};
use crate::metadata::record::{
    BrokerRegistrationChange, Endpoint, FeatureRange, MetadataRecord, RegisterBroker,
};
use crate::wire::codec::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, BrokerHeartbeatRequest,
    BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    EnvelopeRequest, EnvelopeResponse,
};

/// How long a broker may be silent.
pub const SESSION: Duration = Duration::from_secs(6);

/// The brokers that are registered.
#[derive(Default)]
pub struct Members(RefCell<BTreeMap<i32, Member>>);

struct Member {
    incarnation: Uuid,
    epoch: i64,
    fenced: bool,
    reported: Instant,
    previous_epoch: i64,
}

// === impl Quorum ===

impl Quorum {
    /// The epoch of a broker that was stopped cleanly, as its last registration said.
    pub fn previous_epoch(&self, node: i32) -> i64 {
        self.0.members.0.borrow()[&node].previous_epoch
    }

    /// Forgets a broker's registration, as UnregisterBroker does.
    pub fn forget(&self, node: i32) {
        self.0.members.0.borrow_mut().remove(&node);
    }

    fn change(&self, node: i32, epoch: i64, fenced: i8) {
        let change = BrokerRegistrationChange {
            broker_id: NodeId(node),
            broker_epoch: epoch,
            fenced,
            in_controlled_shutdown: 0,
            log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        };
        self.append(&[change.into()]);
        self.commit();
    }

    /// Fences those that are silent, for ever.
    pub(super) async fn fence_the_silent(self) {
        loop {
            self.0.runtime.sleep(SESSION / 8).await;
            let now = self.0.runtime.now();
            let mut members = self.0.members.0.borrow_mut();
            for (node, member) in members.iter_mut() {
                if !member.fenced && now.since(member.reported) > SESSION {
                    member.fenced = true;
                    self.change(*node, member.epoch, 1);
                }
            }
        }
    }

    pub(super) fn register(
        &self,
        index: usize,
        request: &BrokerRegistrationRequest,
    ) -> BrokerRegistrationResponse {
        let answer = BrokerRegistrationResponse::default();
        if self.0.leader.get() != Some(index) {
            return answer.with_error_code(41);
        }
        if *request.cluster_id != **self.0.cluster_id.borrow() {
            return answer.with_error_code(104);
        }
        let now = self.0.runtime.now();
        let mut members = self.0.members.0.borrow_mut();
        let node = request.broker_id.0;
        let known = members.get(&node);
        let lives = |known: &Member| now.since(known.reported) <= SESSION;
        if known.is_some_and(|it| it.incarnation != request.incarnation_id && lives(it)) {
            return answer.with_error_code(101);
        }
        let epoch = self.log_end();
        members.insert(
            node,
            Member {
                incarnation: request.incarnation_id,
                epoch,
                fenced: true,
                reported: now,
                previous_epoch: request.previous_broker_epoch,
            },
        );
        self.append(&[registration(request, epoch)]);
        self.commit();
        answer.with_broker_epoch(epoch)
    }

    pub(super) fn report(
        &self,
        index: usize,
        request: &BrokerHeartbeatRequest,
    ) -> BrokerHeartbeatResponse {
        let answer = BrokerHeartbeatResponse::default();
        if self.0.leader.get() != Some(index) {
            return answer.with_error_code(41);
        }
        let node = request.broker_id.0;
        let mut members = self.0.members.0.borrow_mut();
        let known = members.get_mut(&node);
        let Some(member) = known.filter(|member| member.epoch == request.broker_epoch) else {
            return answer.with_error_code(77);
        };
        member.reported = self.0.runtime.now();
        let is_caught_up = request.current_metadata_offset >= member.epoch;
        let fenced = request.want_fence || request.want_shut_down || !is_caught_up;
        if fenced != member.fenced {
            member.fenced = fenced;
            self.change(node, member.epoch, if fenced { 1 } else { -1 });
        }
        answer
            .with_is_caught_up(is_caught_up)
            .with_is_fenced(fenced)
            .with_should_shut_down(request.want_shut_down)
    }

    pub(super) fn allocate(
        &self,
        index: usize,
        request: &AllocateProducerIdsRequest,
    ) -> AllocateProducerIdsResponse {
        let answer = AllocateProducerIdsResponse::default();
        let members = self.0.members.0.borrow();
        let known = members.get(&request.broker_id.0);
        match known.is_some_and(|member| member.epoch == request.broker_epoch) {
            _ if self.0.leader.get() != Some(index) => answer.with_error_code(41),
            false => answer.with_error_code(77),
            true => answer
                .with_producer_id_start(5_000.into())
                .with_producer_id_len(1_000),
        }
    }

    /// Answers any request with itself.
    pub(super) fn open_envelope(&self, index: usize, request: EnvelopeRequest) -> EnvelopeResponse {
        match self.0.leader.get() == Some(index) {
            true => EnvelopeResponse::default().with_response_data(Some(request.request_data)),
            false => EnvelopeResponse::default().with_error_code(41),
        }
    }
}

fn registration(request: &BrokerRegistrationRequest, broker_epoch: i64) -> MetadataRecord {
    let end_points = request.listeners.iter().map(|listener| Endpoint {
        name: listener.name.to_string(),
        host: listener.host.to_string(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| FeatureRange {
        name: feature.name.to_string(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    RegisterBroker {
        broker_id: NodeId(request.broker_id.0),
        is_migrating_zk_broker: false,
        incarnation_id: request.incarnation_id,
        broker_epoch,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: request.rack.as_ref().map(|rack| rack.to_string()),
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs: request.log_dirs.clone(),
        cordoned_log_dirs: None,
    }
    .into()
}
