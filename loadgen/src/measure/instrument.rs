//! Drives: the tests of the instrument as a whole, against a server whose delays are known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc::channel;

use corelane_wire::batch::BatchView;
use hdrhistogram::Histogram;

use crate::load::frame::{Filler, Head};
use crate::measure::clock::Clock;
use crate::measure::cluster::{Cluster, Home};
use crate::measure::latency::{Collector, Kind, SECOND_NS, Totals, Window};
use crate::measure::null::{self, Answer, Null};
use crate::measure::producer::Outcome;
use crate::measure::worker::{self, Begin, Shared};
use crate::options::Plan;

const MS: u64 = 1_000_000;

/// What came of a load against a null server.
struct Found {
    outcomes: Vec<Outcome>,
    totals: Totals,
    delays: Histogram<u64>,
    requests: Vec<Vec<u8>>,
}

/// Runs `options` (of `loadgen run`) for `ms` milliseconds, all producers in one thread.
fn against(options: &str, ms: u64, rule: impl Fn(u64) -> Answer + Send + Sync + 'static) -> Found {
    let server = null::start(rule, true, None).unwrap();
    let plan = Plan::of(options).unwrap();
    plan.check().unwrap();
    let clock = Clock::start();
    let homes: Vec<Home> = (0..null::PARTITIONS)
        .map(|partition| Home {
            topic: 0,
            partition,
            address: server.address.clone(),
        })
        .collect();
    let mut load = plan.load();
    load.drain_ns = 1_000 * MS;
    let job = worker::Job {
        cluster: Arc::new(Cluster::assumed(null::TOPIC, &server.address)),
        homes: homes.into(),
        load,
        filler: Arc::new(Filler::new(plan.size.max(), 0, 1, true)),
        numbers: (0..plan.producers).collect(),
        producers: plan.producers,
        run: 1,
        clock,
        core: None,
    };
    let shared = Shared {
        stop_ns: AtomicU64::new(u64::MAX),
        done: AtomicUsize::new(0),
        promised: AtomicU64::new(0),
    };
    let (out, intervals) = channel();
    let begin = || {
        let start_ns = clock.now_ns() + 50 * MS;
        let stop_ns = start_ns + ms * MS;
        shared
            .stop_ns
            .store(stop_ns, std::sync::atomic::Ordering::Relaxed);
        Begin {
            start_ns,
            window: Window::from(start_ns),
        }
    };
    let outcomes = worker::run(&job, &shared, out, begin);
    let mut collector = Collector::new("test");
    intervals
        .into_iter()
        .for_each(|interval| collector.add(interval));
    let requests = std::mem::take(&mut *server.kept.lock().unwrap());
    Found {
        outcomes,
        totals: collector.finish().unwrap().0,
        delays: Null::delays(server),
        requests,
    }
}

