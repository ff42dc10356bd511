//! The differential proof: the same requests to Apache Kafka and to Corelane, the same answers.
//!
//! `cargo test --test parity` starts a Corelane broker, tells it every story (`stories/`) and
//! compares its answers with those of Apache Kafka 4.3.1, which are kept as golden files in
//! `tests/golden/parity/`. What is left out of the comparison is said in `normalise.rs` (ids,
//! clocks, addresses) and `differences.rs` (what is meant to differ). After `--`:
//!
//! - `STORY…`: only the stories whose names contain one of these words.
//! - `--against HOST:PORT`: talk to a broker that runs already, with empty data.
//! - `--renew HOST:PORT`: write the golden files from the answers of a real Kafka with empty data.
//!
//! To renew: `tests/kafka/kafka.sh start 39092 DIR`, then
//! `cargo test --test parity -- --renew 127.0.0.1:39092`.

mod batch;
mod codecs;
mod client;
mod compare;
mod differences;
mod normalise;
mod script;
mod stories;
mod value;

use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use corelane_testing::{Broker, Here};
use script::Story;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();

/// What to do with the answers.
enum Mode {
    Compare,
    Renew,
}

/// What was asked for on the command line.
struct Arguments {
    mode: Mode,
    address: Option<SocketAddr>,
    words: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = arguments();
    let chosen: Vec<_> = stories::ALL
        .iter()
        .filter(|(name, _)| {
            arguments.words.is_empty() || arguments.words.iter().any(|word| name.contains(word))
        })
        .collect();
    let start = Instant::now();
    let folder = HERE.data_dir();
    let own = arguments
        .address
        .is_none()
        .then(|| own_broker(folder.path()));
    let address = arguments
        .address
        .or(own.as_ref().map(|own| ([127, 0, 0, 1], own.port).into()))
        .expect("one of the two is there");
    stories::prepare(address);
    println!("\nrunning {} stories", chosen.len());
    let mut failed = Vec::new();
    for (at, (name, tell)) in chosen.iter().enumerate() {
        let (good, hangs) = play(name, *tell, address, &arguments.mode);
        if !good {
            failed.push(*name);
        }
        if hangs {
            println!("the broker hangs: the rest is not played");
            failed.extend(chosen[at + 1..].iter().map(|(name, _)| *name));
            break;
        }
    }
    let result = if failed.is_empty() { "ok" } else { "FAILED" };
    for name in &failed {
        println!("differs: {name}");
    }
    if let (Some(own), false) = (&own, failed.is_empty()) {
        println!("---- the broker's log ----\n{}", own.log());
    }
    println!(
        "\ntest result: {result}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; \
         finished in {:.2}s\n",
        chosen.len() - failed.len(),
        failed.len(),
        stories::ALL.len() - chosen.len(),
        start.elapsed().as_secs_f64()
    );
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Starts a Corelane broker on an empty folder.
fn own_broker(folder: &Path) -> Broker {
    let settings = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/parity/broker.properties"
    );
    let start = HERE.start(&folder.join("data")).without_admin();
    start.arg("--config", settings).ready()
}

/// Plays a story and says how it went; whether it is as it should be, and whether the broker hangs.
fn play(
    name: &'static str,
    tell: fn(&mut Story),
    address: SocketAddr,
    mode: &Mode,
) -> (bool, bool) {
    let mut story = Story::new(name, address);
    let start = Instant::now();
    let broken = catch_unwind(AssertUnwindSafe(|| tell(&mut story))).is_err();
    let took = start.elapsed().as_secs_f64();
    let path = golden_path(name);
    let differences = match mode {
        Mode::Renew if !broken => {
            std::fs::write(&path, compare::golden(&story.steps)).expect("write golden file");
            Vec::new()
        }
        Mode::Renew => Vec::new(),
        Mode::Compare => {
            let golden = std::fs::read_to_string(&path).unwrap_or_default();
            compare::differences(&golden, &story.steps)
        }
    };
    let good = differences.is_empty() && !broken;
    let verdict = if good { "ok" } else { "FAILED" };
    println!(
        "test parity::{name} ... {verdict} ({} answers, {took:.1} s)",
        story.steps.len()
    );
    if !differences.is_empty() {
        println!("---- {name}: - Kafka's answer, + the answer got ----\n");
        differences
            .iter()
            .for_each(|difference| println!("{difference}"));
    }
    if broken {
        println!("---- {name}: the story ended early, see above ----\n");
    }
    (good, story.hangs)
}

fn golden_path(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/parity");
    PathBuf::from(folder).join(format!("{name}.txt"))
}

fn arguments() -> Arguments {
    let mut out = Arguments {
        mode: Mode::Compare,
        address: None,
        words: Vec::new(),
    };
    let mut rest = std::env::args().skip(1);
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--against" | "--renew" => {
                let address = rest
                    .next()
                    .and_then(|text| text.to_socket_addrs().ok()?.next());
                out.address = Some(address.expect("HOST:PORT after --against or --renew"));
                if argument == "--renew" {
                    out.mode = Mode::Renew;
                }
            }
            // What `cargo test` passes to all test programs alike.
            "--test-threads" | "--format" | "--color" => drop(rest.next()),
            option if option.starts_with('-') => {}
            word => out.words.push(word.to_owned()),
        }
    }
    out
}
