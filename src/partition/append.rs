//! Drives: the leader's write path: validate, check producers, append. Never waits.

use super::Partition;
use super::producers::{Guard, ProducerError, Verdict};
use super::state::{Acks, Role, Tenure};
pub use super::validate::Origin;
use super::validate::{self, Checked, Invalid, Rules, Validated};
use crate::base::{Offset, WallMs};
use crate::log::{self, LogFailure};

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// It is acked once everything below this offset is,
    pub upto: Offset,
    /// as long as the replica goes on leading.
    pub tenure: Tenure,
    /// The broker's time where it replaced the timestamps of the records; else -1. Of a batch that
    /// had been appended before, its largest timestamp, as Kafka answers.
    pub log_append_time: WallMs,
}

/// Why nothing was appended, or why what was appended is not acked.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Clients do not write to internal topics.
    #[error("clients do not write to internal topics")]
    InternalTopic,
    /// The records are not what they should be.
    #[error("{0}")]
    Invalid(Invalid),
    /// The producer's sequence or epoch is not what it should be.
    #[error("{0}")]
    Producer(ProducerError),
    /// The records take long to validate: that is to be done on another thread, with
    /// [`validate::Checked`], and then [`Partition::append_checked`] called.
    #[error("the records take long to validate")]
    Long,
    /// The batches are larger than a segment may be.
    #[error("the batch is larger than a segment may be")]
    TooLarge,
    /// Too much waits to be written to the disk: see [`Partition::wait_for_room`].
    #[error("the log has no room before its device catches up")]
    Busy,
    /// The log takes no writes any more.
    #[error("{0}")]
    Storage(LogFailure),
    /// Fewer replicas are in sync than `min.insync.replicas` asks for: nothing was appended, since
    /// the producer wants an ack of all of them (`acks=all`).
    #[error("fewer replicas are in sync than min.insync.replicas asks for")]
    TooFewReplicas,
    /// It is stored by the replicas in sync, which have become fewer than that meanwhile.
    #[error("fewer replicas are in sync by now than min.insync.replicas asks for")]
    TooFewReplicasAfterwards,
    /// The partition has been taken out of service here, or another node leads it.
    #[error("the partition is not led here any more")]
    Closed,
}

impl Partition {
    /// Fails for `acks=all` where fewer replicas are in sync than `min.insync.replicas` asks for.
    pub fn check_in_sync(&self, acks: Acks) -> Result<(), AppendError> {
        match acks == Acks::All && self.replicas.borrow().is_under_min() {
            true => Err(AppendError::TooFewReplicas),
            false => Ok(()),
        }
    }

    /// Appends the batches of one produce request for this partition. Nothing is appended when
    /// this fails.
    pub fn append(
        &self,
        batches: &[u8],
        origin: Origin,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        self.append_in_transaction(batches, origin, None, now)
    }

    /// As [`Self::append`], for batches that may begin a transaction here: `guard` says that their
    /// coordinator knows of it, see [`Self::ask_about`].
    pub fn append_in_transaction(
        &self,
        batches: &[u8],
        origin: Origin,
        guard: Option<Guard>,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        self.check_origin(origin)?;
        // Stays empty, and takes no memory, unless the topic's settings change the batch.
        let mut rewritten = Vec::new();
        let rules = self.rules.borrow();
        let valid = match origin {
            Origin::Coordinator => {
                validate::validate(batches, &rules, origin, now, &mut rewritten).map(Some)
            }
            _ => validate::validate_at_once(batches, &rules, origin, now, &mut rewritten),
        };
        let valid = valid.map_err(AppendError::Invalid)?;
        let valid = valid.ok_or(AppendError::Long)?;
        self.append_valid(&valid, origin, guard, now)
    }

