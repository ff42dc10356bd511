//! Pure: the checker takes what a broker may do, and finds each thing that it must not.

use super::check::{Checked, Fault, check};
use super::history::{Consumed, Ending, History, Place, Read, Transaction, Value};

const A: Place = ("in", 0);
const B: Place = ("in", 1);
const OUT: Place = ("out", 0);

fn transaction(
    (begun, ended): (u64, u64),
    ending: Ending,
    appended: &[(Place, Value, i64)],
) -> Transaction {
    let appended = appended.iter();
    Transaction {
        begun,
        ended,
        ending,
        consumed: Vec::new(),
        appended: appended
            .map(|(place, value, at)| (*place, *value, Some(*at)))
            .collect(),
    }
}

fn consumed(place: Place, from: i64, to: i64, values: &[Value]) -> Consumed {
    Consumed {
        place,
        from,
        to,
        values: values.to_vec(),
    }
}

/// Two feeders' transactions and an aborted one, one that moves on what they appended, and one
/// whose end its client does not know.
fn right() -> History {
    let mut moving = transaction((5, 6), Ending::Committed, &[(OUT, 10, 0), (OUT, 11, 1)]);
    moving.consumed = vec![consumed(A, 0, 3, &[1, 2]), consumed(B, 0, 2, &[3])];
    let mut last = transaction((8, 9), Ending::Unknown, &[(OUT, 12, 3)]);
    last.consumed = vec![consumed(A, 3, 8, &[6])];
    last.appended[0].2 = None;
    let mut history = History {
        transactions: vec![
            transaction(
                (1, 2),
                Ending::Committed,
                &[(A, 1, 0), (A, 2, 1), (B, 3, 0)],
            ),
            transaction((3, 4), Ending::Aborted, &[(A, 4, 3), (B, 5, 2)]),
            moving,
            transaction((6, 7), Ending::Committed, &[(A, 6, 6), (B, 7, 4)]),
            last,
        ],
        ..History::default()
    };
    history.held.insert(A, vec![(0, 1), (1, 2), (6, 6)]);
    history.held.insert(B, vec![(0, 3), (4, 7)]);
    history.held.insert(OUT, vec![(0, 10), (1, 11), (3, 12)]);
    history.reads.push(Read {
        place: A,
        records: vec![(1, 2), (6, 6)],
    });
    history.offsets.extend([(A, 8), (B, 2)]);
    history
}

/// What is found in the history once it is changed.
fn fault(change: impl FnOnce(&mut History)) -> Fault {
    let mut history = right();
    change(&mut history);
    check(&history).expect_err("a fault")
}

fn held(history: &mut History, place: Place) -> &mut Vec<(i64, Value)> {
    history.held.get_mut(&place).expect("a partition")
}

#[test]
fn a_right_history_is_right() {
    let checked = Checked {
        committed: 3,
        aborted: 1,
        unknown: 1,
        unknown_committed: 1,
        values: 8,
        reads: 1,
        interleaved: 0,
    };
    assert_eq!(check(&right()), Ok(checked));
    // A transaction of unknown end may have been aborted, with its offsets.
    let mut history = right();
    held(&mut history, OUT).pop();
    history.offsets.insert(A, 3);
    let unknown_committed = check(&history).map(|it| it.unknown_committed);
    assert_eq!(unknown_committed, Ok(0));
}

#[test]
fn a_lost_append_is_found() {
    let lost = fault(|it| held(it, B).truncate(1));
    assert_eq!(lost, Fault::Lost(B, 7));
}

#[test]
fn a_value_that_is_there_twice_is_found() {
    let twice = fault(|it| held(it, OUT).push((9, 10)));
    assert_eq!(twice, Fault::Twice(OUT, 10));
}

#[test]
fn a_value_of_nothing_is_found() {
    assert_eq!(
        fault(|it| held(it, A).push((9, 99))),
        Fault::Invented(A, 99)
    );
    // One of another partition, too.
    assert_eq!(fault(|it| held(it, A).push((9, 3))), Fault::Invented(A, 3));
}

#[test]
fn a_read_of_what_was_aborted_is_found() {
    let aborted = Fault::AbortedRead(A, 4);
    assert_eq!(fault(|it| held(it, A).insert(2, (3, 4))), aborted);
    // Also by a reader in between.
    let read = Read {
        place: A,
        records: vec![(0, 1), (1, 2), (3, 4)],
    };
    assert_eq!(fault(|it| it.reads.push(read)), aborted);
}

#[test]
fn a_torn_transaction_is_found() {
    let torn = fault(|it| {
        it.transactions[3].ending = Ending::Unknown;
        held(it, B).pop();
    });
    let (there, missing) = (6, 7);
    assert_eq!(torn, Fault::Torn { there, missing });
}

#[test]
fn values_in_another_order_are_found() {
    let swapped = fault(|it| {
        it.transactions[0]
            .appended
            .iter_mut()
            .for_each(|it| it.2 = None);
        *held(it, A) = vec![(0, 2), (1, 1), (6, 6)];
    });
    assert_eq!(swapped, Fault::Reordered(A, 1, 2));
    let moved = fault(|it| held(it, B)[1].0 = 5);
    assert_eq!(moved, Fault::Moved(B, 7));
}

#[test]
fn a_read_that_passes_over_a_value_is_found() {
    let gap = fault(|it| it.reads[0].records = vec![(0, 1), (6, 6)]);
    assert_eq!(gap, Fault::ReadGap(A, 6));
}

#[test]
fn a_lost_commit_of_an_offset_is_found() {
    // The group goes back and consumes again.
    let again = fault(|it| {
        let mut again = transaction((20, 21), Ending::Committed, &[(OUT, 13, 5)]);
        again.consumed = vec![consumed(A, 0, 3, &[1, 2])];
        it.transactions.push(again);
        held(it, OUT).push((5, 13));
    });
    assert_eq!(again, Fault::OffsetLost(A, 0));
    // It has an older offset in the end, or passed over something.
    let kept = fault(|it| it.offsets.retain(|place, _| *place != B));
    assert_eq!(kept, Fault::OffsetLost(B, 2));
    let gap = fault(|it| it.transactions[4].consumed[0].from = 5);
    assert_eq!(gap, Fault::OffsetLost(A, 5));
}

#[test]
fn a_cycle_of_appends_is_found_where_time_forbids_it() {
    let change = |times: [(u64, u64); 2]| {
        let mut history = right();
        let forth = transaction(times[0], Ending::Committed, &[(A, 20, 10), (B, 21, 11)]);
        let back = transaction(times[1], Ending::Committed, &[(B, 22, 10), (A, 23, 11)]);
        history.transactions.extend([forth, back]);
        held(&mut history, A).extend([(10, 20), (11, 23)]);
        held(&mut history, B).extend([(10, 22), (11, 21)]);
        check(&history)
    };
    assert_eq!(change([(30, 31), (32, 33)]), Err(Fault::Cycle(vec![5, 6])));
    // Two at one time may interleave, in Kafka as here.
    assert_eq!(change([(30, 33), (31, 32)]).map(|it| it.interleaved), Ok(1));
}

#[test]
fn a_cycle_through_what_was_consumed_is_found() {
    let mut history = right();
    // It stands before the one whose value it has consumed.
    let mut early = transaction((5, 20), Ending::Committed, &[(B, 30, 3)]);
    early.consumed = vec![consumed(B, 2, 6, &[7])];
    history.transactions.push(early);
    held(&mut history, B).insert(1, (3, 30));
    history.offsets.insert(B, 6);
    assert_eq!(check(&history), Err(Fault::Cycle(vec![3, 5])));
}
