//! Drives: the transactions that were open when Kafka stopped, and how they end.
//!
//! Readers of committed records see nothing of an open transaction, and nothing behind it. What
//! Kafka's coordinator had noted of it (`__transaction_state`) is taken over, too, and so the
//! broker ends it: as was decided, or when its client comes back, or by its time-out. One that
//! hangs, since no coordinator knows of it, is ended on the way if that is asked for, and so are
//! all others then: committed where the commit had been decided and only the markers were missing,
//! and else aborted.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::cannot_read;
use super::kafka::{Kafka, KafkaLog};
use crate::base::{LeaderEpoch, Offset, PartitionIndex, ProducerId, WallMs};
use crate::coordinator::record::transaction::{
    TopicPartitions, TransactionRecord, TransactionState, TransactionValue,
};
use crate::io::tree;
use crate::log::aborted::AbortedTransaction;
use crate::partition::producers::Producers;
use crate::shard::coordinators::TRANSACTIONS_TOPIC;
use crate::wire::batch::{Codec, Records, batches, marker_batch, stamp};

/// A transaction that was open in one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open {
    /// The producer that wrote it.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub epoch: i16,
    /// Offset of its first record here.
    pub first_offset: Offset,
}

/// What Kafka's coordinator had noted of a producer's last transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    state: TransactionState,
    epoch: i16,
    coordinator_epoch: i32,
    /// The partitions that have no marker yet, by topic.
    partitions: Vec<TopicPartitions>,
}

/// By producer id.
pub type States = BTreeMap<ProducerId, State>;

/// What ends the open transactions of a log, to be put at its end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ending {
    /// One batch with a marker each.
    pub batches: Vec<u8>,
    /// Count of them, and so of offsets.
    pub count: usize,
    /// The entries of the last segment's `.txnindex`.
    pub index: Vec<u8>,
}

/// The transactions that are open at the end of a log that was closed cleanly: its newest snapshot
/// is of its end.
pub fn open_in(log: &KafkaLog, now: WallMs) -> Result<Vec<Open>, String> {
    let snapshots = log
        .files
        .iter()
        .filter(|file| file.name.ends_with(".snapshot"));
    let Some(newest) = snapshots.max_by(|a, b| a.name.cmp(&b.name)) else {
        return Ok(Vec::new());
    };
    let path = log.path.join(&newest.name);
    let bytes = tree::read(&path).map_err(cannot_read(&path))?;
    let mut producers = Producers::default();
    producers
        .load_snapshot(&bytes, now)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let open = producers.iter().filter_map(|(producer_id, producer)| {
        Some(Open {
            producer_id,
            epoch: producer.epoch(),
            first_offset: producer.transaction_start()?,
        })
    });
    let mut open: Vec<Open> = open.collect();
    open.sort_unstable_by_key(|one| one.first_offset);
    Ok(open)
}

/// What Kafka's coordinators had noted last of each producer.
pub fn states(kafka: &Kafka) -> Result<States, String> {
    let mut states = States::new();
    for ((topic, index), log) in &kafka.logs {
        if topic != TRANSACTIONS_TOPIC {
            continue;
        }
        let partition = kafka.image.topics.partition(topic, *index);
        let term = partition.map_or(0, |partition| partition.leader_epoch);
        // The last word of each transactional id counts.
        let mut words = BTreeMap::new();
        for (_, file) in log.segments() {
            let path = log.path.join(&file.name);
            let content = tree::read(&path).map_err(cannot_read(&path))?;
            read_states(&content, term, &mut words)
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        states.extend(words.into_values().flatten());
    }
    Ok(states)
}

/// By transactional id; `None` for one that was removed.
type Words = BTreeMap<Rc<str>, Option<(ProducerId, State)>>;

fn read_states(content: &[u8], term: LeaderEpoch, words: &mut Words) -> Result<(), String> {
    for batch in batches(content) {
        let batch = batch
            .and_then(|batch| batch.verify_crc().map(|()| batch))
            .map_err(|error| error.to_string())?;
        if batch.attributes().is_control() {
            continue;
        }
        if batch.attributes().codec() != Ok(Codec::None) {
            return Err("its records are compressed, which Kafka's are not".to_owned());
        }
        for record in Records::of(&batch) {
            let record = record.map_err(|error| error.to_string())?;
            let read = TransactionRecord::decode(record.key, record.value);
            if let TransactionRecord::State(id, value) = read.map_err(|error| error.to_string())? {
                words.insert(id, value.map(|value| state(value, term)));
            }
        }
    }
    Ok(())
}

fn state(value: TransactionValue, term: LeaderEpoch) -> (ProducerId, State) {
    let state = State {
        state: value.state,
        epoch: value.producer_epoch,
        coordinator_epoch: term,
        partitions: value.partitions.unwrap_or_default(),
    };
    (value.producer_id, state)
}

/// What is noted of an open transaction. A later epoch of the same producer is of a later one.
fn noted<'a>(open: &Open, states: &'a States) -> Option<&'a State> {
    let state = states.get(&open.producer_id);
    state.filter(|it| (0..=1).contains(&(i32::from(it.epoch) - i32::from(open.epoch))))
}

