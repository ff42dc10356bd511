//! Drives: what clients of a history ask of a broker: transactions, membership, records. An error
//! ends what they were about; they never send anything again whose fate they do not know.

use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::Duration;

use corelane::wire::batch::{BatchBuilder, NewRecord};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, EndTxnRequest, FindCoordinatorRequest, GroupId,
    InitProducerIdRequest, MetadataRequest, OffsetFetchRequest, ProducerId, TransactionalId,
    TxnOffsetCommitRequest,
};

use super::history::{Place, Value};
use crate::Client;
use crate::batches::TIME_MS;
use crate::members::connect;
use crate::requests::{good, produce, text, topic_name};

/// How long an answer may take: with it a request that waits for replicas.
const PATIENCE: Duration = Duration::from_secs(12);

/// A kind of coordinator, by Kafka's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coordinator {
    Group = 0,
    Transactions = 1,
}

/// A client with its connections, made when they are needed.
pub struct Session {
    /// Where each node is, from node 1 on.
    nodes: Vec<SocketAddr>,
    /// The node that is asked first which node leads and coordinates what.
    turn: usize,
    clients: BTreeMap<i32, Client>,
    leaders: BTreeMap<Place, i32>,
    coordinators: BTreeMap<(Coordinator, String), i32>,
}

/// A producer of transactions.
#[derive(Clone, Debug)]
pub struct Producer {
    pub name: String,
    id: i64,
    epoch: i16,
    sequences: BTreeMap<Place, i32>,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub struct Member {
    pub group: &'static str,
    pub id: String,
    pub epoch: i32,
}

fn transactional(name: &str) -> TransactionalId {
    TransactionalId(text(name))
}

impl Session {
    pub fn new(nodes: &[SocketAddr]) -> Session {
        Session {
            nodes: nodes.to_vec(),
            turn: 0,
            clients: BTreeMap::new(),
            leaders: BTreeMap::new(),
            coordinators: BTreeMap::new(),
        }
    }

    /// Forgets all connections, leaders and coordinators; another node is asked first from now on.
    pub fn forget(&mut self) {
        self.turn = (self.turn + 1) % self.nodes.len();
        self.clients.clear();
        self.leaders.clear();
        self.coordinators.clear();
    }

    /// The first node from [`Self::turn`] on that can be reached.
    fn any(&mut self) -> Result<&mut Client> {
        let (turn, count) = (self.turn, self.nodes.len());
        let mut nodes = (0..count).map(|at| ((turn + at) % count) as i32 + 1);
        let found = nodes.clone().find(|node| self.clients.contains_key(node));
        let found = found.or_else(|| nodes.find(|node| self.node(*node).is_ok()));
        self.node(found.ok_or_else(|| Error::other("no node can be reached"))?)
    }

    fn node(&mut self, node: i32) -> Result<&mut Client> {
        if let std::collections::btree_map::Entry::Vacant(place) = self.clients.entry(node) {
            let address = self.nodes.get(node as usize - 1);
            let address = address.ok_or_else(|| Error::other("no such node"))?;
            place.insert(connect(*address, PATIENCE)?);
        }
        self.clients
            .get_mut(&node)
            .ok_or_else(|| Error::other("no connection"))
    }

    /// The node that leads a partition.
    pub fn leader(&mut self, place: Place) -> Result<&mut Client> {
        if !self.leaders.contains_key(&place) {
            let request = MetadataRequest::default().with_topics(None);
            let answer = self.any()?.try_call(9, &request)?;
            let of = |it: &kafka_protocol::messages::metadata_response::MetadataResponseTopic| {
                it.name.as_ref().is_some_and(|name| &*name.0 == place.0)
            };
            let topic = answer.topics.iter().find(|topic| of(topic));
            let partitions = topic.iter().flat_map(|topic| &topic.partitions);
            for partition in partitions.filter(|it| it.leader_id.0 > 0) {
                let leader = partition.leader_id.0;
                self.leaders
                    .insert((place.0, partition.partition_index), leader);
            }
        }
        let leader = self.leaders.get(&place).copied();
        self.node(leader.ok_or_else(|| Error::other("no leader"))?)
    }

    fn coordinator(&mut self, kind: Coordinator, key: &str) -> Result<&mut Client> {
        let wanted = (kind, key.to_owned());
        let node = match self.coordinators.get(&wanted) {
            Some(node) => *node,
            None => {
                let request = FindCoordinatorRequest::default()
                    .with_key(text(key))
                    .with_key_type(kind as i8);
                let answer = self.any()?.try_call(3, &request)?;
                good("FindCoordinator", answer.error_code)?;
                self.coordinators.insert(wanted, answer.node_id.0);
                answer.node_id.0
            }
        };
        self.node(node)
    }

