//! Drives: reads that are planned first and streamed then: bounds, stalls, memory, damage.

use std::path::Path;
use std::rc::Rc;

use super::support::*;
use crate::base::Offset;
use crate::io::budget::{Budget, Use};
use crate::io::buffer::Slice;
use crate::io::disk::Disk;
use crate::io::sim::{Random, World};
use crate::log::{Log, Logs, LogsOptions, MemoryWait, Opening, Planned, ReadError};
use crate::wire::batch::batches;

const DIR: &str = "/data/t-0";

/// Base offset, last offset and bytes of a batch.
type Known = (Offset, Offset, Vec<u8>);

/// Logs that keep next to nothing of what was written, and their budget.
pub(super) fn cold(disk: &Disk, total_bytes: usize) -> (Logs, Rc<Budget>) {
    let budget = Budget::new(total_bytes);
    let options = LogsOptions {
        budget: Rc::clone(&budget),
        cache_bytes: 4096,
        cache_bytes_max: 4096,
        ..options()
    };
    (Logs::new(disk, options), budget)
}

/// A log over some segments, most of it on disk only, with what is in it.
async fn filled(logs: &Logs, random: &mut Random, sizes: &[usize]) -> (Log, Vec<Known>) {
    let (log, _) = open(logs, Path::new(DIR), config(300_000), Opening::default()).await;
    let mut known = Vec::new();
    for tag in 0..120 {
        known.push(append(&log, random, sizes, tag).await);
    }
    log.maintain(0).await.expect("maintained");
    (log, known)
}

async fn append(log: &Log, random: &mut Random, sizes: &[usize], tag: u64) -> Known {
    let size = sizes[random.below(sizes.len())];
    let bytes = batch(1 + random.below(3), size, tag, 0);
    let appended = log.append(&bytes, tag as i32 / 50, None, 0).unwrap();
    let mut out = Vec::new();
    acked(log, log.end_offset()).await;
    log.read_cached(appended.base_offset, 1, log.end_offset(), &mut out);
    (appended.base_offset, appended.last_offset, joined(&out))
}

/// Takes all of it; a reader that stalls now and then has pieces given up halfway.
async fn collect(
    mut planned: Planned,
    slices: &[Slice],
    random: &mut Random,
) -> Result<Vec<u8>, ReadError> {
    let mut bytes = joined(slices);
    assert_eq!(bytes.len(), planned.bytes_in_memory);
    while let Some(piece) = planned.stream.next().await? {
        if random.one_in(3) {
            let sent = random.below(piece.len() + 1);
            bytes.extend_from_slice(&piece[..sent]);
            planned.stream.rewind(sent);
        } else {
            bytes.extend_from_slice(&piece);
        }
    }
    assert_eq!(bytes.len(), planned.stretch.bytes());
    Ok(bytes)
}

#[test]
fn a_reader_that_had_all_goes_on_with_what_has_come_since() {
    for seed in 0..4 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let (mut random, sizes) = (Random::new(seed), [20, 900, 7_000]);
            let (logs, _) = cold(&disk, 64 << 20);
            let (log, mut known) = filled(&logs, &mut random, &sizes).await;
            let (mut offset, mut went_on, max_bytes) = (0, 0, 400_000);
            for _ in 0..150 {
                let (upto, mut out) = (log.end_offset(), Vec::new());
                let plan = log.plan(offset, max_bytes, upto, MemoryWait::Waits, &mut out);
                let mut kept = None;
                if let Some(mut planned) = plan.await.expect("read") {
                    went_on += usize::from(planned.bytes_in_memory == 0);
                    let mut bytes = joined(&out);
                    while let Some(piece) = planned.stream.next().await.expect("sound") {
                        bytes.extend_from_slice(&piece);
                    }
                    check(&known, offset, &bytes, max_bytes, upto, planned.end_offset);
                    offset = planned.end_offset;
                    kept = Some(planned.stream);
                }
                for _ in 0..1 + random.below(3) {
                    known.push(append(&log, &mut random, &sizes, 149).await);
                }
                if let Some(stream) = kept {
                    log.keep_stream(stream).await;
                }
                known.push(append(&log, &mut random, &sizes, 149).await);
            }
            assert!(went_on > 20, "{went_on}");
        });
    }
}

