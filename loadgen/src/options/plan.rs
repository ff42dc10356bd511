//! Pure: the options of a run: what load to make, and how to wait for it.

use std::path::PathBuf;

use clap::Args;
use corelane_wire::batch::Codec;

use super::{Outputs, values};
use crate::load::schedule::Pace;
use crate::load::{Keys, Load, Sizes, Wanted, Warmup};

/// Kafka's own bound for idempotent producers (max.in.flight.requests.per.connection).
const IN_FLIGHT_KEPT_IN_ORDER: u32 = 5;

/// The load.
#[derive(Args, Debug, Clone)]
pub struct Plan {
    /// Brokers to ask for the others, with commas
    #[arg(long, value_name = "HOST:PORT,…")]
    pub bootstrap: String,

    /// The topic to send to; all its partitions are used
    #[arg(long, value_name = "NAME")]
    pub topic: String,

    /// So many topics, called NAME-0, NAME-1, …
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Topics",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub topics: u32,

    /// Create the topics first, with so many partitions each; one that is there already has to
    /// have as many
    #[arg(long, value_name = "PARTITIONS", help_heading = "Topics",
        value_parser = clap::value_parser!(i32).range(1..))]
    pub create: Option<i32>,

    /// Copies of each partition that is created [default: the broker's]
    #[arg(long, value_name = "N", help_heading = "Topics",
        value_parser = clap::value_parser!(i16).range(1..))]
    pub replication: Option<i16>,

    /// Configuration of topics that are created, such as flush.messages=1; repeatable
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Topics", value_parser = values::pair)]
    pub config: Vec<(String, String)>,

    /// Records per second of all producers together
    #[arg(long, value_name = "N", required_unless_present = "max",
        value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub rate: Option<u64>,

    /// As fast as it goes instead: full batches, --in-flight of them on each connection
    #[arg(long, conflicts_with_all = ["rate", "poisson", "linger_ms"])]
    pub max: bool,

    /// Gaps between records as of a Poisson process, and not all the same
    #[arg(long)]
    pub poisson: bool,

    /// Where sizes, keys, gaps and contents come from: equal seeds, equal loads
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Records")]
    pub seed: u64,

    /// Bytes of a record's value, of which the first 32 are loadgen's stamp: N,
    /// uniform:LEAST-MOST, list:N[xWEIGHT],… or pareto:LEAST-MOST[:EXPONENT]
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1024",
        help_heading = "Records"
    )]
    pub size: Sizes,

    /// Keys of records: none (partitions in turn), uniform:N or zipf:N[:EXPONENT] (partition by
    /// murmur2, as Kafka's clients do)
    #[arg(
        long,
        value_name = "KEYS",
        default_value = "none",
        help_heading = "Records"
    )]
    pub keys: Keys,

    /// Percent of a value that compress to nothing; the rest is random
    #[arg(long, value_name = "PERCENT", default_value = "0", help_heading = "Records",
        value_parser = clap::value_parser!(u8).range(0..=100))]
    pub compressible: u8,

    /// Producers; they take turns in the schedule. Each has partitions of its own where there
    /// are enough (with keys: all), and a connection to each leader of them
    #[arg(long, value_name = "P", default_value = "1", help_heading = "Producers",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub producers: u32,

    /// Threads that the producers share [default: half the CPUs that loadgen may use]
    #[arg(long, value_name = "N", help_heading = "Producers",
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub threads: Option<u32>,

    /// What an ack waits for: -1 all in-sync replicas, 1 the leader, 0 there are no acks
    #[arg(long, value_name = "-1|1|0", default_value = "-1", allow_hyphen_values = true,
        help_heading = "Producers", value_parser = values::acks)]
    pub acks: i16,

    /// How long a batch that is not full waits for more records, in milliseconds (0.25 is one)
    #[arg(long, value_name = "MS", default_value = "0", help_heading = "Producers",
        value_parser = values::millis)]
    pub linger_ms: f64,

    /// A batch is full at so many bytes; 0 makes each record a request of its own [default: 0;
    /// with --linger-ms 16384; with --max 65536]
    #[arg(long, value_name = "BYTES", help_heading = "Producers",
        value_parser = clap::value_parser!(u32).range(0..=100 << 20))]
    pub batch_bytes: Option<u32>,

    /// Requests under way on a connection, at most; records that are due meanwhile wait, and
    /// their latency says so [default: no limit; with --idempotent or --max 5]
    #[arg(long, value_name = "N", help_heading = "Producers",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub in_flight: Option<u32>,

    /// Compress batches: none, gzip, snappy, lz4 or zstd
    #[arg(long, value_name = "CODEC", default_value = "none", help_heading = "Producers",
        value_parser = values::codec)]
    pub codec: Codec,

    /// Idempotent producers: ids, sequence numbers, and batches sent again over new connections
    #[arg(long, help_heading = "Producers")]
    pub idempotent: bool,

    /// Read the topics at the same time, for end-to-end latency
    #[arg(long, help_heading = "Consumers")]
    pub consume: bool,

    /// Consumers; they share the partitions
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Consumers",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub consumers: u32,

    /// Let so many groups of consumers each read everything (implies --consume)
    #[arg(long, value_name = "GROUPS", help_heading = "Consumers",
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub fanout: Option<u32>,

    /// Do not look for lost, repeated and disordered records. Without --consume they are looked
    /// for after the run, which reads all of it back
    #[arg(long, help_heading = "Consumers")]
    pub no_check: bool,

    /// Seconds to measure (in each block)
    #[arg(long, value_name = "S", default_value = "60", help_heading = "Time",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub duration: u64,

    /// Seconds of the same load before that, left out of the figures; or steady: until ten
    /// seconds in a row agree in p50 within 2 % and in p99 within 10 %, after 30 s at the
    /// earliest and 300 s at the latest
    #[arg(long, value_name = "S|steady", default_value = "10", help_heading = "Time",
        value_parser = values::warmup)]
    pub warmup: Warmup,

    /// Seconds to wait at the end for what is still under way
    #[arg(long, value_name = "S", default_value = "10", help_heading = "Time",
        value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub drain: u64,

    /// Measure in so many blocks
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Time",
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub blocks: u32,

    /// Measure what this host does at best before, between and after the blocks, with writes in
    /// DIR: the broker's own data folder, or one on the same file system
    #[arg(long, value_name = "DIR", help_heading = "Time")]
    pub floors: Option<PathBuf>,

    /// CPUs for loadgen's threads, in turn (consumers first, then producers), such as 2,3; keep
    /// them apart from the broker's [default: all it may use, the last first]
    #[arg(
        long,
        visible_alias = "cores",
        value_name = "LIST",
        value_delimiter = ',',
        help_heading = "Threads"
    )]
    pub cpus: Vec<usize>,

    /// How long before a send a producer's thread stops sleeping and spins, in microseconds.
    /// Where it has a CPU for itself, a large number keeps it awake all the time
    #[arg(
        long,
        value_name = "US",
        default_value = "50",
        help_heading = "Threads"
    )]
    pub spin_us: u32,

    /// No line for each second
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,

    /// What to write and to watch.
    #[command(flatten)]
    pub outputs: Outputs,
}

