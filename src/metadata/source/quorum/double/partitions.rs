//! Drives: what the double does for partitions, by Kafka's rules: it elects leaders among the
//! replicas in sync, and changes those when leaders ask for it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Quorum;
use crate::base::ids::Uuid;
use crate::base::{ErrorCode, NodeId, PartitionIndex, TopicId};
use crate::metadata::record::{MetadataRecord, Partition, PartitionChange, Topic};
use crate::wire::codec::messages::alter_partition_request::PartitionData as Asked;
use crate::wire::codec::messages::alter_partition_response::{PartitionData, TopicData};
use crate::wire::codec::messages::{AlterPartitionRequest, AlterPartitionResponse, BrokerId};

const NO_LEADER: NodeId = NodeId(-1);

type Key = (TopicId, PartitionIndex);

/// The partitions of the cluster.
#[derive(Default)]
pub struct Partitions(RefCell<BTreeMap<Key, State>>);

/// A partition as the controller knows it.
#[derive(Clone, Debug)]
pub struct State {
    pub replicas: Vec<NodeId>,
    pub isr: Vec<NodeId>,
    pub leader: NodeId,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
}

// === impl Quorum ===

impl Quorum {
    /// Creates a topic whose partitions have these replicas, all in sync; the first leads.
    pub fn create_topic(&self, name: &str, id: TopicId, assignments: &[Vec<NodeId>]) {
        let topic = Topic {
            name: name.to_owned(),
            topic_id: id,
        };
        let mut records: Vec<MetadataRecord> = vec![topic.into()];
        for (replicas, index) in assignments.iter().zip(0..) {
            let state = State {
                replicas: replicas.clone(),
                isr: replicas.clone(),
                leader: replicas[0],
                leader_epoch: 0,
                partition_epoch: 0,
            };
            records.push(state.record(id, index).into());
            self.0.partitions.0.borrow_mut().insert((id, index), state);
        }
        self.append(&records);
        self.commit();
    }

    fn partitions(&self) -> BTreeMap<Key, State> {
        self.0.partitions.0.borrow().clone()
    }

    /// A partition as it is now.
    pub fn partition(&self, id: TopicId, index: PartitionIndex) -> State {
        self.0.partitions.0.borrow()[&(id, index)].clone()
    }

    /// Has another of the replicas in sync lead, as ElectLeaders does; whether it may.
    pub fn move_leader(&self, id: TopicId, index: PartitionIndex, to: NodeId) -> bool {
        let state = self.partition(id, index);
        let is_led = self.0.leader.get().is_some();
        let may = is_led && state.isr.contains(&to) && state.leader != to && self.may_lead(to);
        if may {
            self.change_partition((id, index), None, Some(to));
        }
        may
    }

    fn change_partition(&self, key: Key, isr: Option<Vec<NodeId>>, leader: Option<NodeId>) {
        let mut change = PartitionChange::none(key.0, key.1);
        let mut partitions = self.0.partitions.0.borrow_mut();
        let state = partitions.get_mut(&key).expect("it is there");
        if let Some(isr) = isr {
            state.isr.clone_from(&isr);
            change.isr = Some(isr);
        }
        if let Some(leader) = leader {
            state.leader = leader;
            state.leader_epoch += 1;
            change.leader = leader;
        }
        state.partition_epoch += 1;
        drop(partitions);
        self.append(&[change.into()]);
        self.commit();
    }

    /// A broker is fenced, shuts down, or has started anew: it goes out of sync where it is not
    /// the last one in sync, and leads no more (`ReplicationControlManager`).
    pub(super) fn broker_goes(&self, node: NodeId) {
        for (key, state) in self.partitions() {
            if !state.isr.contains(&node) {
                continue;
            }
            let mut isr = state.isr.clone();
            isr.retain(|it| *it != node);
            let leader = match state.leader == node || state.leader == NO_LEADER {
                true => self.first_to_lead(&state.replicas, &isr),
                false => state.leader,
            };
            let isr = (!isr.is_empty()).then_some(isr);
            let leader = (leader != state.leader).then_some(leader);
            if isr.is_some() || leader.is_some() {
                self.change_partition(key, isr, leader);
            }
        }
    }

    /// A broker is unfenced: it leads what no other leads, where it is in sync.
    pub(super) fn broker_comes(&self) {
        for (key, state) in self.partitions() {
            let leader = self.first_to_lead(&state.replicas, &state.isr);
            if state.leader == NO_LEADER && leader != NO_LEADER {
                self.change_partition(key, None, Some(leader));
            }
        }
    }