    /// Makes this the only producer of its name: what another one has open is aborted.
    pub fn init(&mut self, name: &str) -> Result<Producer> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional(name)))
            .with_transaction_timeout_ms(10_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let coordinator = self.coordinator(Coordinator::Transactions, name)?;
        let answer = coordinator.try_call(4, &request)?;
        good("InitProducerId", answer.error_code)?;
        Ok(Producer {
            name: name.to_owned(),
            id: answer.producer_id.0,
            epoch: answer.producer_epoch,
            sequences: BTreeMap::new(),
        })
    }

    /// Adds partitions of one topic to the producer's transaction.
    pub fn add(&mut self, by: &Producer, topic: &str, partitions: &[i32]) -> Result<()> {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions.to_vec());
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional(&by.name))
            .with_v3_and_below_producer_id(ProducerId(by.id))
            .with_v3_and_below_producer_epoch(by.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let coordinator = self.coordinator(Coordinator::Transactions, &by.name)?;
        let answer = coordinator.try_call(3, &request)?;
        let topics = answer.results_by_topic_v3_and_below.iter();
        let mut results = topics.flat_map(|topic| &topic.results_by_partition);
        results.try_for_each(|it| good("AddPartitionsToTxn", it.partition_error_code))
    }

    /// Appends values to a partition of the transaction: the offset of the first.
    pub fn append(&mut self, by: &mut Producer, place: Place, values: &[Value]) -> Result<i64> {
        let sequence = by.sequences.entry(place).or_default();
        let builder = BatchBuilder::new().producer(by.id, by.epoch, *sequence);
        let mut builder = builder.transactional();
        for value in values {
            let bytes = value.to_be_bytes();
            builder.push(NewRecord::new(TIME_MS, None, Some(&bytes)));
        }
        *sequence += values.len() as i32;
        let mut request = produce(place.0, place.1, -1, builder.build().into());
        request.transactional_id = Some(transactional(&by.name));
        let answer = self.leader(place)?.try_call(9, &request)?;
        let found = &answer.responses[0].partition_responses[0];
        good("Produce", found.error_code)?;
        Ok(found.base_offset)
    }

    /// Commits offsets of a group in the transaction.
    pub fn commit_offsets(
        &mut self,
        by: &Producer,
        member: &Member,
        offsets: &[(Place, i64)],
    ) -> Result<()> {
        let group = || GroupId(text(member.group));
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(transactional(&by.name))
            .with_producer_id(ProducerId(by.id))
            .with_producer_epoch(by.epoch)
            .with_group_id(group());
        let coordinator = self.coordinator(Coordinator::Transactions, &by.name)?;
        let answer = coordinator.try_call(3, &request)?;
        good("AddOffsetsToTxn", answer.error_code)?;
        let topics = offsets.iter().map(|((topic, partition), offset)| {
            let partition = TxnOffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(-1)
                .with_committed_metadata(Some(text("")));
            TxnOffsetCommitRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(vec![partition])
        });
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(transactional(&by.name))
            .with_group_id(group())
            .with_producer_id(ProducerId(by.id))
            .with_producer_epoch(by.epoch)
            .with_generation_id(member.epoch)
            .with_member_id(text(member.id.as_str()))
            .with_topics(topics.collect());
        let coordinator = self.coordinator(Coordinator::Group, member.group)?;
        let answer = coordinator.try_call(3, &request)?;
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.try_for_each(|it| good("TxnOffsetCommit", it.error_code))
    }

    /// Ends the producer's transaction; with `hangs_up` without waiting for the answer.
    pub fn end(&mut self, by: &Producer, committed: bool, hangs_up: bool) -> Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional(&by.name))
            .with_producer_id(ProducerId(by.id))
            .with_producer_epoch(by.epoch)
            .with_committed(committed);
        let coordinator = self.coordinator(Coordinator::Transactions, &by.name)?;
        if hangs_up {
            coordinator.send(3, &request)?;
            return Err(Error::other("it has hung up"));
        }
        let answer = coordinator.try_call(3, &request)?;
        good("EndTxn", answer.error_code)
    }

    /// A member's heartbeat; what it is told, and the error code.
    pub fn heartbeat(
        &mut self,
        group: &'static str,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse> {
        self.coordinator(Coordinator::Group, group)?
            .try_call(1, request)
    }

    /// The group's offset, once no transaction that would change it is open; 0 where there is none.
    pub fn offset(&mut self, group: &'static str, place: Place) -> Result<i64> {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name(place.0))
            .with_partition_indexes(vec![place.1]);
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_require_stable(true)
            .with_topics(Some(vec![topic]));
        let coordinator = self.coordinator(Coordinator::Group, group)?;
        let answer = coordinator.try_call(7, &request)?;
        good("OffsetFetch", answer.error_code)?;
        let found = &answer.topics[0].partitions[0];
        good("OffsetFetch", found.error_code)?;
        Ok(found.committed_offset.max(0))
    }
}
