//! Drives: a topic that Kafka's own `TransactionalMessageCopier` copies in transactions, some of which
//! it aborts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::copied::{Copier, Copies, differs};
use fastrand::Rng;

use crate::site::{Nodes, Site};
use crate::{END_WITHIN, PARTITIONS, feed};

/// The topic that is copied, and the copy.
pub const IN: &str = "in";
const OUT: &str = "out";

/// Strikes the site or kills a copier, again and again.
pub fn run(mut site: Site, kills: u64, random: &mut Rng) -> Result<String, String> {
    for topic in [IN, OUT] {
        site.create(topic);
    }
    let nodes = site.nodes();
    let stop = Arc::new(AtomicBool::new(false));
    let feeding = thread::spawn({
        let (stop, nodes) = (stop.clone(), nodes.clone());
        move || feed::feed(&nodes, &stop)
    });
    let copies = Copies {
        brokers: nodes.servers(),
        from: IN.to_owned(),
        to: OUT.to_owned(),
    };
    let copiers = (0..PARTITIONS).map(|index| Copier::new(&copies, index));
    let mut copiers: Vec<Copier> = copiers.collect();
    let mut killed = 0;
    for number in 0.. {
        if number >= kills && site.is_enough() {
            break;
        }
        wait(
            &mut copiers,
            Duration::from_millis(random.u64(1_000..4_000)),
        );
        match random.bool() {
            true => {
                site.strike(&mut |time| wait(&mut copiers, time));
                // What is committed by then.
                for partition in 0..PARTITIONS {
                    compare(&nodes, partition)?;
                }
            }
            false => {
                killed += 1;
                copiers[random.usize(..PARTITIONS as usize)].kill();
            }
        }
    }
    site.settle(&[IN, OUT]);
    stop.store(true, Ordering::Relaxed);
    let fed = feeding.join().map_err(|_| "the producer has failed")?;
    let ended = finish(&mut copiers, &nodes)?;
    let runs: usize = copiers.iter().map(|copier| copier.runs).sum();
    // In the copy a transaction that a killed copier left open may end meanwhile.
    let struck = site.stop(&[IN]);
    Ok(format!(
        "{struck}, {killed} kills of copiers; {fed} records acked, {ended} copied exactly once, in \
         {runs} runs of copiers"
    ))
}

/// Keeps the copiers running for so long.
fn wait(copiers: &mut [Copier], time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        copiers.iter_mut().for_each(Copier::keep_running);
        thread::sleep(Duration::from_millis(50));
    }
}

/// What came out must be what went in, as far as it has come; how many records that are, and
/// how many have come in.
fn compare(nodes: &Nodes, partition: i32) -> Result<(usize, usize), String> {
    let copied = nodes.committed(OUT, partition)?;
    let source = nodes.committed(IN, partition)?;
    match differs(&copied, &source) {
        Some(how) => Err(format!("partition {partition}: {how}")),
        None => Ok((copied.len(), source.len())),
    }
}

/// Lets the copiers come to the end; how many records were copied.
fn finish(copiers: &mut [Copier], nodes: &Nodes) -> Result<usize, String> {
    let deadline = Instant::now() + END_WITHIN;
    loop {
        wait(copiers, Duration::from_millis(500));
        let mut all = 0;
        let mut left = 0;
        for partition in 0..PARTITIONS {
            let (copied, source) = compare(nodes, partition)?;
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
