//! Pure: which error codes an answer holds: they are counted
//! (`AbstractResponse.errorCounts` of Kafka).

use crate::base::ErrorCode;
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

/// Where the error codes of an answer stand: for each code the lists, from the outside in, whose
/// members have it; `[]` is the answer's own.
macro_rules! codes {
    ($Answer:ident: $([$($list:ident)*])*) => {
        impl $crate::server::state::codes::Codes for $Answer {
            fn codes(&self, see: &mut dyn FnMut(i16)) {
                $($crate::server::state::codes::codes!(@walk self, see, $($list)*);)*
            }
        }
    };
    (@walk $at:expr, $see:ident,) => { $see($at.error_code) };
    (@walk $at:expr, $see:ident, $list:ident $($more:ident)*) => {
        for one in &$at.$list {
            $crate::server::state::codes::codes!(@walk one, $see, $($more)*);
        }
    };
}

pub(crate) use codes;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec::messages::list_offsets_response::{
        ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
    };

    /// An answer with codes in three places.
    struct Nested {
        error_code: i16,
        groups: Vec<ListOffsetsPartitionResponse>,
        topics: Vec<ListOffsetsTopicResponse>,
    }

    codes!(Nested: [] [groups] [topics partitions]);

    #[test]
    fn codes_of_the_answer_and_of_inner_lists_are_seen() {
        let partition = |code| ListOffsetsPartitionResponse::default().with_error_code(code);
        let topic = |codes: [i16; 2]| {
            ListOffsetsTopicResponse::default().with_partitions(codes.map(partition).into())
        };
        let answer = Nested {
            error_code: 9,
            groups: vec![partition(8)],
            topics: vec![topic([0, 3]), topic([6, 3])],
        };
        let mut seen = Vec::new();
        answer.codes(&mut |code| seen.push(code));
        assert_eq!(seen, [9, 8, 0, 3, 6, 3]);
        let counts: Vec<_> = ErrorCounts::of(&answer).iter().collect();
        assert_eq!(counts.len(), 4);
        assert!(counts.contains(&(ErrorCode(3), 2)), "{counts:?}");
    }
}
