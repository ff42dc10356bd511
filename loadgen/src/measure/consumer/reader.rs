//! Drives: one consumer: its partitions, its connections, and the next fetch on each.

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{Job, Until};
use crate::measure::client::{self, ClientError, Connection};
use crate::measure::cluster::Home;
use crate::measure::ledger::Ledger;
use crate::measure::link::dial;

/// How long the broker may hold a fetch that finds nothing, in milliseconds.
const MAX_WAIT_MS: i32 = 500;

const PARTITION_MAX_BYTES: i32 = 4 << 20;

const FETCH_MAX_BYTES: i32 = 16 << 20;

/// A connection to one leader.
pub(super) struct Link {
    address: String,
    pub(super) connection: Connection,
    /// The homes that it leads.
    pub(super) own: Vec<usize>,
}

/// One consumer of a thread.
pub(super) struct Reader {
    pub(super) group: usize,
    /// The homes that it reads.
    pub(super) own: Vec<usize>,
    pub(super) links: Vec<Link>,
    /// The next offset of each of the run's homes.
    pub(super) offsets: Vec<i64>,
    pub(super) ledger: Ledger,
}

impl Reader {
    /// Connects to the leaders of its homes and asks each for records.
    pub(super) fn open(&mut self, job: &Job, homes: &[Home]) -> Result<(), ClientError> {
        self.links.clear();
        for number in &self.own {
            let address = &homes[*number].address;
            match self.links.iter_mut().find(|link| link.address == *address) {
                Some(link) => link.own.push(*number),
                None => self.links.push(Link {
                    address: address.clone(),
                    connection: dial(address)?,
                    own: vec![*number],
                }),
            }
        }
        for at in 0..self.links.len() {
            self.fetch(job, at)?;
        }
        Ok(())
    }

    pub(super) fn fetch(&mut self, job: &Job, at: usize) -> Result<(), ClientError> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        let mut last = None;
        for number in &self.links[at].own {
            let home = &job.homes[*number];
            if let Until::Offsets(ends) = &job.until
                && self.offsets[*number] >= ends[*number]
            {
                continue;
            }
            if last.replace(home.topic) != Some(home.topic) {
                let name = StrBytes::from_string(job.cluster.topics[home.topic].clone());
                topics.push(FetchTopic::default().with_topic(TopicName(name)));
            }
            let partition = FetchPartition::default()
                .with_partition(home.partition)
                .with_fetch_offset(self.offsets[*number])
                .with_partition_max_bytes(PARTITION_MAX_BYTES);
            if let Some(topic) = topics.last_mut() {
                topic.partitions.push(partition);
            }
        }
        if topics.is_empty() {
            return Ok(());
        }
        let request = FetchRequest::default()
            .with_max_wait_ms(MAX_WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_MAX_BYTES)
            .with_topics(topics);
        let frame = client::frame(&request, job.cluster.fetch, 0)?;
        // The last request was answered, so the socket has space for this one.
        match self.links[at].connection.try_send(&frame)? {
            true => Ok(()),
            false => Err(client::malformed("no space to send a fetch")),
        }
    }

    /// Whether it has read up to `ends`, an offset for each of the run's homes.
    pub(super) fn is_done(&self, ends: &[i64]) -> bool {
        self.own
            .iter()
            .all(|home| self.offsets[*home] >= ends[*home])
    }
}
