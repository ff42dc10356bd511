//! Drives: producers that send again what was not acked, and readers: clients of a simulated
//! cluster which go to whichever broker leads, over the wire.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::link::Link;
use super::nodes::Cluster;
use super::{BROKERS, PARTITIONS, SECOND, TOPIC, Told};
use crate::base::NodeId;
use crate::io::net::Net;
use crate::server::sim_tests::client::fetch_request;
use crate::wire::batch::{BatchBuilder, NewRecord, Records, batches};
use crate::wire::codec::messages::metadata_request::MetadataRequestTopic;
use crate::wire::codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::codec::messages::{MetadataRequest, ProduceRequest, TopicName};
use crate::wire::codec::{Request, StrBytes};

/// Longer than the producers' `delivery.timeout.ms` here.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(40);
/// What a producer tries again after, by Kafka's numbers: UNKNOWN_TOPIC_OR_PARTITION,
/// LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS and
/// NOT_ENOUGH_REPLICAS_AFTER_APPEND, KAFKA_STORAGE_ERROR. Also OUT_OF_ORDER_SEQUENCE_NUMBER: a
/// broker that leads no more and does not know it yet answers so, as in Kafka; a leader that lacks
/// acked records answers so for ever.
const PASSING: [i16; 8] = [3, 5, 6, 7, 19, 20, 45, 56];
/// The producer id of the first idempotent producer.
const FIRST_PRODUCER: i64 = 4_000;

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

/// A client of one partition at a time.
pub struct Client {
    cluster: Cluster,
    net: Net,
    leader: Option<NodeId>,
    link: Option<Link>,
}

/// A producer of one partition.
pub struct Writer {
    name: String,
    partition: i32,
    /// It sends again what was not acked, which must be there once and in order.
    is_idempotent: bool,
    /// Records that are acked.
    acked: Cell<usize>,
    done: Cell<bool>,
}

/// Starts writers and readers of all partitions.
pub fn start(cluster: &Cluster, told: &Told) -> Vec<Rc<Writer>> {
    let mut writers = Vec::new();
    for partition in 0..PARTITIONS {
        for is_idempotent in [true, false] {
            let kind = if is_idempotent { "once" } else { "new" };
            let writer = Rc::new(Writer {
                name: format!("{kind}-{partition}"),
                partition,
                is_idempotent,
                acked: Cell::default(),
                done: Cell::default(),
            });
            let (client, told) = (Client::new(cluster), told.clone());
            cluster.runtime.spawn(writer.clone().run(client, told));
            writers.push(writer);
        }
        let (client, told) = (Client::new(cluster), told.clone());
        cluster.runtime.spawn(read(client, partition, told));
    }
    writers
}

/// Reads a partition again and again, up to its high watermark.
async fn read(mut client: Client, partition: i32, told: Told) {
    let mut next = 0;
    while !told.borrow().over {
        let Some((_, records)) = client.fetch(partition, next).await else {
            client.look_anew(partition).await;
            continue;
        };
        let before = next;
        for (offset, value) in values(&records).range(next..) {
            let mut told = told.borrow_mut();
            told.told(partition, *offset, value, "a reader");
            told.read += 1;
            next = offset + 1;
        }
        if next == before && client.cluster.below(20) == 0 {
            next = (next - client.cluster.below(60) as i64).max(0);
        }
    }
}

/// Records by offset.
pub fn values(bytes: &[u8]) -> BTreeMap<i64, Vec<u8>> {
    let mut found = BTreeMap::new();
    for batch in batches(bytes) {
        let Ok(batch) = batch else { break };
        batch.verify_crc().unwrap();
        for record in Records::of(&batch) {
            let record = record.unwrap();
            let offset = batch.base_offset() + i64::from(record.offset_delta);
            found.insert(offset, record.value.unwrap_or_default().to_vec());
        }
    }
    found
}

// === impl Writer ===

impl Writer {
    fn value(&self, number: usize) -> Vec<u8> {
        format!("{}/{number}/", self.name)
            .repeat(1 + number % 40)
            .into()
    }

    async fn run(self: Rc<Self>, mut client: Client, told: Told) {
        let mut number = 0;
        while !told.borrow().over {
            let count = 1 + client.cluster.below(3);
            let values: Vec<Vec<u8>> = (number..number + count).map(|it| self.value(it)).collect();
            let mut acked = None;
            loop {
                match client
                    .produce(self.partition, self.batch(number, &values, &client))
                    .await
                {
                    Some(Ok(base_offset)) => acked = Some(base_offset),
                    Some(Err(code)) => {
                        client
                            .cluster
                            .tell(format_args!("{}: {number}: {code}", self.name));
                        assert!(PASSING.contains(&code), "{}: {number}: {code}", self.name);
                    }
                    None => {}
                }
                if acked.is_some() || !self.is_idempotent {
                    break;
                }
                client.look_anew(self.partition).await;
            }
            number += count;
            match acked {
                Some(base) => self.is_acked(base, &values, &told),
                None => client.look_anew(self.partition).await,
            }
            let pause = client.cluster.between(1, 120);
            client.cluster.runtime.sleep(pause).await;
        }
        self.done.set(true);
    }

