//! Pure: broker settings: sockets: where they listen and how much they take.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static NETWORK;

    "listeners" List = Some("PLAINTEXT://127.0.0.1:9092"), Items { of: &[], may_be_empty: false },
        High, ReadOnly, Applied;
        "Where the first shard listens; shard `i` listens `i` ports further on. PLAINTEXT only "
        "in this build. Listeners named in `controller.listener.names` are left closed.";
    "advertised.listeners" List = None, Items { of: &[], may_be_empty: false }, High, ReadOnly,
        Applied;
        "What clients are told to connect to, where that differs from `listeners`; counted on "
        "per shard like it.";
    "listener.security.protocol.map" String =
        Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"),
        Any, Low, ReadOnly, Applied;
        "Which protocol each listener name stands for.";
    "inter.broker.listener.name" String = None, Any, Medium, ReadOnly, InCluster(Standalone);
        "The listener that brokers use among themselves; one of `listeners`. Unset: PLAINTEXT.";
    "socket.request.max.bytes" Int = Some("104857600"), AtLeast(1), High, ReadOnly, Applied;
        "The largest request read; a longer one closes the connection.";
    "socket.receive.buffer.bytes" Int = Some("102400"), Any, High, ReadOnly,
        Partly("unless it is set, the kernel adapts the size");
        "The kernel's receive buffer of a connection (SO_RCVBUF); -1 for the system's own.";
    "socket.send.buffer.bytes" Int = Some("102400"), Any, High, ReadOnly,
        Partly("unless it is set, the kernel adapts the size");
        "The kernel's send buffer of a connection (SO_SNDBUF); -1 for the system's own.";
    "socket.listen.backlog.size" Int = Some("50"), AtLeast(1), Medium, ReadOnly,
        Partly("unless it is set, 4096 may wait");
        "Connections that may wait to be accepted.";
    "connections.max.idle.ms" Long = Some("600000"), Any, Medium, ReadOnly, Applied;
        "After how long without a request a connection is closed; below zero for never.";
    "max.connections" Int = Some("2147483647"), AtLeast(0), Medium, ClusterWide, Applied;
        "Connections that one shard holds; more are closed at once, and so are those that would "
        "take the descriptors (ulimit -n) that data files need.";
    "max.connections.per.ip" Int = Some("2147483647"), AtLeast(0), Medium, ClusterWide, Applied;
        "Connections that one shard takes from one address.";
    "fetch.max.bytes" Int = Some("57671680"), AtLeast(1024), Medium, ReadOnly, Applied;
        "The most bytes in one answer to a fetch, whatever the consumer asks for.";
    "max.incremental.fetch.session.cache.slots" Int = Some("1000"), AtLeast(0), Medium, ReadOnly,
        Applied;
        "Incremental fetch sessions (KIP-227) that the broker remembers; each shard has its share.";
}
