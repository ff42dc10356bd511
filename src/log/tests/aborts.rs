//! Drives: indexes of aborted transactions as Kafka leaves them, whole, shortened and gone.

use std::path::Path;

use super::support::*;
use crate::base::{Offset, ProducerId};
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::{AbortedTransaction, Log, Opening, Replay};
use crate::wire::batch::{BatchBuilder, BatchView, ControlKind, EndMarker, NewRecord};

const DIR: &str = "/data/t-0";

fn data(producer: ProducerId) -> Vec<u8> {
    let mut builder = BatchBuilder::new().producer(producer, 0, 0).transactional();
    builder.push(NewRecord::new(1, Some(b"k"), Some(&[7; 500])));
    builder.build()
}

fn end(producer: ProducerId, kind: ControlKind) -> Vec<u8> {
    let mut value = Vec::new();
    let coordinator_epoch = 0;
    EndMarker { coordinator_epoch }.write(&mut value);
    let mut builder = BatchBuilder::new().producer(producer, 0, -1);
    builder = builder.transactional().control();
    builder.push(NewRecord::new(1, Some(&kind.key()), Some(&value)));
    builder.build()
}

/// The aborted transactions of [`filled`], with the last stable offset after each.
const ABORTED: [(ProducerId, Offset, Offset, Offset); 3] =
    [(1, 0, 3, 1), (1, 4, 6, 1), (2, 1, 9, 8)];

/// Segments of four batches; the indexes are written as Kafka would have.
async fn filled(disk: &Disk) {
    use ControlKind::{Abort, Commit};
    let batches = [
        data(1),
        data(2),
        data(1),
        end(1, Abort),
        data(1),
        data(3),
        end(1, Abort),
        end(3, Commit),
        data(1),
        end(2, Abort),
        end(1, Commit),
        data(4),
        data(4),
    ];
    let dir = Path::new(DIR);
    let (log, _) = open(&logs(disk), dir, config(2_400), Opening::default()).await;
    for batch in batches {
        log.append(&batch, 0, None, 0).expect("appended");
        acked(&log, log.end_offset()).await;
    }
    log.close().await.expect("closed");
    for base in bases(disk).await {
        let mut bytes = Vec::new();
        let follower = bases(disk).await.into_iter().find(|it| *it > base);
        for (producer_id, first_offset, last_offset, stable) in ABORTED {
            if (base..follower.unwrap_or(Offset::MAX)).contains(&last_offset) {
                let one = AbortedTransaction {
                    producer_id,
                    first_offset,
                    last_offset,
                    stable,
                };
                one.write(&mut bytes);
            }
        }
        if !bytes.is_empty() {
            disk.write(&index(base), bytes).await.expect("written");
        }
    }
}

async fn bases(disk: &Disk) -> Vec<Offset> {
    let listed = disk.list(Path::new(DIR)).await.expect("there");
    let logs = listed.iter().filter_map(|it| it.name.strip_suffix(".log"));
    let mut bases: Vec<Offset> = logs.map(|it| it.parse().expect("a number")).collect();
    bases.sort_unstable();
    bases
}

fn index(base: Offset) -> std::path::PathBuf {
    Path::new(DIR).join(format!("{base:020}.txnindex"))
}

async fn reopened(disk: &Disk) -> Log {
    let opening = Opening {
        clean: true,
        recovery_point: 13,
        ..Opening::default()
    };
    let (log, recovered) = open(&logs(disk), Path::new(DIR), config(2_400), opening).await;
    assert!(recovered.damage.is_none(), "{recovered:?}");
    log
}

fn known(log: &Log) -> Vec<(ProducerId, Offset, Offset)> {
    let mut known = Vec::new();
    log.aborted(0, 100, |one| {
        known.push((one.producer_id, one.first_offset, one.last_offset));
    });
    known
}

