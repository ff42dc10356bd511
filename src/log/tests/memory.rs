//! Drives: how much of the newest records is in memory, for readers and until they are written.

use std::path::Path;
use std::rc::Rc;

use super::streams::cold;
use super::support::*;
use crate::base::Offset;
use crate::io::budget::{Budget, Use};
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::{AppendError, Cached, Logs, LogsOptions, Opening};

const DIR: &str = "/data/t-0";

#[test]
fn the_tail_grows_as_readers_need_it_and_shrinks_for_who_wants_it() {
    let world = World::new(1);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let budget = Budget::new(2 << 20);
        let options = LogsOptions {
            budget: Rc::clone(&budget),
            cache_bytes: 128 << 10,
            cache_bytes_max: 1 << 20,
            ..options()
        };
        let logs = Logs::new(&disk, options);
        let (log, _) = open(&logs, Path::new(DIR), config(8 << 20), Opening::default()).await;
        // A reader is so many records of 50 kB behind; how many it found in memory.
        let fill = async |behind: Offset| {
            let mut hits = 0;
            for tag in 0..60 {
                log.append(&batch(1, 50_000, tag, 0), 0, None, 0)
                    .expect("appended");
                let end = log.end_offset();
                acked(&log, end).await;
                let found = log.read_cached((end - behind).max(0), 1, end, &mut Vec::new());
                hits += usize::from(matches!(found, Cached::Hit(Some(_))));
            }
            hits
        };
        assert_eq!(fill(1).await, 60);
        let least = budget.used_by(Use::Tail);
        assert!(
            least <= 256 << 10,
            "{least} is kept for a reader at the end"
        );
        assert!(fill(14).await > 20, "700 kB behind, it finds them in time");
        let grown = budget.used_by(Use::Tail);
        assert!((700 << 10..=1_300 << 10).contains(&grown), "{grown}");
        // It is in the way of nothing.
        let request = budget
            .try_reserve(Use::Requests, 1 << 20)
            .expect("made free");
        assert!(budget.used_bytes() <= 2 << 20);
        let more = budget
            .try_reserve(Use::Requests, 768 << 10)
            .expect("made free");
        let shrunk = budget.used_by(Use::Tail);
        assert!(shrunk <= 256 << 10, "{shrunk}");
        fill(14).await;
        assert!(budget.used_by(Use::Tail) <= 384 << 10);
        drop((request, more));
        fill(14).await;
        assert!(budget.used_by(Use::Tail) >= 700 << 10, "it may grow again");
        // A minute later, and the reader has gone.
        for _ in 0..90 {
            logs.give_up_unneeded().await;
        }
        let left = budget.used_by(Use::Tail);
        assert!(left <= 128 << 10, "{left}");
        // What is far behind would be missed all the same.
        fill(40).await;
        let far = budget.used_by(Use::Tail);
        assert!(far <= 256 << 10, "{far}");
    });
}

#[test]
fn logs_that_are_filled_faster_than_they_are_written_stay_within_the_bound_together() {
    let world = World::new(3);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let (logs, budget) = cold(&disk, 2 << 20);
        let mut all = Vec::new();
        for index in 0..20 {
            let dir = Path::new("/data").join(format!("t-{index}"));
            all.push(
                open(&logs, &dir, config(8 << 20), Opening::default())
                    .await
                    .0,
            );
        }
        let (mut busy, mut most) = (0, 0);
        for tag in 0..40 {
            for log in &all {
                while let Err(error) = log.append(&batch(1, 50_000, tag, 0), 0, None, 0) {
                    assert_eq!(error, AppendError::Busy);
                    busy += 1;
                    log.wait_for_room().await;
                }
                most = most.max(budget.used_by(Use::Tail));
            }
        }
        // Each log may have one append more, whatever there is.
        let bound = (3 << 19) + 20 * (192 << 10);
        assert!(
            busy > 0 && most <= bound,
            "{busy} waited, {most} of {bound}"
        );
        for log in &all {
            acked(log, log.end_offset()).await;
            assert_eq!(log.end_offset(), 40);
        }
    });
}
