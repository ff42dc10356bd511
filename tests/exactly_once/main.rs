//! Exactly once: Kafka's own `TransactionalMessageCopier` copies a topic in transactions, some of
//! which it aborts, while the broker and the copiers are killed (`kill -9`) again and again.
//!
//! Every record that went in comes out once, in its order, for a reader of committed records: at
//! the end, and of what is there after each start of the broker. After `--`:
//!
//! - `--kills N`: so many (8 without it). `--seed N`: another run; every run prints its seed.
//!
//! Needs a JDK, Maven and Kafka's artifacts; without them nothing is run, and it says so.

mod feed;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::arguments::Arguments;
use corelane_testing::copied::{Copier, Copies, committed, differs};
use corelane_testing::requests::create_topic;
use corelane_testing::{Broker, Here, Start, quorum};
use fastrand::Rng;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// The topic that is copied, and the copy.
const IN: &str = "in";
const OUT: &str = "out";
/// Partitions of both; each has a copier of its own.
const PARTITIONS: i32 = 2;
const SHARDS: usize = 2;
/// How long the copiers have for what is left after the last kill.
const END_WITHIN: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    if let Some(missing) = quorum::lacks_kafka() {
        println!("\nexactly_once: not run, since it needs {missing}");
        println!("\ntest result: ok. 0 kills\n");
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::of_program("tests/exactly_once/main.rs");
    let wanted = arguments.number("--kills").and_then(|kills| {
        let seed = arguments.seed()?;
        arguments.end()?;
        Ok((kills.unwrap_or(8), seed))
    });
    let (kills, seed) = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("\nrunning {kills} kills, seed {seed}");
    let begun = Instant::now();
    match run(kills, seed) {
        Ok(told) => {
            let seconds = begun.elapsed().as_secs_f64();
            println!("{told}\n\ntest result: ok. {kills} kills in {seconds:.1} s\n");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\n{error}\ntest result: FAILED. seed {seed}\n");
            ExitCode::FAILURE
        }
    }
}

fn run(kills: u64, seed: u64) -> Result<String, String> {
    let mut random = Rng::with_seed(seed);
    let dir = HERE.data_dir();
    let properties = dir.path().join("server.properties");
    // Transactions of copiers that are killed end soon.
    let text = "transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n\
                group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=4\n\
                transaction.state.log.num.partitions=4\n";
    std::fs::write(&properties, text).map_err(|error| error.to_string())?;
    let start = HERE
        .start(&dir.path().join("data"))
        .shards(SHARDS)
        .arg("--config", properties.to_str().expect("UTF-8"));
    let mut broker = start.ready();
    for topic in [IN, OUT] {
        assert_eq!(create_topic(&mut broker.client(), topic, PARTITIONS), 0);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let feeding = thread::spawn({
        let (stop, port) = (stop.clone(), start.port);
        move || feed::feed(port, &stop)
    });
    let copies = Copies {
        brokers: format!("127.0.0.1:{}", start.port),
        from: IN.to_owned(),
        to: OUT.to_owned(),
    };
    let copiers = (0..PARTITIONS).map(|index| Copier::new(&copies, index));
    let mut copiers: Vec<Copier> = copiers.collect();
    let mut counts = [0; 2];
    for _ in 0..kills {
        let until = Instant::now() + Duration::from_millis(random.u64(1_000..4_000));
        while Instant::now() < until {
            copiers.iter_mut().for_each(Copier::keep_running);
            thread::sleep(Duration::from_millis(50));
        }
        match random.bool() {
            true => {
                counts[0] += 1;
                broker = restart(broker, &start)?;
            }
            false => {
                counts[1] += 1;
                copiers[random.usize(..PARTITIONS as usize)].kill();
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let fed = feeding.join().map_err(|_| "the producer has failed")?;
    let ended = finish(&mut copiers, start.port)?;
    let [brokers, killed_copiers] = counts;
    let runs: usize = copiers.iter().map(|copier| copier.runs).sum();
    broker.stop();
    Ok(format!(
        "{brokers} kills of the broker, {killed_copiers} of copiers; {fed} records acked, {ended} \
         copied exactly once, in {runs} runs of copiers"
    ))
}

/// Kills the broker, starts it, and compares what is committed by then.
fn restart(broker: Broker, start: &Start) -> Result<Broker, String> {
    broker.kill();
    let broker = start.ready();
    for partition in 0..PARTITIONS {
        compare(start.port, partition)?;
    }
    Ok(broker)
}

/// What came out must be what went in, as far as it has come; how many records that are, and
/// how many have come in.
fn compare(port: u16, partition: i32) -> Result<(usize, usize), String> {
    let read = |topic: &str| {
        let leader = feed::leader(port, topic, partition);
        let mut client = leader.ok_or_else(|| format!("nothing serves {topic}-{partition}"))?;
        committed(&mut client, topic, partition)
    };
    let copied = read(OUT)?;
    let source = read(IN)?;
    match differs(&copied, &source) {
        Some(how) => Err(format!("partition {partition}: {how}")),
        None => Ok((copied.len(), source.len())),
    }
}

/// Lets the copiers come to the end; how many records were copied.
fn finish(copiers: &mut [Copier], port: u16) -> Result<usize, String> {
    let deadline = Instant::now() + END_WITHIN;
    loop {
        copiers.iter_mut().for_each(Copier::keep_running);
        thread::sleep(Duration::from_millis(500));
        let mut all = 0;
        let mut left = 0;
        for partition in 0..PARTITIONS {
            let (copied, source) = compare(port, partition)?;
            all += copied;
            left += source - copied;
        }
        if left == 0 {
            copiers.iter_mut().for_each(Copier::kill);
            return Ok(all);
        }
        if Instant::now() > deadline {
            return Err(format!("{left} records were not copied in time"));
        }
    }
}
