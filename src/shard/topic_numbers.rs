//! Pure: numbers by topic for a bounded count of topics, and one sum for all others, so that
//! sums over all series are true however many topics there are.
//!
//! What is shown only grows: a topic that gets a series of its own begins with what it has done
//! since the last look, and what it did before stays in the sum; partitions that go take nothing
//! back.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::TopicId;
use crate::base::metrics::{SampleValue, Snapshot};
use crate::partition::traffic::Volume;

/// The label of the sum of topics that have no series of their own; no topic can be called so.
const OTHER: &str = "(other)";

/// One topic of this shard as it is now.
#[derive(Clone, Debug)]
pub struct TopicNow {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: Arc<str>,
    /// What its partitions here have taken and given.
    pub volume: Volume,
    /// Bytes of its logs.
    pub log_bytes: u64,
    /// Its partitions that are served here.
    pub partitions: u64,
}

/// What is known of the topics from the looks before.
#[derive(Debug, Default)]
pub struct TopicNumbers {
    seen: HashMap<TopicId, Seen>,
    /// What all topics without a series of their own have done.
    other: Volume,
    /// What all topics have done.
    total: Volume,
}

#[derive(Debug, Default)]
struct Seen {
    last: Volume,
    /// What the topic's own series show, if it has any.
    shown: Option<Volume>,
}

impl TopicNumbers {
    /// Takes in how the topics stand, and adds their numbers to a snapshot: those of up to
    /// `series_max` topics, the busiest first. One that has a series keeps it while it does
    /// something, or no other wants the place.
    pub fn export(&mut self, topics: &[TopicNow], series_max: usize, to: &mut Snapshot) {
        self.take_in(topics, series_max);
        let mut others = Row::default();
        for topic in topics {
            let shown = self.seen.get(&topic.id).and_then(|seen| seen.shown);
            match shown {
                Some(volume) => Row::of(topic, volume).export(&topic.name, to),
                None => others.add(topic),
            }
        }
        others.volume = self.other;
        others.export(OTHER, to);
        to.counter(
            "corelane_produced_bytes_total",
            "Bytes of batches appended to logs. \
             Kafka: kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec",
            self.total.produced_bytes,
        );
        to.counter(
            "corelane_produced_records_total",
            "Records appended to logs. \
             Kafka: kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec",
            self.total.produced_records,
        );
    }

    fn take_in(&mut self, topics: &[TopicNow], series_max: usize) {
        let news: Vec<Volume> = topics
            .iter()
            .map(|topic| {
                let last = self.seen.get(&topic.id).map(|seen| seen.last);
                topic.volume.since(last.unwrap_or_default())
            })
            .collect();
        self.give_series(topics, &news, series_max);
        for (topic, news) in topics.iter().zip(news) {
            let seen = self.seen.entry(topic.id).or_default();
            seen.last = topic.volume;
            match &mut seen.shown {
                Some(shown) => *shown += news,
                None => self.other += news,
            }
            self.total += news;
        }
        if self.seen.len() > topics.len() {
            self.forget_gone(topics);
        }
    }

    fn forget_gone(&mut self, topics: &[TopicNow]) {
        let mut kept = HashMap::with_capacity(topics.len());
        for topic in topics {
            if let Some(seen) = self.seen.remove(&topic.id) {
                kept.insert(topic.id, seen);
            }
        }
        self.seen = kept;
    }

    /// Gives series to the busiest of those that have none: free ones, and those of topics that
    /// have done nothing since the last look.
    fn give_series(&mut self, topics: &[TopicNow], news: &[Volume], series_max: usize) {
        let has_series = |seen: &HashMap<TopicId, Seen>, topic: &TopicNow| {
            seen.get(&topic.id).is_some_and(|seen| seen.shown.is_some())
        };
        let all = || topics.iter().zip(news);
        let shown = all().filter(|(topic, _)| has_series(&self.seen, topic));
        let (mut taken, mut idle) = (0, Vec::new());
        for (topic, news) in shown {
            taken += 1;
            if news.bytes() == 0 {
                idle.push(topic.id);
            }
        }
        let mut free = series_max.saturating_sub(taken);
        // While there are places even a topic that does nothing has its own.
        let wants = |topic: &TopicNow, news: &Volume| {
            !has_series(&self.seen, topic) && (news.bytes() > 0 || topics.len() <= series_max)
        };
        let mut wanting: Vec<(u64, TopicId)> = all()
            .filter(|(topic, news)| wants(topic, news))
            .map(|(topic, news)| (news.bytes(), topic.id))
            .collect();
        wanting.sort_unstable_by(|a, b| b.cmp(a));
        for (_, id) in wanting {
            if free == 0 {
                let Some(idle) = idle.pop() else { return };
                self.seen.entry(idle).or_default().shown = None;
                free = 1;
            }
            free -= 1;
            self.seen.entry(id).or_default().shown = Some(Volume::default());
        }
    }
}

/// What is exported for one topic, or for many.
#[derive(Default)]
struct Row {
    volume: Volume,
    log_bytes: u64,
    partitions: u64,
}

