//! Drives: what a fetch of very many partitions does in steps, where one of few does it at once.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::pace_at;
use crate::io::{free, turn};
use crate::server::state::fetch_sessions::{Key, Wanted};

/// A place of the table that is free.
const FREE: u32 = u32::MAX;
/// Places that are made ready at a time: some 100 µs.
const PLACES_AT_ONCE: usize = 64 << 10;

/// Of a partition that comes more than once the last mention counts, where the first stood.
pub(super) async fn drop_repeated(wanted: &mut Vec<(Key, Wanted)>) {
    let hasher = RandomState::new();
    // Where the first mentions stand, by the hashes of their keys: in the first place from there
    // on that was free. It has its size from the beginning, as one that grows is copied in one go.
    let places = (2 * wanted.len()).next_power_of_two();
    let mut table = Vec::with_capacity(places);
    while table.len() < places {
        table.resize(places.min(table.len() + PLACES_AT_ONCE), FREE);
        turn::pace().await;
    }
    let mut kept = 0;
    for at in 0..wanted.len() {
        let key = &wanted[at].0;
        let mut place = hasher.hash_one(key) as usize % places;
        while table[place] != FREE && wanted[table[place] as usize].0 != *key {
            place = (place + 1) % places;
        }
        match table[place] {
            FREE => {
                table[place] = kept as u32;
                wanted.swap(kept, at);
                kept += 1;
            }
            first => wanted[first as usize].1 = wanted[at].1,
        }
        pace_at(at + 1).await;
    }
    free::list(table).await;
    shorten(wanted, kept).await;
}

/// Keeps the first `most`, and drops the others in steps.
pub(super) async fn shorten<T>(list: &mut Vec<T>, most: usize) {
    for left in (most..list.len()).rev() {
        list.truncate(left);
        pace_at(left).await;
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use futures_util::FutureExt;

    use super::*;
    use crate::base::TopicId;

    #[test]
    fn the_last_mention_counts_where_the_first_stood() {
        let topics: [Rc<str>; 2] = ["a".into(), "b".into()];
        let one = |topic: usize, index, offset| {
            let key = Key {
                topic: topics[topic].clone(),
                topic_id: TopicId::ZERO,
                index,
            };
            let wanted = Wanted {
                offset,
                max_bytes: 1,
                leader_epoch: -1,
                last_fetched_epoch: -1,
                start_offset: -1,
            };
            (key, wanted)
        };
        let first = |at: i64| one(at as usize % 2, (at / 2) as i32, at);
        let mut wanted: Vec<_> = (0..5_000).map(first).collect();
        wanted.insert(10, one(0, 0, 70));
        wanted.extend([one(1, 3, 80), one(0, 2_499, 90), one(1, 3, 81)]);
        drop_repeated(&mut wanted).now_or_never().unwrap();
        let mut expected: Vec<_> = (0..5_000).map(first).collect();
        expected[0].1.offset = 70;
        expected[7].1.offset = 81;
        expected[4_998].1.offset = 90;
        assert_eq!(wanted, expected);
    }
}
