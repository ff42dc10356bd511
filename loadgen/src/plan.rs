//! Pure: the options of a run: what load to make, and how to wait for it.

use clap::Args;

use crate::output::Outputs;
use crate::verify::STAMP_BYTES;

/// The load.
#[derive(Args, Debug, Clone)]
pub struct Plan {
    /// A broker to ask for the others
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,

    /// The topic to send to; all its partitions are used
    #[arg(long, value_name = "NAME")]
    pub topic: String,

    /// Create the topic first, with so many partitions; it may be there already if it has as many
    #[arg(long, value_name = "PARTITIONS", value_parser = clap::value_parser!(i32).range(1..))]
    pub create: Option<i32>,

    /// Records per second of all producers together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub rate: u64,

    /// Size of a record's value; the first 28 bytes are loadgen's stamp
    #[arg(long, value_name = "BYTES", default_value = "1024", value_parser = size)]
    pub size: usize,

    /// Producers, a thread each; they take turns in the schedule. Each has partitions of its
    /// own where there are enough, and one connection to each leader of them
    #[arg(long, value_name = "P", default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub producers: u32,

    /// What an ack waits for: -1 all in-sync replicas, 1 the leader, 0 there are no acks
    #[arg(long, value_name = "-1|1|0", default_value = "-1", allow_hyphen_values = true,
        value_parser = acks)]
    pub acks: i16,

    /// Seconds to measure
    #[arg(long, value_name = "S", default_value = "60",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub duration: u64,

    /// Seconds of the same load before that, left out of the figures
    #[arg(long, value_name = "S", default_value = "10",
        value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub warmup: u64,

    /// Read the topic at the same time: end-to-end latency, and a check of loss, repetition and
    /// order
    #[arg(long)]
    pub consume: bool,

    /// Seconds to wait at the end for what is still under way
    #[arg(long, value_name = "S", default_value = "10",
        value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub drain: u64,

    /// CPUs for loadgen's threads, in turn (the consumer first, then producers), such as 2,3;
    /// keep them apart from the broker's [default: all it may use, the last first]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub cores: Vec<usize>,

    /// How long before a send a producer stops sleeping and spins, in microseconds. Where it
    /// has a core for itself, a large number keeps it awake all the time
    #[arg(long, value_name = "US", default_value = "20")]
    pub spin_us: u32,

    /// What to write and to watch.
    #[command(flatten)]
    pub outputs: Outputs,
}

/// A size of a value in bytes.
pub fn size(text: &str) -> Result<usize, String> {
    let size: usize = text
        .parse()
        .map_err(|_| "not a number of bytes".to_owned())?;
    match size {
        STAMP_BYTES..=16_777_216 => Ok(size),
        _ => Err(format!("from {STAMP_BYTES} to 16777216 bytes")),
    }
}

fn acks(text: &str) -> Result<i16, String> {
    match text {
        "-1" | "all" => Ok(-1),
        "1" => Ok(1),
        "0" => Ok(0),
        _ => Err("-1, 1 or 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::{CommandFactory, Parser};

    fn plan(more: &[&str]) -> Result<Plan, clap::Error> {
        let fixed = [
            "loadgen",
            "run",
            "--bootstrap",
            "h:1",
            "--topic",
            "t",
            "--rate",
            "5",
        ];
        let cli = Cli::try_parse_from(fixed.iter().chain(more))?;
        match cli.command {
            Command::Run(plan) => Ok(*plan),
            _ => unreachable!("run was asked for"),
        }
    }

    #[test]
    fn the_command_line_is_consistent_and_refuses_nonsense() {
        Cli::command().debug_assert();
        let given = plan(&["--acks", "-1", "--cores", "2,3"]).unwrap();
        assert_eq!(
            (given.acks, given.cores, given.duration),
            (-1, vec![2, 3], 60)
        );
        for wrong in [
            ["--size", "27"],
            ["--acks", "2"],
            ["--rate", "0"],
            ["--create", "0"],
        ] {
            assert!(plan(&wrong).is_err(), "{wrong:?}");
        }
    }
}
