//! Pure: broker settings without effect.
//! Made of `no_effect.txt` by a test, which says how to renew it; not edited by hand.

use crate::base::config::table::broker_settings;

broker_settings! {
    pub static NODE;

    "auto.leader.rebalance.enable" Boolean =
        Some("true"), Any, High, ReadOnly, Ignored(OtherDesign);
        "Whether leadership goes back to preferred replicas by itself.";
    "leader.imbalance.check.interval.seconds" Long =
        Some("300"), AtLeast(1), High, ReadOnly, Ignored(OtherDesign);
        "How often leaders are compared with preferred replicas.";
    "request.timeout.ms" Int =
        Some("30000"), Any, High, ReadOnly, Ignored(OtherDesign);
        "How long this broker waits for the answer of another node.";
    "controlled.shutdown.enable" Boolean =
        Some("true"), Any, Medium, ReadOnly, Ignored(OtherDesign);
        "Whether leaders move away before a broker stops.";
    "controller.socket.timeout.ms" Int =
        Some("30000"), Any, Medium, ReadOnly, Ignored(OtherDesign);
        "How long a broker waits for its controller's answer.";
    "background.threads" Int =
        Some("10"), AtLeast(1), High, ClusterWide, Ignored(Threads);
        "Threads for chores.";
    "num.io.threads" Int =
        Some("8"), AtLeast(1), High, ClusterWide, Ignored(Threads);
        "Threads that handle requests.";
    "num.network.threads" Int =
        Some("3"), AtLeast(1), High, ClusterWide, Ignored(Threads);
        "Threads that read and write sockets.";
    "num.recovery.threads.per.data.dir" Int =
        Some("2"), AtLeast(1), High, ClusterWide, Ignored(Threads);
        "Threads that recover logs at start.";
    "num.replica.alter.log.dirs.threads" Int =
        None, Any, High, ReadOnly, Ignored(Threads);
        "Threads that move replicas between folders.";
    "create.topic.policy.class.name" Class =
        None, Any, Low, ReadOnly, Refused(Jvm);
        "A Java class that judges requests to create topics.";
    "alter.config.policy.class.name" Class =
        None, Any, Low, ReadOnly, Refused(Jvm);
        "A Java class that judges requests to change settings.";
    "config.providers" List =
        Some(""), Items { of: &[], may_be_empty: true }, Low, ClusterWide, Refused(Jvm);
        "Java classes that fetch the values of settings from elsewhere.";
}

broker_settings! {
    pub static NETWORK;

    "early.start.listeners" List =
        None, Items { of: &[], may_be_empty: true }, High, ReadOnly, Ignored(NoAuthorizer);
        "Listeners that open before the authorizer is ready.";
    "security.inter.broker.protocol" String =
        Some("PLAINTEXT"), OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), Medium,
        ReadOnly, Refused(NoSecurity);
        "The protocol that brokers use among themselves.";
    "max.connections.per.ip.overrides" String =
        Some(""), Any, Medium, ClusterWide, Ignored(OtherDesign);
        "Other limits for some addresses, as `host:count` entries.";
    "queued.max.requests" Int =
        Some("500"), AtLeast(1), High, ReadOnly, Ignored(OtherDesign);
        "How many requests may wait for Kafka's request handlers. Here requests wait in their "
        "sockets once the shard's memory budget, `corelane.shard.memory.bytes`, is taken.";
    "queued.max.request.bytes" Long =
        Some("-1"), Any, Medium, ReadOnly, Ignored(OtherDesign);
        "How many bytes of requests may wait for Kafka's request handlers. Here "
        "`corelane.shard.memory.bytes` bounds them.";
    "fetch.purgatory.purge.interval.requests" Int =
        Some("1000"), Any, Medium, ReadOnly, Ignored(OtherDesign);
        "How often Kafka sweeps its list of waiting fetches. Here a waiter leaves its list as it "
        "is answered.";
    "producer.purgatory.purge.interval.requests" Int =
        Some("1000"), Any, Medium, ReadOnly, Ignored(OtherDesign);
        "How often Kafka sweeps its list of waiting produces.";
    "delete.records.purgatory.purge.interval.requests" Int =
        Some("1"), Any, Medium, ReadOnly, Ignored(OtherDesign);
        "How often Kafka sweeps its list of waiting record deletions.";
    "socket.connection.setup.timeout.ms" Long =
        Some("10000"), Any, Medium, ReadOnly, Ignored(OtherDesign);
        "How long this broker tries to reach another node, at first.";
    "socket.connection.setup.timeout.max.ms" Long =
        Some("30000"), Any, Medium, ReadOnly, Ignored(OtherDesign);
        "How long this broker tries to reach another node, at most.";
    "max.connection.creation.rate" Int =
        Some("2147483647"), AtLeast(0), Medium, ClusterWide, Ignored(NoQuotas);
        "New connections per second that a broker takes.";
}

