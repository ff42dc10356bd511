//! Drives: clusters whose brokers keep replicas of each other's partitions: brokers of ours, of
//! Apache Kafka, or both.

mod agreement;
mod cluster;
mod leadership;
mod member;
mod stored;
mod strikes;
mod view;

pub use cluster::{Cluster, create_topic, kafka_tool, try_kafka_tool};
pub use member::{Kind, Member};
pub use stored::{Stored, stored};
pub use strikes::{COORDINATORS, Strikes, TWO, three};
pub use view::{View, connect, view};
