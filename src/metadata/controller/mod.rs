//! Pure: who may change the cluster: a controller, which turns requests into records.
//! May use: `base`, `io`, `log`, `metadata::{record, image, source}`. Never: answers before what
//! it says is on disk.

pub mod decide;
mod request;

pub use request::{
    AlterConfigs, ConfigChange, CreatePartitions, CreateTopicResult, CreateTopics, CreatedTopic,
    DeleteTopicResult, MorePartitions, NewTopic, Reply, Request, ResourceChange, TopicRef,
};
