use super::super::{BrokerConfig, Flags, HostFacts, load};
use super::*;

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

fn broker() -> BrokerConfig {
    let host = HostFacts::of_cores(1);
    load(None, &Flags::default(), &host).expect("defaults")
}

#[test]
fn overrides_win_over_what_the_broker_gives() {
    let overrides = texts(&[
        ("retention.ms", "-1"),
        ("retention.bytes", "100"),
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "LogAppendTime"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "19"),
        ("segment.jitter.ms", "5"),
        ("min.cleanable.dirty.ratio", "0.25"),
        ("max.compaction.lag.ms", "77"),
        ("flush.messages", "1000"),
    ]);
    let config = broker().topic_config(&overrides).expect("good");
    assert_eq!(
        (config.retention_ms, config.retention_bytes),
        (None, Some(100))
    );
    assert_eq!(
        config.cleanup_policy,
        CleanupPolicy {
            delete: false,
            compact: true
        }
    );
    assert_eq!(config.message_timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(config.compression_type, Compression::Zstd);
    assert_eq!(
        (config.compression_level, config.segment_jitter_ms),
        (19, 5)
    );
    assert_eq!(config.flush_messages, 1000);
    assert_eq!(
        (config.min_dirty_ratio, config.max_compaction_lag_ms),
        (0.25, 77)
    );
    assert_eq!(
        (config.min_compaction_lag_ms, config.delete_retention_ms),
        (0, 86_400_000)
    );
    assert_eq!(config.segment_bytes, 134_217_728);
}

#[test]
fn no_overrides_come_to_the_brokers_own() {
    let broker = broker();
    let config = broker.topic_config(&BTreeMap::new()).expect("good");
    assert_eq!(config, broker.topic_defaults);
    assert!(config.cleanup_policy.delete && !config.cleanup_policy.compact);
}

#[test]
fn what_kafka_refuses_is_refused_in_its_words() {
    for (pairs, expected) in [
        (
            &[("foo", "1"), ("retention.ms", "x")][..],
            "Unknown topic config name: foo",
        ),
        (&[("", "")], "Unknown topic config name: "),
        (
            &[("retention.ms", "-2")],
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        ),
        (
            &[
                ("min.compaction.lag.ms", "10"),
                ("max.compaction.lag.ms", "5"),
            ],
            "conflict topic config setting min.compaction.lag.ms (10) > \
             max.compaction.lag.ms (5)",
        ),
        (
            &[("remote.storage.enable", "true")],
            "Tiered Storage functionality is disabled in the broker. \
             Topic cannot be configured with remote log storage.",
        ),
    ] {
        let error = check_topic(&texts(pairs)).expect_err("refused");
        assert_eq!(error.0, expected);
    }
    for good in [
        ("local.retention.ms", "999999999999"),
        ("cleanup.policy", ""),
    ] {
        assert_eq!(check_topic(&texts(&[good])), Ok(()), "{good:?}");
    }
}

#[test]
fn what_is_not_acted_on_is_told() {
    let overrides = texts(&[
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "1"),
        ("preallocate", "true"),
        ("min.insync.replicas", "1"),
    ]);
    let told = not_applied(&overrides);
    let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["preallocate"]);
    assert_eq!(told[0].1, "what it tunes is made in another way here");
}

#[test]
fn a_topics_default_is_the_one_of_its_broker_settings() {
    let broker = broker();
    for row in TOPIC_SETTINGS {
        assert_eq!(
            Some(broker.topic_default(row)),
            row.default_value(),
            "{}",
            row.name
        );
        let synonym = row
            .synonyms
            .last()
            .and_then(|name| crate::base::config::broker_setting(name));
        let Some(synonym) = synonym else { continue };
        let scaled = match (synonym.name, synonym.default_value()) {
            (name, Some(Value::Int(hours))) if name.ends_with(".hours") => {
                Some(Value::Int(hours * 3_600_000))
            }
            (_, value) => value,
        };
        assert_eq!(
            scaled,
            row.default_value(),
            "{} and {}",
            row.name,
            synonym.name
        );
    }
}
