//! Drives: the Kafka APIs, one file each, and THE TABLE of them.
//! May use: everything to its left. Never: decides anything a domain room could decide.
//!
//! A new API is its file and one row of [`TABLE`]. What the broker advertises, what it
//! dispatches, what it counts per API and what README lists are all read from that table.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;

use crate::io::turn::Work;
use crate::server::state::answer_memory::NotMade;
use crate::wire::codec::{DecodeError, EncodeError, Request};

mod call;
pub mod cluster;
pub mod context;
pub mod errors;
pub mod groups;
pub mod offsets;
pub mod records;
pub mod security;
pub mod topics;
pub mod transactions;

pub use call::Reply;
pub use context::{Context, Spare};

use crate::server::state::codes::Codes;
use crate::server::state::shared_answers::SharedAnswer;

/// One Kafka API that is decoded whole, handled, and encoded whole.
pub trait Api {
    /// The request, with its key and response type.
    type Request: Request<Response: Codes + Send + 'static> + Send + 'static;
    /// First and last version served.
    const VERSIONS: (i16, i16);
    /// The API's name as Kafka prints it.
    const NAME: &'static str;

    /// Bytes of memory a request of `frame_bytes` may need while it is handled: reserved
    /// before it is decoded.
    fn memory_estimate(frame_bytes: usize) -> usize {
        frame_bytes.saturating_mul(4)
    }

    /// The answer's body where it is the same for all who ask: then the request is not handled.
    fn shared(
        cx: &Context,
        request: &Self::Request,
    ) -> impl Future<Output = Option<Result<Rc<SharedAnswer>, CallError>>> {
        let _ = (cx, request);
        std::future::ready(None)
    }

    /// Answers one request. Where a client chooses how long that takes there is a
    /// [`Context::pace`] between any two items. Memory in proportion to the request is counted
    /// already; what else goes into the answer is claimed first, with [`Context::claim`].
    fn handle(
        cx: &Context,
        request: Self::Request,
    ) -> impl Future<Output = <Self::Request as Request>::Response>;
}

/// A Kafka API that is decoded whole and encodes its answer as it makes it: one whose answer may
/// be far larger than its request.
pub trait EncodingApi {
    /// The request, with its key and response type.
    type Request: Request + Send + 'static;
    /// First and last version served.
    const VERSIONS: (i16, i16);
    /// The API's name as Kafka prints it.
    const NAME: &'static str;

    /// The answer's body. Paces and claims memory as [`Api::handle`] does.
    fn answer(
        cx: &Context,
        request: Self::Request,
    ) -> impl Future<Output = Result<Bytes, EncodeError>>;
}

/// How a row is run.
#[derive(Clone, Copy)]
pub enum Run {
    /// Decoded, handled and encoded by the row's own functions.
    Call(CallFn),
    /// Begun while it is read, answered when its batches are acked: `records/produce.rs`.
    Produce,
    /// Answered with slices of the log: `records/fetch.rs`.
    Fetch,
}

/// Decode, handle, encode, with the types hidden.
pub type CallFn = fn(Rc<Context>, Bytes) -> Pin<Box<dyn Future<Output = Answer>>>;

/// A whole response frame, or why there is none.
pub type Answer = Result<Reply, CallError>;

/// Why a call has no answer; the connection is closed.
#[derive(Debug)]
pub enum CallError {
    /// The request is not what its header says.
    Request(DecodeError),
    /// The answer holds what its version cannot say: a mistake of ours.
    Answer(EncodeError),
    /// The answer was not made.
    NotMade(NotMade),
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// Kafka's API key.
    pub key: i16,
    /// Kafka's name of the API.
    pub name: &'static str,
    /// First and last version served.
    pub versions: (i16, i16),
    /// First version that ApiVersions names, where that differs from what is served: Produce
    /// is advertised from 0, since old librdkafka clients give up otherwise.
    pub advertised_min: i16,
    /// See [`Api::memory_estimate`].
    pub memory_estimate: fn(usize) -> usize,
    /// How it is run.
    pub run: Run,
}

