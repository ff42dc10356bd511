//! A broker with a topic of two partitions in two folders, one of which has the fault.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::requests::{
    FETCH, PRODUCE, batch, fetch, produce, read_all, try_create_topic,
};
use corelane_testing::{Broker, Client, PATIENCE, Start};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;

pub const TOPIC: &str = "t";
pub const STORAGE_ERROR: i16 = 56;
/// The type of a topic among resources with settings (Kafka's `ConfigResource.Type`).
const RESOURCE_TOPIC: i8 = 2;

/// A broker and what it acked.
pub struct Scene {
    pub start: Start,
    pub broker: Option<Broker>,
    /// Values acked, by partition.
    pub acked: [Vec<Vec<u8>>; 2],
    sent: u64,
}

impl Scene {
    /// Starts a broker on these folders (with commas between them) and creates the topic.
    pub fn new(start: Start, configs: &[(&str, &str)]) -> Scene {
        let broker = start.ready();
        let created = try_create_topic(&mut broker.client(), TOPIC, 2, configs);
        assert_eq!(created.unwrap(), 0);
        let mut scene = Scene {
            start,
            broker: Some(broker),
            acked: Default::default(),
            sent: 0,
        };
        for partition in 0..2 {
            assert_eq!(scene.put(partition, 1_000), 0);
        }
        scene
    }

    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().unwrap()
    }

    pub fn client(&self) -> Client {
        self.broker().client()
    }

    /// The partition whose log lies below `dir`, and its folder.
    pub fn partition_in(&self, dir: &Path) -> (i32, PathBuf) {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = self.client().call(4, &request);
        let here = answer
            .results
            .iter()
            .find(|result| Path::new(result.log_dir.as_str()).starts_with(dir))
            .unwrap();
        let topic = here
            .topics
            .iter()
            .find(|topic| topic.name.as_str() == TOPIC);
        let partition = topic.unwrap().partitions[0].partition_index;
        let folder = Path::new(here.log_dir.as_str()).join(format!("{TOPIC}-{partition}"));
        (partition, folder)
    }

    /// Produces one record of so many bytes; the error code.
    pub fn put(&mut self, partition: i32, bytes: usize) -> i16 {
        self.sent += 1;
        let mut value = format!("{}:", self.sent).into_bytes();
        value.resize(bytes.max(value.len()), b'x');
        let request = produce(TOPIC, partition, -1, batch(&[&value]));
        let answer = self.client().call(PRODUCE, &request);
        let code = answer.responses[0].partition_responses[0].error_code;
        if code == 0 {
            self.acked[partition as usize].push(value);
        }
        code
    }

    /// Produces until that is refused with KAFKA_STORAGE_ERROR.
    pub fn put_until_refused(&mut self, partition: i32, bytes: usize) {
        let begun = Instant::now();
        loop {
            match self.put(partition, bytes) {
                0 => assert!(begun.elapsed() < PATIENCE, "nothing is refused"),
                code => {
                    assert_eq!(code, STORAGE_ERROR);
                    return;
                }
            }
        }
    }

    /// Produces until that works again.
    pub fn put_until_taken(&mut self, partition: i32) {
        let begun = Instant::now();
        while self.put(partition, 1_000) != 0 {
            let log = self.broker().log();
            assert!(begun.elapsed() < PATIENCE, "never taken again:\n{log}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Everything acked is there, in order; what is there beside was sent.
    pub fn holds_all(&self, partition: i32) {
        let code = self.fetch_error(partition, 0);
        assert_eq!(code, 0, "cannot read {partition}:\n{}", self.broker().log());
        let found = read_all(&mut self.client(), TOPIC, partition);
        let mut acked = self.acked[partition as usize].iter().peekable();
        let mut seen = HashSet::new();
        for (at, (offset, value)) in found.iter().enumerate() {
            assert_eq!(*offset, at as i64, "no gaps");
            assert!(seen.insert(value.clone()), "a record is there twice");
            acked.next_if(|wanted| *wanted == value);
        }
        let log = self.broker().log();
        assert!(acked.peek().is_none(), "an acked record is missing:\n{log}");
    }

    /// The error code of a fetch from `offset` on.
    pub fn fetch_error(&self, partition: i32, offset: i64) -> i16 {
        let answer = self.client().call(FETCH, &fetch(TOPIC, partition, offset));
        answer.responses[0].partitions[0].error_code
    }

    /// Waits for a line in the broker's log that holds all of these.
    pub fn says(&self, words: &[&str]) {
        self.broker().wait_log(words);
        let log = self.broker().log();
        assert!(!log.contains("panicked"), "{log}");
    }

    /// Sets one setting of the topic.
    pub fn alter_topic(&self, name: &'static str, value: &'static str) {
        let text = StrBytes::from_static_str;
        let change = AlterableConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)));
        let topic = AlterConfigsResource::default()
            .with_resource_type(RESOURCE_TOPIC)
            .with_resource_name(text(TOPIC))
            .with_configs(vec![change]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![topic]);
        assert_eq!(self.client().call(1, &request).responses[0].error_code, 0);
    }

    /// Kills the broker and starts it again.
    pub fn kill_and_start(&mut self) {
        self.broker.take().unwrap().kill();
        self.broker = Some(self.start.ready());
    }

    /// Stops the broker, cleanly as far as it can.
    pub fn stop(&mut self) {
        let log = self.broker().log();
        assert!(!log.contains("panicked"), "{log}");
        self.broker.take().unwrap().stop();
    }
}
