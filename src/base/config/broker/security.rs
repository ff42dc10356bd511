//! Pure: broker settings: authorisation, TLS and delegation tokens.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static SECURITY;

    "authorizer.class.name" String = Some(""), Any, Low, ReadOnly, Refused(NoAuthorizer);
        "The Java class that decides who may do what.";
    "principal.builder.class" Class =
        Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"),
        Any, Medium, PerBroker, Refused(Jvm);
        "The Java class that names the user of a connection.";
    "connection.failed.authentication.delay.ms" Int = Some("100"), AtLeast(0), Low, ReadOnly,
        Refused(NoSecurity);
        "How long a failed login waits for its answer.";
    "connections.max.reauth.ms" Long = Some("0"), Any, Medium, ReadOnly, Refused(NoSecurity);
        "After how long a client must log in again.";
    "security.providers" String = None, Any, Low, ReadOnly, Refused(Jvm);
        "Java classes that provide security algorithms.";
    "delegation.token.secret.key" Password = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The secret that signs delegation tokens.";
    "delegation.token.expiry.check.interval.ms" Long = Some("3600000"), AtLeast(1), Low, ReadOnly,
        Refused(NoSecurity);
        "How often expired tokens are looked for.";
    "delegation.token.expiry.time.ms" Long = Some("86400000"), AtLeast(1), Medium, ReadOnly,
        Refused(NoSecurity);
        "How long a token lasts unless renewed.";
    "delegation.token.max.lifetime.ms" Long = Some("604800000"), AtLeast(1), Medium, ReadOnly,
        Refused(NoSecurity);
        "How long a token lasts at most.";
    "ssl.allow.dn.changes" Boolean = Some("false"), Any, Low, ReadOnly, Refused(NoSecurity);
        "Whether a new key store may name another subject.";
    "ssl.allow.san.changes" Boolean = Some("false"), Any, Low, ReadOnly, Refused(NoSecurity);
        "Whether a new key store may name other hosts.";
    "ssl.cipher.suites" List = Some(""), Items { of: &[], may_be_empty: true }, Medium, PerBroker,
        Refused(NoSecurity);
        "Cipher suites that are on.";
    "ssl.client.auth" String = Some("none"), OneOf(&["required", "requested", "none"]), Medium,
        PerBroker, Refused(NoSecurity);
        "Whether clients must show a certificate.";
    "ssl.enabled.protocols" List = Some("TLSv1.2,TLSv1.3"), Items { of: &[], may_be_empty: true },
        Medium, PerBroker, Refused(NoSecurity);
        "TLS versions that are on.";
    "ssl.endpoint.identification.algorithm" String = Some("https"), Any, Low, PerBroker,
        Refused(NoSecurity);
        "How host names are checked against certificates.";
    "ssl.engine.factory.class" Class = None, Any, Low, PerBroker, Refused(NoSecurity);
        "A Java class that makes TLS engines.";
    "ssl.key.password" Password = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The password of the private key.";
    "ssl.keymanager.algorithm" String = Some("SunX509"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "The Java algorithm for keys.";
    "ssl.keystore.certificate.chain" Password = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The certificate chain as PEM text.";
    "ssl.keystore.key" Password = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The private key as PEM text.";
    "ssl.keystore.location" String = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The file with the key and its certificate.";
    "ssl.keystore.password" Password = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The password of that file.";
    "ssl.keystore.type" String = Some("JKS"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The format of that file.";
    "ssl.principal.mapping.rules" String = Some("DEFAULT"), Any, Low, ReadOnly, Refused(NoSecurity);
        "How a certificate's subject becomes a user name.";
    "ssl.protocol" String = Some("TLSv1.3"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The newest TLS version.";
    "ssl.provider" String = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The Java provider of TLS.";
    "ssl.secure.random.implementation" String = None, Any, Low, PerBroker, Refused(NoSecurity);
        "The Java source of random numbers.";
    "ssl.trustmanager.algorithm" String = Some("PKIX"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The Java algorithm for trust.";
    "ssl.truststore.certificates" Password = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "Trusted certificates as PEM text.";
    "ssl.truststore.location" String = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The file with trusted certificates.";
    "ssl.truststore.password" Password = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The password of that file.";
    "ssl.truststore.type" String = Some("JKS"), Any, Medium, PerBroker, Refused(NoSecurity);
        "The format of that file.";
}
