//! Pure: the settings of a group (KIP-848, share and streams groups).

use super::setting::Setting;
use super::table::dynamic_settings;

dynamic_settings! {
    /// Every group setting of Kafka 4.3 (`GroupConfig`), in the order in which Kafka
    /// describes them.
    pub static GROUP_SETTINGS;

    "consumer.session.timeout.ms" Int = "45000", AtLeast(1), Applied,
        ["group.consumer.session.timeout.ms"];
        "How long a KIP-848 member may be silent.";
    "consumer.assignment.interval.ms" Int = "1000", AtLeast(0), Applied,
        ["group.consumer.assignment.interval.ms"];
        "The time between two assignments of a KIP-848 group.";
    "share.auto.offset.reset" String = "latest", ShareStart, Ignored(NoShareGroups), [];
        "Where a share group starts in a partition that is new to it.";
    "share.renew.acknowledge.enable" Boolean = "true", Any, Ignored(NoShareGroups), [];
        "Whether a member may ask to keep a record for longer.";
    "streams.initial.rebalance.delay.ms" Int = "3000", AtLeast(0), Ignored(NoStreamsGroups),
        ["group.streams.initial.rebalance.delay.ms"];
        "How long a new streams group waits for further members.";
    "share.session.timeout.ms" Int = "45000", AtLeast(1), Ignored(NoShareGroups),
        ["group.share.session.timeout.ms"];
        "How long a share group's member may be silent.";
    "streams.assignment.interval.ms" Int = "1000", AtLeast(0), Ignored(NoStreamsGroups),
        ["group.streams.assignment.interval.ms"];
        "The time between two assignments of a streams group.";
    "share.heartbeat.interval.ms" Int = "5000", AtLeast(1), Ignored(NoShareGroups),
        ["group.share.heartbeat.interval.ms"];
        "How often a share group's member reports.";
    "streams.heartbeat.interval.ms" Int = "5000", AtLeast(1), Ignored(NoStreamsGroups),
        ["group.streams.heartbeat.interval.ms"];
        "How often a streams group's member reports.";
    "share.delivery.count.limit" Int = "5", AtLeast(2), Ignored(NoShareGroups),
        ["group.share.delivery.count.limit"];
        "How often a record is delivered before it is given up.";
    "consumer.heartbeat.interval.ms" Int = "5000", AtLeast(1), Applied,
        ["group.consumer.heartbeat.interval.ms"];
        "How often a KIP-848 member reports.";
    "share.record.lock.duration.ms" Int = "30000", AtLeast(1000), Ignored(NoShareGroups),
        ["group.share.record.lock.duration.ms"];
        "How long a record stays with the member it went to.";
    "share.assignment.interval.ms" Int = "1000", AtLeast(0), Ignored(NoShareGroups),
        ["group.share.assignment.interval.ms"];
        "The time between two assignments of a share group.";
    "share.isolation.level" String = "read_uncommitted",
        OneOf(&["read_committed", "read_uncommitted"]), Ignored(NoShareGroups), [];
        "Whether a share group sees records of transactions that are not committed.";
    "streams.session.timeout.ms" Int = "45000", AtLeast(1), Ignored(NoStreamsGroups),
        ["group.streams.session.timeout.ms"];
        "How long a streams group's member may be silent.";
    "share.partition.max.record.locks" Int = "2000", AtLeast(100), Ignored(NoShareGroups),
        ["group.share.partition.max.record.locks"];
        "Records of one partition that may be out for delivery at a time.";
    "streams.num.standby.replicas" Int = "0", AtLeast(0), Ignored(NoStreamsGroups),
        ["group.streams.num.standby.replicas"];
        "Standby copies of each task's state.";
}

/// The row of a group setting.
pub fn group_setting(name: &str) -> Option<&'static Setting> {
    GROUP_SETTINGS.iter().find(|row| row.name == name)
}
