//! Pure: fetch sessions on simulated time and memory.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::base::TopicId;

const T0: Instant = Instant(0);

/// Memory of so many bytes, and what is counted of it.
struct Bytes(usize, Rc<Cell<usize>>);

impl Memory for Bytes {
    fn count(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0.max(self.1.get());
        if fits {
            self.1.set(bytes);
        }
        fits
    }
}

fn sessions(slots: usize, bytes_max: usize) -> (FetchSessions, Rc<Cell<usize>>) {
    let counted = Rc::new(Cell::new(0));
    let memory = Box::new(Bytes(bytes_max, counted.clone()));
    (FetchSessions::new(slots, 1_000, 7, memory), counted)
}

fn key(topic: &str, index: i32) -> Key {
    Key {
        topic: topic.into(),
        topic_id: TopicId::ZERO,
        index,
    }
}

fn want(offset: Offset) -> Wanted {
    Wanted {
        offset,
        max_bytes: 1_024,
        leader_epoch: -1,
        last_fetched_epoch: -1,
        start_offset: -1,
    }
}

fn news(has_records: bool, high_watermark: Offset) -> News {
    News {
        has_records,
        error: ErrorCode::NONE,
        high_watermark,
        start_offset: 0,
    }
}

fn open(
    sessions: &mut FetchSessions,
    id: i32,
    epoch: i32,
    add: &[(Key, Wanted)],
    drop: &[Key],
) -> Opened {
    let opened = sessions.open(id, epoch, false, T0);
    let Opened::Incremental(id) = opened else {
        return opened;
    };
    if !sessions.add(id, add.iter().cloned(), T0) {
        return Opened::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    }
    drop.iter().for_each(|key| sessions.forget(id, key));
    sessions.opened(id)
}

