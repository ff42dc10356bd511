//! Pure: broker settings: the KRaft quorum and its metadata log.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static QUORUM;

    "controller.listener.names" List = Some("CONTROLLER"), Items { of: &[], may_be_empty: false },
        High, ReadOnly, Ignored(Standalone);
        "Listeners of the controller. They are left closed: the controller is inside this "
        "process.";
    "controller.quorum.voters" List = Some(""), Voters, High, ReadOnly,
        Partly("one entry, this node, is taken; a quorum of several is refused");
        "The controllers of a fixed quorum.";
    "controller.quorum.bootstrap.servers" List = Some(""), Endpoints, High, ReadOnly,
        Ignored(Standalone);
        "Where to look for the controller quorum.";
    "controller.quorum.auto.join.enable" Boolean = Some("false"), Any, Low, ReadOnly,
        Ignored(Standalone);
        "Whether a new controller joins the quorum by itself.";
    "controller.quorum.append.linger.ms" Int = Some("25"), AtLeast(0), Medium, ReadOnly,
        Ignored(Standalone);
        "How long the controller gathers records before it appends them.";
    "controller.quorum.election.timeout.ms" Int = Some("1000"), AtLeast(0), High, ReadOnly,
        Ignored(Standalone);
        "How long an election may take.";
    "controller.quorum.election.backoff.max.ms" Int = Some("1000"), AtLeast(0), High, ReadOnly,
        Ignored(Standalone);
        "The longest pause between elections.";
    "controller.quorum.fetch.max.bytes" Int = Some("1048576"), AtLeast(1), Low, ReadOnly,
        Ignored(Standalone);
        "The most bytes in one fetch of metadata.";
    "controller.quorum.fetch.snapshot.max.bytes" Int = Some("1048576"), AtLeast(1), Low, ReadOnly,
        Ignored(Standalone);
        "The most bytes in one fetch of a snapshot.";
    "controller.quorum.fetch.timeout.ms" Int = Some("2000"), AtLeast(0), High, ReadOnly,
        Ignored(Standalone);
        "How long without a fetch before a controller is given up.";
    "controller.quorum.request.timeout.ms" Int = Some("2000"), AtLeast(0), Medium, ReadOnly,
        Ignored(Standalone);
        "How long a request to the quorum may take.";
    "controller.quorum.retry.backoff.ms" Int = Some("20"), AtLeast(0), Low, ReadOnly,
        Ignored(Standalone);
        "The pause before a failed request to the quorum is tried again.";
    "broker.heartbeat.interval.ms" Int = Some("2000"), Any, Medium, ReadOnly, Ignored(Standalone);
        "How often a broker reports to the controller.";
    "broker.session.timeout.ms" Int = Some("9000"), Any, Medium, ReadOnly, Ignored(Standalone);
        "How long a broker may be silent before it is fenced.";
    "initial.broker.registration.timeout.ms" Int = Some("60000"), Any, Medium, ReadOnly,
        Ignored(Standalone);
        "How long a broker tries to register.";
    "metadata.log.segment.bytes" Int = Some("1073741824"), AtLeast(8388608), High, ReadOnly,
        Ignored(OtherDesign);
        "The size at which the metadata log goes on in a new segment.";
    "metadata.log.segment.ms" Long = Some("604800000"), Any, High, ReadOnly, Ignored(OtherDesign);
        "The age at which the metadata log goes on in a new segment.";
    "metadata.log.max.record.bytes.between.snapshots" Long = Some("20971520"), AtLeast(1), High,
        ReadOnly, Ignored(OtherDesign);
        "How many bytes of metadata records make a new snapshot due.";
    "metadata.log.max.snapshot.interval.ms" Long = Some("3600000"), AtLeast(0), High, ReadOnly,
        Ignored(OtherDesign);
        "After how long a new snapshot is due.";
    "metadata.max.idle.interval.ms" Int = Some("500"), AtLeast(0), Low, ReadOnly,
        Ignored(Standalone);
        "How often an idle controller writes a no-op record.";
    "metadata.max.retention.bytes" Long = Some("104857600"), Any, High, ReadOnly,
        Ignored(OtherDesign);
        "How much of the metadata log is kept.";
    "metadata.max.retention.ms" Long = Some("604800000"), Any, High, ReadOnly, Ignored(OtherDesign);
        "How long the metadata log is kept.";
}
