//! Brokers of a cluster: processes of Corelane, and unmodified controllers of Apache Kafka.
//!
//! `cargo test --test cluster`; after `--` words that the chosen cases contain. Cases with Kafka's
//! controllers need a JDK and Maven; without, they are named as left out.

mod admin;
mod format;
mod member;
mod quorum;

use std::process::ExitCode;

use corelane_testing::Here;
use corelane_testing::cases::{self, Case};
use corelane_testing::quorum::lacks_kafka;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();

fn main() -> ExitCode {
    let alone = format::ALL.iter().map(|(name, run)| (name, run, None));
    let lacks = lacks_kafka();
    let with_kafka = quorum::ALL
        .iter()
        .chain(member::ALL)
        .chain(admin::ALL)
        .map(|(name, run)| (name, run, lacks));
    let cases = alone.chain(with_kafka).map(|(name, run, lacks)| Case {
        name,
        lacks,
        run: *run,
    });
    cases::run("tests/cluster/main.rs", cases)
}