impl Plan {
    /// How records follow each other.
    pub fn pace(&self) -> Pace {
        match (self.rate, self.poisson) {
            (None, _) => Pace::Max,
            (Some(rate), false) => Pace::Constant(rate),
            (Some(rate), true) => Pace::Poisson(rate),
        }
    }

    /// Bytes of a full batch.
    pub fn batch_bytes(&self) -> usize {
        let usual = match (self.max, self.linger_ms > 0.0) {
            (true, _) => 64 << 10,
            (false, true) => 16 << 10,
            (false, false) => 0,
        };
        self.batch_bytes.map_or(usual, |bytes| bytes as usize)
    }

    /// Requests under way on a connection; `None` is no limit.
    pub fn in_flight(&self) -> Option<u32> {
        let usual = (self.max || self.idempotent).then_some(IN_FLIGHT_KEPT_IN_ORDER);
        self.in_flight.or(usual)
    }

    /// How many groups read along.
    pub fn groups(&self) -> u32 {
        self.fanout.unwrap_or(u32::from(self.consume))
    }

    /// What the topics are to be.
    pub fn wanted(&self) -> Wanted {
        let topics = match self.topics {
            1 => vec![self.topic.clone()],
            count => (0..count).map(|n| format!("{}-{n}", self.topic)).collect(),
        };
        Wanted {
            topics,
            create: self.create,
            replication: self.replication.unwrap_or(-1),
            configs: self.config.clone(),
        }
    }

