//! Pure: stories of settings that change while the broker runs.

use super::World;
use crate::base::NodeId;
use crate::metadata::controller::decide::*;
use crate::metadata::controller::request::*;
use crate::metadata::image::ResourceKind;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const METRICS: i8 = 16;
const GROUP: i8 = 32;

type Op<'a> = (&'a str, i8, Option<&'a str>);

fn each(ops: &[Op<'_>]) -> ConfigChange {
    let op = |(name, op, value): &Op<'_>| ((*name).into(), *op, value.map(Into::into));
    ConfigChange::Each(ops.iter().map(op).collect())
}

fn replace(settings: &[(&str, Option<&str>)]) -> ConfigChange {
    let pair = |(name, value): &(&str, Option<&str>)| ((*name).into(), value.map(Into::into));
    ConfigChange::Replace(settings.iter().map(pair).collect())
}

impl World {
    fn alter(
        &mut self,
        kind: i8,
        name: &str,
        change: ConfigChange,
    ) -> Result<(), AlterConfigsError> {
        self.alter_all(false, vec![(kind, name, change)]).remove(0)
    }

    fn alter_all(
        &mut self,
        validate_only: bool,
        resources: Vec<(i8, &str, ConfigChange)>,
    ) -> Vec<Result<(), AlterConfigsError>> {
        let resource = |(kind, name, change): (i8, &str, ConfigChange)| ResourceChange {
            kind,
            name: name.into(),
            change,
        };
        let resources = resources.into_iter().map(resource).collect();
        let request = AlterConfigs {
            node: NodeId(1),
            validate_only,
            resources,
        };
        self.decide(|with| alter_configs(with, &request))
    }

    fn text(&mut self, kind: i8, name: &str, change: ConfigChange) -> String {
        self.alter(kind, name, change).unwrap_err().to_string()
    }

    fn set(&self, kind: ResourceKind, name: &str) -> String {
        let settings = self.image.configs.of(kind, name).iter();
        settings
            .map(|(name, value)| format!("{name}={value} "))
            .collect::<String>()
            .trim()
            .into()
    }
}

#[test]
fn a_topics_settings_are_set_deleted_and_edited() {
    let mut world = World::new(1, "");
    world.create("t", 1);
    let steps: [(&[Op<'_>], &str); 7] = [
        (
            &[("retention.ms", 0, Some("5")), ("flush.ms", 0, Some("9"))],
            "flush.ms=9 retention.ms=5",
        ),
        (
            &[("flush.ms", 1, None), ("segment.ms", 1, Some("1"))],
            "retention.ms=5",
        ),
        // Items are added to the default where nothing is set.
        (
            &[("cleanup.policy", 2, Some("compact"))],
            "cleanup.policy=delete,compact retention.ms=5",
        ),
        (
            &[("cleanup.policy", 2, Some("compact"))],
            "cleanup.policy=delete,compact retention.ms=5",
        ),
        (
            &[("cleanup.policy", 3, Some("delete"))],
            "cleanup.policy=compact retention.ms=5",
        ),
        (
            &[("cleanup.policy", 3, Some("delete"))],
            "cleanup.policy=compact retention.ms=5",
        ),
        (&[], "cleanup.policy=compact retention.ms=5"),
    ];
    for (ops, expected) in steps {
        assert_eq!(world.alter(TOPIC, "t", each(ops)), Ok(()), "{ops:?}");
        assert_eq!(world.set(ResourceKind::Topic, "t"), expected);
    }
    assert_eq!(
        world.alter(TOPIC, "t", replace(&[("retention.ms", Some("7"))])),
        Ok(())
    );
    assert_eq!(world.set(ResourceKind::Topic, "t"), "retention.ms=7");
    assert_eq!(world.alter(TOPIC, "t", replace(&[])), Ok(()));
    assert_eq!(world.set(ResourceKind::Topic, "t"), "");
}

#[test]
fn only_checked_or_refused_changes_nothing() {
    let mut world = World::new(1, "");
    world.create("t", 1);
    let before = world.image.end_offset;
    let good = || each(&[("retention.ms", 0, Some("5"))]);
    assert_eq!(world.alter_all(true, vec![(TOPIC, "t", good())]), [Ok(())]);
    let both = each(&[("retention.ms", 0, Some("5")), ("flush.ms", 0, Some("x"))]);
    assert!(matches!(
        world.alter(TOPIC, "t", both),
        Err(AlterConfigsError::Config(_))
    ));
    let twice = world.alter_all(false, vec![(TOPIC, "t", good()), (TOPIC, "t", good())]);
    let once = "Each resource must appear at most once.";
    assert_eq!(twice, [refused(once), refused(once)]);
    assert_eq!(world.image.end_offset, before);
}

fn refused(text: &str) -> Result<(), AlterConfigsError> {
    Err(AlterConfigsError::Request(text.into()))
}

fn bad_config(text: &str) -> Result<(), AlterConfigsError> {
    Err(AlterConfigsError::Config(text.into()))
}

#[test]
fn topics_are_refused_in_kafkas_words() {
    let mut world = World::new(1, "");
    world.create("t", 1);
    let set = |name, value| each(&[(name, 0, Some(value))]);
    let mut alter = |name: &str, change| world.alter(TOPIC, name, change);
    assert_eq!(
        alter("t", set("x", "1")),
        bad_config("Unknown topic config name: x")
    );
    assert_eq!(alter("t", each(&[("x", 1, None)])), Ok(()));
    let null = "Null value not supported for : a, b";
    assert_eq!(
        alter("t", each(&[("a", 0, None), ("b", 2, None)])),
        refused(null)
    );
    assert_eq!(
        alter("t", replace(&[("a", None), ("b", None)])),
        refused(null)
    );
    let twice = "Error due to duplicate config keys";
    assert_eq!(
        alter("t", each(&[("a", 0, Some("1")), ("a", 1, None)])),
        refused(twice)
    );
    assert_eq!(
        alter("t", each(&[("retention.ms", 2, Some("1"))])),
        bad_config("Can't APPEND to key retention.ms because its type is not LIST.")
    );
    assert_eq!(
        alter("t", each(&[("retention.ms", 3, Some("1"))])),
        bad_config("Can't SUBTRACT to key retention.ms because its type is not LIST.")
    );
    for op in [9, -1] {
        let unknown = alter("t", each(&[("retention.ms", op, Some("1"))]));
        assert_eq!(unknown, Err(AlterConfigsError::UnknownOperation));
    }
    let good = || set("retention.ms", "1");
    assert_eq!(
        alter("", good()),
        refused("Default topic resources are not allowed.")
    );
    assert!(matches!(
        alter("a b", good()),
        Err(AlterConfigsError::Name(_))
    ));
    let unknown = alter("nowhere", good()).unwrap_err();
    assert_eq!(unknown, AlterConfigsError::UnknownTopic("nowhere".into()));
    assert_eq!(unknown.to_string(), "The topic 'nowhere' does not exist.");
    for kind in [0, 99] {
        let text = format!("Unknown resource type {kind}");
        assert_eq!(world.alter(kind, "x", good()), refused(&text));
    }
}

#[test]
fn brokers_settings_are_kept_for_one_and_for_all() {
    let mut world = World::new(2, "");
    let size = || each(&[("message.max.bytes", 0, Some("1000000"))]);
    assert_eq!(world.alter(BROKER, "1", size()), Ok(()));
    assert_eq!(world.alter(BROKER, "", size()), Ok(()));
    assert_eq!(
        world.set(ResourceKind::Broker, "1"),
        "message.max.bytes=1000000"
    );
    let all = "message.max.bytes=1000000 min.insync.replicas=1";
    assert_eq!(world.set(ResourceKind::Broker, ""), all);
    // Brokers are told again even of what stays as it is.
    let before = world.image.end_offset;
    assert_eq!(world.alter(BROKER, "1", size()), Ok(()));
    assert_eq!(world.image.end_offset, before + 1);
    // Kafka keeps settings that it does not know.
    assert_eq!(
        world.alter(BROKER, "1", each(&[("my.own", 0, Some("1"))])),
        Ok(())
    );
    let mut alter = |name: &str, change| world.alter(BROKER, name, change);
    let other = refused("Unexpected broker id, expected 1, but received 2");
    assert_eq!(alter("2", size()), other);
    let number = refused("Node id must be an integer, but it is: one");
    assert_eq!(alter("one", size()), number);
    assert_eq!(
        alter(
            "1",
            each(&[("log.dirs", 0, Some("/x")), ("node.id", 0, Some("3"))])
        ),
        refused("Cannot update these configs dynamically: [node.id, log.dirs]")
    );
    assert_eq!(
        alter("1", each(&[("message.max.bytes", 0, Some("x"))])),
        refused("Invalid value x for configuration message.max.bytes: Not a number of type INT")
    );
    assert_eq!(
        alter("", each(&[("sasl.jaas.config", 0, Some("x"))])),
        refused(
            "Cannot update these configs at default cluster level, \
             broker id must be specified: [sasl.jaas.config]"
        )
    );
    assert_eq!(
        alter("1", each(&[("x", 2, Some("1"))])),
        bad_config("Unknown config name: x")
    );
    assert_eq!(
        alter("1", each(&[("message.max.bytes", 3, Some("1"))])),
        bad_config("Config value subtract is not allowed for config key: message.max.bytes")
    );
    assert_eq!(
        alter("1", each(&[("message.max.bytes", 7, Some("1"))])),
        refused("Unknown operations type 7")
    );
    let moved = alter("1", each(&[("listeners", 0, Some("PLAINTEXT://:1"))]));
    assert!(
        matches!(moved, Err(AlterConfigsError::Request(_))),
        "{moved:?}"
    );
}

#[test]
fn the_least_count_in_sync_stays_one_for_all_brokers() {
    let mut world = World::new(1, "");
    let name = "min.insync.replicas";
    let kept = "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.";
    assert_eq!(
        world.alter(BROKER, "", each(&[(name, 1, None)])),
        bad_config(kept)
    );
    assert_eq!(world.alter(BROKER, "", replace(&[])), bad_config(kept));
    let one = "Broker-level min.insync.replicas cannot be altered while ELR is enabled.";
    assert_eq!(
        world.alter(BROKER, "1", each(&[(name, 0, Some("2"))])),
        bad_config(one)
    );
    assert_eq!(
        world.alter(BROKER, "", each(&[(name, 0, Some("2"))])),
        Ok(())
    );
    assert_eq!(world.set(ResourceKind::Broker, ""), "min.insync.replicas=2");
}

#[test]
fn loggers_take_the_levels_that_there_are() {
    let mut world = World::new(1, "");
    let op = |op| each(&[("kafka", op, Some("INFO"))]);
    let mut alter = |name: &str, change| world.alter(LOGGER, name, change);
    assert_eq!(
        alter("1", op(0)),
        bad_config("Logger kafka does not exist!")
    );
    let root = |op, level| each(&[("root", op, Some(level))]);
    assert_eq!(alter("1", root(0, "DEBUG")), Ok(()));
    assert_eq!(
        alter("1", root(0, "debug")),
        bad_config(
            "Cannot set the log level of root to debug as it is not a supported log level. \
             Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"
        )
    );
    assert_eq!(
        alter("1", root(1, "")),
        refused("Removing the log level of the root logger is not allowed")
    );
    assert_eq!(alter("1", each(&[("corelane::log", 1, None)])), Ok(()));
    let append = "APPEND operation is not allowed for the BROKER_LOGGER resource";
    assert_eq!(alter("1", op(2)), refused(append));
    assert_eq!(
        alter("2", op(0)),
        refused("Unexpected node id. Expected 1, but received 2")
    );
    assert_eq!(
        alter("", op(0)),
        refused("Node id must be an integer, but it is: ")
    );
    assert_eq!(alter("1", replace(&[])), refused("Unknown resource type 8"));
    assert_eq!(alter("1", each(&[])), Ok(()));
}

#[test]
fn groups_keep_their_settings_within_the_brokers_bounds() {
    let mut world = World::new(1, "");
    let set = |name, value| each(&[(name, 0, Some(value))]);
    let timeout = "consumer.session.timeout.ms";
    assert_eq!(world.alter(GROUP, "g", set(timeout, "50000")), Ok(()));
    assert_eq!(
        world.set(ResourceKind::Group, "g"),
        "consumer.session.timeout.ms=50000"
    );
    let mut text = |change| world.text(GROUP, "g", change);
    assert_eq!(text(set("x", "1")), "Unknown group config name: x");
    assert_eq!(
        text(set(timeout, "1")),
        "consumer.session.timeout.ms must be greater than or equal to \
         group.consumer.min.session.timeout.ms"
    );
    assert_eq!(
        text(set("share.heartbeat.interval.ms", "100000")),
        "share.heartbeat.interval.ms must be less than or equal to \
         group.share.max.heartbeat.interval.ms"
    );
    let text = world.text(GROUP, "", set(timeout, "50000"));
    assert_eq!(text, "Default group resources are not allowed.");
}

#[test]
fn subscriptions_to_metrics_are_checked_and_kept() {
    let mut world = World::new(1, "");
    let good = each(&[
        ("interval.ms", 0, Some("100")),
        ("match", 0, Some("client_id=a.*,client_software_name=x")),
    ]);
    assert_eq!(world.alter(METRICS, "s", good), Ok(()));
    assert_eq!(
        world.image.configs.names(ResourceKind::ClientMetrics).len(),
        1
    );
    let set = |name, value| each(&[(name, 0, Some(value))]);
    let mut alter = |name: &str, change| world.alter(METRICS, name, change);
    assert_eq!(
        alter("", set("match", "")),
        refused("Subscription name can't be empty")
    );
    assert_eq!(
        alter("s", set("x", "1")),
        refused("Unknown client metrics configuration: x")
    );
    assert_eq!(
        alter("s", set("interval.ms", "99")),
        refused(
            "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)"
        )
    );
    for bad in ["client_id", "client_id=", "unknown=x", "client_id=a=b"] {
        let text = format!("Illegal client matching pattern: {bad}");
        assert_eq!(alter("s", set("match", bad)), bad_config(&text));
    }
}
