//! Drives: partitions that a produce request names more than once.

use std::collections::HashMap;

use super::outcome::Outcome;
use super::pace_at;
use super::pending::{Pending, SORTED_MAX};

impl Pending {
    /// Of a partition that comes more than once the last mention counts, also where its topic
    /// comes more than once: Kafka holds a request in maps.
    pub(super) async fn mark_repeated(&mut self) {
        if self.partitions.len() < 2 {
            return;
        }
        if self.partitions.len().max(self.topics.len()) > SORTED_MAX {
            return self.mark_repeated_of_many().await;
        }
        let Pending {
            topics,
            partitions,
            order,
            ..
        } = self;
        order.clear();
        order.extend(0..topics.len() as u32);
        let key = |at: u32| topics[at as usize].key();
        order.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)).then(a.cmp(b)));
        let is_repeated = order.windows(2).any(|pair| key(pair[0]) == key(pair[1]));
        if is_repeated {
            let mut first_of = vec![0; topics.len()];
            for same in order.chunk_by(|a, b| key(*a) == key(*b)) {
                same.iter().for_each(|at| first_of[*at as usize] = same[0]);
            }
            topics.iter_mut().for_each(|topic| topic.partitions = 0);
            for out in partitions.iter_mut() {
                out.topic = first_of[out.topic as usize];
                topics[out.topic as usize].partitions += 1;
            }
        }
        order.clear();
        order.extend(0..partitions.len() as u32);
        let key = |at: u32| (partitions[at as usize].topic, partitions[at as usize].index);
        order.sort_unstable_by_key(|at| (key(*at), *at));
        for pair in order.windows(2) {
            let (this, next) = (pair[0] as usize, pair[1] as usize);
            let (topic, index) = (partitions[this].topic, partitions[this].index);
            if (topic, index) == (partitions[next].topic, partitions[next].index) {
                partitions[this].result = Outcome::Repeated;
                topics[topic as usize].partitions -= 1;
            }
        }
    }

    /// The same for a request that is too long to be put in order in one go.
    async fn mark_repeated_of_many(&mut self) {
        let Pending {
            topics, partitions, ..
        } = self;
        let mut first_of = Vec::with_capacity(topics.len());
        let mut places = HashMap::new();
        for (at, topic) in topics.iter().enumerate() {
            first_of.push(*places.entry(topic.key()).or_insert(at));
            pace_at(at).await;
        }
        drop(places);
        topics.iter_mut().for_each(|topic| topic.partitions = 0);
        let mut last_of = HashMap::new();
        for at in 0..partitions.len() {
            let topic = first_of[partitions[at].topic as usize];
            partitions[at].topic = topic as u32;
            match last_of.insert((topic, partitions[at].index), at) {
                Some(before) => partitions[before].result = Outcome::Repeated,
                None => topics[topic].partitions += 1,
            }
            pace_at(at).await;
        }
    }
}
