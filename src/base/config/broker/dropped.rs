//! Pure: broker settings that Kafka itself no longer has, and what to do about a file with one.

/// What to do with a setting that Kafka dropped; `None` for any other name.
pub fn advice(name: &str) -> Option<&'static str> {
    const ZOOKEEPER: &str =
        "Kafka 4 no longer has it, nor ZooKeeper; metadata is embedded here, remove it";
    if name.starts_with("zookeeper.") {
        return Some(ZOOKEEPER);
    }
    let advice = match name {
        "host.name" | "port" => "Kafka 4 no longer has it; use listeners=PLAINTEXT://host:port",
        "advertised.host.name" | "advertised.port" => {
            "Kafka 4 no longer has it; use advertised.listeners=PLAINTEXT://host:port"
        }
        "inter.broker.protocol.version" | "log.message.format.version" => {
            "Kafka 4 no longer has it; versions are agreed with clients one by one, remove it"
        }
        "log.message.timestamp.difference.max.ms" => {
            "Kafka 4 no longer has it; use log.message.timestamp.before.max.ms and \
             log.message.timestamp.after.max.ms"
        }
        "log.message.downconversion.enable" => {
            "Kafka 4 no longer has it, nor the old record formats; remove it"
        }
        "broker.id.generation.enable" | "reserved.broker.max.id" => {
            "Kafka 4 no longer has it; give node.id"
        }
        "delegation.token.master.key" => {
            "Kafka 4 no longer has it; use delegation.token.secret.key"
        }
        "control.plane.listener.name" => "Kafka 4 no longer has it, nor ZooKeeper; remove it",
        "controlled.shutdown.max.retries" | "controlled.shutdown.retry.backoff.ms" => {
            "Kafka 4 no longer has it, remove it"
        }
        "leader.imbalance.per.broker.percentage" => "Kafka 4 no longer has it, remove it",
        "offsets.commit.required.acks" => "Kafka 4 no longer has it, remove it",
        "quota.producer.default" | "quota.consumer.default" => {
            "Kafka 4 no longer has it; default quotas are set with kafka-configs"
        }
        "group.coordinator.new.enable" => {
            "Kafka 4 no longer has it; use group.coordinator.rebalance.protocols"
        }
        _ if name.starts_with("password.encoder.") => ZOOKEEPER,
        _ => return None,
    };
    Some(advice)
}
