//! Pure: who may change the cluster: a controller, which turns requests into records.
//! May use: `base`, `io`, `log`, `metadata::{record, image, source}`. Never: answers before what
//! it says is on disk.

mod change;
pub mod decide;
mod folder;
pub mod formatted;
mod identity;
mod local;
mod request;

pub use change::{CannotWrite, Change};
pub use decide::{CreateTopicResult, CreatedTopic, DeleteTopicResult, Random};
pub use folder::{LoadError, NodeDir, metadata_dir, shard_dir};
pub use identity::{FILE as IDENTITY_FILE, Identity, IdentityError};
pub use local::LocalController;
pub use request::{
    AllocateProducerIds, AlterConfigs, AlterPartition, AlterPartitionError, AlterPartitionFailure,
    AlterPartitionReply, AlteredPartition, ConfigChange, CreatePartitions, CreateTopics,
    DeleteTopics, FailDirectories, IsrChange, MorePartitions, NewTopic, RenewLeaders,
    ResourceChange, TopicRef,
};

#[cfg(test)]
mod tests;