    fn is_acked(&self, base: i64, values: &[Vec<u8>], told: &Told) {
        let mut told = told.borrow_mut();
        for (offset, value) in (base..).zip(values) {
            told.told(self.partition, offset, value, &self.name);
        }
        told.acked += values.len();
        self.acked.set(self.acked.get() + values.len());
    }

    fn batch(&self, number: usize, values: &[Vec<u8>], client: &Client) -> Vec<u8> {
        let mut batch = BatchBuilder::new();
        if self.is_idempotent {
            let id = FIRST_PRODUCER + i64::from(self.partition);
            batch = batch.producer(id, 0, number as i32);
        }
        let timestamp = client.cluster.runtime.wall_ms();
        for value in values {
            batch.push(NewRecord::new(timestamp, None, Some(value)));
        }
        batch.build()
    }

    /// Whether it has ended, and all that an idempotent one has sent is acked.
    pub fn is_done(&self) -> bool {
        self.done.get()
    }

    /// What an idempotent one has sent is in the log of its partition once, in order.
    pub fn check(&self, partition: i32, log: &BTreeMap<i64, Vec<u8>>) {
        if partition != self.partition || !self.is_idempotent {
            return;
        }
        let mine = format!("{}/", self.name);
        let mine = log.values().filter(|it| it.starts_with(mine.as_bytes()));
        let sent: Vec<Vec<u8>> = (0..self.acked.get()).map(|it| self.value(it)).collect();
        let is_same = mine.eq(sent.iter());
        assert!(is_same, "{}: not all is there once and in order", self.name);
    }
}

// === impl Client ===

impl Client {
    pub fn new(cluster: &Cluster) -> Client {
        Client {
            cluster: cluster.clone(),
            net: Net::simulated(cluster.net.clone()),
            leader: None,
            link: None,
        }
    }

    /// Asks the leader, if it is known and reached.
    async fn ask<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        let runtime = self.cluster.runtime.clone();
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::to(&self.net, &runtime, self.leader?.0 as usize - 1).await?,
        };
        let answer = link.call(version, request, ANSWER_WITHIN).await?;
        self.link = Some(link);
        Some(answer)
    }

    /// Finds out from any broker who leads.
    pub async fn look_anew(&mut self, partition: i32) {
        self.cluster.runtime.sleep(PAUSE).await;
        let broker = self.cluster.below(BROKERS);
        let topic = MetadataRequestTopic::default().with_name(Some(topic()));
        let request = MetadataRequest::default().with_topics(Some(vec![topic]));
        let (net, runtime) = (&self.net, &self.cluster.runtime);
        let Some(mut link) = Link::to(net, runtime, broker).await else {
            return;
        };
        let Some(answer) = link.call(9, &request, SECOND).await else {
            return;
        };
        let found = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let mut found = found.filter(|it| it.partition_index == partition);
        let leader = found.next().map(|it| NodeId(it.leader_id.0));
        self.leads(leader.filter(|it| it.0 > 0));
    }

    fn leads(&mut self, leader: Option<NodeId>) {
        if leader != self.leader {
            self.leader = leader;
            self.link = None;
        }
    }

    /// Appends a batch with `acks=all`: its offset, or the error. `None` without an answer.
    pub async fn produce(&mut self, partition: i32, batch: Vec<u8>) -> Option<Result<i64, i16>> {
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch.into()));
        let topic = TopicProduceData::default()
            .with_name(topic())
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(2_000)
            .with_topic_data(vec![topic]);
        let answer = self.ask(9, &request).await?;
        let partition = &answer.responses[0].partition_responses[0];
        Some(match partition.error_code {
            0 => Ok(partition.base_offset),
            code => Err(code),
        })
    }

    /// The high watermark, and batches from an offset on.
    async fn fetch(&mut self, partition: i32, from: i64) -> Option<(i64, Vec<u8>)> {
        let request = fetch_request(TOPIC, (partition, from), 32 << 10, 100);
        let answer = self.ask(12, &request).await?;
        let answer = answer.responses.into_iter().next()?;
        let answer = answer.partitions.into_iter().next()?;
        if answer.error_code != 0 {
            return None;
        }
        let records = answer.records.unwrap_or_default().to_vec();
        Some((answer.high_watermark, records))
    }

    /// All that `leader` has of a partition, once that reaches to `upto`.
    pub async fn whole_log(&mut self, partition: i32, leader: NodeId, upto: i64) -> Vec<u8> {
        self.leads(Some(leader));
        let (mut log, mut next) = (Vec::new(), 0);
        for _ in 0..2_000 {
            let fetched = self.fetch(partition, next).await;
            let Some((high_watermark, records)) = fetched else {
                self.cluster.runtime.sleep(PAUSE).await;
                continue;
            };
            for batch in batches(&records) {
                let Ok(batch) = batch else { break };
                if batch.base_offset() >= next {
                    log.extend_from_slice(batch.bytes());
                    next = batch.next_offset();
                }
            }
            if next >= upto && next == high_watermark {
                return log;
            }
        }
        panic!("the log of {leader} ends at {next} before {upto}");
    }
}
