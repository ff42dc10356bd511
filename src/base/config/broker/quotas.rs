//! Pure: broker settings: quotas, metrics and telemetry.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static QUOTAS;

    "quota.window.num" Int = Some("11"), AtLeast(1), Low, ReadOnly, Ignored(NoQuotas);
        "Windows in which clients are measured.";
    "quota.window.size.seconds" Int = Some("1"), AtLeast(1), Low, ReadOnly, Ignored(NoQuotas);
        "The length of such a window.";
    "controller.quota.window.num" Int = Some("11"), AtLeast(1), Low, ReadOnly, Ignored(NoQuotas);
        "Windows in which changes of topics are measured.";
    "controller.quota.window.size.seconds" Int = Some("1"), AtLeast(1), Low, ReadOnly,
        Ignored(NoQuotas);
        "The length of such a window.";
    "client.quota.callback.class" Class = None, Any, Low, ReadOnly, Refused(Jvm);
        "A Java class that decides on clients' quotas.";
    "metric.reporters" List = Some("org.apache.kafka.common.metrics.JmxReporter"),
        Items { of: &[], may_be_empty: true }, Low, ClusterWide, Ignored(Jvm);
        "Java classes that publish metrics. Here they are at `/metrics` of the admin port.";
    "metrics.num.samples" Int = Some("2"), AtLeast(1), Low, ReadOnly, Ignored(Jvm);
        "Samples from which Java metrics are computed.";
    "metrics.recording.level" String = Some("INFO"), Any, Low, ReadOnly, Ignored(Jvm);
        "The level of detail of Java metrics.";
    "metrics.sample.window.ms" Long = Some("30000"), AtLeast(1), Low, ReadOnly, Ignored(Jvm);
        "The length of a sample.";
    "kafka.metrics.reporters" List = Some(""), Items { of: &[], may_be_empty: true }, Low, ReadOnly,
        Ignored(Jvm);
        "Java classes that publish the older kind of metrics.";
    "kafka.metrics.polling.interval.secs" Int = Some("10"), AtLeast(1), Low, ReadOnly, Ignored(Jvm);
        "How often those are read.";
    "telemetry.max.bytes" Int = Some("1048576"), AtLeast(1), Low, ReadOnly, Ignored(NoTelemetry);
        "The most bytes of metrics that a client may push at a time.";
}
