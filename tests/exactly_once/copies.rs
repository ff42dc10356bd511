//! Drives: a topic that Kafka's own `TransactionalMessageCopier` copies in transactions, some of which
//! it aborts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::copied::{Copier, Copies, committed, differs};
use corelane_testing::requests::create_topic;
use corelane_testing::{Broker, Start};
use fastrand::Rng;

use crate::{END_WITHIN, HERE, PARTITIONS, broker_in, feed};

/// The topic that is copied, and the copy.
pub const IN: &str = "in";
const OUT: &str = "out";

/// Kills the broker or a copier, again and again.
pub fn run(kills: u64, random: &mut Rng) -> Result<String, String> {
    let dir = HERE.data_dir();
    let start = broker_in(dir.path())?;
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