/// Whether an open transaction is to be committed.
pub fn commits(open: &Open, states: &States) -> bool {
    noted(open, states).is_some_and(|it| it.state == TransactionState::PrepareCommit)
}

/// Whether one of the open transactions of a partition would never end.
pub fn any_hangs(open: &[Open], (topic, index): (&str, PartitionIndex), states: &States) -> bool {
    let mut open = open.iter();
    open.any(|one| !will_end(one, topic, index, states))
}

/// Whether a coordinator that takes Kafka's notes over will end an open transaction in this
/// partition: by the decision that was noted, or once its time is up.
fn will_end(open: &Open, topic: &str, index: PartitionIndex, states: &States) -> bool {
    use TransactionState::{Ongoing, PrepareAbort, PrepareCommit};
    noted(open, states).is_some_and(|it| {
        let mut topics = it.partitions.iter();
        matches!(it.state, Ongoing | PrepareCommit | PrepareAbort)
            && topics.any(|(name, indexes)| **name == *topic && indexes.contains(&index))
    })
}

/// What becomes of an open transaction, for people.
pub fn in_words(open: &Open, states: &States) -> String {
    let end = match commits(open, states) {
        true => "committed: Kafka had decided so",
        false => "aborted",
    };
    let Open {
        producer_id,
        first_offset,
        ..
    } = open;
    format!("of producer {producer_id} from offset {first_offset}, to be {end}")
}