#[test]
fn what_is_streamed_is_whole_batches_within_bounds_however_the_reader_stalls() {
    for seed in 0..6 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let mut random = Random::new(seed);
            let (logs, budget) = cold(&disk, 64 << 20);
            let (log, known) = filled(&logs, &mut random, &[20, 900, 7_000, 60_000]).await;
            let end = log.end_offset();
            let (mut streamed, mut went_on) = (0, 0);
            for _ in 0..200 {
                let mut offset = random.below(end as usize) as Offset;
                let max_bytes = [1, 3_000, 40_000, 400_000][random.below(4)];
                let upto = end - random.below(20) as Offset;
                // Goes on where it ended, as consumers do.
                for _ in 0..1 + random.below(4) {
                    let mut out = Vec::new();
                    let plan = log.plan(offset, max_bytes, upto, MemoryWait::Waits, &mut out);
                    let Some(planned) = plan.await.expect("read") else {
                        // Only at the end is there nothing.
                        let at = known
                            .iter()
                            .find(|it| it.1 >= offset)
                            .expect("there is one");
                        assert!(at.1 >= upto, "{offset} of {upto}");
                        break;
                    };
                    went_on += usize::from(planned.bytes_in_memory == 0);
                    let (promised, after) = (planned.stretch.bytes(), planned.end_offset);
                    let in_memory = planned.bytes_in_memory;
                    streamed += promised - in_memory;
                    let mut planned = Some(planned);
                    if random.one_in(2)
                        && let Some(kept) = &mut planned
                    {
                        // As a send does it: what is given out whole is kept for who goes on.
                        let mut bytes = joined(&out);
                        while let Some(piece) = kept.stream.next().await.expect("sound") {
                            bytes.extend_from_slice(&piece);
                        }
                        check(&known, offset, &bytes, max_bytes, upto, after);
                        let kept = planned.take().expect("there");
                        log.keep_stream(kept.stream).await;
                    }
                    if let Some(planned) = planned {
                        let bytes = collect(planned, &out, &mut random).await.expect("sound");
                        check(&known, offset, &bytes, max_bytes, upto, after);
                    }
                    let next = known.iter().find(|it| it.1 >= offset).expect("there");
                    let behind = next.0.max(offset);
                    offset = after.max(behind);
                    if offset >= upto {
                        break;
                    }
                }
            }
            assert!(streamed > 1_000_000 && went_on > 20, "{streamed} {went_on}");
            logs_forget(&log).await;
            assert_eq!(budget.used_by(Use::Reads), 0, "all is given back");
        });
    }
}

#[test]
fn a_reader_who_goes_on_has_the_next_stretch_found_and_read_also_in_the_next_segment() {
    for seed in 0..6 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let mut random = Random::new(seed);
            let (logs, budget) = cold(&disk, 64 << 20);
            let (log, known) = filled(&logs, &mut random, &[900, 7_000]).await;
            let segments = world_paths(&disk).await;
            let segments = segments.iter().filter(|it| it.ends_with(".log")).count();
            let upto = known[known.len() - 20].0;
            let (mut offset, mut fetches, mut found_anew) = (0, 0, 0);
            while offset < upto {
                let mut out = Vec::new();
                let plan = log.plan(offset, 40_000, upto, MemoryWait::Waits, &mut out);
                let Some(mut planned) = plan.await.expect("read") else {
                    break;
                };
                fetches += 1;
                found_anew += usize::from(planned.bytes_in_memory > 0);
                let after = planned.end_offset;
                let mut bytes = joined(&out);
                while let Some(piece) = planned.stream.next().await.expect("sound") {
                    bytes.extend_from_slice(&piece);
                }
                check(&known, offset, &bytes, 40_000, upto, after);
                log.keep_stream(planned.stream).await;
                offset = after;
            }
            assert!(
                segments > 2 && fetches > 2 * segments,
                "{segments} {fetches}"
            );
            // The first of all, and the last few, which the offset index has no entry behind.
            assert!(
                found_anew <= 3,
                "{found_anew} of {fetches}, {segments} segments"
            );
            logs_forget(&log).await;
            assert_eq!(budget.used_by(Use::Reads), 0, "all is given back");
        });
    }
}

/// Two rounds of upkeep: what was kept for readers to come back to is given up.
async fn logs_forget(log: &Log) {
    log.maintain(0).await.expect("maintained");
    log.maintain(0).await.expect("maintained");
}

/// Whole batches from the one that holds `offset` on, in order, within the bounds.
fn check(
    known: &[Known],
    offset: Offset,
    bytes: &[u8],
    max_bytes: usize,
    upto: Offset,
    after: Offset,
) {
    let first = known.iter().position(|it| it.1 >= offset).expect("there");
    let mut at = 0;
    for (count, batch) in batches(bytes).enumerate() {
        let batch = batch.expect("whole batches");
        let (base, last, expected) = &known[first + count];
        assert_eq!((batch.base_offset(), batch.last_offset()), (*base, *last));
        assert!(bytes[at..].starts_with(expected));
        assert!(*last < upto && *last < after);
        at += expected.len();
    }
    assert_eq!(at, bytes.len());
    assert!(
        at <= max_bytes || at == known[first].2.len(),
        "{at} of {max_bytes}"
    );
    assert!(at > 0);
}

