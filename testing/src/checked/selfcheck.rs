//! Pure: a check that finds nothing wrong must be able to: each kind of fault is shown to it once.

use std::sync::Arc;

use super::entries::{Commits, Found, Lane, Place, Reading, Rule, Sent, Topic};
use super::ledger::Ledger;
use super::record::{KEYS, Shape};
use super::{Clock, Tick};

/// Three batches of two records, the first two acked at 0 and 2; all in one session.
fn ledger(rule: Rule, idempotent: bool) -> Ledger {
    let batch = |first: u64, sent: Tick, promised| Sent {
        first,
        count: 2,
        session: 1,
        sent,
        promised,
        acked: promised.is_some(),
        dead: false,
    };
    let lane = Lane {
        place: 0,
        producer: None,
        idempotent,
        batches: vec![
            batch(0, 1, Some((2, 0))),
            batch(2, 3, Some((4, 2))),
            batch(4, 5, None),
            batch(6, 6, None),
        ],
        session: 1,
    };
    let topic = |create_sent, created, delete_sent, deleted| Topic {
        create_sent,
        created,
        delete_sent,
        deleted,
    };
    let topics = [
        ("made", topic(1, Some(2), None, None)),
        ("gone", topic(1, Some(2), Some(3), Some(4))),
    ];
    Ledger {
        clock: Arc::new(Clock::default()),
        places: vec![Place {
            topic: "t",
            index: 0,
            rule,
            shape: Shape::Small,
            deletes: vec![(3, 1)],
            audited: 0,
            start: 0,
        }],
        lanes: vec![lane],
        commits: vec![(
            0,
            Commits {
                sent: vec![(1, 2), (3, 4)],
                acked: vec![(2, 2)],
            },
        )],
        topics: topics.map(|(name, topic)| (name.to_owned(), topic)).into(),
        producer_ids: Vec::new(),
        refusals: Vec::new(),
        acks: 0,
        found_unacked: 0,
        missing_unacked: 0,
        audited_records: 0,
        starts_gone_back: 0,
    }
}

fn reading(start: i64, numbers: &[(i64, u64)]) -> Reading {
    let found = numbers.iter().map(|(offset, number)| Found {
        offset: *offset,
        lane: 0,
        number: *number,
    });
    Reading {
        start,
        end: numbers.last().map_or(start, |(offset, _)| offset + 1),
        from: start,
        found: found.collect(),
        bytes: 100,
    }
}

/// Panics where the ledger takes a fault for good, or the reverse.
pub fn run() {
    let all: Vec<(i64, u64)> = (0..8).map(|n| (n, n as u64)).collect();
    let check = |idempotent, reading: &Reading, cut| {
        ledger(Rule::Delete, idempotent).check(0, reading, cut)
    };
    let good = |what: &str, result: Result<(), String>| {
        assert!(result.is_ok(), "{what}: {result:?}");
    };
    let bad = |what: &str, result: Result<(), String>| {
        assert!(result.is_err(), "taken for good: {what}");
    };
    good("all", check(true, &reading(0, &all), Tick::MAX));
    good("acked only", check(true, &reading(0, &all[..4]), Tick::MAX));
    good("up to a cut", check(true, &reading(0, &all[..2]), 4));
    good("deleted as asked", check(true, &reading(1, &all[1..]), 9));
    bad("acked and lost", check(true, &reading(0, &all[..2]), 5));
    bad("half a batch", check(true, &reading(0, &all[..5]), 9));
    bad("not sent yet", check(true, &reading(0, &all[..6]), 5));
    bad("deleted too much", check(true, &reading(2, &all[2..]), 9));
    let twice: Vec<_> = all.iter().copied().chain([(8, 4), (9, 5)]).collect();
    bad("twice", check(true, &reading(0, &twice), 9));
    let gap = [(0, 0), (1, 1), (2, 2), (3, 3), (5, 4), (6, 5)];
    bad("a gap in the offsets", check(true, &reading(0, &gap), 9));
    let hole = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 6), (5, 7)];
    bad("a hole", check(true, &reading(0, &hole), 9));
    bad("a hole in a session", check(false, &reading(0, &hole), 9));
    let order = [(0, 2), (1, 3), (2, 0), (3, 1)];
    bad("out of order", check(true, &reading(0, &order), 9));
    let foreign: Vec<_> = all[..4].iter().copied().chain([(4, 90)]).collect();
    bad("never sent", check(true, &reading(0, &foreign), 9));

    let mut risen = ledger(Rule::Delete, false);
    risen.adopt(0, &reading(0, &all[..4]));
    bad(
        "back from the dead",
        risen.check(0, &reading(0, &all[..6]), Tick::MAX),
    );
    assert_eq!((risen.found_unacked, risen.missing_unacked), (0, 4));
    let mut seen = ledger(Rule::Delete, true);
    seen.adopt(0, &reading(0, &all[..6]));
    bad(
        "seen and gone",
        seen.check(0, &reading(0, &all[..4]), Tick::MAX),
    );

    let keys = |reading: &Reading| ledger(Rule::Compact, true).check(0, reading, 5);
    const { assert!(KEYS > 8, "the first numbers have keys of their own") };
    good("keys", keys(&reading(0, &all[..4])));
    bad("a key lost", keys(&reading(0, &[(0, 0), (2, 2), (3, 3)])));
    bad(
        "a record moved",
        keys(&reading(0, &[(0, 0), (1, 1), (3, 2), (4, 3)])),
    );

    let it = ledger(Rule::Delete, true);
    good("a commit", it.check_commit(0, 2, 9));
    good("a commit under way", it.check_commit(0, 4, 9));
    bad("a commit lost", it.check_commit(0, -1, 9));
    bad("a commit invented", it.check_commit(0, 3, 9));
    let topics = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        ledger(Rule::Delete, true).check_topics(&names, 9)
    };
    good("topics", topics(&["made"]));
    bad("a topic lost", topics(&[]));
    bad("a topic back", topics(&["made", "gone"]));
}