    /// As [`Self::append_in_transaction`], for batches whose validation takes so long that it was
    /// done before: [`Self::rules`] are those to be validated by.
    pub fn append_checked(
        &self,
        batches: &[u8],
        checked: &Checked,
        origin: Origin,
        guard: Option<Guard>,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        self.check_origin(origin)?;
        let rules = *self.rules.borrow();
        let valid = checked.validated(batches, &rules);
        let valid = valid.ok_or(AppendError::Long)?;
        self.append_valid(&valid.map_err(AppendError::Invalid)?, origin, guard, now)
    }

    /// The rules by which batches are validated now.
    pub fn rules(&self) -> Rules {
        *self.rules.borrow()
    }

    pub(super) fn check_origin(&self, origin: Origin) -> Result<(), AppendError> {
        if self.state.borrow().role() != Role::Leader {
            return Err(AppendError::Closed);
        }
        // Whether it will be led here after all is known soon.
        if self.is_leaving() {
            return Err(AppendError::Busy);
        }
        if origin == Origin::Client && self.is_internal() {
            return Err(AppendError::InternalTopic);
        }
        Ok(())
    }

    fn append_valid(
        &self,
        valid: &Validated<'_>,
        origin: Origin,
        guard: Option<Guard>,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        let producers = self.producers.borrow();
        let verdict = match origin {
            Origin::Coordinator => {
                let checked = producers.check_coordinators(&valid.batch, guard);
                checked.map(|()| Verdict::Accept)
            }
            Origin::Client | Origin::Admin => producers.check(&valid.batch, guard),
        };
        drop(producers);
        if let Verdict::Duplicate {
            base_offset,
            last_offset,
            timestamp,
        } = verdict.map_err(AppendError::Producer)?
        {
            return Ok(Appended {
                base_offset,
                upto: last_offset + 1,
                tenure: self.tenure(),
                log_append_time: timestamp,
            });
        }
        self.append_new(valid, now)
    }

    /// Appends a batch about which everything is decided.
    pub(super) fn append_new(
        &self,
        valid: &Validated<'_>,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        let epoch = self.leader_epoch();
        // The producers are not borrowed here: a log that begins a segment asks for them.
        let appended = self
            .log
            .append_batch(valid.batch, epoch, valid.log_append_time, now);
        let appended = appended.map_err(|error| self.append_error(error))?;
        let upto = appended.last_offset + 1;
        self.state.borrow_mut().appended(appended.base_offset, upto);
        let mut producers = self.producers.borrow_mut();
        let ended = producers.record(&valid.batch, appended.base_offset, valid.log_append_time);
        drop(producers);
        self.note_ended(ended);
        let records = upto - appended.base_offset;
        self.traffic.produced(valid.batch.bytes().len(), records);
        self.waiters.borrow_mut().appended();
        Ok(Appended {
            base_offset: appended.base_offset,
            upto,
            tenure: self.tenure(),
            log_append_time: valid.log_append_time.unwrap_or(-1),
        })
    }

