//! Pure: broker settings: SASL logins.

use crate::base::config::table::broker_settings;

broker_settings! {
    /// Rows as in Kafka 4.3 (`AbstractKafkaConfig`).
    pub static SASL;

    "sasl.enabled.mechanisms" List = Some("GSSAPI"), Items { of: &[], may_be_empty: true }, Medium,
        PerBroker, Refused(NoSecurity);
        "SASL mechanisms that are on.";
    "sasl.mechanism.inter.broker.protocol" String = Some("GSSAPI"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "The mechanism that brokers use among themselves.";
    "sasl.mechanism.controller.protocol" String = Some("GSSAPI"), Any, High, ReadOnly,
        Refused(NoSecurity);
        "The mechanism that brokers use towards controllers.";
    "sasl.jaas.config" Password = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "Java login settings.";
    "sasl.client.callback.handler.class" Class = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that answers for the client side.";
    "sasl.server.callback.handler.class" Class = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that checks logins.";
    "sasl.server.max.receive.size" Int = Some("524288"), Any, Medium, ReadOnly, Refused(NoSecurity);
        "The largest message during a login.";
    "sasl.login.class" Class = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that logs in.";
    "sasl.login.callback.handler.class" Class = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that answers during a login.";
    "sasl.login.connect.timeout.ms" Int = None, Any, Low, ReadOnly, Refused(NoSecurity);
        "How long connecting to an identity provider may take.";
    "sasl.login.read.timeout.ms" Int = None, Any, Low, ReadOnly, Refused(NoSecurity);
        "How long an identity provider may take to answer.";
    "sasl.login.refresh.buffer.seconds" Short = Some("300"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "How long before it ends a login is renewed.";
    "sasl.login.refresh.min.period.seconds" Short = Some("60"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "The least time between renewals.";
    "sasl.login.refresh.window.factor" Double = Some("0.8"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "After which share of its life a login is renewed.";
    "sasl.login.refresh.window.jitter" Double = Some("0.05"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "How much that share varies at random.";
    "sasl.login.retry.backoff.ms" Long = Some("100"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The first pause after a failed login.";
    "sasl.login.retry.backoff.max.ms" Long = Some("10000"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The longest pause after a failed login.";
    "sasl.kerberos.kinit.cmd" String = Some("/usr/bin/kinit"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "The Kerberos `kinit` command.";
    "sasl.kerberos.min.time.before.relogin" Long = Some("60000"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "How long a ticket renewer sleeps between looks, in milliseconds.";
    "sasl.kerberos.principal.to.local.rules" List = Some("DEFAULT"),
        Items { of: &[], may_be_empty: true }, Medium, PerBroker, Refused(NoSecurity);
        "How Kerberos principals become user names.";
    "sasl.kerberos.service.name" String = None, Any, Medium, PerBroker, Refused(NoSecurity);
        "The Kerberos name of this service.";
    "sasl.kerberos.ticket.renew.jitter" Double = Some("0.05"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "How much the renewal time varies at random.";
    "sasl.kerberos.ticket.renew.window.factor" Double = Some("0.8"), Any, Medium, PerBroker,
        Refused(NoSecurity);
        "After which share of its life a ticket is renewed.";
    "sasl.oauthbearer.assertion.algorithm" String = Some("RS256"),
        OneOfAnyCase(&["ES256", "RS256"]), Medium, ReadOnly, Refused(NoSecurity);
        "The algorithm that signs assertions.";
    "sasl.oauthbearer.assertion.claim.aud" String = None, Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "The audience that an assertion names.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" Int = Some("300"), Between(0, 86400), Low,
        ReadOnly, Refused(NoSecurity);
        "How long an assertion lasts.";
    "sasl.oauthbearer.assertion.claim.iss" String = None, Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "The issuer that an assertion names.";
    "sasl.oauthbearer.assertion.claim.jti.include" Boolean = Some("false"), Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "Whether an assertion carries an id of its own.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" Int = Some("60"), Between(0, 3600), Low,
        ReadOnly, Refused(NoSecurity);
        "How far back an assertion is already valid.";
    "sasl.oauthbearer.assertion.claim.sub" String = None, Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "The subject that an assertion names.";
    "sasl.oauthbearer.assertion.file" String = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "A file with a finished assertion.";
    "sasl.oauthbearer.assertion.private.key.file" String = None, Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "The key that signs assertions.";
    "sasl.oauthbearer.assertion.private.key.passphrase" Password = None, Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "The passphrase of that key.";
    "sasl.oauthbearer.assertion.template.file" String = None, Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "A template for assertions.";
    "sasl.oauthbearer.client.credentials.client.id" String = None, Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "The client id shown to the identity provider.";
    "sasl.oauthbearer.client.credentials.client.secret" Password = None, Any, Medium, ReadOnly,
        Refused(NoSecurity);
        "The client secret shown to the identity provider.";
    "sasl.oauthbearer.clock.skew.seconds" Int = Some("30"), Any, Low, ReadOnly, Refused(NoSecurity);
        "How far clocks may differ.";
    "sasl.oauthbearer.expected.audience" List = Some(""), Items { of: &[], may_be_empty: true },
        High, ReadOnly, Refused(NoSecurity);
        "Audiences that a token may name.";
    "sasl.oauthbearer.expected.issuer" String = None, Any, High, ReadOnly, Refused(NoSecurity);
        "The issuer that a token must name.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long = Some("3600000"), Any, Low, ReadOnly,
        Refused(NoSecurity);
        "How often the identity provider's keys are fetched.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long = Some("100"), Any, Low, ReadOnly,
        Refused(NoSecurity);
        "The first pause after such a fetch has failed.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long = Some("10000"), Any, Low, ReadOnly,
        Refused(NoSecurity);
        "The longest pause after such a fetch has failed.";
    "sasl.oauthbearer.jwks.endpoint.url" String = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "Where the identity provider's keys are.";
    "sasl.oauthbearer.jwt.retriever.class" Class =
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
        Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that fetches tokens.";
    "sasl.oauthbearer.jwt.validator.class" Class =
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"),
        Any, Medium, ReadOnly, Refused(NoSecurity);
        "A Java class that checks tokens.";
    "sasl.oauthbearer.scope" String = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "The scope asked of the identity provider.";
    "sasl.oauthbearer.scope.claim.name" String = Some("scope"), Any, Low, ReadOnly,
        Refused(NoSecurity);
        "The claim that holds a token's scope.";
    "sasl.oauthbearer.sub.claim.name" String = Some("sub"), Any, Low, ReadOnly, Refused(NoSecurity);
        "The claim that holds a token's subject.";
    "sasl.oauthbearer.token.endpoint.url" String = None, Any, Medium, ReadOnly, Refused(NoSecurity);
        "Where the identity provider hands out tokens.";
}