broker_settings! {
    pub static LOG;

    "cordoned.log.dirs" List =
        Some(""), Items { of: &[], may_be_empty: true }, Medium, PerBroker,
        Refused(OtherDesign);
        "Folders that take no new partitions.";
    "log.dir.failure.timeout.ms" Long =
        Some("30000"), AtLeast(1), Low, ReadOnly, Ignored(OtherDesign);
        "How long a broker goes on when it cannot tell the controller of a failed folder.";
    "log.flush.offset.checkpoint.interval.ms" Int =
        Some("60000"), AtLeast(0), High, ReadOnly, Ignored(OtherDesign);
        "How often Kafka notes how far its logs are recovered. Here each segment notes it.";
    "log.flush.start.offset.checkpoint.interval.ms" Int =
        Some("60000"), AtLeast(0), High, ReadOnly, Ignored(OtherDesign);
        "How often Kafka notes where its logs start. Here it is noted as it changes.";
    "log.preallocate" Boolean =
        Some("false"), Any, Medium, ClusterWide, Ignored(OtherDesign);
        "Whether files get their space ahead of time. Here they always do, with written blocks.";
    "log.segment.delete.delay.ms" Long =
        Some("60000"), AtLeast(0), High, ClusterWide, Ignored(OtherDesign);
        "How long a dropped segment's file stays. Here it goes once its last reader is done.";
    "log.cleaner.threads" Int =
        Some("1"), AtLeast(0), Medium, ClusterWide, Ignored(Threads);
        "Threads that compact. Here each shard compacts one of its logs at a time, in the gaps "
        "that requests leave.";
}

broker_settings! {
    pub static GROUPS;

    "group.coordinator.threads" Int =
        Some("4"), AtLeast(1), High, ReadOnly, Ignored(Threads);
        "Threads that run group coordinators.";
    "group.coordinator.background.threads" Int =
        Some("2"), AtLeast(1), High, ReadOnly, Ignored(Threads);
        "Threads for the coordinators' slower work.";
    "group.coordinator.append.linger.ms" Int =
        Some("-1"), AtLeast(-1), Medium, ReadOnly, Ignored(OtherDesign);
        "How long a coordinator gathers records before it appends them. Here what arrives during "
        "a write goes into the next one.";
    "group.coordinator.cached.buffer.max.bytes" Int =
        Some("1048588"), AtLeast(524288), Medium, ClusterWide, Ignored(OtherDesign);
        "The largest buffer that a coordinator keeps for reuse.";
    "offsets.commit.timeout.ms" Int =
        Some("5000"), AtLeast(1), High, ReadOnly, Ignored(OtherDesign);
        "How long a commit waits for its record to reach the replicas. Here it is answered when "
        "the record is on disk, or cannot be written.";
    "offsets.load.buffer.size" Int =
        Some("5242880"), AtLeast(1), High, ReadOnly, Ignored(OtherDesign);
        "How much is read at a time when offsets are loaded.";
    "offsets.topic.compression.codec" Int =
        Some("0"), Any, High, ReadOnly, Ignored(OtherDesign);
        "The codec of batches in `__consumer_offsets`. Here they are not compressed.";
}

broker_settings! {
    pub static TRANSACTIONS;

    "transaction.state.log.load.buffer.size" Int =
        Some("5242880"), AtLeast(1), High, ReadOnly, Ignored(OtherDesign);
        "How much is read at a time when transactions are loaded.";
    "transaction.partition.verification.enable" Boolean =
        Some("true"), Any, Low, ClusterWide, Ignored(OtherDesign);
        "Whether a leader asks the coordinator if a partition is part of a transaction.";
    "add.partitions.to.txn.retry.backoff.ms" Int =
        Some("20"), AtLeast(1), High, ReadOnly, Ignored(OtherDesign);
        "The first pause before adding a partition to a transaction is tried again.";
    "add.partitions.to.txn.retry.backoff.max.ms" Int =
        Some("100"), AtLeast(0), High, ReadOnly, Ignored(OtherDesign);
        "The longest pause before adding a partition to a transaction is tried again.";
    "transaction.two.phase.commit.enable" Boolean =
        Some("false"), Any, Low, ReadOnly, Ignored(NoTwoPhaseCommit);
        "Whether producers may take part in two-phase commit (KIP-939).";
}

