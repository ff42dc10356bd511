//! Drives: real text, the pages of this repository, written line by line, each line once whatever
//! becomes of the broker; and how often it has each word.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane::wire::batch::{BatchBuilder, NewRecord};
use corelane_testing::batches::TIME_MS;
use corelane_testing::requests::{PRODUCE, produce};
use corelane_testing::{Client, PATIENCE};
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};

use crate::PARTITIONS;
use crate::site::Nodes;

/// Lines in a batch.
const COUNT: usize = 10;
/// Time between two batches.
const PAUSE: Duration = Duration::from_millis(50);
const INIT_PRODUCER_ID: i16 = 4;

/// Words, and how often each is there.
pub type Counts = BTreeMap<String, u64>;

/// The words of a line: letters of ASCII, in lower case.
fn words(line: &str) -> impl Iterator<Item = String> {
    let words = line.split(|symbol: char| !symbol.is_ascii_alphabetic());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase)
}

/// How often each word is in these lines: the plain count.
pub fn count(lines: &[String]) -> Counts {
    let mut counts = Counts::new();
    for word in lines.iter().flat_map(|line| words(line)) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// The lines of the repository's pages.
pub fn lines() -> io::Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("LICENSE"), root.join("README.md")];
    for folder in ["docs", "docs/decisions", "docs/formats"] {
        for entry in fs::read_dir(root.join(folder))? {
            files.push(entry?.path());
        }
    }
    files.retain(|file| file.is_file());
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        lines.extend(fs::read_to_string(file)?.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// Writes lines to `topic` until `stop` is set, from the first again behind the last; what was
/// written, all of it acked.
pub fn write(nodes: &Nodes, topic: &str, stop: &AtomicBool) -> Result<Vec<String>, String> {
    let prose = lines().map_err(|error| error.to_string())?;
    let mut writer = Writer::new(nodes, topic)?;
    let mut written = Vec::new();
    let mut coming = prose.iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        let batch: Vec<String> = coming.by_ref().take(COUNT).cloned().collect();
        writer.send(&batch)?;
        written.extend(batch);
        thread::sleep(PAUSE);
    }
    Ok(written)
}

/// An idempotent producer with one batch under way.
struct Writer<'a> {
    nodes: &'a Nodes,
    topic: &'a str,
    producer: i64,
    /// The partition of the next batch.
    turn: usize,
    /// The next sequence number of each partition.
    sequences: Vec<i32>,
    clients: Vec<Option<Client>>,
}

impl Writer<'_> {
    fn new<'a>(nodes: &'a Nodes, topic: &'a str) -> Result<Writer<'a>, String> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let mut client = nodes.any().ok_or("no broker answers")?;
        let answer = client.try_call(INIT_PRODUCER_ID, &request);
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.error_code != 0 {
            return Err(format!("InitProducerId: error {}", answer.error_code));
        }
        Ok(Writer {
            nodes,
            topic,
            producer: answer.producer_id.0,
            turn: 0,
            sequences: vec![0; PARTITIONS as usize],
            clients: (0..PARTITIONS).map(|_| None).collect(),
        })
    }

    /// Sends a batch again and again until it is acked.
    fn send(&mut self, lines: &[String]) -> Result<(), String> {
        let place = self.turn % self.sequences.len();
        self.turn += 1;
        let builder = BatchBuilder::new();
        let mut builder = builder.producer(self.producer, 0, self.sequences[place]);
        for line in lines {
            builder.push(NewRecord::new(TIME_MS, None, Some(line.as_bytes())));
        }
        let request = produce(self.topic, place as i32, -1, builder.build().into());
        let deadline = Instant::now() + PATIENCE;
        let mut last = "no leader".to_owned();
        while Instant::now() < deadline {
            let client = self.clients[place].take();
            let Some(mut client) = client.or_else(|| self.nodes.leader(self.topic, place as i32))
            else {
                thread::sleep(PAUSE);
                continue;
            };
            match client.try_call(PRODUCE, &request) {
                Ok(answer) => match answer.responses[0].partition_responses[0].error_code {
                    0 => {
                        self.clients[place] = Some(client);
                        self.sequences[place] += lines.len() as i32;
                        return Ok(());
                    }
                    code => last = format!("error {code}"),
                },
                Err(error) => last = error.to_string(),
            }
            thread::sleep(PAUSE);
        }
        Err(format!("a batch of text was not taken: {last}"))
    }
}
