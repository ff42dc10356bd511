//! Drives: leaderships that are moved in order, as an operator has them moved: another replica is
//! made the preferred one, and elected.

use std::cell::RefCell;
use std::io::{Error, Result};
use std::time::Duration;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest};

use super::cluster::Cluster;
use super::view::{View, connect};
use crate::requests::{good, topic_name};
use crate::{Client, until_within};

/// How long a leadership may take to move: its new leader may have to come back in sync before.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the controllers may take for a request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The kind of election that has the preferred replica lead.
const PREFERRED: i8 = 0;
/// ELECTION_NOT_NEEDED: it leads already.
const LEADS: i16 = 84;

impl Cluster {
    /// Has each partition of a topic led by another replica that is in sync, and with `back` by the
    /// one of before again at once; waits until all members that run say so.
    pub fn move_leaders(&self, topic: &str, back: bool) {
        let last = RefCell::new(None);
        let log = || {
            let last = last.borrow();
            format!(
                "leaders of {topic} do not move: {last:?}\n{}",
                self.last_words()
            )
        };
        let wanted = until_within(PATIENCE, log, || {
            let seen = self.view(topic);
            let others: Option<Vec<i32>> = seen.iter().map(other).collect();
            let others = others.filter(|it| !it.is_empty())?;
            let before: Vec<i32> = seen.iter().map(|it| it.leader).collect();
            let moved = self.elect(topic, &others).and_then(|()| match back {
                true => self.elect(topic, &before).map(|()| before),
                false => Ok(others),
            });
            moved.map_err(|error| last.replace(Some(error))).ok()
        });
        self.wait(topic, "led by others", |seen| {
            let leaders = seen.iter().map(|it| it.leader);
            leaders.eq(wanted.iter().copied())
        });
    }

    /// Makes these the preferred replicas of the partitions of a topic, and has them elected.
    fn elect(&self, topic: &str, leaders: &[i32]) -> Result<()> {
        let mut running = self.members.iter().filter(|it| it.is_running());
        let member = running.next().ok_or_else(|| Error::other("no member"))?;
        let mut client = connect(member.address(), 2 * TIMEOUT)?;
        let seen = self.view(topic);
        prefer(&mut client, topic, &seen, leaders)?;
        let topic = TopicPartitions::default()
            .with_topic(topic_name(topic))
            .with_partitions((0..leaders.len() as i32).collect());
        let request = ElectLeadersRequest::default()
            .with_election_type(PREFERRED)
            .with_timeout_ms(TIMEOUT.as_millis() as i32)
            .with_topic_partitions(Some(vec![topic]));
        let answer = client.try_call(2, &request)?;
        good("ElectLeaders", answer.error_code)?;
        let topics = answer.replica_election_results.iter();
        let mut results = topics.flat_map(|topic| &topic.partition_result);
        results.try_for_each(|it| match it.error_code {
            LEADS => Ok(()),
            code => good("ElectLeaders", code),
        })
    }
}

/// Another replica of a partition that is in sync.
fn other(of: &View) -> Option<i32> {
    let mut replicas = of.replicas.iter().cycle();
    replicas.find(|id| **id == of.leader)?;
    let others = replicas.take(of.replicas.len() - 1);
    others
        .copied()
        .find(|id| *id != of.leader && of.isr.contains(id))
}

/// Puts these nodes first among the replicas of a topic's partitions, which stay where they are.
fn prefer(client: &mut Client, topic: &str, seen: &[View], leaders: &[i32]) -> Result<()> {
    let partitions = seen
        .iter()
        .zip(leaders)
        .zip(0..)
        .map(|((view, leader), index)| {
            let others = view.replicas.iter().filter(|id| *id != leader);
            let replicas = [leader].into_iter().chain(others);
            ReassignablePartition::default()
                .with_partition_index(index)
                .with_replicas(Some(replicas.map(|id| BrokerId(*id)).collect()))
        });
    let topic = ReassignableTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(partitions.collect());
    let request = AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(TIMEOUT.as_millis() as i32)
        .with_topics(vec![topic]);
    let answer = client.try_call(1, &request)?;
    good("AlterPartitionReassignments", answer.error_code)?;
    let topics = answer.responses.iter();
    let mut partitions = topics.flat_map(|topic| &topic.partitions);
    partitions.try_for_each(|it| good("AlterPartitionReassignments", it.error_code))
}
