//! Pure: the records of a batch, looked at one after the other.

use super::rewrite::Rewrite;
use super::{Invalid, Problem, RecordProblem, Rejected, Rules};
use crate::base::WallMs;
use crate::wire::batch::{BatchView, Codec, NO_TIMESTAMP, TimestampType};

/// Rejected records that are listed one by one; a batch can hold millions.
pub(super) const PROBLEMS_LISTED_MAX: usize = 1000;

/// What has been seen of a batch's records.
pub(super) struct Walk<'r> {
    rules: &'r Rules,
    now_ms: WallMs,
    base_timestamp: WallMs,
    /// The one timestamp of all records, where the producer says so.
    shared_timestamp: Option<WallMs>,
    index: i32,
    max_timestamp: WallMs,
    is_ordered: bool,
    rejected: Rejected,
}

impl<'r> Walk<'r> {
    pub(super) fn new(batch: &BatchView<'_>, rules: &'r Rules, now_ms: WallMs) -> Walk<'r> {
        let shared = batch.attributes().timestamp_type() == TimestampType::LogAppendTime;
        Walk {
            rules,
            now_ms,
            base_timestamp: batch.base_timestamp(),
            shared_timestamp: shared.then(|| batch.max_timestamp()),
            index: 0,
            max_timestamp: NO_TIMESTAMP,
            is_ordered: true,
            rejected: Rejected::default(),
        }
    }

    #[inline]
    pub(super) fn record(&mut self, timestamp_delta: i64, offset_delta: i32, has_key: bool) {
        let own = self.base_timestamp.wrapping_add(timestamp_delta);
        let timestamp = self.shared_timestamp.unwrap_or(own);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.is_ordered &= offset_delta == self.index;
        if let Err(why) = self.check(timestamp, has_key) {
            self.reject(why);
        }
        self.index = self.index.wrapping_add(1);
    }

    #[inline]
    fn check(&self, timestamp: WallMs, has_key: bool) -> Result<(), Problem> {
        let rules = self.rules;
        if rules.compacted && !has_key {
            return Err(Problem::NoKey);
        }
        if rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
            let age = self.now_ms.wrapping_sub(timestamp);
            let is_old = age > rules.timestamp_before_max_ms;
            if is_old || age.wrapping_neg() > rules.timestamp_after_max_ms {
                return Err(Problem::Timestamp {
                    found: timestamp,
                    earliest: self.now_ms.wrapping_sub(rules.timestamp_before_max_ms),
                    latest: self.now_ms.wrapping_add(rules.timestamp_after_max_ms),
                });
            }
        } else if self.shared_timestamp.is_some() {
            return Err(Problem::NotItsClock);
        }
        Ok(())
    }

    #[cold]
    fn reject(&mut self, why: Problem) {
        self.rejected.total += 1;
        let problems = &mut self.rejected.problems;
        if problems.len() < PROBLEMS_LISTED_MAX {
            let index = self.index;
            problems.push(RecordProblem { index, why });
        }
    }

    pub(super) fn finish(self) -> Result<Walk<'r>, Invalid> {
        match self.rejected.total {
            0 => Ok(self),
            _ => Err(Invalid::Rejected(Box::new(self.rejected))),
        }
    }

    /// How the batch is to be changed, if it is.
    pub(super) fn rewrite(
        &self,
        batch: &BatchView<'_>,
        codec: Codec,
    ) -> Result<Option<Rewrite>, Invalid> {
        let rules = self.rules;
        let attributes = batch.attributes();
        let mut target = rules.compression.unwrap_or(codec);
        if codec == Codec::None && attributes.is_control() {
            target = Codec::None;
        }
        if !self.is_ordered && codec != Codec::None {
            return Err(Invalid::Unordered);
        }
        let restamp = rules.timestamp_type == TimestampType::CreateTime
            && (self.shared_timestamp.is_some() || self.max_timestamp != batch.max_timestamp());
        if self.is_ordered && target == codec && !restamp {
            return Ok(None);
        }
        Ok(Some(Rewrite {
            renumber: !self.is_ordered,
            codec: target,
            level: rules.compression_level,
            create_time: restamp.then_some(self.max_timestamp),
            size_max: rules.max_message_bytes,
            uncompressed_max: rules.uncompressed_bytes_max(),
        }))
    }
}
