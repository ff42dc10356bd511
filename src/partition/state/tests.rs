use super::*;
use crate::io::sim::Random;

/// The order of the numbers, checked from outside.
fn check(state: &ReplicaState) {
    let order = [
        state.start_offset(),
        state.readable_offset(Isolation::ReadCommitted),
        state.readable_offset(Isolation::ReadUncommitted),
        state.acked_offset(Acks::Leader),
        state.end_offset(),
    ];
    assert!(order.is_sorted(), "{state:?}");
    assert!(state.acked_offset(Acks::All) <= state.acked_offset(Acks::Leader));
}

fn leader(epoch: LeaderEpoch, start: Offset, end: Offset) -> ReplicaState {
    let mut state = ReplicaState::opened(start, end, end);
    state.lead(epoch);
    state
}

#[test]
fn a_million_events_keep_the_order_and_move_nothing_back() {
    let mut random = Random::new(7);
    let mut state = leader(0, 3, 10);
    for _ in 0..1_000_000 {
        let before = state;
        let end = state.end_offset();
        let mut below = |count: Offset| random.below(count as usize) as i64;
        match below(7) {
            0 => {
                let gap = if state.role() == Role::Follower {
                    below(3)
                } else {
                    0
                };
                state.appended(end + gap, end + gap + 1 + below(20));
            }
            1 => {
                let stored = state.acked_offset(Acks::Leader);
                state.stored(stored + below(end - stored + 1));
            }
            2 => {
                let (start, committed) = (state.start_offset(), state.high_watermark());
                state.start_moved(start + below(committed - start + 1));
            }
            3 => state.commit(below(end + 10)),
            4 => state.leader_committed(below(end + 10)),
            5 if below(2) == 0 => state.stabilize(None),
            5 => state.stabilize(Some(below(end + 10))),
            _ if below(2) == 0 => state.lead(state.leader_epoch() + below(2) as i32),
            _ => state.follow(state.leader_epoch() + below(2) as i32),
        }
        check(&state);
        assert!(before.start_offset <= state.start_offset);
        assert!(before.high_watermark <= state.high_watermark);
        assert!(before.last_stable_offset <= state.last_stable_offset);
        assert!(before.leader_epoch <= state.leader_epoch);
    }
    assert!(state.start_offset() > 1_000_000);
}

#[test]
fn what_is_appended_is_readable_once_it_is_stored_and_committed() {
    let mut state = leader(4, 0, 10);
    state.appended(10, 15);
    assert_eq!(state.end_offset(), 15);
    for acks in [Acks::Leader, Acks::All] {
        assert_eq!(state.acked_offset(acks), 10);
    }
    state.commit(15);
    assert_eq!(state.acked_offset(Acks::All), 10);
    state.stored(13);
    assert_eq!(state.acked_offset(Acks::Leader), 13);
    assert_eq!(state.acked_offset(Acks::All), 10);
    state.commit(12);
    assert_eq!(state.acked_offset(Acks::All), 12);
    state.stabilize(Some(11));
    assert_eq!(state.readable_offset(Isolation::ReadUncommitted), 12);
    assert_eq!(state.readable_offset(Isolation::ReadCommitted), 11);
    state.stabilize(None);
    assert_eq!(state.readable_offset(Isolation::ReadCommitted), 12);
}

#[test]
fn a_follower_commits_what_its_leader_says_once_it_has_stored_it() {
    let mut state = ReplicaState::opened(0, 4, 10);
    assert_eq!(state.high_watermark(), 4);
    state.follow(3);
    state.appended(12, 20);
    state.leader_committed(15);
    assert_eq!(state.high_watermark(), 10);
    state.stored(18);
    assert_eq!(state.high_watermark(), 15);
    // A new leader knows less at first.
    state.leader_committed(9);
    assert_eq!(state.high_watermark(), 15);
}

#[test]
fn a_tenure_lasts_over_terms_and_ends_with_leading() {
    let mut state = leader(1, 0, 10);
    let first = state.tenure();
    state.appended(10, 12);
    assert_eq!(state.term_start(), 10);
    state.lead(2);
    assert_eq!((state.tenure(), state.term_start()), (first, 12));
    state.follow(3);
    state.lead(4);
    assert_ne!(state.tenure(), first);
}

#[test]
fn a_deleted_replica_stays_deleted_when_the_shard_stops() {
    let mut state = leader(0, 0, 0);
    assert_eq!(state.role(), Role::Leader);
    state.delete();
    state.close();
    assert_eq!(state.role(), Role::Deleted);
    let mut other = leader(0, 0, 0);
    other.close();
    other.lead(1);
    assert_eq!(other.role(), Role::Closed);
}

#[test]
#[should_panic(expected = "an append begins at the end")]
fn an_append_that_leaves_a_gap_is_refused() {
    leader(0, 0, 10).appended(11, 12);
}

#[test]
#[should_panic(expected = "assertion failed")]
fn nothing_is_stored_that_was_not_appended() {
    leader(0, 0, 10).stored(11);
}

#[test]
#[should_panic(expected = "assertion failed")]
fn nothing_is_deleted_that_is_not_committed() {
    let mut state = leader(0, 0, 10);
    state.appended(10, 20);
    state.start_moved(11);
}