    fn append_error(&self, error: log::AppendError) -> AppendError {
        match error {
            log::AppendError::Busy => AppendError::Busy,
            log::AppendError::NoRoom => self
                .log
                .lack_of_room()
                .map_or(AppendError::Busy, AppendError::Storage),
            log::AppendError::LargerThanSegment(_) => AppendError::TooLarge,
            // The last two are of replicated batches only.
            log::AppendError::Malformed
            | log::AppendError::OutOfOrder
            | log::AppendError::Corrupt => AppendError::Invalid(Invalid::Malformed),
            log::AppendError::Closed => self
                .log
                .failure()
                .map_or(AppendError::Closed, AppendError::Storage),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::base::config::{Flags, HostFacts, load};
    use crate::base::{NodeId, TopicId};
    use crate::io::disk::Disk;
    use crate::io::sim::World;
    use crate::log::{Logs, LogsOptions, Opening};
    use crate::partition::replicas::Term;
    use crate::partition::{Acks, Name, PartitionOptions};
    use crate::wire::batch::{BatchBuilder, NewRecord};

    async fn open(disk: &Disk, overrides: &[(&str, &str)]) -> Rc<Partition> {
        let host = HostFacts::of_cores(1);
        let broker = load(None, &Flags::default(), &host).unwrap();
        let texts = overrides
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = broker.topic_config(&texts.collect()).unwrap();
        let options = LogsOptions {
            queued_bytes_max: 4 << 20,
            ..LogsOptions::default()
        };
        let logs = Logs::new(disk, options);
        let options = PartitionOptions {
            name: Name {
                topic: "t".into(),
                topic_id: TopicId::ZERO,
                index: 0,
            },
            dir: Path::new("/data/t-0"),
            opening: Opening::default(),
            node: NodeId(1),
            term: Term::alone(NodeId(1), 0),
            shared: Rc::default(),
            config,
            producer_expiration_ms: 86_400_000,
        };
        Partition::open(&logs, options, 1_000).await.unwrap()
    }

    fn batch(sequence: i32, value: &[u8]) -> Vec<u8> {
        let mut builder = BatchBuilder::new().producer(9, 0, sequence);
        builder.push(NewRecord::new(777, None, Some(value)));
        builder.build()
    }

    #[test]
    fn a_segment_may_begin_in_the_middle_of_an_append() {
        let world = World::new(1);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let partition = open(&disk, &[("segment.bytes", "1048576")]).await;
            for sequence in 0..4 {
                let batch = batch(sequence, &[7; 700_000]);
                let appended = partition.append(&batch, Origin::Client, 1_000).unwrap();
                assert_eq!(appended.base_offset, i64::from(sequence));
                partition.wait_committed(appended.upto).await.unwrap();
            }
        });
    }

    #[test]
    fn who_has_waited_for_room_finds_it_however_large_the_batch() {
        let world = World::new(1);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let partition = open(&disk, &[("max.message.bytes", "8000000")]).await;
            let append = |sequence, bytes| {
                let batch = batch(sequence, &vec![7; bytes]);
                partition.append(&batch, Origin::Client, 1_000)
            };
            append(0, 1_000_000).unwrap();
            append(1, 3_500_000).unwrap();
            assert!(matches!(append(2, 1_000), Err(AppendError::Busy)));
            partition.wait_for_space().await;
            append(2, 4_100_000).unwrap();
        });
    }

    #[test]
    fn a_waker_is_parked_until_the_ack_and_not_behind_it() {
        struct Woken(AtomicBool);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let world = World::new(1);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let partition = open(&disk, &[]).await;
            let appended = partition.append(&batch(0, b"v"), Origin::Client, 1_000);
            let Appended { upto, tenure, .. } = appended.unwrap();
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            assert!(partition.park_acked(Acks::All, upto, tenure, &woken.clone().into()));
            assert!(!woken.0.load(Ordering::Relaxed));
            partition.wait_committed(upto).await.unwrap();
            assert!(woken.0.swap(false, Ordering::Relaxed));
            assert!(!partition.park_acked(Acks::All, upto, tenure, &woken.clone().into()));
            // One that is out of service acks nothing any more, and tells so at once.
            let appended = partition.append(&batch(1, b"v"), Origin::Client, 1_000);
            let upto = appended.unwrap().upto;
            assert!(partition.park_acked(Acks::All, upto, tenure, &woken.clone().into()));
            partition.close();
            assert!(woken.0.load(Ordering::Relaxed));
        });
    }

    #[test]
    fn a_retry_is_answered_with_where_and_when_it_was_written() {
        let world = World::new(1);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let partition = open(&disk, &[]).await;
            let append = |sequence| partition.append(&batch(sequence, b"v"), Origin::Client, 1_000);
            assert_eq!(append(0).unwrap().log_append_time, -1);
            append(1).unwrap();
            let again = append(0).unwrap();
            assert_eq!((again.base_offset, again.upto), (0, 1));
            assert_eq!(again.log_append_time, 777);
            assert_eq!(partition.end_offset(), 2);
        });
    }
}
