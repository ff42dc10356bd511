//! Drives: the leader's write path: validate, check producers, append. Never waits.

use std::fmt;

use super::Partition;
use super::producers::{ProducerError, Verdict};
use super::validate::{self, Invalid};
use crate::base::{Offset, WallMs};
use crate::log::{self, LogFailure};

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// Kafka's own admin client, which may write to internal topics.
    Admin,
    /// This broker's coordinators.
    Coordinator,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// It is acked once everything below this offset is.
    pub upto: Offset,
    /// What its timestamps were replaced with; -1 if they were not. Of a batch that had been
    /// appended before, its max timestamp: so Kafka answers whatever the topic's settings.
    pub log_append_time: WallMs,
}

/// Why nothing was appended, or why what was appended is not acked.
#[derive(Debug)]
pub enum AppendError {
    /// Clients do not write to internal topics.
    InternalTopic,
    /// The records are not what they should be.
    Invalid(Invalid),
    /// The producer's sequence or epoch is not what it should be.
    Producer(ProducerError),
    /// The batches are larger than a segment may be.
    TooLarge,
    /// The log has no room before its device has caught up: wait for room and try again.
    Busy,
    /// The log takes no writes any more.
    Storage(LogFailure),
    /// The partition has been taken out of service.
    Closed,
}

impl From<Origin> for validate::Origin {
    fn from(origin: Origin) -> validate::Origin {
        match origin {
            Origin::Client | Origin::Admin => validate::Origin::Client,
            Origin::Coordinator => validate::Origin::Coordinator,
        }
    }
}

impl Partition {
    /// Appends the batches of one produce request for this partition. Nothing is appended when
    /// this fails.
    pub fn append(
        &self,
        batches: &[u8],
        origin: Origin,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        if self.is_closed() {
            return Err(AppendError::Closed);
        }
        if origin == Origin::Client && self.is_internal() {
            return Err(AppendError::InternalTopic);
        }
        // Stays empty, and takes no memory, unless the topic's settings change the batch.
        let mut rewritten = Vec::new();
        let rules = self.rules.borrow();
        let valid = validate::validate(batches, &rules, origin.into(), now, &mut rewritten);
        let valid = valid.map_err(AppendError::Invalid)?;
        let verdict = self.producers.borrow().check(&valid.batch);
        if let Verdict::Duplicate {
            base_offset,
            last_offset,
            timestamp,
        } = verdict.map_err(AppendError::Producer)?
        {
            return Ok(Appended {
                base_offset,
                upto: last_offset + 1,
                log_append_time: timestamp,
            });
        }
        let epoch = self.leader_epoch.get();
        // The producers are not borrowed here: a log that begins a segment asks for them.
        let appended = self
            .log
            .append(valid.batch.bytes(), epoch, valid.log_append_time, now);
        let appended = appended.map_err(|error| self.append_error(error))?;
        let mut producers = self.producers.borrow_mut();
        producers.record(&valid.batch, appended.base_offset, valid.log_append_time);
        Ok(Appended {
            base_offset: appended.base_offset,
            upto: appended.last_offset + 1,
            log_append_time: valid.log_append_time.unwrap_or(-1),
        })
    }

    fn append_error(&self, error: log::AppendError) -> AppendError {
        match error {
            log::AppendError::Busy => AppendError::Busy,
            log::AppendError::LargerThanSegment(_) => AppendError::TooLarge,
            log::AppendError::Malformed => AppendError::Invalid(Invalid::Malformed),
            log::AppendError::Closed => self
                .log
                .failure()
                .map_or(AppendError::Closed, AppendError::Storage),
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::InternalTopic => f.write_str("clients do not write to internal topics"),
            AppendError::Invalid(invalid) => invalid.fmt(f),
            AppendError::Producer(error) => error.fmt(f),
            AppendError::TooLarge => f.write_str("the batch is larger than a segment may be"),
            AppendError::Busy => f.write_str("the log has no room before its device catches up"),
            AppendError::Storage(failure) => failure.fmt(f),
            AppendError::Closed => f.write_str("the partition is closed"),
        }
    }
}
