//! Brokers of a cluster: processes of Corelane, and unmodified controllers of Apache Kafka.
//!
//! `cargo test --test cluster`; after `--` words that the chosen cases contain. Cases with Kafka's
//! controllers need a JDK and Maven, those with networks that are cut need root; without, they are
//! named as left out.
//!
//! `--members java` tells the stories of replication with brokers of Apache Kafka: does a test ask
//! for the right thing? `--members corelane,java` alternates. `--long` tells those that take long,
//! too, and kills 20 leaders where a run of all tests kills few; `--kills 50` says how many.

mod admin;
mod folders;
mod format;
mod member;
mod netns;
mod options;
mod quorum;
mod replication;
mod start;

use std::process::ExitCode;

use corelane_testing::Here;
use corelane_testing::arguments::Arguments;
use corelane_testing::cases::{self, Case};
use corelane_testing::net::Net;
use corelane_testing::quorum::lacks_kafka;

use crate::replication::Story;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();

fn main() -> ExitCode {
    let mut arguments = Arguments::of_program("tests/cluster/main.rs");
    if let Err(error) = options::Options::take(&mut arguments) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let alone = format::ALL.iter().chain(start::ALONE);
    let alone = alone.map(|(name, run)| (name, run, None));
    let lacks = lacks_kafka();
    let with_kafka = quorum::ALL
        .iter()
        .chain(member::ALL)
        .chain(start::ALL)
        .chain(admin::ALL)
        .chain(folders::ALL)
        .chain(replication::ALL.into_iter().flatten())
        .map(|(name, run)| (name, run, lacks));
    let of = |stories: &'static [Story], lacks| {
        let told = stories.iter();
        told.map(move |(name, run)| (name, run, lacks))
    };
    let long = lacks.or_else(options::lacks_time);
    let long_ones = replication::LONG
        .into_iter()
        .flat_map(move |it| of(it, long));
    let cut = of(netns::ALL, long.or_else(Net::lacks));
    let more = long_ones.chain(cut);
    let cases = alone
        .chain(with_kafka)
        .chain(more)
        .map(|(name, run, lacks)| Case {
            name,
            lacks,
            run: *run,
        });
    cases::run_with(arguments, cases)
}
