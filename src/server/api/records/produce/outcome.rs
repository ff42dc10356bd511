//! Pure: what becomes of the partitions of a produce request.

use std::borrow::Cow;
use std::rc::Rc;

use crate::base::{ErrorCode, Offset, WallMs};
use crate::partition::append::AppendError;
use crate::partition::producers::Guard;
use crate::partition::validate::Invalid;
use crate::partition::{Partition, Tenure};
use crate::server::api::errors;
use crate::shard::partitions::LookupError;
use crate::wire::field::CurrentLeader;
use crate::wire::produce::PartitionAnswer;

/// A partition of the request, and what became of its batches.
pub(super) struct PartitionOut {
    /// Which of the request's topics it belongs to.
    pub(super) topic: u32,
    pub(super) index: i32,
    /// Shows that the coordinator of the transaction knows of the partition.
    pub(super) guard: Option<Guard>,
    pub(super) result: Outcome,
}

/// What became of the batches of a partition.
pub(super) enum Outcome {
    /// They are to be appended: not looked at yet, or the log has no memory for them before its
    /// device has caught up.
    Due(Rc<Partition>),
    /// As before, and it takes long to validate them: for a moment only.
    Long(Rc<Partition>),
    /// They are in the log.
    Accepted(Accepted),
    /// They are not, and will not be.
    Failed(Failed),
    /// The same partition comes again in the request, which counts instead.
    Repeated,
}

pub(super) struct Accepted {
    pub(super) partition: Rc<Partition>,
    pub(super) base_offset: Offset,
    /// Everything below must be acked before the answer.
    pub(super) upto: Offset,
    /// In which time of leading they were appended.
    pub(super) tenure: Tenure,
    pub(super) log_append_time: WallMs,
}

/// Boxed: rare, and large.
pub(super) struct Failed(pub(super) Box<Failure>);

pub(super) struct Failure {
    pub(super) error: ErrorCode,
    pub(super) log_start_offset: Offset,
    pub(super) record_errors: Vec<(i32, Option<String>)>,
    pub(super) message: Option<Cow<'static, str>>,
    pub(super) leader: Option<CurrentLeader>,
}

// === impl PartitionOut ===

impl PartitionOut {
    pub(super) fn leader(&self) -> Option<CurrentLeader> {
        match &self.result {
            Outcome::Failed(Failed(failure)) => failure.leader,
            _ => None,
        }
    }

    pub(super) fn answer(&self) -> PartitionAnswer<'_> {
        let refused = PartitionAnswer {
            index: self.index,
            error: ErrorCode::NONE,
            base_offset: -1,
            log_append_time: -1,
            log_start_offset: -1,
            record_errors: &[],
            message: None,
            leader: None,
        };
        match &self.result {
            Outcome::Accepted(accepted) => PartitionAnswer {
                base_offset: accepted.base_offset,
                log_append_time: accepted.log_append_time,
                log_start_offset: accepted.partition.start_offset(),
                ..refused
            },
            Outcome::Failed(Failed(failure)) => PartitionAnswer {
                error: failure.error,
                log_start_offset: failure.log_start_offset,
                record_errors: &failure.record_errors,
                message: failure.message.as_deref(),
                leader: failure.leader,
                ..refused
            },
            // `begin` waits until nothing is due, and what is repeated is not answered.
            Outcome::Due(_) | Outcome::Long(_) | Outcome::Repeated => PartitionAnswer {
                error: ErrorCode::REQUEST_TIMED_OUT,
                ..refused
            },
        }
    }
}

// === impl Failed ===

impl Failed {
    pub(super) fn code(error: ErrorCode) -> Failed {
        Failed(Box::new(Failure {
            error,
            log_start_offset: -1,
            record_errors: Vec::new(),
            message: None,
            leader: None,
        }))
    }

    pub(super) fn lookup(error: LookupError) -> Failed {
        let mut failed = Failed::code(errors::lookup(error));
        if let LookupError::NotLeader {
            leader,
            leader_epoch,
        } = error
        {
            failed.0.leader = Some(CurrentLeader {
                leader_id: leader.0,
                leader_epoch,
            });
        }
        failed
    }

    pub(super) fn append(error: &AppendError, partition: &Partition) -> Failed {
        let mut failed = Failed::code(errors::append(error));
        if matches!(error, AppendError::Closed) && partition.is_follower() {
            failed.0.leader = Some(CurrentLeader {
                leader_id: partition.leader().0,
                leader_epoch: partition.leader_epoch(),
            });
        }
        let got_to_the_log = match error {
            AppendError::Invalid(invalid) => !invalid.hides_log_start(),
            AppendError::Producer(_) => true,
            _ => false,
        };
        if got_to_the_log {
            failed.0.log_start_offset = partition.start_offset();
        }
        // As in Kafka, all that is told in words is what is wrong with single records.
        if let AppendError::Invalid(Invalid::Rejected(rejected)) = error {
            let problems = rejected.problems.iter();
            let told = problems.map(|problem| (problem.index, Some(problem.to_string())));
            failed.0.record_errors = told.collect();
            failed.0.message = Some(Cow::Owned(rejected.to_string()));
        }
        failed
    }
}