#[test]
fn a_known_distribution_is_measured_as_it_is() {
    // Other work of the machine can only add to what is measured: it may take more
    // than one attempt to see the instrument alone.
    let mut wrong = String::new();
    for _ in 0..3 {
        wrong = known_distribution();
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{wrong}");
}

/// What is wrong with the quantiles of a known distribution, if anything is.
fn known_distribution() -> String {
    // 240 connections, 1,200 records/s in all: 200 ms between two records on a connection, so
    // that none waits for the one before it. The quantiles are in the middles of the steps.
    let found = against("--rate 1200 --producers 240", 8_000, |n| {
        let step_ms = match n % 1_000 {
            0..800 => 20,
            800..970 => 40,
            970..997 => 60,
            _ => 100,
        };
        Answer::After(step_ms * MS + n % 1_000 * 2_000)
    });
    let sent: u64 = found.outcomes.iter().map(|one| one.sent).sum();
    assert_eq!((sent, found.delays.len()), (9_600, 9_600));
    let service = &found.totals[&Kind::Service];
    let mut wrong = String::new();
    for quantile in [0.5, 0.9, 0.99, 0.999] {
        let own = service.value_at_quantile(quantile) as f64;
        let real = found.delays.value_at_quantile(quantile) as f64;
        let error = own / real - 1.0;
        println!(
            "{quantile}: {:.3} ms for {:.3} ms, {:+.2} %",
            own / 1e6,
            real / 1e6,
            error * 1e2
        );
        // What the server measures is a part of what the client does.
        if !(-0.002..=0.02).contains(&error) {
            wrong += &format!("{quantile}: {own} ns for {real} ns; ");
        }
    }
    wrong
}

#[test]
fn a_stall_shows_at_its_full_size_whatever_may_be_under_way() {
    // 1,000 records/s; the answer to the 200th takes 100 ms, all others none. So 100 records
    // are held up, by 100, 99, 98, … ms. A closed loop would show one of them. Where only one
    // request may be under way the others wait in loadgen, and it counts all the same.
    for options in ["", " --in-flight 1", " --in-flight 1 --batch-bytes 16384"] {
        let found = against(&format!("--rate 1000{options}"), 600, |n| match n {
            200 => Answer::After(100 * MS),
            _ => Answer::After(0),
        });
        let one = &found.outcomes[0];
        assert_eq!((one.sent, one.promised.count()), (600, 600), "{options}");
        let produce = &found.totals[&Kind::Produce];
        assert!(produce.max() >= 100 * MS, "max {}", produce.max());
        let stalls = found.delays.count_between(90 * MS, u64::MAX / 2);
        assert_eq!(stalls, 1, "the server stalled once");
        for (above_ms, expected) in [(25, 75), (50, 50), (75, 25)] {
            let held = produce.count_between(above_ms * MS, 3_600 * SECOND_NS);
            // A busy machine may add stalls of its own; it cannot take one away.
            assert!(
                held >= expected - 2,
                "{options}: {held} records over {above_ms} ms"
            );
        }
        let seen = found.totals[&Kind::Service].count_between(50 * MS, 3_600 * SECOND_NS);
        let hides = options.contains("in-flight") && seen < 5;
        assert!(
            hides || options.is_empty(),
            "a closed loop sees {seen} of them"
        );
    }
}

#[test]
fn answers_that_do_not_come_and_refusals_are_counted() {
    let found = against("--rate 200", 100, |n| match n {
        3 => Answer::Refuse(10),
        19 => Answer::Never,
        _ => Answer::After(0),
    });
    let one = &found.outcomes[0];
    assert_eq!((one.due, one.sent, one.unanswered), (20, 20, 1));
    assert_eq!(one.refused, BTreeMap::from([(10, 1)]));
    assert_eq!(one.promised.count(), 18);
    assert_eq!(found.totals[&Kind::Produce].len(), 19);
    assert_eq!(found.totals[&Kind::Late].len(), 20);
}

#[test]
fn a_leader_that_moves_is_followed_without_a_loss() {
    let found = against("--rate 500", 200, |n| match n {
        20..30 => Answer::Refuse(6),
        _ => Answer::After(0),
    });
    let one = &found.outcomes[0];
    assert_eq!(
        (one.sent, one.unanswered, one.promised.count()),
        (100, 0, 100)
    );
    assert_eq!(one.repeated, BTreeMap::from([(6, 10)]));
    assert!(one.refused.is_empty());
    assert!(
        found.totals[&Kind::Produce].max() >= 20 * MS,
        "the pause counts"
    );
}

#[test]
fn a_connection_that_ends_is_said_and_made_anew() {
    let found = against("--rate 500", 200, |n| match n {
        10 => Answer::Close,
        _ => Answer::After(0),
    });
    let one = &found.outcomes[0];
    assert_eq!((one.due, one.breaks), (100, 1));
    assert!(one.failure.is_some());
    assert!((1..20).contains(&one.unanswered), "{}", one.unanswered);
    assert_eq!(one.promised.count() + one.unanswered, 100);
}

#[test]
fn idempotent_producers_send_again_in_order_with_the_same_numbers() {
    let found = against("--rate 2000 --producers 2 --idempotent", 300, |n| match n {
        50 | 300 => Answer::Close,
        100..103 => Answer::Refuse(7),
        _ => Answer::After(0),
    });
    let promised: u64 = found.outcomes.iter().map(|one| one.promised.count()).sum();
    assert_eq!(promised, 600);
    assert!(found.outcomes.iter().all(|one| one.unanswered == 0));
    let breaks: u64 = found.outcomes.iter().map(|one| one.breaks).sum();
    assert_eq!(breaks, 2);
    // What was kept are the acked ones: each partition's sequence numbers, without a gap.
    let mut next = BTreeMap::new();
    for request in &found.requests {
        let head = Head::new(8, -1, null::TOPIC, 0).len() - 4;
        let partition = i32::from_be_bytes(*request[head - 8..].first_chunk().unwrap());
        let batch = BatchView::parse(&request[head..]).unwrap();
        let expected = next.entry(partition).or_insert(0);
        assert!(batch.base_sequence() <= *expected, "a gap at {expected}");
        *expected = (*expected).max(batch.base_sequence() + batch.record_count());
    }
    assert_eq!(next.values().sum::<i32>(), 600);
}

#[test]
fn lingering_and_full_batches_carry_every_record_once() {
    for options in [
        "--rate 20000 --linger-ms 5 --batch-bytes 16384 --size uniform:100-2000 --keys zipf:100",
        "--max --batch-bytes 65536 --producers 2 --in-flight 3",
        "--rate 20000 --poisson --batch-bytes 9000 --in-flight 1 --codec lz4",
    ] {
        let found = against(options, 200, |_| Answer::After(MS));
        let promised: u64 = found.outcomes.iter().map(|one| one.promised.count()).sum();
        let made: u64 = found.outcomes.iter().map(|one| one.made).sum();
        assert_eq!(promised, made, "{options}");
        let mut records = 0;
        for request in &found.requests {
            let head = Head::new(8, -1, null::TOPIC, 0).len() - 4;
            let batch = BatchView::parse(&request[head..]).unwrap();
            batch.verify_crc().unwrap();
            records += batch.record_count() as u64;
        }
        assert_eq!(records, made, "{options}");
        let batches = &found.totals[&Kind::BatchRecords];
        assert!(
            made < 20 || batches.mean() > 1.5,
            "{options}: {}",
            batches.mean()
        );
        assert!(found.totals[&Kind::BatchBytes].max() <= 65_800, "{options}");
    }
}
