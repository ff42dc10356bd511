//! Drives: `loadgen read`: a cold reader.

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use corelane_wire::batch::{BatchError, batches};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, FetchRequest, ListOffsetsRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::measure::client::{ClientError, Connection};

/// Request versions that all brokers since Kafka 2.4 speak.
const METADATA: i16 = 4;
const LIST_OFFSETS: i16 = 1;
const FETCH: i16 = 11;

/// What ListOffsets takes for the first offset and for the next one.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// What to read.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// A broker to ask for the others
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,

    /// The topic; all its partitions are read, one after the other
    #[arg(long, value_name = "NAME")]
    pub topic: String,

    /// Bytes to ask for at a time
    #[arg(long, value_name = "BYTES", default_value = "4194304",
        value_parser = clap::value_parser!(i32).range(1_024..=1 << 28))]
    pub fetch_bytes: i32,
}

/// What was read.
#[derive(Default)]
struct Read {
    bytes: u64,
    records: u64,
}

/// Reads the topic from its beginning up to where it ends now, as fast as it comes.
pub fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let begun = Instant::now();
    let mut read = Read::default();
    let mut connections: HashMap<String, Connection> = HashMap::new();
    let homes = homes(&args.bootstrap, &args.topic)?;
    for (partition, address) in &homes {
        if !connections.contains_key(address) {
            connections.insert(address.clone(), Connection::open(address)?);
        }
        if let Some(connection) = connections.get_mut(address) {
            read_partition(connection, args, *partition, &mut read)?;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} partitions: {} records, {:.1} MB in {seconds:.2} s, {:.1} MB/s",
        homes.len(),
        read.records,
        read.bytes as f64 / 1e6,
        read.bytes as f64 / 1e6 / seconds.max(1e-9),
    );
    Ok(ExitCode::SUCCESS)
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// The partitions of a topic with the addresses of their leaders.
fn homes(bootstrap: &str, topic: &str) -> Result<Vec<(i32, String)>, ClientError> {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(false);
    let answer = Connection::open(bootstrap)?.call(&request, METADATA)?;
    let found = answer.topics.first();
    let found = found.ok_or_else(|| ClientError::Topic(format!("{topic} is not there")))?;
    if found.error_code != 0 {
        return Err(ClientError::Refused("Metadata", found.error_code));
    }
    let home = |index: i32, leader: BrokerId| {
        let broker = answer.brokers.iter().find(|one| one.node_id == leader);
        let broker =
            broker.ok_or_else(|| ClientError::Topic(format!("partition {index} has no leader")))?;
        Ok((index, format!("{}:{}", broker.host, broker.port)))
    };
    let homes = found.partitions.iter();
    homes
        .map(|one| home(one.partition_index, one.leader_id))
        .collect()
}

fn offset(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    which: i64,
) -> Result<i64, ClientError> {
    let asked = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_timestamp(which);
    let asked = ListOffsetsTopic::default()
        .with_name(name(topic))
        .with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![asked]);
    let answer = connection.call(&request, LIST_OFFSETS)?;
    let found = answer.topics.first().and_then(|one| one.partitions.first());
    match found {
        Some(found) if found.error_code == 0 => Ok(found.offset),
        Some(found) => Err(ClientError::Refused("ListOffsets", found.error_code)),
        None => Err(ClientError::Malformed("no partition in it".to_owned())),
    }
}

fn read_partition(
    connection: &mut Connection,
    args: &Args,
    partition: i32,
    read: &mut Read,
) -> Result<(), ClientError> {
    let mut next = offset(connection, &args.topic, partition, EARLIEST)?;
    let end = offset(connection, &args.topic, partition, LATEST)?;
    while next < end {
        let asked = FetchPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(-1)
            .with_fetch_offset(next)
            .with_log_start_offset(-1)
            .with_partition_max_bytes(args.fetch_bytes);
        let asked = FetchTopic::default()
            .with_topic(name(&args.topic))
            .with_partitions(vec![asked]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(args.fetch_bytes)
            .with_session_epoch(-1)
            .with_topics(vec![asked]);
        let answer = connection.call(&request, FETCH)?;
        let found = answer.responses.first();
        let found = found.and_then(|topic| topic.partitions.first());
        let found = found.ok_or_else(|| ClientError::Malformed("no partition in it".to_owned()))?;
        if found.error_code != 0 {
            return Err(ClientError::Refused("Fetch", found.error_code));
        }
        let records = found.records.clone().unwrap_or_default();
        let before = next;
        let whole = batches(&records)
            .take_while(|batch| !matches!(batch, Err(BatchError::Truncated { .. })));
        for batch in whole {
            let batch = batch.map_err(|error| ClientError::Malformed(error.to_string()))?;
            read.records += batch.next_offset().saturating_sub(next.max(0)).max(0) as u64;
            next = next.max(batch.next_offset());
        }
        read.bytes += records.len() as u64;
        if next == before {
            let text = format!("partition {partition} stops at offset {next} of {end}");
            return Err(ClientError::Topic(text));
        }
    }
    Ok(())
}