#[test]
fn damage_behind_what_was_promised_ends_the_stream_and_the_next_read_says_so() {
    for seed in 0..20 {
        let world = World::new(seed);
        let sim = world.disk().clone();
        let disk = Disk::simulated(sim.clone());
        world.run(async move {
            let mut random = Random::new(seed);
            let (logs, budget) = cold(&disk, 64 << 20);
            let (log, known) = filled(&logs, &mut random, &[900, 7_000]).await;
            let mut out = Vec::new();
            let plan = log.plan(0, 200_000, 100, MemoryWait::Waits, &mut out);
            let mut planned = plan.await.expect("read").expect("there");
            let (whole, safe) = (planned.stretch.bytes(), planned.bytes_in_memory);
            assert!(whole > 3 * safe, "most of it is streamed");
            // Behind what is in memory, and behind what is read ahead by then.
            let at = safe + random.below(whole - safe);
            sim.damage(&Path::new(DIR).join(format!("{:020}.log", 0)), |bytes| {
                bytes[at] ^= 0x10;
            });
            let mut got = joined(&out);
            let error = loop {
                match planned.stream.next().await {
                    Ok(Some(piece)) => got.extend_from_slice(&piece),
                    Ok(None) => panic!("damage at {at} of {whole} was handed out"),
                    Err(error) => break error,
                }
            };
            drop(planned);
            let written: Vec<u8> = known.iter().flat_map(|it| it.2.clone()).collect();
            // Of a batch longer than a piece the beginning may be out; the answer is not.
            assert!(got.len() < whole && written.starts_with(&got[..at.min(got.len())]));
            let ReadError::Damaged {
                position, is_news, ..
            } = error
            else {
                panic!("{error}");
            };
            assert!(is_news && position <= at as u64);
            // The damaged batch begins there; the reader comes to it, and then is told.
            let mut begins = 0;
            let hit = known.iter().find(|it| {
                let here = begins == position;
                begins += it.2.len() as u64;
                here
            });
            let (base, ..) = hit.expect("a batch begins where the damage is said to be");
            out.clear();
            let plan = log.plan(0, 200_000, 100, MemoryWait::Waits, &mut out).await;
            let planned = plan.expect("what lies before it");
            assert!(planned.expect("there").stretch.bytes() as u64 <= position || *base == 0);
            out.clear();
            let plan = log
                .plan(*base, 200_000, 100, MemoryWait::Waits, &mut out)
                .await;
            let told = match &plan {
                Err(ReadError::Damaged { is_news, .. }) => !is_news,
                _ => false,
            };
            assert!(
                told,
                "seed {seed}, byte {at}, batch at {position}: {:?}",
                plan.map(|it| it.map(|it| it.stretch))
            );
            out.clear();
            logs_forget(&log).await;
            assert_eq!(budget.used_by(Use::Reads), 0);
        });
    }
}

#[test]
fn a_segment_that_is_removed_meanwhile_is_streamed_to_its_end() {
    for seed in 0..6 {
        let world = World::new(seed);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let mut random = Random::new(seed);
            let (logs, budget) = cold(&disk, 64 << 20);
            let (log, known) = filled(&logs, &mut random, &[900, 7_000]).await;
            let mut out = Vec::new();
            let plan = log.plan(0, 200_000, 100, MemoryWait::Waits, &mut out);
            let planned = plan.await.expect("read").expect("there");
            log.delete_records_before(log.end_offset()).expect("within");
            log.maintain(1_000_000).await.expect("maintained");
            let paths = world_paths(&disk).await;
            assert!(!paths.contains(&format!("{:020}.log", 0)), "{paths:?}");
            let bytes = collect(planned, &out, &mut random).await.expect("sound");
            let written: Vec<u8> = known.iter().flat_map(|it| it.2.clone()).collect();
            assert!(bytes.len() > 100_000 && written.starts_with(&bytes));
            drop(out);
            assert_eq!(budget.used_by(Use::Reads), 0);
        });
    }
}

async fn world_paths(disk: &Disk) -> Vec<String> {
    let entries = disk.list(Path::new(DIR)).await.expect("there");
    entries.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn without_memory_one_reader_at_a_time_gets_on_and_those_who_leave_give_theirs_back() {
    let world = World::new(7);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let mut random = Random::new(7);
        let (logs, budget) = cold(&disk, 4 << 20);
        let (log, _) = filled(&logs, &mut random, &[900, 7_000]).await;
        let log = Rc::new(log);
        // All is taken for good, and two wait for more.
        let all = budget.hold(Use::Requests, 4 << 20);
        let mut out = Vec::new();
        let content = MemoryWait::TakesWhatThereIs;
        let plan = log.plan(0, 200_000, 100, content, &mut out).await;
        assert!(
            plan.expect("no error").is_none(),
            "it has to wait for memory"
        );
        let done = Rc::new(std::cell::Cell::new(0));
        for seed in 0..8 {
            let (log, done, budget) = (log.clone(), done.clone(), budget.clone());
            disk.runtime().spawn(async move {
                let mut random = Random::new(seed);
                let mut out = Vec::new();
                let plan = log.plan(0, 200_000, 100, MemoryWait::Waits, &mut out).await;
                let mut planned = plan.expect("read").expect("there");
                // It has been sent, and what is sent is given up.
                out.clear();
                while let Some(piece) = planned.stream.next().await.expect("sound") {
                    drop(piece);
                    assert!(budget.used_by(Use::Reads) <= 64 << 10);
                    if random.one_in(30) {
                        break; // The connection ends.
                    }
                }
                done.set(done.get() + 1);
            });
        }
        while done.get() < 8 {
            disk.runtime().yield_now().await;
        }
        assert_eq!(budget.used_by(Use::Reads), 0);
        drop(all);
        assert_eq!(budget.used_bytes(), budget.used_by(Use::Tail));
    });
}
