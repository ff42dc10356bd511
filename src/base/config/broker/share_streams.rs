//! Pure: broker settings: share groups and streams groups.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static SHARE_STREAMS;

    "group.share.assignors" List = Some("simple"), Items { of: &[], may_be_empty: false }, Medium,
        ReadOnly, Ignored(NoShareGroups);
        "Assignors of share groups.";
    "group.share.max.size" Int = Some("200"), Between(1, 1000), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "Members that a share group takes.";
    "group.share.max.share.sessions" Int = Some("2000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "Share sessions that a broker remembers.";
    "group.share.session.timeout.ms" Int = Some("45000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "How long a share group's member may be silent.";
    "group.share.min.session.timeout.ms" Int = Some("45000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "The least that a group may set its session timeout to.";
    "group.share.max.session.timeout.ms" Int = Some("60000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "The most that a group may set its session timeout to.";
    "group.share.heartbeat.interval.ms" Int = Some("5000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "How often a share group's member reports.";
    "group.share.min.heartbeat.interval.ms" Int = Some("5000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "The least that a group may set its heartbeat interval to.";
    "group.share.max.heartbeat.interval.ms" Int = Some("15000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "The most that a group may set its heartbeat interval to.";
    "group.share.assignment.interval.ms" Int = Some("1000"), AtLeast(0), Medium, ClusterWide,
        Ignored(NoShareGroups);
        "The time between two assignments of a share group.";
    "group.share.min.assignment.interval.ms" Int = Some("0"), AtLeast(0), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "The least that a group may set its assignment interval to.";
    "group.share.max.assignment.interval.ms" Int = Some("15000"), AtLeast(0), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "The most that a group may set its assignment interval to.";
    "group.share.delivery.count.limit" Int = Some("5"), Between(2, 10), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "How often a record is delivered before it is given up.";
    "group.share.min.delivery.count.limit" Int = Some("2"), Between(2, 5), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "The least that a group may set its delivery limit to.";
    "group.share.max.delivery.count.limit" Int = Some("10"), Between(5, 25), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "The most that a group may set its delivery limit to.";
    "group.share.partition.max.record.locks" Int = Some("2000"), Between(100, 10000), Medium,
        ReadOnly, Ignored(NoShareGroups);
        "Records of one partition that may be out for delivery at a time.";
    "group.share.min.partition.max.record.locks" Int = Some("100"), Between(100, 2000), Medium,
        ReadOnly, Ignored(NoShareGroups);
        "The least that a group may set that number to.";
    "group.share.max.partition.max.record.locks" Int = Some("4000"), Between(2000, 10000), Medium,
        ReadOnly, Ignored(NoShareGroups);
        "The most that a group may set that number to.";
    "group.share.record.lock.duration.ms" Int = Some("30000"), Between(1000, 3600000), Medium,
        ReadOnly, Ignored(NoShareGroups);
        "How long a record stays with the member it went to.";
    "group.share.min.record.lock.duration.ms" Int = Some("15000"), Between(1000, 30000), Medium,
        ReadOnly, Ignored(NoShareGroups);
        "The least that a group may set its lock duration to.";
    "group.share.max.record.lock.duration.ms" Int = Some("60000"), Between(30000, 3600000), Medium,
        ReadOnly, Ignored(NoShareGroups);
        "The most that a group may set its lock duration to.";
    "share.coordinator.append.linger.ms" Int = Some("-1"), AtLeast(-1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "How long the share coordinator gathers records before it appends them.";
    "share.coordinator.cached.buffer.max.bytes" Int = Some("1048588"), AtLeast(524288), Medium,
        ClusterWide, Ignored(NoShareGroups);
        "The largest buffer that the share coordinator keeps for reuse.";
    "share.coordinator.load.buffer.size" Int = Some("5242880"), AtLeast(1), High, ReadOnly,
        Ignored(NoShareGroups);
        "How much is read at a time when share state is loaded.";
    "share.coordinator.snapshot.update.records.per.snapshot" Int = Some("500"), Between(0, 500),
        Medium, ReadOnly, Ignored(NoShareGroups);
        "Changes that follow a snapshot of share state before the next one.";
    "share.coordinator.state.topic.compression.codec" Int = Some("0"), Any, High, ReadOnly,
        Ignored(NoShareGroups);
        "The codec of batches in `__share_group_state`.";
    "share.coordinator.state.topic.min.isr" Short = Some("1"), AtLeast(1), High, ReadOnly,
        Ignored(NoShareGroups);
        "Replicas that must hold a record of `__share_group_state`.";
    "share.coordinator.state.topic.num.partitions" Int = Some("50"), AtLeast(1), High, ReadOnly,
        Ignored(NoShareGroups);
        "Partitions of `__share_group_state`.";
    "share.coordinator.state.topic.replication.factor" Short = Some("1"), AtLeast(1), High,
        ReadOnly, Ignored(NoShareGroups);
        "Replicas of `__share_group_state`.";
    "share.coordinator.state.topic.segment.bytes" Int = Some("104857600"), AtLeast(1), High,
        ReadOnly, Ignored(NoShareGroups);
        "Segment size of `__share_group_state`.";
    "share.coordinator.threads" Int = Some("1"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoShareGroups);
        "Threads that run the share coordinator.";
    "share.coordinator.write.timeout.ms" Int = Some("5000"), AtLeast(1), High, ReadOnly,
        Ignored(NoShareGroups);
        "How long a write of share state may take.";
    "share.fetch.purgatory.purge.interval.requests" Int = Some("1000"), Any, Medium, ReadOnly,
        Ignored(NoShareGroups);
        "How often waiting share fetches are swept.";
    "group.streams.max.size" Int = Some("2147483647"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "Members that a streams group takes.";
    "group.streams.session.timeout.ms" Int = Some("45000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "How long a streams group's member may be silent.";
    "group.streams.min.session.timeout.ms" Int = Some("45000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "The least that a group may set its session timeout to.";
    "group.streams.max.session.timeout.ms" Int = Some("60000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "The most that a group may set its session timeout to.";
    "group.streams.heartbeat.interval.ms" Int = Some("5000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "How often a streams group's member reports.";
    "group.streams.min.heartbeat.interval.ms" Int = Some("5000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "The least that a group may set its heartbeat interval to.";
    "group.streams.max.heartbeat.interval.ms" Int = Some("15000"), AtLeast(1), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "The most that a group may set its heartbeat interval to.";
    "group.streams.assignment.interval.ms" Int = Some("1000"), AtLeast(0), Medium, ClusterWide,
        Ignored(NoStreamsGroups);
        "The time between two assignments of a streams group.";
    "group.streams.min.assignment.interval.ms" Int = Some("0"), AtLeast(0), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "The least that a group may set its assignment interval to.";
    "group.streams.max.assignment.interval.ms" Int = Some("15000"), AtLeast(0), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "The most that a group may set its assignment interval to.";
    "group.streams.num.standby.replicas" Int = Some("0"), AtLeast(0), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "Standby copies of each task's state.";
    "group.streams.max.standby.replicas" Int = Some("2"), AtLeast(0), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "The most that a group may set its standby copies to.";
    "group.streams.initial.rebalance.delay.ms" Int = Some("3000"), AtLeast(0), Medium, ReadOnly,
        Ignored(NoStreamsGroups);
        "How long a new streams group waits for further members.";
}
