//! Pure: which error codes an answer holds, so that what clients are told is counted
//! (`AbstractResponse.errorCounts` of Kafka).

use crate::base::ErrorCode;
use crate::wire::codec::messages::*;
use crate::wire::newer::Newer;

/// An answer whose error codes can be looked at.
pub trait Codes {
    /// Shows every error code of the answer, zeros included.
    fn codes(&self, see: &mut dyn FnMut(i16));
}

impl<M: Codes> Codes for Newer<M> {
    fn codes(&self, see: &mut dyn FnMut(i16)) {
        self.0.codes(see);
    }
}

/// How often an answer holds each error code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts(Vec<(ErrorCode, u64)>);

impl ErrorCounts {
    /// Those of `answer`.
    pub fn of(answer: &impl Codes) -> ErrorCounts {
        let mut counts = ErrorCounts::default();
        answer.codes(&mut |code| counts.add(ErrorCode(code)));
        counts
    }

    /// Counts a code, if it is one of an error.
    pub fn add(&mut self, code: ErrorCode) {
        if !code.is_error() {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.0.push((code, 1)),
        }
    }

    /// Each code, and how often it was counted.
    pub fn iter(&self) -> impl Iterator<Item = (ErrorCode, u64)> {
        self.0.iter().copied()
    }
}

/// For each answer the lists, from the outside in, whose members have an error code; `[]` is the
/// answer's own.
macro_rules! codes {
    ($($Answer:ident: $([$($list:ident)*])*;)*) => {
        $(impl Codes for $Answer {
            fn codes(&self, see: &mut dyn FnMut(i16)) {
                $(codes!(@walk self, see, $($list)*);)*
            }
        })*
    };
    (@walk $at:expr, $see:ident,) => { $see($at.error_code) };
    (@walk $at:expr, $see:ident, $list:ident $($more:ident)*) => {
        for one in &$at.$list {
            codes!(@walk one, $see, $($more)*);
        }
    };
}

codes! {
    AlterConfigsResponse: [responses];
    ApiVersionsResponse: [];
    CreateAclsResponse: [results];
    CreatePartitionsResponse: [results];
    CreateTopicsResponse: [topics];
    DeleteAclsResponse: [filter_results];
    DeleteGroupsResponse: [results];
    DeleteRecordsResponse: [topics partitions];
    DeleteTopicsResponse: [responses];
    DescribeAclsResponse: [];
    DescribeClusterResponse: [];
    DescribeConfigsResponse: [results];
    DescribeGroupsResponse: [groups];
    DescribeLogDirsResponse: [] [results];
    DescribeTopicPartitionsResponse: [topics] [topics partitions];
    FindCoordinatorResponse: [] [coordinators];
    HeartbeatResponse: [];
    IncrementalAlterConfigsResponse: [responses];
    InitProducerIdResponse: [];
    JoinGroupResponse: [];
    LeaveGroupResponse: [] [members];
    ListConfigResourcesResponse: [];
    ListGroupsResponse: [];
    ListOffsetsResponse: [topics partitions];
    MetadataResponse: [] [topics] [topics partitions];
    OffsetCommitResponse: [topics partitions];
    OffsetDeleteResponse: [] [topics partitions];
    OffsetFetchResponse: [] [topics partitions] [groups] [groups topics partitions];
    OffsetForLeaderEpochResponse: [topics partitions];
    SyncGroupResponse: [];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec::messages::list_offsets_response::{
        ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
    };

    #[test]
    fn codes_of_inner_lists_are_seen() {
        let partition = |code| ListOffsetsPartitionResponse::default().with_error_code(code);
        let topic = |codes: [i16; 2]| {
            ListOffsetsTopicResponse::default().with_partitions(codes.map(partition).into())
        };
        let answer = ListOffsetsResponse::default().with_topics(vec![topic([0, 3]), topic([6, 3])]);
        let mut seen = Vec::new();
        answer.codes(&mut |code| seen.push(code));
        assert_eq!(seen, [0, 3, 6, 3]);
    }
}