fn partitions(sessions: &FetchSessions, id: i32) -> Vec<Key> {
    let (mut list, mut place) = (Vec::new(), sessions.first(id));
    while let Some(from) = place {
        place = sessions.copy(id, from, 100, &mut list);
    }
    list.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_session_remembers_its_partitions_and_tells_only_news() {
    let (mut sessions, _) = sessions(10, usize::MAX);
    assert_eq!(open(&mut sessions, 0, 0, &[], &[]), Opened::Full);
    let wanted = [(key("a", 0), want(0)), (key("b", 0), want(5))];
    let id = sessions.create(false, wanted.iter().cloned(), T0);
    assert!(
        sessions.note_sent(id, &key("a", 0), news(false, 3)),
        "first word on a"
    );
    assert_eq!(
        open(&mut sessions, id, 1, &[], &[]),
        Opened::Incremental(id)
    );
    assert!(
        !sessions.note_sent(id, &key("a", 0), news(false, 3)),
        "nothing new"
    );
    assert!(
        sessions.note_sent(id, &key("a", 0), news(false, 4)),
        "the watermark moved"
    );
    assert!(
        sessions.note_sent(id, &key("a", 0), news(true, 4)),
        "records"
    );
    let order = partitions(&sessions, id);
    let order = order.iter().map(|key| &*key.topic);
    assert!(order.eq(["b", "a"]), "a has had its turn");
    assert_eq!(
        open(&mut sessions, id, 2, &[], &[key("b", 0)]),
        Opened::Incremental(id)
    );
    assert_eq!(sessions.partition_count(id), 1);
    assert_eq!(
        open(&mut sessions, id, 3, &[], &[key("a", 0)]),
        Opened::Sessionless
    );
    assert_eq!(sessions.count(), 0);
}

#[test]
fn wrong_ids_epochs_and_naming_are_refused_with_kafkas_codes() {
    let (mut sessions, _) = sessions(10, usize::MAX);
    let id = sessions.create(false, [(key("a", 0), want(0))].into_iter(), T0);
    let refused = |code| Opened::Refused(code);
    let unknown = refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(open(&mut sessions, id + 1, 1, &[], &[]), unknown);
    let stale = refused(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(open(&mut sessions, id, 2, &[], &[]), stale);
    let mixed = sessions.open(id, 1, true, T0);
    assert_eq!(mixed, refused(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
    assert_eq!(
        open(&mut sessions, id, FINAL_EPOCH, &[], &[]),
        Opened::Sessionless
    );
    assert_eq!(open(&mut sessions, id, 1, &[], &[]), unknown);
}

#[test]
fn an_error_makes_the_next_good_answer_news() {
    let (mut sessions, _) = sessions(10, usize::MAX);
    let id = sessions.create(false, [(key("a", 0), want(0))].into_iter(), T0);
    assert!(sessions.note_sent(id, &key("a", 0), news(false, 3)));
    let failed = News {
        error: ErrorCode::KAFKA_STORAGE_ERROR,
        ..news(false, -1)
    };
    assert!(sessions.note_sent(id, &key("a", 0), failed));
    assert!(sessions.note_sent(id, &key("a", 0), news(false, 3)));
}

#[test]
fn a_full_house_evicts_only_who_has_been_silent_long_enough() {
    let (mut sessions, _) = sessions(1, usize::MAX);
    let one = || [(key("a", 0), want(0))].into_iter();
    let first = sessions.create(false, one(), T0);
    assert_ne!(first, NO_SESSION);
    assert_eq!(
        sessions.create(false, one(), T0.after_ms(1_000)),
        NO_SESSION
    );
    let second = sessions.create(false, one(), T0.after_ms(1_001));
    assert_ne!(second, NO_SESSION);
    assert_eq!(sessions.count(), 1);
}

fn many(count: i32) -> impl Iterator<Item = (Key, Wanted)> {
    (0..count).map(|index| (key("topic", index), want(0)))
}

#[test]
fn a_session_too_large_for_the_memory_there_is_is_none() {
    let (mut sessions, counted) = sessions(10, 100_000);
    assert_eq!(sessions.create(false, many(1_000_000), T0), NO_SESSION);
    assert_eq!((counted.get(), sessions.count()), (0, 0));
    let ids: Vec<i32> = (0..10)
        .map(|_| sessions.create(false, many(100), T0))
        .collect();
    let made = ids.iter().filter(|id| **id != NO_SESSION).count();
    assert!((4..10).contains(&made), "{made}");
    assert!(counted.get() <= 100_000);
    // One that grows beyond it loses its session, and its client begins anew.
    let grown: Vec<_> = many(1_000).collect();
    let found = open(&mut sessions, ids[0], 1, &grown, &[]);
    let unknown = Opened::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(found, unknown);
    assert_eq!(sessions.count(), made - 1);
    // Those that are silent for long enough make place.
    let later = T0.after_ms(1_001);
    assert_ne!(sessions.create(false, many(400), later), NO_SESSION);
    assert!(counted.get() <= 100_000);
}

#[test]
fn what_a_session_takes_is_given_back_in_each_way_it_ends() {
    let (mut sessions, counted) = sessions(10, 1_000_000);
    let id = sessions.create(false, many(1_000), T0);
    let full = counted.get();
    let gone: Vec<_> = (100..1_000).map(|index| key("topic", index)).collect();
    let found = open(&mut sessions, id, 1, &[(key("more", 0), want(0))], &gone);
    assert_eq!(found, Opened::Incremental(id));
    assert!(counted.get() < full / 5, "{} of {full}", counted.get());
    let all = partitions(&sessions, id);
    let found = open(&mut sessions, id, 2, &[], &all);
    assert_eq!((found, counted.get()), (Opened::Sessionless, 0));
    let id = sessions.create(false, many(10), T0);
    assert!(counted.get() > 0);
    open(&mut sessions, id, FINAL_EPOCH, &[], &[]);
    assert_eq!(counted.get(), 0);
    let id = sessions.create(false, many(10), T0);
    open(&mut sessions, id, FIRST_EPOCH, &[], &[]);
    assert_eq!(counted.get(), 0);
}

#[test]
fn long_sessions_keep_their_order_and_what_leaves_them_costs_little() {
    const COUNT: i32 = 30_000;
    let (mut sessions, _) = sessions(10, usize::MAX);
    let all: Vec<_> = (0..COUNT).map(|at| (key("a", at), want(0))).collect();
    let id = sessions.create(false, all.iter().cloned(), T0);
    let order = |sessions: &FetchSessions| -> Vec<i32> {
        partitions(sessions, id).iter().map(|it| it.index).collect()
    };
    // Each third delivers records.
    for (key, _) in &all {
        sessions.note_sent(id, key, news(key.index % 3 == 0, 5));
    }
    let (moved, stay): (Vec<i32>, Vec<i32>) = (0..COUNT).partition(|at| at % 3 == 0);
    let mut seen = order(&sessions);
    assert_eq!(seen[..stay.len()], stay);
    seen.drain(..stay.len());
    seen.sort_unstable();
    assert_eq!(seen, moved);
    // All but the last few go at once.
    let gone = all[..all.len() - 5].iter().map(|(key, _)| key.clone());
    let gone: Vec<Key> = gone.collect();
    assert_eq!(
        open(&mut sessions, id, 1, &[], &gone),
        Opened::Incremental(id)
    );
    let left = order(&sessions);
    assert!(left.len() == 5 && left.iter().all(|at| *at >= COUNT - 5));
}

#[test]
fn a_session_that_is_made_in_steps_is_counted_as_one_made_at_once() {
    let all: Vec<_> = (0..300).map(|at| (key("a", at), want(0))).collect();
    let (mut sessions, counted) = sessions(10, 100_000);
    let whole = sessions.create(false, all.iter().cloned(), T0);
    let bytes = counted.get();
    sessions.open(whole, FINAL_EPOCH, false, T0);
    assert_eq!(counted.get(), 0);
    let id = sessions.create(false, all[..100].iter().cloned(), T0);
    assert!(sessions.add(id, all[100..].iter().cloned(), T0));
    assert_eq!(counted.get(), bytes);
    let keys = partitions(&sessions, id);
    assert!(keys.iter().map(|key| key.index).eq(0..300));
    // What there is no memory for ends the session.
    let more = (0..10_000).map(|at| (key("b", at), want(0)));
    assert!(!sessions.add(id, more, T0));
    assert_eq!((counted.get(), sessions.count()), (0, 0));
    assert!(!sessions.add(id, all.iter().cloned(), T0));
}

#[test]
fn what_a_large_session_leaves_behind_is_dropped_in_steps() {
    let (mut sessions, counted) = sessions(10, usize::MAX);
    let id = sessions.create(false, many(10_000), T0);
    sessions.open(id, FINAL_EPOCH, false, T0);
    assert_eq!((counted.get(), sessions.count()), (0, 0));
    let steps = (1..).find(|_| !sessions.drop_some(1_000)).unwrap();
    assert!((5..=12).contains(&steps), "{steps}");
    // Small ones are gone at once.
    let id = sessions.create(false, many(100), T0);
    sessions.open(id, FINAL_EPOCH, false, T0);
    assert!(!sessions.drop_some(0));
}
