//! Pure: the report of a run as it is written to `run.json` and read back from there.
//!
//! Durations are in microseconds where the name says so. What a file does not have is left out of
//! what is made of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::quantile::Quantiles;
use crate::measure::host::{Device, Host};
use crate::measure::ledger::Findings;
use crate::measure::sampling::Cost;
use crate::measure::topic_facts::TopicFacts;
use crate::options::Event;

/// What a run came to.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct RunReport {
    /// The version of loadgen that made it.
    pub loadgen: Option<String>,
    /// How many partitions the topics have.
    pub partitions: Option<u64>,
    /// Facts of the host.
    pub host: Option<Host>,
    /// Records per second.
    pub rate: Rate,
    /// Bytes of batches that were acked in the measured part.
    pub bytes: u64,
    /// CPU time of loadgen, warm-up included, in seconds.
    pub cpu_s: f64,
    /// The same for each 10⁹ bytes that were acked, warm-up left out in proportion.
    pub cpu_s_per_gb: f64,
    /// What batches held.
    pub batches: Batches,
    /// Each block's own figures.
    pub blocks: Vec<BlockReport>,
    /// What the host did at best; `None` if that was not measured.
    pub floors_us: Option<Floors>,
    /// Seconds that were measured.
    pub measured_s: Option<f64>,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// The latencies of the measured part.
    pub latency_us: Latencies,
    /// Sends that were late.
    pub late: Option<Late>,
    /// Records, counted.
    pub records: Option<Records>,
    /// What the check found; `None` if there was none.
    pub check: Option<Findings>,
    /// Whether the figures may be quoted.
    pub fit: Option<bool>,
    /// Why they must not be.
    pub unfit: Vec<String>,
    /// The date and time at which the measured part began.
    pub started: Option<String>,
    /// What was asked for.
    #[serde(flatten)]
    pub context: Context,
    /// What was seen beside it.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Records per second.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default)]
#[serde(default)]
pub struct Rate {
    /// Those that were due; `None` where there was no schedule.
    pub offered: Option<u64>,
    /// Those that were answered.
    pub achieved: Option<f64>,
    /// Whether it went as fast as it could.
    pub max: bool,
}

/// What batches held.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct Batches {
    /// Records in a batch.
    pub records: Option<Sizes>,
    /// Bytes of a batch as it travels.
    pub bytes: Option<Sizes>,
    /// How many batches have 1, 2, 3–4, 5–8, … records, by that range.
    pub bars: Vec<(String, u64)>,
}

/// The quantiles of what is no time.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
    /// The maximum.
    pub max: u64,
    /// How many samples.
    pub count: u64,
}

/// A block's figures.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default)]
#[serde(default)]
pub struct BlockReport {
    /// Its number, from 1.
    pub number: u32,
    /// When it began, in seconds of the interval log.
    pub from_s: f64,
    /// When its last record was due.
    pub to_s: f64,
    /// Its latencies.
    pub latency_us: Latencies,
}

/// The latencies of a run or a block, by the tags of the interval log.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default)]
#[serde(default)]
pub struct Latencies {
    /// From the intended send time to the ack.
    pub produce: Option<Quantiles>,
    /// From the actual send to the ack.
    pub produce_service: Option<Quantiles>,
    /// From the intended send time to the consumer.
    pub e2e: Option<Quantiles>,
    /// How late loadgen itself was.
    pub lateness: Option<Quantiles>,
}

/// Durations of floors by their names; `None` where none was measured.
pub type FloorTimes = BTreeMap<String, Option<Quantiles>>;

/// What the host did at best.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct Floors {
    /// All rounds together.
    #[serde(flatten)]
    pub all: FloorTimes,
    /// Each round, in order of time.
    pub rounds: Vec<Round>,
}

/// One measurement of the floors.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct Round {
    /// When it was, such as `before`.
    pub when: String,
    /// What was found.
    pub floors: FloorTimes,
}

/// Sends later than a limit.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default)]
pub struct Late {
    /// How many.
    pub count: u64,
    /// The limit, a tenth of the p99, in microseconds.
    pub limit_us: f64,
}

/// Records, warm-up included where nothing else is said.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct Records {
    /// Sent in the measured part.
    pub measured: u64,
    /// Due.
    pub due: u64,
    /// Sent.
    pub sent: u64,
    /// Without an answer.
    pub unanswered: u64,
    /// Refused, by Kafka error code.
    pub refused: BTreeMap<i16, u64>,
}

/// What was asked for, and what was written.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct Context {
    /// What the report is called.
    pub name: Option<String>,
    /// What it says of the scenario that it is a part of.
    pub about: Option<String>,
    /// The command line.
    pub command: Option<String>,
    /// Every option with its value, by the option's name with underscores.
    pub settings: Map<String, Value>,
    /// Remarks.
    pub notes: Vec<String>,
    /// Where the broker's data are, if that was told.
    pub device: Option<Device>,
    /// The names of the files that were written, by kind.
    pub files: BTreeMap<String, Option<String>>,
}

/// What was seen beside the load.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct Seen {
    /// What happened, in order of time.
    pub events: Vec<Event>,
    /// What the watched processes cost.
    pub brokers: Vec<Cost>,
    /// The CPUs that the first of them may use.
    pub broker_cpus: Option<String>,
    /// What the broker says of the topic.
    #[serde(flatten)]
    pub topic: TopicFacts,
}

impl RunReport {
    /// When its blocks began and ended, in seconds of the interval log.
    pub fn spans(&self) -> Vec<(f64, f64)> {
        let blocks = self.blocks.iter();
        blocks.map(|block| (block.from_s, block.to_s)).collect()
    }
}

impl Context {
    /// A setting as text; `None` where it was not given.
    pub fn setting(&self, name: &str) -> Option<String> {
        plain(self.settings.get(name)?)
    }
}

/// A JSON value as people write it; `None` for null.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().filter_map(plain).collect();
            Some(all.join(", "))
        }
        other => Some(other.to_string()),
    }
}

/// A report as the text of its file, with keys in the order of the alphabet.
pub fn to_text(report: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_value(report).map(|told| format!("{told:#}"))
}

/// The fields of a part of a report, by name.
pub fn fields(part: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(part) {
        Ok(Value::Object(all)) => all,
        _ => Map::new(),
    }
}