broker_settings! {
    pub static QUORUM;

    "controller.quorum.auto.join.enable" Boolean =
        Some("false"), Any, Low, ReadOnly, Ignored(Standalone);
        "Whether a new controller joins the quorum by itself.";
    "controller.quorum.append.linger.ms" Int =
        Some("25"), AtLeast(0), Medium, ReadOnly, Ignored(Standalone);
        "How long the controller gathers records before it appends them.";
    "controller.quorum.election.timeout.ms" Int =
        Some("1000"), AtLeast(0), High, ReadOnly, Ignored(Standalone);
        "How long an election may take.";
    "controller.quorum.election.backoff.max.ms" Int =
        Some("1000"), AtLeast(0), High, ReadOnly, Ignored(Standalone);
        "The longest pause between elections.";
    "broker.session.timeout.ms" Int =
        Some("9000"), Any, Medium, ReadOnly, Ignored(Standalone);
        "How long a broker may be silent before it is fenced.";
    "metadata.max.idle.interval.ms" Int =
        Some("500"), AtLeast(0), Low, ReadOnly, Ignored(Standalone);
        "How often an idle controller writes a no-op record.";
    "metadata.log.segment.bytes" Int =
        Some("1073741824"), AtLeast(8388608), High, ReadOnly, Ignored(OtherDesign);
        "The size at which the metadata log goes on in a new segment.";
    "metadata.log.segment.ms" Long =
        Some("604800000"), Any, High, ReadOnly, Ignored(OtherDesign);
        "The age at which the metadata log goes on in a new segment.";
    "metadata.log.max.record.bytes.between.snapshots" Long =
        Some("20971520"), AtLeast(1), High, ReadOnly, Ignored(OtherDesign);
        "How many bytes of metadata records make a new snapshot due.";
    "metadata.log.max.snapshot.interval.ms" Long =
        Some("3600000"), AtLeast(0), High, ReadOnly, Ignored(OtherDesign);
        "After how long a new snapshot is due.";
    "metadata.max.retention.bytes" Long =
        Some("104857600"), Any, High, ReadOnly, Ignored(OtherDesign);
        "How much of the metadata log is kept.";
    "metadata.max.retention.ms" Long =
        Some("604800000"), Any, High, ReadOnly, Ignored(OtherDesign);
        "How long the metadata log is kept.";
    "controller.quorum.fetch.max.bytes" Int =
        Some("1048576"), AtLeast(1), Low, ReadOnly, Ignored(OtherDesign);
        "The most bytes in one fetch of metadata.";
    "controller.quorum.fetch.snapshot.max.bytes" Int =
        Some("1048576"), AtLeast(1), Low, ReadOnly, Ignored(OtherDesign);
        "The most bytes in one fetch of a snapshot.";
    "controller.quorum.fetch.timeout.ms" Int =
        Some("2000"), AtLeast(0), High, ReadOnly, Ignored(OtherDesign);
        "How long without a fetch before a controller is given up.";
    "controller.quorum.request.timeout.ms" Int =
        Some("2000"), AtLeast(0), Medium, ReadOnly, Ignored(OtherDesign);
        "How long a request to the quorum may take.";
    "controller.quorum.retry.backoff.ms" Int =
        Some("20"), AtLeast(0), Low, ReadOnly, Ignored(OtherDesign);
        "The pause before a failed request to the quorum is tried again.";
}

broker_settings! {
    pub static REPLICATION;

    "num.replica.fetchers" Int =
        Some("1"), AtLeast(1), High, ClusterWide, Ignored(OtherDesign);
        "Fetchers per source broker.";
    "replica.high.watermark.checkpoint.interval.ms" Long =
        Some("5000"), Any, High, ReadOnly, Ignored(OtherDesign);
        "How often high watermarks are noted on disk.";
    "replica.socket.receive.buffer.bytes" Int =
        Some("65536"), Any, High, ReadOnly, Ignored(OtherDesign);
        "The kernel's receive buffer for fetching from a leader.";
    "replication.quota.window.num" Int =
        Some("11"), AtLeast(1), Low, ReadOnly, Ignored(OtherDesign);
        "Windows in which replication traffic is measured.";
    "replication.quota.window.size.seconds" Int =
        Some("1"), AtLeast(1), Low, ReadOnly, Ignored(OtherDesign);
        "The length of such a window.";
    "alter.log.dirs.replication.quota.window.num" Int =
        Some("11"), AtLeast(1), Low, ReadOnly, Ignored(OtherDesign);
        "Windows in which moves between folders are measured.";
    "alter.log.dirs.replication.quota.window.size.seconds" Int =
        Some("1"), AtLeast(1), Low, ReadOnly, Ignored(OtherDesign);
        "The length of such a window.";
}