    fn first_to_lead(&self, replicas: &[NodeId], isr: &[NodeId]) -> NodeId {
        let mut may = replicas.iter().filter(|node| isr.contains(node));
        let first = may.find(|node| self.may_lead(**node));
        first.copied().unwrap_or(NO_LEADER)
    }

    /// Whether a broker leads anything.
    pub(super) fn leads(&self, node: NodeId) -> bool {
        let partitions = self.0.partitions.0.borrow();
        partitions.values().any(|state| state.leader == node)
    }

    pub(super) fn alter_partition(
        &self,
        index: usize,
        request: &AlterPartitionRequest,
    ) -> AlterPartitionResponse {
        let answer = AlterPartitionResponse::default();
        let node = NodeId(request.broker_id.0);
        if !self.is_active(index) {
            return answer.with_error_code(ErrorCode::NOT_CONTROLLER.0);
        }
        if !self.has_epoch(node, request.broker_epoch) {
            return answer.with_error_code(ErrorCode::STALE_BROKER_EPOCH.0);
        }
        let topics = request.topics.iter().map(|topic| {
            let id = TopicId(topic.topic_id);
            let of = |asked: &Asked| self.alter_one(node, id, asked);
            TopicData::default()
                .with_topic_id(topic.topic_id)
                .with_partitions(topic.partitions.iter().map(of).collect())
        });
        answer.with_topics(topics.collect())
    }

    fn alter_one(&self, node: NodeId, id: TopicId, asked: &Asked) -> PartitionData {
        let answer = PartitionData::default().with_partition_index(asked.partition_index);
        let key = (id, asked.partition_index);
        let Some(state) = self.0.partitions.0.borrow().get(&key).cloned() else {
            return answer.with_error_code(ErrorCode::UNKNOWN_TOPIC_ID.0);
        };
        if let Some(error) = self.refuse(node, &state, asked) {
            return answer.with_error_code(error.0);
        }
        let isr = asked.new_isr_with_epochs.iter();
        let isr: Vec<NodeId> = isr.map(|it| NodeId(it.broker_id.0)).collect();
        if isr != state.isr {
            self.change_partition(key, Some(isr), None);
        }
        let state = self.partition(id, asked.partition_index);
        answer
            .with_leader_id(BrokerId(state.leader.0))
            .with_leader_epoch(state.leader_epoch)
            .with_partition_epoch(state.partition_epoch)
            .with_isr(state.isr.iter().map(|it| BrokerId(it.0)).collect())
    }

    /// `ReplicationControlManager.validateAlterPartitionData`
    fn refuse(&self, node: NodeId, state: &State, asked: &Asked) -> Option<ErrorCode> {
        let isr = &asked.new_isr_with_epochs;
        let is_eligible = |broker: NodeId, epoch: i64| {
            self.may_lead(broker) && (epoch == -1 || self.has_epoch(broker, epoch))
        };
        let of_replicas = |it: BrokerId| state.replicas.contains(&NodeId(it.0));
        if asked.leader_epoch > state.leader_epoch || asked.partition_epoch > state.partition_epoch
        {
            Some(ErrorCode::NOT_CONTROLLER)
        } else if asked.leader_epoch < state.leader_epoch {
            Some(ErrorCode::FENCED_LEADER_EPOCH)
        } else if node != state.leader {
            Some(ErrorCode::INVALID_REQUEST)
        } else if asked.partition_epoch < state.partition_epoch {
            Some(ErrorCode::INVALID_UPDATE_VERSION)
        } else if !isr.iter().all(|it| of_replicas(it.broker_id))
            || !isr.iter().any(|it| it.broker_id.0 == node.0)
        {
            Some(ErrorCode::INVALID_REQUEST)
        } else if !isr
            .iter()
            .all(|it| is_eligible(NodeId(it.broker_id.0), it.broker_epoch))
        {
            Some(ErrorCode::INELIGIBLE_REPLICA)
        } else {
            None
        }
    }
}

// === impl State ===

impl State {
    fn record(&self, topic_id: TopicId, partition_id: PartitionIndex) -> Partition {
        Partition {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            leader: self.leader,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: vec![Uuid::default(); self.replicas.len()],
            leader_recovery_state: 0,
            eligible_leader_replicas: None,
            last_known_elr: None,
        }
    }
}