/// Every API this broker serves, by key.
pub const TABLE: &[Row] = &[
    records::produce::ROW,
    records::fetch::ROW,
    row::<records::list_offsets::ListOffsets>(),
    row::<topics::metadata::Metadata>(),
    row::<offsets::offset_commit::OffsetCommit>(),
    row::<offsets::offset_fetch::OffsetFetch>(),
    row::<groups::find_coordinator::FindCoordinator>(),
    row::<groups::join_group::JoinGroup>(),
    row::<groups::heartbeat::Heartbeat>(),
    row::<groups::leave_group::LeaveGroup>(),
    row::<groups::sync_group::SyncGroup>(),
    row::<groups::describe_groups::DescribeGroups>(),
    row::<groups::list_groups::ListGroups>(),
    row::<cluster::api_versions::ApiVersions>(),
    row::<topics::create_topics::CreateTopics>(),
    row::<topics::delete_topics::DeleteTopics>(),
    row::<records::delete_records::DeleteRecords>(),
    row::<transactions::init_producer_id::InitProducerId>(),
    row::<records::offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    row::<security::acls::DescribeAcls>(),
    row::<security::acls::CreateAcls>(),
    row::<security::acls::DeleteAcls>(),
    encoding_row::<cluster::describe_configs::DescribeConfigs>(),
    row::<cluster::alter_configs::AlterConfigs>(),
    row::<cluster::describe_log_dirs::DescribeLogDirs>(),
    row::<topics::create_partitions::CreatePartitions>(),
    row::<groups::delete_groups::DeleteGroups>(),
    row::<cluster::incremental_alter_configs::IncrementalAlterConfigs>(),
    row::<offsets::offset_delete::OffsetDelete>(),
    row::<cluster::describe_cluster::DescribeCluster>(),
    row::<cluster::list_config_resources::ListConfigResources>(),
    row::<topics::describe_topic_partitions::DescribeTopicPartitions>(),
];

/// The place in [`TABLE`] of the API with this key, if it is served.
pub fn place(key: i16) -> Option<usize> {
    TABLE.binary_search_by_key(&key, |row| row.key).ok()
}

/// The row of `key`, if the API is served.
pub fn find(key: i16) -> Option<&'static Row> {
    place(key).map(|at| &TABLE[at])
}

/// The row of an API that is called.
pub const fn row<A: Api + 'static>() -> Row {
    Row {
        key: <A::Request as Request>::KEY,
        name: A::NAME,
        versions: A::VERSIONS,
        advertised_min: A::VERSIONS.0,
        memory_estimate: A::memory_estimate,
        run: Run::Call(call::call::<A>),
    }
}

/// The row of an API that encodes its own answers.
pub const fn encoding_row<A: EncodingApi + 'static>() -> Row {
    Row {
        key: <A::Request as Request>::KEY,
        name: A::NAME,
        versions: A::VERSIONS,
        advertised_min: A::VERSIONS.0,
        memory_estimate: |frame_bytes| frame_bytes.saturating_mul(4),
        run: Run::Call(call::call_encoded::<A>),
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Request(error) => error.fmt(f),
            CallError::Answer(error) => write!(f, "the answer cannot be encoded: {error}"),
            CallError::NotMade(error) => error.fmt(f),
        }
    }
}

// === impl Row ===

impl Row {
    /// What turns that are spent on its requests count as.
    pub fn work(&self) -> Work {
        Work::request(place(self.key).unwrap_or_default())
    }

    /// Whether `version` is served.
    pub fn serves(&self, version: i16) -> bool {
        (self.versions.0..=self.versions.1).contains(&version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_key_twice() {
        assert!(TABLE.windows(2).all(|pair| pair[0].key < pair[1].key));
    }

    /// Set to write README's table of APIs instead of comparing it.
    const RENEW: &str = "CORELANE_RENEW_DOCS";

    #[test]
    fn the_readme_lists_every_row() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let (before, rest) = readme
            .split_once("<!-- apis -->\n")
            .expect("the table's mark");
        let (_, after) = rest
            .split_once("<!-- end of apis -->")
            .expect("its end's mark");
        let mut table = String::from("| key | API | versions |\n|---|---|---|\n");
        for row in TABLE {
            let (first, last) = row.versions;
            table += &format!("| {} | {} | {first}–{last} |\n", row.key, row.name);
        }
        let wanted = format!("{before}<!-- apis -->\n{table}<!-- end of apis -->{after}");
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(path, wanted).unwrap();
            return;
        }
        assert_eq!(
            readme, wanted,
            "README is stale: run the test with {RENEW}=1"
        );
    }
}