broker_settings! {
    pub static SECURITY;

    "authorizer.class.name" String =
        Some(""), Any, Low, ReadOnly, Refused(NoAuthorizer);
        "The Java class that decides who may do what.";
    "principal.builder.class" Class =
        Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"),
        Any, Medium, PerBroker, Refused(Jvm);
        "The Java class that names the user of a connection.";
    "security.providers" String =
        None, Any, Low, ReadOnly, Refused(Jvm);
        "Java classes that provide security algorithms.";
    "connection.failed.authentication.delay.ms" Int =
        Some("100"), AtLeast(0), Low, ReadOnly, Refused(NoSecurity);
        "How long a failed login waits for its answer.";
    "connections.max.reauth.ms" Long =
        Some("0"), Any, Medium, ReadOnly, Refused(NoSecurity);
        "After how long a client must log in again.";
    "delegation.token.secret.key" Password =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The secret that signs delegation tokens.";
    "delegation.token.expiry.check.interval.ms" Long =
        Some("3600000"), AtLeast(1), Low, ReadOnly, Refused(NoSecurity);
        "How often expired tokens are looked for.";
    "delegation.token.expiry.time.ms" Long =
        Some("86400000"), AtLeast(1), Medium, ReadOnly, Refused(NoSecurity);
        "How long a token lasts unless renewed.";
    "delegation.token.max.lifetime.ms" Long =
        Some("604800000"), AtLeast(1), Medium, ReadOnly, Refused(NoSecurity);
        "How long a token lasts at most.";
    "ssl.allow.dn.changes" Boolean =
        Some("false"), Any, Low, ReadOnly, Refused(NoSecurity);
        "Whether a new key store may name another subject.";
    "ssl.allow.san.changes" Boolean =
        Some("false"), Any, Low, ReadOnly, Refused(NoSecurity);
        "Whether a new key store may name other hosts.";
    "ssl.cipher.suites" List =
        Some(""), Items { of: &[], may_be_empty: true }, Medium, PerBroker, Refused(NoSecurity);
        "Cipher suites that are on.";
    "ssl.client.auth" String =
        Some("none"), OneOf(&["required", "requested", "none"]), Medium, PerBroker,
        Refused(NoSecurity);
        "Whether clients must show a certificate.";
    "ssl.enabled.protocols" List =
        Some("TLSv1.2,TLSv1.3"), Items { of: &[], may_be_empty: true }, Medium, PerBroker,
        Refused(NoSecurity);
        "TLS versions that are on.";
    "ssl.endpoint.identification.algorithm" String =
        Some("https"), Any, Low, PerBroker, Refused(NoSecurity);
        "How host names are checked against certificates.";
    "ssl.engine.factory.class" Class =
        None, Any, Low, PerBroker, Refused(NoSecurity);
        "A Java class that makes TLS engines.";
    "ssl.key.password" Password =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The password of the private key.";
    "ssl.keymanager.algorithm" String =
        Some("SunX509"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The Java algorithm for keys.";
    "ssl.keystore.certificate.chain" Password =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The certificate chain as PEM text.";
    "ssl.keystore.key" Password =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The private key as PEM text.";
    "ssl.keystore.location" String =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The file with the key and its certificate.";
    "ssl.keystore.password" Password =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The password of that file.";
    "ssl.keystore.type" String =
        Some("JKS"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The format of that file.";
    "ssl.principal.mapping.rules" String =
        Some("DEFAULT"), Any, Low, ReadOnly, Refused(NoSecurity);
        "How a certificate's subject becomes a user name.";
    "ssl.protocol" String =
        Some("TLSv1.3"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The newest TLS version.";
    "ssl.provider" String =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The Java provider of TLS.";
    "ssl.secure.random.implementation" String =
        None, Any, Low, PerBroker, Refused(NoSecurity);
        "The Java source of random numbers.";
    "ssl.trustmanager.algorithm" String =
        Some("PKIX"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The Java algorithm for trust.";
    "ssl.truststore.certificates" Password =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "Trusted certificates as PEM text.";
    "ssl.truststore.location" String =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The file with trusted certificates.";
    "ssl.truststore.password" Password =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The password of that file.";
    "ssl.truststore.type" String =
        Some("JKS"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The format of that file.";
}

broker_settings! {
    pub static SASL;

    "sasl.enabled.mechanisms" List =
        Some("GSSAPI"), Items { of: &[], may_be_empty: true }, Medium, PerBroker,
        Refused(NoSecurity);
        "SASL mechanisms that are on.";
    "sasl.mechanism.inter.broker.protocol" String =
        Some("GSSAPI"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The mechanism that brokers use among themselves.";
    "sasl.mechanism.controller.protocol" String =
        Some("GSSAPI"), Any, High, ReadOnly, Refused(NoSecurity);
        "The mechanism that brokers use towards controllers.";
    "sasl.jaas.config" Password =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "Java login settings.";
    "sasl.client.callback.handler.class" Class =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that answers for the client side.";
    "sasl.server.callback.handler.class" Class =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that checks logins.";
    "sasl.server.max.receive.size" Int =
        Some("524288"), Any, Medium, ReadOnly, Refused(NoSecurity);
        "The largest message during a login.";
    "sasl.login.class" Class =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that logs in.";
    "sasl.login.callback.handler.class" Class =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that answers during a login.";
    "sasl.login.connect.timeout.ms" Int =
        None, Any, Low, ReadOnly, Refused(NoSecurity);
        "How long connecting to an identity provider may take.";
    "sasl.login.read.timeout.ms" Int =
        None, Any, Low, ReadOnly, Refused(NoSecurity);
        "How long an identity provider may take to answer.";
    "sasl.login.refresh.buffer.seconds" Short =
        Some("300"), Any, Medium, PerBroker, Refused(NoSecurity);
        "How long before it ends a login is renewed.";
    "sasl.login.refresh.min.period.seconds" Short =
        Some("60"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The least time between renewals.";
    "sasl.login.refresh.window.factor" Double =
        Some("0.8"), Any, Medium, PerBroker, Refused(NoSecurity);
        "After which share of its life a login is renewed.";
    "sasl.login.refresh.window.jitter" Double =
        Some("0.05"), Any, Medium, PerBroker, Refused(NoSecurity);
        "How much that share varies at random.";
    "sasl.login.retry.backoff.ms" Long =
        Some("100"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The first pause after a failed login.";
    "sasl.login.retry.backoff.max.ms" Long =
        Some("10000"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The longest pause after a failed login.";
    "sasl.kerberos.kinit.cmd" String =
        Some("/usr/bin/kinit"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The Kerberos `kinit` command.";
    "sasl.kerberos.min.time.before.relogin" Long =
        Some("60000"), Any, Medium, PerBroker, Refused(NoSecurity);
        "How long a ticket renewer sleeps between looks, in milliseconds.";
    "sasl.kerberos.principal.to.local.rules" List =
        Some("DEFAULT"), Items { of: &[], may_be_empty: true }, Medium, PerBroker,
        Refused(NoSecurity);
        "How Kerberos principals become user names.";
    "sasl.kerberos.service.name" String =
        None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The Kerberos name of this service.";
    "sasl.kerberos.ticket.renew.jitter" Double =
        Some("0.05"), Any, Medium, PerBroker, Refused(NoSecurity);
        "How much the renewal time varies at random.";
    "sasl.kerberos.ticket.renew.window.factor" Double =
        Some("0.8"), Any, Medium, PerBroker, Refused(NoSecurity);
        "After which share of its life a ticket is renewed.";
    "sasl.oauthbearer.assertion.algorithm" String =
        Some("RS256"), OneOfAnyCase(&["ES256", "RS256"]), Medium, ReadOnly, Refused(NoSecurity);
        "The algorithm that signs assertions.";
    "sasl.oauthbearer.assertion.claim.aud" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The audience that an assertion names.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" Int =
        Some("300"), Between(0, 86400), Low, ReadOnly, Refused(NoSecurity);
        "How long an assertion lasts.";
    "sasl.oauthbearer.assertion.claim.iss" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The issuer that an assertion names.";
    "sasl.oauthbearer.assertion.claim.jti.include" Boolean =
        Some("false"), Any, Medium, ReadOnly, Refused(NoSecurity);
        "Whether an assertion carries an id of its own.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" Int =
        Some("60"), Between(0, 3600), Low, ReadOnly, Refused(NoSecurity);
        "How far back an assertion is already valid.";
    "sasl.oauthbearer.assertion.claim.sub" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The subject that an assertion names.";
    "sasl.oauthbearer.assertion.file" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A file with a finished assertion.";
    "sasl.oauthbearer.assertion.private.key.file" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The key that signs assertions.";
    "sasl.oauthbearer.assertion.private.key.passphrase" Password =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The passphrase of that key.";
    "sasl.oauthbearer.assertion.template.file" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A template for assertions.";
    "sasl.oauthbearer.client.credentials.client.id" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The client id shown to the identity provider.";
    "sasl.oauthbearer.client.credentials.client.secret" Password =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The client secret shown to the identity provider.";
    "sasl.oauthbearer.clock.skew.seconds" Int =
        Some("30"), Any, Low, ReadOnly, Refused(NoSecurity);
        "How far clocks may differ.";
    "sasl.oauthbearer.expected.audience" List =
        Some(""), Items { of: &[], may_be_empty: true }, High, ReadOnly, Refused(NoSecurity);
        "Audiences that a token may name.";
    "sasl.oauthbearer.expected.issuer" String =
        None, Any, High, ReadOnly, Refused(NoSecurity);
        "The issuer that a token must name.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long =
        Some("3600000"), Any, Low, ReadOnly, Refused(NoSecurity);
        "How often the identity provider's keys are fetched.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long =
        Some("100"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The first pause after such a fetch has failed.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long =
        Some("10000"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The longest pause after such a fetch has failed.";
    "sasl.oauthbearer.jwks.endpoint.url" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "Where the identity provider's keys are.";
    "sasl.oauthbearer.jwt.retriever.class" Class =
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Any, Medium,
        ReadOnly, Refused(NoSecurity);
        "A Java class that fetches tokens.";
    "sasl.oauthbearer.jwt.validator.class" Class =
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Any, Medium,
        ReadOnly, Refused(NoSecurity);
        "A Java class that checks tokens.";
    "sasl.oauthbearer.scope" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The scope asked of the identity provider.";
    "sasl.oauthbearer.scope.claim.name" String =
        Some("scope"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The claim that holds a token's scope.";
    "sasl.oauthbearer.sub.claim.name" String =
        Some("sub"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The claim that holds a token's subject.";
    "sasl.oauthbearer.token.endpoint.url" String =
        None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "Where the identity provider hands out tokens.";
}

broker_settings! {
    pub static QUOTAS;

    "quota.window.num" Int =
        Some("11"), AtLeast(1), Low, ReadOnly, Ignored(NoQuotas);
        "Windows in which clients are measured.";
    "quota.window.size.seconds" Int =
        Some("1"), AtLeast(1), Low, ReadOnly, Ignored(NoQuotas);
        "The length of such a window.";
    "controller.quota.window.num" Int =
        Some("11"), AtLeast(1), Low, ReadOnly, Ignored(NoQuotas);
        "Windows in which changes of topics are measured.";
    "controller.quota.window.size.seconds" Int =
        Some("1"), AtLeast(1), Low, ReadOnly, Ignored(NoQuotas);
        "The length of such a window.";
    "client.quota.callback.class" Class =
        None, Any, Low, ReadOnly, Refused(Jvm);
        "A Java class that decides on clients' quotas.";
    "metric.reporters" List =
        Some("org.apache.kafka.common.metrics.JmxReporter"), Items { of: &[], may_be_empty:
        true }, Low, ClusterWide, Ignored(Jvm);
        "Java classes that publish metrics. Here they are at `/metrics` of the admin port.";
    "metrics.num.samples" Int =
        Some("2"), AtLeast(1), Low, ReadOnly, Ignored(Jvm);
        "Samples from which Java metrics are computed.";
    "metrics.recording.level" String =
        Some("INFO"), Any, Low, ReadOnly, Ignored(Jvm);
        "The level of detail of Java metrics.";
    "metrics.sample.window.ms" Long =
        Some("30000"), AtLeast(1), Low, ReadOnly, Ignored(Jvm);
        "The length of a sample.";
    "kafka.metrics.reporters" List =
        Some(""), Items { of: &[], may_be_empty: true }, Low, ReadOnly, Ignored(Jvm);
        "Java classes that publish the older kind of metrics.";
    "kafka.metrics.polling.interval.secs" Int =
        Some("10"), AtLeast(1), Low, ReadOnly, Ignored(Jvm);
        "How often those are read.";
}

broker_settings! {
    pub static SHARE_STREAMS;

    "group.share.assignors" List =
        Some("simple"), Items { of: &[], may_be_empty: false }, Medium, ReadOnly,
        Ignored(NoShareGroups);
        "Assignors of share groups.";
    "group.share.max.size" Int =
        Some("200"), Between(1, 1000), Medium, ReadOnly, Ignored(NoShareGroups);
        "Members that a share group takes.";
    "group.share.max.share.sessions" Int =
        Some("2000"), AtLeast(1), Medium, ReadOnly, Ignored(NoShareGroups);
        "Share sessions that a broker remembers.";
    "group.share.session.timeout.ms" Int =
        Some("45000"), AtLeast(1), Medium, ReadOnly, Ignored(NoShareGroups);
        "How long a share group's member may be silent.";
    "group.share.min.session.timeout.ms" Int =
        Some("45000"), AtLeast(1), Medium, ReadOnly, Ignored(NoShareGroups);
        "The least that a group may set its session timeout to.";
    "group.share.max.session.timeout.ms" Int =
        Some("60000"), AtLeast(1), Medium, ReadOnly, Ignored(NoShareGroups);
        "The most that a group may set its session timeout to.";
    "group.share.heartbeat.interval.ms" Int =
        Some("5000"), AtLeast(1), Medium, ReadOnly, Ignored(NoShareGroups);
        "How often a share group's member reports.";
    "group.share.min.heartbeat.interval.ms" Int =
        Some("5000"), AtLeast(1), Medium, ReadOnly, Ignored(NoShareGroups);
        "The least that a group may set its heartbeat interval to.";
    "group.share.max.heartbeat.interval.ms" Int =
        Some("15000"), AtLeast(1), Medium, ReadOnly, Ignored(NoShareGroups);
        "The most that a group may set its heartbeat interval to.";
    "group.share.assignment.interval.ms" Int =
        Some("1000"), AtLeast(0), Medium, ClusterWide, Ignored(NoShareGroups);
        "The time between two assignments of a share group.";
    "group.share.min.assignment.interval.ms" Int =
        Some("0"), AtLeast(0), Medium, ReadOnly, Ignored(NoShareGroups);
        "The least that a group may set its assignment interval to.";
    "group.share.max.assignment.interval.ms" Int =
        Some("15000"), AtLeast(0), Medium, ReadOnly, Ignored(NoShareGroups);
        "The most that a group may set its assignment interval to.";
    "group.share.delivery.count.limit" Int =
        Some("5"), Between(2, 10), Medium, ReadOnly, Ignored(NoShareGroups);
        "How often a record is delivered before it is given up.";
    "group.share.min.delivery.count.limit" Int =
        Some("2"), Between(2, 5), Medium, ReadOnly, Ignored(NoShareGroups);
        "The least that a group may set its delivery limit to.";
    "group.share.max.delivery.count.limit" Int =
        Some("10"), Between(5, 25), Medium, ReadOnly, Ignored(NoShareGroups);
        "The most that a group may set its delivery limit to.";
    "group.share.partition.max.record.locks" Int =
        Some("2000"), Between(100, 10000), Medium, ReadOnly, Ignored(NoShareGroups);
        "Records of one partition that may be out for delivery at a time.";
    "group.share.min.partition.max.record.locks" Int =
        Some("100"), Between(100, 2000), Medium, ReadOnly, Ignored(NoShareGroups);
        "The least that a group may set that number to.";
    "group.share.max.partition.max.record.locks" Int =
        Some("4000"), Between(2000, 10000), Medium, ReadOnly, Ignored(NoShareGroups);
        "The most that a group may set that number to.";
    "group.share.record.lock.duration.ms" Int =
        Some("30000"), Between(1000, 3600000), Medium, ReadOnly, Ignored(NoShareGroups);
        "How long a record stays with the member it went to.";
    "group.share.min.record.lock.duration.ms" Int =
        Some("15000"), Between(1000, 30000), Medium, ReadOnly, Ignored(NoShareGroups);
        "The least that a group may set its lock duration to.";
    "group.share.max.record.lock.duration.ms" Int =
        Some("60000"), Between(30000, 3600000), Medium, ReadOnly, Ignored(NoShareGroups);
        "The most that a group may set its lock duration to.";
    "share.coordinator.append.linger.ms" Int =
        Some("-1"), AtLeast(-1), Medium, ReadOnly, Ignored(NoShareGroups);
        "How long the share coordinator gathers records before it appends them.";
    "share.coordinator.cached.buffer.max.bytes" Int =
        Some("1048588"), AtLeast(524288), Medium, ClusterWide, Ignored(NoShareGroups);
        "The largest buffer that the share coordinator keeps for reuse.";
    "share.coordinator.load.buffer.size" Int =
        Some("5242880"), AtLeast(1), High, ReadOnly, Ignored(NoShareGroups);
        "How much is read at a time when share state is loaded.";
    "share.coordinator.snapshot.update.records.per.snapshot" Int =
        Some("500"), Between(0, 500), Medium, ReadOnly, Ignored(NoShareGroups);
        "Changes that follow a snapshot of share state before the next one.";
    "share.coordinator.state.topic.compression.codec" Int =
        Some("0"), Any, High, ReadOnly, Ignored(NoShareGroups);
        "The codec of batches in `__share_group_state`.";
    "share.coordinator.state.topic.min.isr" Short =
        Some("1"), AtLeast(1), High, ReadOnly, Ignored(NoShareGroups);
        "Replicas that must hold a record of `__share_group_state`.";
    "share.coordinator.state.topic.num.partitions" Int =
        Some("50"), AtLeast(1), High, ReadOnly, Ignored(NoShareGroups);
        "Partitions of `__share_group_state`.";
    "share.coordinator.state.topic.replication.factor" Short =
        Some("1"), AtLeast(1), High, ReadOnly, Ignored(NoShareGroups);
        "Replicas of `__share_group_state`.";
    "share.coordinator.state.topic.segment.bytes" Int =
        Some("104857600"), AtLeast(1), High, ReadOnly, Ignored(NoShareGroups);
        "Segment size of `__share_group_state`.";
    "share.coordinator.threads" Int =
        Some("1"), AtLeast(1), Medium, ReadOnly, Ignored(NoShareGroups);
        "Threads that run the share coordinator.";
    "share.coordinator.write.timeout.ms" Int =
        Some("5000"), AtLeast(1), High, ReadOnly, Ignored(NoShareGroups);
        "How long a write of share state may take.";
    "share.fetch.purgatory.purge.interval.requests" Int =
        Some("1000"), Any, Medium, ReadOnly, Ignored(NoShareGroups);
        "How often waiting share fetches are swept.";
    "group.streams.max.size" Int =
        Some("2147483647"), AtLeast(1), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "Members that a streams group takes.";
    "group.streams.session.timeout.ms" Int =
        Some("45000"), AtLeast(1), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "How long a streams group's member may be silent.";
    "group.streams.min.session.timeout.ms" Int =
        Some("45000"), AtLeast(1), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "The least that a group may set its session timeout to.";
    "group.streams.max.session.timeout.ms" Int =
        Some("60000"), AtLeast(1), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "The most that a group may set its session timeout to.";
    "group.streams.heartbeat.interval.ms" Int =
        Some("5000"), AtLeast(1), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "How often a streams group's member reports.";
    "group.streams.min.heartbeat.interval.ms" Int =
        Some("5000"), AtLeast(1), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "The least that a group may set its heartbeat interval to.";
    "group.streams.max.heartbeat.interval.ms" Int =
        Some("15000"), AtLeast(1), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "The most that a group may set its heartbeat interval to.";
    "group.streams.assignment.interval.ms" Int =
        Some("1000"), AtLeast(0), Medium, ClusterWide, Ignored(NoStreamsGroups);
        "The time between two assignments of a streams group.";
    "group.streams.min.assignment.interval.ms" Int =
        Some("0"), AtLeast(0), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "The least that a group may set its assignment interval to.";
    "group.streams.max.assignment.interval.ms" Int =
        Some("15000"), AtLeast(0), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "The most that a group may set its assignment interval to.";
    "group.streams.num.standby.replicas" Int =
        Some("0"), AtLeast(0), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "Standby copies of each task's state.";
    "group.streams.max.standby.replicas" Int =
        Some("2"), AtLeast(0), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "The most that a group may set its standby copies to.";
    "group.streams.initial.rebalance.delay.ms" Int =
        Some("3000"), AtLeast(0), Medium, ReadOnly, Ignored(NoStreamsGroups);
        "How long a new streams group waits for further members.";
}

broker_settings! {
    pub static TIERING;

    "remote.log.storage.system.enable" Boolean =
        Some("false"), Any, Medium, ReadOnly, Refused(NoTiering);
        "Whether tiered storage is on.";
    "remote.log.storage.manager.class.name" String =
        None, NonEmpty, Medium, ReadOnly, Refused(NoTiering);
        "The Java class that stores segments elsewhere.";
    "remote.log.storage.manager.class.path" String =
        None, Any, Medium, ReadOnly, Ignored(NoTiering);
        "Where that class is found.";
    "remote.log.storage.manager.impl.prefix" String =
        Some("rsm.config."), NonEmpty, Medium, ReadOnly, Ignored(NoTiering);
        "How the names of that class's own settings begin.";
    "remote.log.metadata.manager.class.name" String =
        Some("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"),
        NonEmpty, Medium, ReadOnly, Ignored(NoTiering);
        "The Java class that knows which segments are where.";
    "remote.log.metadata.manager.class.path" String =
        None, Any, Medium, ReadOnly, Ignored(NoTiering);
        "Where that class is found.";
    "remote.log.metadata.manager.impl.prefix" String =
        Some("rlmm.config."), NonEmpty, Medium, ReadOnly, Ignored(NoTiering);
        "How the names of that class's own settings begin.";
    "remote.log.metadata.manager.listener.name" String =
        None, NonEmpty, Medium, ReadOnly, Ignored(NoTiering);
        "The listener that that class connects to.";
    "remote.log.metadata.custom.metadata.max.bytes" Int =
        Some("128"), AtLeast(0), Low, ReadOnly, Ignored(NoTiering);
        "The most bytes a store may add to a segment's description.";
    "remote.log.index.file.cache.total.size.bytes" Long =
        Some("1073741824"), AtLeast(1), Low, ClusterWide, Ignored(NoTiering);
        "Space for indexes of remote segments.";
    "remote.log.manager.thread.pool.size" Int =
        Some("2"), AtLeast(1), Medium, ReadOnly, Ignored(NoTiering);
        "Threads for tiering.";
    "remote.log.manager.copier.thread.pool.size" Int =
        Some("10"), AtLeast(1), Medium, ClusterWide, Ignored(NoTiering);
        "Threads that copy segments out.";
    "remote.log.manager.expiration.thread.pool.size" Int =
        Some("10"), AtLeast(1), Medium, ClusterWide, Ignored(NoTiering);
        "Threads that drop remote segments.";
    "remote.log.manager.follower.thread.pool.size" Int =
        Some("2"), AtLeast(1), Medium, ClusterWide, Ignored(NoTiering);
        "Threads that follow what the leader has copied.";
    "remote.log.manager.task.interval.ms" Long =
        Some("30000"), AtLeast(1), Low, ReadOnly, Ignored(NoTiering);
        "How often tiering looks for work.";
    "remote.log.manager.copy.max.bytes.per.second" Long =
        Some("9223372036854775807"), AtLeast(1), Medium, ClusterWide, Ignored(NoTiering);
        "How fast segments are copied out.";
    "remote.log.manager.copy.quota.window.num" Int =
        Some("11"), AtLeast(1), Medium, ReadOnly, Ignored(NoTiering);
        "Windows in which that is measured.";
    "remote.log.manager.copy.quota.window.size.seconds" Int =
        Some("1"), AtLeast(1), Medium, ReadOnly, Ignored(NoTiering);
        "The length of such a window.";
    "remote.log.manager.fetch.max.bytes.per.second" Long =
        Some("9223372036854775807"), AtLeast(1), Medium, ClusterWide, Ignored(NoTiering);
        "How fast remote segments are read.";
    "remote.log.manager.fetch.quota.window.num" Int =
        Some("11"), AtLeast(1), Medium, ReadOnly, Ignored(NoTiering);
        "Windows in which that is measured.";
    "remote.log.manager.fetch.quota.window.size.seconds" Int =
        Some("1"), AtLeast(1), Medium, ReadOnly, Ignored(NoTiering);
        "The length of such a window.";
    "remote.log.reader.threads" Int =
        Some("10"), AtLeast(1), Medium, ClusterWide, Ignored(NoTiering);
        "Threads that read remote segments.";
    "remote.log.reader.max.pending.tasks" Int =
        Some("100"), AtLeast(1), Medium, ReadOnly, Ignored(NoTiering);
        "Reads of remote segments that may wait.";
    "remote.fetch.max.wait.ms" Int =
        Some("500"), AtLeast(1), Medium, ClusterWide, Ignored(NoTiering);
        "How long a fetch waits for a remote segment.";
    "remote.list.offsets.request.timeout.ms" Long =
        Some("30000"), AtLeast(1), Medium, ClusterWide, Ignored(NoTiering);
        "How long a lookup of offsets in remote segments may take.";
    "follower.fetch.last.tiered.offset.enable" Boolean =
        Some("false"), Any, Medium, ClusterWide, Ignored(NoTiering);
        "Whether a new follower starts where the local log starts.";
    "log.local.retention.bytes" Long =
        Some("-2"), AtLeast(-2), Medium, ClusterWide, Ignored(NoTiering);
        "How much of a tiered partition stays on the local disk; -2 follows retention.";
    "log.local.retention.ms" Long =
        Some("-2"), AtLeast(-2), Medium, ClusterWide, Ignored(NoTiering);
        "How long a tiered segment stays on the local disk; -2 follows retention.";
}