impl Row {
    fn of(topic: &TopicNow, volume: Volume) -> Row {
        Row {
            volume,
            log_bytes: topic.log_bytes,
            partitions: topic.partitions,
        }
    }

    fn add(&mut self, topic: &TopicNow) {
        self.log_bytes += topic.log_bytes;
        self.partitions += topic.partitions;
    }

    fn export(&self, topic: &str, to: &mut Snapshot) {
        let labels = || vec![("topic", topic.to_owned())];
        let counters = [
            (
                "corelane_topic_produced_bytes_total",
                "Bytes of batches appended, by topic; topic \"(other)\" is the sum of those that \
                 have no series of their own. \
                 Kafka: kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec,topic=*",
                self.volume.produced_bytes,
            ),
            (
                "corelane_topic_produced_records_total",
                "Records appended, by topic. \
                 Kafka: kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec,topic=*",
                self.volume.produced_records,
            ),
            (
                "corelane_topic_fetched_bytes_total",
                "Bytes of records sent to consumers, by topic. \
                 Kafka: kafka.server:type=BrokerTopicMetrics,name=BytesOutPerSec,topic=*",
                self.volume.fetched_bytes,
            ),
        ];
        for (name, help, value) in counters {
            to.push(name, help, labels(), SampleValue::Counter(value));
        }
        to.push(
            "corelane_topic_log_bytes",
            "Bytes of batches in the logs of a topic's partitions. \
             Kafka: kafka.log:type=Log,name=Size,topic=*",
            labels(),
            SampleValue::Gauge(self.log_bytes as f64),
        );
        to.push(
            "corelane_topic_partitions",
            "Partitions that this node serves, by topic.",
            labels(),
            SampleValue::Gauge(self.partitions as f64),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Uuid;

    fn topic(number: u128, bytes: u64) -> TopicNow {
        TopicNow {
            id: TopicId(Uuid::from_u128(number)),
            name: format!("t{number}").into(),
            volume: Volume {
                produced_bytes: bytes,
                produced_records: bytes / 10,
                fetched_bytes: 0,
            },
            log_bytes: bytes,
            partitions: 1,
        }
    }

    /// The series of produced bytes, by topic.
    fn look(numbers: &mut TopicNumbers, topics: &[TopicNow], most: usize) -> Vec<(String, u64)> {
        let mut snapshot = Snapshot::default();
        numbers.export(topics, most, &mut snapshot);
        let rows = snapshot.0.into_iter();
        let rows = rows.filter(|row| row.name == "corelane_topic_produced_bytes_total");
        let mut rows: Vec<(String, u64)> = rows
            .map(|row| match row.value {
                SampleValue::Counter(value) => (row.labels[0].1.clone(), value),
                other => panic!("{other:?}"),
            })
            .collect();
        rows.sort();
        rows
    }

    fn series(of: &[(&str, u64)]) -> Vec<(String, u64)> {
        of.iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect()
    }

    #[test]
    fn the_busiest_topics_have_series_and_the_rest_is_summed_up() {
        let mut numbers = TopicNumbers::default();
        let topics = [topic(1, 10), topic(2, 300), topic(3, 200), topic(4, 0)];
        let seen = look(&mut numbers, &topics, 2);
        assert_eq!(seen, series(&[("(other)", 10), ("t2", 300), ("t3", 200)]));
        // All are busy: who has a series keeps it.
        let topics = [topic(1, 9_010), topic(2, 301), topic(3, 201), topic(4, 0)];
        let seen = look(&mut numbers, &topics, 2);
        assert_eq!(
            seen,
            series(&[("(other)", 9_010), ("t2", 301), ("t3", 201)])
        );
        // One is idle: its place goes to the busiest, from now on.
        let topics = [topic(1, 9_015), topic(2, 302), topic(3, 201), topic(4, 7)];
        let seen = look(&mut numbers, &topics, 2);
        assert_eq!(seen, series(&[("(other)", 9_015), ("t2", 302), ("t4", 7)]));
    }

    #[test]
    fn series_never_fall_when_partitions_and_topics_go() {
        let mut numbers = TopicNumbers::default();
        look(&mut numbers, &[topic(1, 100), topic(2, 50), topic(3, 5)], 2);
        // A partition of the first is gone, and with it most of the count.
        let topics = [topic(1, 20), topic(2, 50), topic(3, 6)];
        let seen = look(&mut numbers, &topics, 2);
        assert_eq!(seen, series(&[("(other)", 5), ("t1", 100), ("t3", 1)]));
        let topics = [topic(1, 30), topic(2, 50), topic(3, 6)];
        assert_eq!(look(&mut numbers, &topics, 2)[1], ("t1".into(), 110));
        // A topic is deleted: its series ends, and the sum does not fall.
        let seen = look(&mut numbers, &[topic(2, 50), topic(3, 7)], 2);
        assert_eq!(seen, series(&[("(other)", 5), ("t2", 0), ("t3", 2)]));
        assert_eq!(numbers.total.produced_bytes, 100 + 50 + 5 + 1 + 10 + 1);
        assert_eq!(numbers.seen.len(), 2);
    }
}
