//! Pure: Fetch, versions 4 to 18: requests read in place, responses written around records that
//! stay where they are. Neither side allocates, except that a response may grow the caller's
//! buffers.

mod request;
mod response;

pub use super::fields::{CurrentLeader, Malformed, NodeEndpoint, TopicRef};
pub use request::{
    FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, ForgottenTopics, Partitions, Topics,
};
pub use response::{
    AbortedTransaction, EpochEnd, PartitionResponse, ResponseHead, ResponseWriter, Splice,
};

/// Oldest version read and written here.
pub const FIRST_VERSION: i16 = 4;
/// Newest version read and written here.
pub const LAST_VERSION: i16 = 18;

const FIRST_WITH_LOG_START: i16 = 5;
const FIRST_WITH_SESSIONS: i16 = 7;
const FIRST_WITH_LEADER_EPOCH: i16 = 9;
const FIRST_WITH_RACK: i16 = 11;
const FIRST_FLEXIBLE: i16 = 12;
const FIRST_WITH_TOPIC_IDS: i16 = 13;
const FIRST_WITH_REPLICA_STATE: i16 = 15;
const FIRST_WITH_ENDPOINTS: i16 = 16;
const FIRST_WITH_DIRECTORY: i16 = 17;
const FIRST_WITH_HIGH_WATERMARK: i16 = 18;
