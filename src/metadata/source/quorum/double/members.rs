//! Drives: what the double does for brokers: it registers them, unfences those that report, fences
//! those that do not, and lets them go once they lead nothing.

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
    /// The end of the log when it said that it wants to stop.
    leaves_at: Option<i64>,
    applied: i64,
    reported: Instant,
    previous_epoch: i64,
}

/// What a report changes.
#[derive(PartialEq, Eq)]
enum News {
    None,
    Unfenced,
    Fenced,
    Leaves,
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

    /// Whether a broker serves and does not shut down.
    pub fn may_lead(&self, node: NodeId) -> bool {
        let members = self.0.members.0.borrow();
        let known = members.get(&node.0);
        known.is_some_and(|it| !it.fenced && it.leaves_at.is_none())
    }

    /// Whether this is a broker's epoch.
    pub(super) fn has_epoch(&self, node: NodeId, epoch: i64) -> bool {
        let members = self.0.members.0.borrow();
        members.get(&node.0).is_some_and(|it| it.epoch == epoch)
    }

    /// A new leader gives everyone another session.
    pub(super) fn all_are_alive(&self) {
        let now = self.0.runtime.now();
        let mut members = self.0.members.0.borrow_mut();
        members.values_mut().for_each(|it| it.reported = now);
    }

    fn change(&self, node: i32, epoch: i64, (fenced, in_controlled_shutdown): (i8, i8)) {
        let change = BrokerRegistrationChange {
            broker_id: NodeId(node),
            broker_epoch: epoch,
            fenced,
            in_controlled_shutdown,
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
            if self.0.leader.get().is_none() {
                continue;
            }
            let mut silent = Vec::new();
            for (node, member) in self.0.members.0.borrow_mut().iter_mut() {
                if !member.fenced && now.since(member.reported) > SESSION {
                    member.fenced = true;
                    silent.push((*node, member.epoch));
                }
            }
            for (node, epoch) in silent {
                self.change(node, epoch, (1, 0));
                self.broker_goes(NodeId(node));
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
        if let Some(known) = known
            && known.incarnation == request.incarnation_id
        {
            return answer.with_broker_epoch(known.epoch);
        }
        let epoch = self.log_end();
        members.insert(
            node,
            Member {
                incarnation: request.incarnation_id,
                epoch,
                fenced: true,
                leaves_at: None,
                applied: -1,
                reported: now,
                previous_epoch: request.previous_broker_epoch,
            },
        );
        drop(members);
        self.append(&[registration(request, epoch)]);
        self.commit();
        // Whatever it had not flushed may be gone.
        self.broker_goes(NodeId(node));
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
        member.applied = request.current_metadata_offset;
        let is_caught_up = member.applied >= member.epoch;
        let (epoch, was_fenced, leaves_at) = (member.epoch, member.fenced, member.leaves_at);
        drop(members);
        let wants_out = request.want_shut_down;
        let may_go = wants_out && self.may_go(NodeId(node), was_fenced, leaves_at);
        let news = match () {
            () if may_go && !was_fenced => News::Fenced,
            () if may_go || wants_out && leaves_at.is_some() => News::None,
            () if wants_out => News::Leaves,
            () if was_fenced && !request.want_fence && is_caught_up => News::Unfenced,
            () if !was_fenced && request.want_fence => News::Fenced,
            () => News::None,
        };
        self.take(node, epoch, &news);
        let fenced = match news {
            News::Unfenced => false,
            News::Fenced => true,
            News::None | News::Leaves => was_fenced,
        };
        answer
            .with_is_caught_up(is_caught_up)
            .with_is_fenced(fenced)
            .with_should_shut_down(may_go)
    }

    /// A broker may stop once it leads nothing, and all others know that.
    fn may_go(&self, node: NodeId, is_fenced: bool, leaves_at: Option<i64>) -> bool {
        let members = self.0.members.0.borrow();
        let mut active = members.values().filter(|it| !it.fenced);
        is_fenced
            || !self.leads(node)
                && leaves_at.is_none_or(|since| active.all(|it| it.applied >= since - 1))
    }

    fn take(&self, node: i32, epoch: i64, news: &News) {
        let set = |change: &dyn Fn(&mut Member)| {
            let mut members = self.0.members.0.borrow_mut();
            members.get_mut(&node).into_iter().for_each(change);
        };
        match news {
            News::None => {}
            News::Unfenced => {
                set(&|it| (it.fenced, it.leaves_at) = (false, None));
                self.change(node, epoch, (-1, 0));
                self.broker_comes();
            }
            News::Fenced => {
                set(&|it| it.fenced = true);
                self.change(node, epoch, (1, 0));
                self.broker_goes(NodeId(node));
            }
            News::Leaves => {
                set(&|it| it.leaves_at = Some(0));
                self.change(node, epoch, (0, 1));
                self.broker_goes(NodeId(node));
                let end = self.log_end();
                set(&|it| it.leaves_at = Some(end));
            }
        }
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