/// What ends `open`, all the open transactions of a log that ends at offset `end`, whose last batch
/// is of `term`.
pub fn ending(
    open: &[Open],
    states: &States,
    (end, term): (Offset, LeaderEpoch),
    now: WallMs,
) -> Ending {
    let mut ending = Ending::default();
    for (at, one) in open.iter().enumerate() {
        let state = states.get(&one.producer_id);
        let committed = commits(one, states);
        let epoch = match committed {
            true => state.map_or(one.epoch, |it| it.epoch),
            // As after a time-out: what the client still sends in its epoch is refused.
            false => one.epoch.saturating_add(1),
        };
        let coordinator_epoch = state.map_or(0, |it| it.coordinator_epoch);
        let offset = end + at as Offset;
        let producer = (one.producer_id, epoch);
        let mut batch = marker_batch(producer, committed, coordinator_epoch, now);
        stamp(&mut batch, offset, term);
        ending.batches.extend(batch);
        ending.count += 1;
        if !committed {
            let still_open = open.get(at + 1).map(|next| next.first_offset);
            let aborted = AbortedTransaction {
                producer_id: one.producer_id,
                first_offset: one.first_offset,
                last_offset: offset,
                stable: still_open.unwrap_or(offset + 1),
            };
            aborted.write(&mut ending.index);
        }
    }
    ending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::record::transaction::encode;
    use crate::log::aborted::AbortedTransactions;
    use crate::wire::batch::{BatchBuilder, ControlKind, NewRecord};

    fn open(producer_id: ProducerId, first_offset: Offset) -> Open {
        Open {
            producer_id,
            epoch: 3,
            first_offset,
        }
    }

    /// A record of Kafka's log: version 1, of a producer in epoch `epoch`.
    fn noted(producer_id: ProducerId, epoch: i16, state: TransactionState) -> Vec<u8> {
        let value = TransactionValue {
            producer_id,
            previous_producer_id: -1,
            next_producer_id: -1,
            producer_epoch: epoch,
            next_producer_epoch: -1,
            timeout_ms: 60_000,
            state,
            partitions: Some(vec![("t".into(), vec![2, 5])]),
            updated_ms: 1,
            started_ms: 1,
            client_version: 2,
        };
        encode("", Some(&value), true).value.unwrap()
    }

    fn log(records: &[(&str, Option<Vec<u8>>)]) -> Vec<u8> {
        let mut batch = BatchBuilder::new();
        for (key, value) in records {
            let key = encode(key, None, true).key;
            batch.push(NewRecord::new(1, Some(&key), value.as_deref()));
        }
        batch.build()
    }

    fn states_of(records: &[(&str, Option<Vec<u8>>)]) -> States {
        let mut words = Words::new();
        read_states(&log(records), 7, &mut words).unwrap();
        words.into_values().flatten().collect()
    }

    #[test]
    fn only_a_commit_that_was_decided_is_carried_out() {
        let states = states_of(&[
            ("ongoing", Some(noted(1, 3, TransactionState::Ongoing))),
            ("committing", Some(noted(2, 3, TransactionState::Ongoing))),
            (
                "committing",
                Some(noted(2, 4, TransactionState::PrepareCommit)),
            ),
            (
                "aborting",
                Some(noted(3, 3, TransactionState::PrepareAbort)),
            ),
            (
                "removed",
                Some(noted(4, 3, TransactionState::PrepareCommit)),
            ),
            ("removed", None),
            ("later", Some(noted(5, 9, TransactionState::PrepareCommit))),
        ]);
        let committed: Vec<_> = (1..=6)
            .filter(|id| commits(&open(*id, 0), &states))
            .collect();
        assert_eq!(committed, [2]);
        let ended = |index: PartitionIndex| -> Vec<i64> {
            let ids = 1..=6;
            ids.filter(|id| will_end(&open(*id, 0), "t", index, &states))
                .collect()
        };
        assert_eq!(ended(2), [1, 2, 3]);
        // One that hangs in a partition that its coordinator does not know of.
        assert_eq!(ended(3), [0; 0]);
    }

    #[test]
    fn what_is_no_such_log_is_refused() {
        let mut words = Words::new();
        assert!(read_states(&log(&[("a", Some(vec![0, 1, 2]))]), 0, &mut words).is_err());
        let mut damaged = log(&[("a", Some(noted(1, 3, TransactionState::Ongoing)))]);
        *damaged.last_mut().unwrap() ^= 1;
        assert!(read_states(&damaged, 0, &mut words).is_err());
    }

    #[test]
    fn markers_follow_the_last_batch_and_the_index_has_the_aborted_ones() {
        let states = states_of(&[("c", Some(noted(2, 4, TransactionState::PrepareCommit)))]);
        let all = [open(1, 10), open(2, 20), open(3, 30)];
        let ending = ending(&all, &states, (42, 5), 99);
        assert_eq!(ending.count, 3);
        let mut producers = Producers::default();
        let mut found = Vec::new();
        for batch in batches(&ending.batches) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            assert_eq!((batch.leader_epoch(), batch.record_count()), (5, 1));
            assert!(batch.attributes().is_transactional());
            let key = Records::of(&batch).next().unwrap().unwrap().key.unwrap();
            let kind = ControlKind::parse_key(key).unwrap();
            found.push((
                batch.base_offset(),
                batch.producer_id(),
                batch.producer_epoch(),
                kind,
            ));
            producers.replay(&batch);
        }
        let (abort, commit) = (ControlKind::Abort, ControlKind::Commit);
        let right = [(42, 1, 4, abort), (43, 2, 4, commit), (44, 3, 4, abort)];
        assert_eq!(found, right);
        assert_eq!(producers.get(2).unwrap().coordinator_epoch(), 7);
        let mut index = AbortedTransactions::default();
        assert!(index.load(&ending.index, 0, 45));
        let aborted: Vec<_> = index
            .among(0, 45)
            .map(|it| (it.producer_id, it.last_offset))
            .collect();
        assert_eq!(aborted, [(1, 42), (3, 44)]);
        // After the first marker the second transaction is still open, from offset 20 on.
        assert_eq!(ending.index[26..34], 20_i64.to_be_bytes());
        assert_eq!(ending.index[60..68], 45_i64.to_be_bytes());
    }
}
