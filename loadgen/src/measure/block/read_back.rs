//! Drives: reads back what producers wrote, and sums up what all consumers saw.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

use super::Block;
use crate::measure::client::ClientError;
use crate::measure::cluster::{Cluster, Home};
use crate::measure::consumer::{self, Until};
use crate::measure::latency::SECOND_NS;
use crate::measure::ledger::Ledger;
use crate::measure::worker::Shared;

/// How often brokers are asked again where partitions end.
const LOOKS: u32 = 150;

const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Where the partitions live, and where each ends. A topic may be so new that its leaders do not
/// know of it, and a broker may be just coming back.
pub(super) fn ends(cluster: &Cluster) -> Result<(Vec<Home>, Vec<i64>), ClientError> {
    let look = || {
        let homes = cluster.homes()?;
        let ends = cluster.offsets(&homes, -1)?;
        Ok((homes, ends))
    };
    let mut found = look();
    for _ in 0..LOOKS {
        if found.is_ok() {
            break;
        }
        thread::sleep(LOOK_PAUSE);
        found = look();
    }
    found
}

/// Whether what was acked came back.
pub(super) struct Checked {
    /// Of each group, or of the reading back; none where nothing is checked.
    pub(super) ledgers: Vec<Ledger>,
    /// What stopped consumers.
    pub(super) failures: Vec<String>,
    /// Whether not everything could be read.
    pub(super) read_back_failed: bool,
}

/// Sums up what consumers saw; without consumers all that was written since `from` is read back.
pub(super) fn check(
    block: &Block<'_>,
    from: &Arc<[i64]>,
    shared: &Shared,
    read: Vec<consumer::Outcome>,
) -> Result<Checked, Box<dyn Error>> {
    let (groups, read) = match block.groups == 0 && block.check {
        true => (1, vec![read_back(block, from, shared)?]),
        false => (block.groups, read),
    };
    let mut ledgers = vec![Ledger::new(block.producers as usize); groups];
    let read_back_failed = read.iter().any(|one| one.failure.is_some());
    let failures = collect(&mut ledgers, read);
    if !block.check {
        ledgers.clear();
    }
    Ok(Checked {
        ledgers,
        failures,
        read_back_failed,
    })
}

/// Reads everything back that was written since `from`.
fn read_back(
    block: &Block<'_>,
    from: &Arc<[i64]>,
    shared: &Shared,
) -> Result<consumer::Outcome, Box<dyn Error>> {
    let ground = block.ground;
    let (homes, ends) = ends(&ground.cluster)?;
    let homes: Arc<[Home]> = homes.into();
    let job = consumer::Job {
        cluster: ground.cluster.clone(),
        readers: vec![(0, (0..homes.len()).collect())],
        homes,
        from: from.clone(),
        until: Until::Offsets(ends.into()),
        producers: block.producers as usize,
        whole: ground.filler.whole,
        run: block.run,
        clock: ground.clock,
        drain_ns: block.load.drain_ns.max(10 * SECOND_NS),
        seen: Arc::new([AtomicU64::new(0)]),
        core: ground.core(0),
    };
    Ok(consumer::run(&job, shared, None, || None))
}

/// Merges what the threads saw into the ledgers of their groups; says what stopped them.
fn collect(ledgers: &mut [Ledger], read: Vec<consumer::Outcome>) -> Vec<String> {
    let mut failures = Vec::new();
    for outcome in read {
        for (group, ledger) in &outcome.ledgers {
            ledgers[*group].merge(ledger);
        }
        failures.extend(outcome.failure.map(|why| format!("a consumer: {why}")));
    }
    failures
}
