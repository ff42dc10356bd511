//! Drives: setting up: the topics, where their partitions live, producer ids, offsets.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::load::Wanted;
use crate::measure::client::{ClientError, Connection, Versions, malformed};

const TOPIC_ALREADY_EXISTS: i16 = 36;
/// Errors of topics and partitions that go away by themselves: unknown topic or partition, no
/// leader, not the leader, coordinator loading, not available.
const PASSING: [i16; 5] = [3, 5, 6, 14, 15];
/// How long one broker may take while others could be asked.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where a partition lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    /// Which of the run's topics.
    pub topic: usize,
    /// Number of the partition.
    pub partition: i32,
    /// Its leader, as host:port.
    pub address: String,
}

/// The brokers and the topics of a run.
#[derive(Debug)]
pub struct Cluster {
    /// Names of the topics.
    pub topics: Vec<String>,
    /// The version of Produce to speak, 3 to 8: these have one layout.
    pub produce: i16,
    /// The version of Fetch to speak, 4 to 11: those that name topics.
    pub fetch: i16,
    versions: Versions,
    /// Addresses of brokers to ask; the last one that answered is the first.
    seeds: Mutex<Vec<String>>,
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

impl Cluster {
    /// Reaches one of `bootstrap` (host:port, with commas), creates the topics if asked to, and
    /// finds out where their partitions live.
    pub fn reach(bootstrap: &str, wanted: &Wanted) -> Result<(Cluster, Vec<Home>), ClientError> {
        let seeds: Vec<String> = bootstrap
            .split(',')
            .map(|seed| seed.trim().into())
            .collect();
        let mut last = malformed("no broker to ask");
        let mut reached = None;
        for seed in &seeds {
            match Connection::open(seed).and_then(|mut c| Ok((Versions::ask(&mut c)?, c))) {
                Ok(found) => {
                    reached = Some(found);
                    break;
                }
                Err(error) => last = error,
            }
        }
        let Some((versions, mut connection)) = reached else {
            return Err(last);
        };
        let cluster = Cluster {
            topics: wanted.topics.clone(),
            produce: versions.pick::<ProduceRequest>(3..=8)?,
            fetch: versions.pick::<FetchRequest>(4..=11)?,
            versions,
            seeds: Mutex::new(seeds),
        };
        if let Some(partitions) = wanted.create {
            cluster.create(&mut connection, wanted, partitions)?;
        }
        let mut last = malformed("no metadata");
        // A new topic's leaders need a moment.
        for _ in 0..100 {
            match cluster.homes() {
                Ok(homes) => return cluster.checked(wanted, homes),
                Err(error @ (ClientError::Refused(..) | ClientError::Topic(_))) => last = error,
                Err(error) => return Err(error),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(last)
    }

    /// A cluster that is not asked for anything: `topic` at `address`, with the newest versions.
    pub fn assumed(topic: &str, address: &str) -> Cluster {
        Cluster {
            topics: vec![topic.to_owned()],
            produce: 8,
            fetch: 11,
            versions: Versions::assumed(&[
                (MetadataRequest::KEY, 8),
                (InitProducerIdRequest::KEY, 1),
            ]),
            seeds: Mutex::new(vec![address.to_owned()]),
        }
    }

    fn checked(
        self,
        wanted: &Wanted,
        homes: Vec<Home>,
    ) -> Result<(Cluster, Vec<Home>), ClientError> {
        for (number, topic) in self.topics.iter().enumerate() {
            let found = homes.iter().filter(|home| home.topic == number).count();
            if let Some(count) = wanted.create.filter(|count| *count as usize != found) {
                let text = format!(
                    "the topic {topic} is there already, with {found} partitions and not {count}: \
                     leave --create out, or take another --topic"
                );
                return Err(ClientError::Topic(text));
            }
        }
        Ok((self, homes))
    }

    fn create(
        &self,
        connection: &mut Connection,
        wanted: &Wanted,
        partitions: i32,
    ) -> Result<(), ClientError> {
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        };
        let topic = |topic: &String| {
            CreatableTopic::default()
                .with_name(name(topic))
                .with_num_partitions(partitions)
                .with_replication_factor(wanted.replication)
                .with_configs(wanted.configs.iter().map(config).collect())
        };
        let request = CreateTopicsRequest::default()
            .with_timeout_ms(30_000)
            .with_topics(wanted.topics.iter().map(topic).collect());
        // From version 4 on -1 is the broker's own number of copies (KIP-464).
        let version = self.versions.pick::<CreateTopicsRequest>(2..=4)?;
        let answer = connection.call(&request, version)?;
        for topic in &answer.topics {
            match (topic.error_code, topic.error_message.as_ref()) {
                (0 | TOPIC_ALREADY_EXISTS, _) => {}
                (code, Some(text)) => {
                    let text = format!("{} was not created ({code}): {text}", *topic.name);
                    return Err(ClientError::Topic(text));
                }
                (code, None) => return Err(ClientError::Refused("CreateTopics", code)),
            }
        }
        Ok(())
    }

    /// Does `work` with a connection to the first broker for which it succeeds.
    fn anyone<T>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let seeds = self
            .seeds
            .lock()
            .map(|seeds| seeds.clone())
            .unwrap_or_default();
        let mut last = malformed("no broker to ask");
        for (at, seed) in seeds.iter().enumerate() {
            match Connection::open_within(seed, PATIENCE).and_then(|mut c| work(&mut c)) {
                Ok(found) => {
                    if let Ok(mut seeds) = self.seeds.lock().map_err(drop)
                        && at < seeds.len()
                    {
                        seeds.swap(0, at);
                    }
                    return Ok(found);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where all partitions live now, by topic and number.
    pub fn homes(&self) -> Result<Vec<Home>, ClientError> {
        let version = self.versions.pick::<MetadataRequest>(4..=8)?;
        let asked = |topic: &String| MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(self.topics.iter().map(asked).collect()))
            .with_allow_auto_topic_creation(false);
        let answer = self.anyone(|connection| connection.call(&request, version))?;
        let brokers: HashMap<BrokerId, String> = answer
            .brokers
            .iter()
            .map(|broker| (broker.node_id, format!("{}:{}", broker.host, broker.port)))
            .collect();
        if let Ok(mut seeds) = self.seeds.lock() {
            for address in brokers.values() {
                if !seeds.contains(address) {
                    seeds.push(address.clone());
                }
            }
        }
        let mut homes = Vec::new();
        for (number, topic) in self.topics.iter().enumerate() {
            let found = answer.topics.iter().find(|found| {
                let own = found.name.as_ref().map(|name| name.as_str());
                own == Some(topic.as_str())
            });
            let found = found.ok_or_else(|| malformed("Metadata without the topic"))?;
            if found.error_code != 0 {
                return Err(ClientError::Refused("Metadata", found.error_code));
            }
            if found.partitions.is_empty() {
                return Err(ClientError::Topic(format!("{topic} has no partitions")));
            }
            for partition in &found.partitions {
                let index = partition.partition_index;
                let address = brokers.get(&partition.leader_id).cloned();
                let lost = || ClientError::Topic(format!("{topic}-{index} has no leader"));
                homes.push(Home {
                    topic: number,
                    partition: index,
                    address: address.ok_or_else(lost)?,
                });
            }
        }
        homes.sort_by_key(|home| (home.topic, home.partition));
        Ok(homes)
    }

    /// A new producer id and its epoch (InitProducerId, KIP-98).
    pub fn producer_id(&self) -> Result<(i64, i16), ClientError> {
        let version = self.versions.pick::<InitProducerIdRequest>(0..=1)?;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000);
        let mut code = 0;
        for _ in 0..100 {
            let answer = self.anyone(|connection| connection.call(&request, version))?;
            code = answer.error_code;
            match code {
                0 => return Ok((answer.producer_id.0, answer.producer_epoch)),
                code if PASSING.contains(&code) => std::thread::sleep(Duration::from_millis(100)),
                _ => break,
            }
        }
        Err(ClientError::Refused("InitProducerId", code))
    }

    /// An offset in each of `homes`: -1 asks for the end, -2 for the beginning (ListOffsets).
    pub fn offsets(&self, homes: &[Home], which: i64) -> Result<Vec<i64>, ClientError> {
        let version = self.versions.pick::<ListOffsetsRequest>(1..=5)?;
        let mut by_leader: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, home) in homes.iter().enumerate() {
            by_leader.entry(&home.address).or_default().push(number);
        }
        let mut offsets = vec![0; homes.len()];
        for (address, own) in by_leader {
            let asked = own.iter().map(|number| {
                let home = &homes[*number];
                let partition = ListOffsetsPartition::default()
                    .with_partition_index(home.partition)
                    .with_current_leader_epoch(-1)
                    .with_timestamp(which);
                ListOffsetsTopic::default()
                    .with_name(name(&self.topics[home.topic]))
                    .with_partitions(vec![partition])
            });
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_topics(merged(asked.collect()));
            let mut connection = Connection::open_within(address, PATIENCE)?;
            let answer = connection.call(&request, version)?;
            for topic in &answer.topics {
                for partition in &topic.partitions {
                    if partition.error_code != 0 {
                        return Err(ClientError::Refused("ListOffsets", partition.error_code));
                    }
                    let found = own.iter().find(|number| {
                        let home = &homes[**number];
                        self.topics[home.topic] == topic.name.as_str()
                            && home.partition == partition.partition_index
                    });
                    let found = found.ok_or_else(|| malformed("ListOffsets of another one"))?;
                    offsets[*found] = partition.offset;
                }
            }
        }
        Ok(offsets)
    }
}

/// The same with each topic once.
fn merged(asked: Vec<ListOffsetsTopic>) -> Vec<ListOffsetsTopic> {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for mut next in asked {
        match topics.last_mut().filter(|last| last.name == next.name) {
            Some(last) => last.partitions.append(&mut next.partitions),
            None => topics.push(next),
        }
    }
    topics
}