#[test]
fn an_index_that_is_shortened_or_gone_since_is_made_anew() {
    let world = World::new(5);
    let sim = world.disk().clone();
    let disk = Disk::simulated(sim.clone());
    world.run(async move {
        filled(&disk).await;
        let all = ABORTED.map(|(producer, first, last, _)| (producer, first, last));
        assert_eq!(known(&reopened(&disk).await), all);
        let with_index: Vec<Offset> = {
            let bases = bases(&disk).await;
            let have = bases
                .into_iter()
                .filter(|it| sim.content(&index(*it)).is_some());
            have.collect()
        };
        assert!(with_index.len() > 1, "{with_index:?}");
        for base in with_index {
            let whole = sim.content(&index(base)).expect("there");
            let shorter = whole[..whole.len() - 34].to_vec();
            for bad in [Some(shorter), Some(Vec::new()), Some(vec![9; 40]), None] {
                match bad {
                    Some(bad) => disk.write(&index(base), bad).await.expect("written"),
                    None => disk.remove(&index(base)).await.expect("removed"),
                }
                assert_eq!(known(&reopened(&disk).await), all, "{base}");
                assert_eq!(sim.content(&index(base)), Some(whole.clone()));
            }
        }
        // Where nothing is wrong nothing is written.
        let writes = sim.count("write file");
        assert_eq!(known(&reopened(&disk).await), all);
        assert_eq!(sim.count("write file"), writes);
    });
}

#[test]
fn an_index_that_cannot_be_right_is_made_anew_the_first_time() {
    let world = World::new(6);
    let sim = world.disk().clone();
    let disk = Disk::simulated(sim.clone());
    world.run(async move {
        filled(&disk).await;
        let base = bases(&disk).await[0];
        let whole = sim.content(&index(base)).expect("there");
        let torn = whole[..whole.len() - 5].to_vec();
        disk.write(&index(base), torn).await.expect("written");
        let all = ABORTED.map(|(producer, first, last, _)| (producer, first, last));
        assert_eq!(known(&reopened(&disk).await), all);
        assert_eq!(sim.content(&index(base)), Some(whole));
    });
}

/// As the producers of a partition say it.
fn ended(batch: &[u8]) -> Option<AbortedTransaction> {
    let offset = BatchView::parse(batch).expect("whole").base_offset();
    let ended = ABORTED.iter().find(|(_, _, last, _)| *last == offset);
    ended.map(
        |&(producer_id, first_offset, last_offset, stable)| AbortedTransaction {
            producer_id,
            first_offset,
            last_offset,
            stable,
        },
    )
}

#[test]
fn what_is_scanned_is_known_also_where_the_segment_before_is_prepared_for_more() {
    let world = World::new(7);
    let sim = world.disk().clone();
    let disk = Disk::simulated(sim.clone());
    world.run(async move {
        filled(&disk).await;
        let bases = bases(&disk).await;
        let (before, active) = (bases[1], bases[2]);
        // The log was closed there, opened again, and a crash came before the segment got its
        // final form for the second time.
        let path = Path::new(DIR).join(format!("{before:020}.log"));
        let mut content = sim.content(&path).expect("there");
        content.resize(content.len() + (16 << 10), 0);
        disk.write(&path, content).await.expect("written");
        let snapshot = Path::new(DIR).join(format!("{active:020}.snapshot"));
        disk.write(&snapshot, vec![1]).await.expect("written");
        for base in bases {
            disk.remove(&index(base)).await.expect("removed");
        }
        let opening = Opening {
            recovery_point: active,
            replay: true,
            ..Opening::default()
        };
        let logs = logs(&disk);
        let mut replay = |seen: Replay<'_>| {
            if let Replay::Batch(batch, aborted) = seen {
                aborted.set(ended(batch));
            }
        };
        let config = config(2_400);
        let opened = Log::open(&logs, Path::new(DIR), config, opening, 1, &mut replay);
        let (log, _) = opened.await.expect("it opens");
        let last = ABORTED
            .last()
            .map(|(producer, first, last, _)| (*producer, *first, *last));
        assert_eq!(known(&log).last().copied(), last);
    });
}