    /// The load.
    pub fn load(&self) -> Load {
        Load {
            pace: self.pace(),
            sizes: self.size.clone(),
            keys: self.keys.clone(),
            seed: self.seed,
            acks: self.acks,
            linger_ns: (self.linger_ms * 1e6) as u64,
            batch_bytes: self.batch_bytes(),
            in_flight: self.in_flight().map_or(usize::MAX, |n| n as usize),
            codec: self.codec,
            idempotent: self.idempotent,
            repeat: self.idempotent,
            spin_ns: u64::from(self.spin_us) * 1_000,
            drain_ns: self.drain * 1_000_000_000,
        }
    }

    /// Checks what the parser of the command line cannot.
    pub fn check(&self) -> Result<(), String> {
        if self.idempotent && self.acks != -1 {
            return Err("--idempotent needs --acks -1".to_owned());
        }
        if self.idempotent && self.in_flight.is_some_and(|n| n > IN_FLIGHT_KEPT_IN_ORDER) {
            return Err("--idempotent keeps order with --in-flight 5 at most".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
impl Plan {
    /// The plan of `options`, as typed behind `loadgen run` with a broker and a topic.
    pub fn of(options: &str) -> Result<Plan, clap::Error> {
        use clap::Parser;

        #[derive(Parser)]
        struct Run {
            #[command(flatten)]
            plan: Plan,
        }
        let fixed = ["run", "--bootstrap", "h:1", "--topic", "t"];
        let words = fixed.into_iter().chain(options.split_whitespace());
        Run::try_parse_from(words).map(|run| run.plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_refuses_nonsense() {
        let given = Plan::of("--rate 5 --acks -1 --cpus 2,3").unwrap();
        assert_eq!(
            (given.acks, &given.cpus[..], given.duration),
            (-1, &[2, 3][..], 60)
        );
        assert_eq!(given.pace(), Pace::Constant(5));
        assert_eq!((given.batch_bytes(), given.in_flight()), (0, None));
        for wrong in [
            "--rate 5 --size 31",
            "--rate 5 --acks 2",
            "--rate 0",
            "--rate 5 --create 0",
            "--rate 5 --max",
            "--rate 5 --warmup soon",
            "--rate 5 --config =1",
            "--poisson",
            "",
        ] {
            assert!(Plan::of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn defaults_go_with_the_kind_of_load() {
        let max = Plan::of("--max --codec zstd --topics 2").unwrap();
        assert_eq!((max.pace(), max.codec), (Pace::Max, Codec::Zstd));
        assert_eq!((max.batch_bytes(), max.in_flight()), (65_536, Some(5)));
        assert_eq!(max.wanted().topics, ["t-0", "t-1"]);
        let linger = Plan::of("--rate 9 --poisson --linger-ms 0.5").unwrap();
        assert_eq!(
            (linger.pace(), linger.load().linger_ns),
            (Pace::Poisson(9), 500_000)
        );
        assert_eq!(linger.batch_bytes(), 16_384);
        let odd = Plan::of("--rate 9 --idempotent --in-flight 6").unwrap();
        assert!(odd.check().is_err());
        let odd = Plan::of("--rate 9 --idempotent --acks 1").unwrap();
        assert!(odd.check().is_err());
        let fanout = Plan::of("--rate 9 --fanout 3 --warmup steady").unwrap();
        assert_eq!((fanout.groups(), fanout.warmup), (3, Warmup::Steady));
    }
}
