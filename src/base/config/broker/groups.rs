//! Pure: broker settings: consumer groups and their offsets.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static GROUPS;

    "group.min.session.timeout.ms" Int = Some("6000"), Any, Medium, ReadOnly, Applied;
        "The shortest session timeout that a member of a classic group may ask for.";
    "group.max.session.timeout.ms" Int = Some("1800000"), Any, Medium, ReadOnly, Applied;
        "The longest session timeout that a member of a classic group may ask for.";
    "group.max.size" Int = Some("2147483647"), AtLeast(1), Medium, ReadOnly, Applied;
        "Members that a classic group takes.";
    "group.initial.rebalance.delay.ms" Int = Some("3000"), Any, Medium, ReadOnly, Applied;
        "How long a new classic group waits for further members before its first assignment.";
    "group.coordinator.rebalance.protocols" List = Some("classic,consumer,streams"),
        Items { of: &["consumer", "classic", "share", "streams"], may_be_empty: false }, Medium,
        ReadOnly, Partly("the classic and the consumer protocol are served, whatever the value");
        "The group protocols that are on.";
    "group.consumer.assignors" List = Some("uniform,range"),
        Items { of: &["uniform", "range"], may_be_empty: false }, Medium, ReadOnly,
        Applied;
        "Assignors of KIP-848 groups, the default one first.";
    "group.consumer.migration.policy" String = Some("bidirectional"),
        OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), Medium, ReadOnly,
        Applied;
        "Whether groups change between the classic protocol and KIP-848 while in use.";
    "group.consumer.max.size" Int = Some("2147483647"), AtLeast(1), Medium, ReadOnly, Applied;
        "Members that a KIP-848 group takes.";
    "group.consumer.session.timeout.ms" Int = Some("45000"), AtLeast(1), Medium, ReadOnly,
        Applied;
        "How long a KIP-848 member may be silent.";
    "group.consumer.min.session.timeout.ms" Int = Some("45000"), AtLeast(1), Medium, ReadOnly,
        Applied;
        "The least that a group may set its session timeout to.";
    "group.consumer.max.session.timeout.ms" Int = Some("60000"), AtLeast(1), Medium, ReadOnly,
        Applied;
        "The most that a group may set its session timeout to.";
    "group.consumer.heartbeat.interval.ms" Int = Some("5000"), AtLeast(1), Medium, ReadOnly,
        Applied;
        "How often a KIP-848 member reports.";
    "group.consumer.min.heartbeat.interval.ms" Int = Some("5000"), AtLeast(1), Medium, ReadOnly,
        Applied;
        "The least that a group may set its heartbeat interval to.";
    "group.consumer.max.heartbeat.interval.ms" Int = Some("15000"), AtLeast(1), Medium, ReadOnly,
        Applied;
        "The most that a group may set its heartbeat interval to.";
    "group.consumer.assignment.interval.ms" Int = Some("1000"), AtLeast(0), Medium, ClusterWide,
        Applied;
        "The time between two assignments of a KIP-848 group.";
    "group.consumer.min.assignment.interval.ms" Int = Some("0"), AtLeast(0), Medium, ReadOnly,
        Applied;
        "The least that a group may set its assignment interval to.";
    "group.consumer.max.assignment.interval.ms" Int = Some("15000"), AtLeast(0), Medium, ReadOnly,
        Applied;
        "The most that a group may set its assignment interval to.";
    "offset.metadata.max.bytes" Int = Some("4096"), Any, High, ReadOnly, Applied;
        "The longest text that may go with a committed offset.";
    "offsets.retention.minutes" Int = Some("10080"), AtLeast(1), High, ReadOnly, Applied;
        "How long committed offsets outlive their group's last member.";
    "offsets.retention.check.interval.ms" Long = Some("600000"), AtLeast(1), High, ReadOnly,
        Applied;
        "How often offsets that have outlived it are looked for.";
    "offsets.topic.num.partitions" Int = Some("50"), AtLeast(1), High, ReadOnly, Applied;
        "Partitions of `__consumer_offsets`; fixed when that topic is created.";
    "offsets.topic.replication.factor" Short = Some("1"), AtLeast(1), High, ReadOnly, Applied;
        "Replicas of `__consumer_offsets`. A machine alone can give one only.";
    "offsets.topic.segment.bytes" Int = Some("104857600"), AtLeast(1), High, ReadOnly, Applied;
        "Segment size of `__consumer_offsets`: small, so that it loads fast.";
}
