//! Stories about quotas: DescribeClientQuotas, AlterClientQuotas. (What is no number, which Kafka
//! stores and Corelane refuses, is not asked for, nor are names that a name server must be asked.)

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use crate::script::{Story, make, s};

/// Kinds with names; `None` for all others.
type Entity<'a> = &'a [(&'a str, Option<&'a str>)];
/// Limits with their values; `None` removes one.
type Ops<'a> = &'a [(&'a str, Option<f64>)];

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

/// The steps whose effect the next ones look at.
const SEEN: [&str; 4] = [
    "some, only checked",
    "some",
    "a good and a bad entity",
    "all removed",
];

const PRODUCER: &str = "producer_byte_rate";
const CONSUMER: &str = "consumer_byte_rate";
const REQUEST: &str = "request_percentage";
const CONNECTIONS: &str = "connection_creation_rate";

fn entry(entity: Entity, ops: Ops) -> EntryData {
    let part = |(kind, name): &(&str, Option<&str>)| {
        make!(EntityData {
            entity_type: s(kind),
            entity_name: name.map(s),
        })
    };
    let op = |(key, value): &(&str, Option<f64>)| {
        make!(OpData {
            key: s(key),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        })
    };
    make!(EntryData {
        entity: entity.iter().map(part).collect(),
        ops: ops.iter().map(op).collect(),
    })
}

fn alter(story: &mut Story, what: &str, v: i16, only_check: bool, entries: Vec<EntryData>) {
    let request = make!(AlterClientQuotasRequest {
        entries: entries,
        validate_only: only_check,
    });
    story.ask(what, v, request);
    // What was accepted takes a moment to be seen; the whole of it is seen at once.
    if SEEN.contains(&what) {
        story.pause(500);
    }
}

/// A filter: kind, way to match, name.
type Components<'a> = &'a [(&'a str, i8, Option<&'a str>)];

fn describe(story: &mut Story, what: &str, v: i16, strict: bool, components: Components) {
    let component = |(kind, how, name): &(&str, i8, Option<&str>)| {
        make!(ComponentData {
            entity_type: s(kind),
            match_type: *how,
            _match: name.map(s),
        })
    };
    let request = make!(DescribeClientQuotasRequest {
        components: components.iter().map(component).collect(),
        strict: strict,
    });
    story.ask(what, v, request);
}

pub fn client_quotas(story: &mut Story) {
    story.versions(0..=1, |story, v| {
        let all: &[(Entity, Ops)] = &[
            (
                &[("user", Some("a"))],
                &[(PRODUCER, Some(1000.0)), (REQUEST, Some(12.5))],
            ),
            (&[("user", None)], &[(CONSUMER, Some(7.0))]),
            (
                &[("client-id", Some("c"))],
                &[("controller_mutation_rate", Some(0.5))],
            ),
            (
                &[("client-id", Some("c")), ("user", Some("a"))],
                &[(PRODUCER, Some(5.0))],
            ),
            (
                &[("client-id", None), ("user", None)],
                &[(PRODUCER, Some(6.0))],
            ),
            (&[("ip", Some("10.0.0.1"))], &[(CONNECTIONS, Some(3.0))]),
            (&[("ip", Some("::1"))], &[(CONNECTIONS, Some(4.0))]),
            (&[("ip", None)], &[(CONNECTIONS, Some(5.0))]),
        ];
        let entries = || all.iter().map(|(entity, ops)| entry(entity, ops)).collect();
        alter(story, "some, only checked", v, true, entries());
        describe(story, "after a check", v, false, &[]);
        alter(story, "some", v, false, entries());
        let a = Some("a");
        let filters: &[(&str, Components)] = &[
            ("all", &[]),
            ("a user", &[("user", EXACT, a)]),
            ("all other users", &[("user", DEFAULT, None)]),
            ("any user", &[("user", SPECIFIED, None)]),
            ("any client", &[("client-id", SPECIFIED, None)]),
            (
                "a user's any client",
                &[("user", EXACT, a), ("client-id", SPECIFIED, None)],
            ),
            ("an address", &[("ip", EXACT, Some("10.0.0.1"))]),
            ("any address", &[("ip", SPECIFIED, None)]),
            ("an unknown user", &[("user", EXACT, Some("nobody"))]),
        ];
        for (what, components) in filters {
            describe(story, what, v, false, components);
            describe(story, &format!("{what}, strictly"), v, true, components);
        }
        let bad: &[(&str, Components)] = &[
            ("no kind", &[("", EXACT, a)]),
            ("an unknown kind", &[("rack", EXACT, a)]),
            (
                "a kind twice",
                &[("user", EXACT, a), ("user", SPECIFIED, None)],
            ),
            ("exactly nothing", &[("user", EXACT, None)]),
            ("a default with a name", &[("user", DEFAULT, a)]),
            ("any with a name", &[("user", SPECIFIED, a)]),
            ("an unknown way to match", &[("user", 3, None)]),
            (
                "an address and a user",
                &[("ip", SPECIFIED, None), ("user", EXACT, a)],
            ),
        ];
        for (what, components) in bad {
            describe(story, what, v, false, components);
        }
        refusals(story, v);
        let gone: Vec<EntryData> = all
            .iter()
            .map(|(entity, ops)| {
                let ops: Vec<_> = ops.iter().map(|(key, _)| (*key, None)).collect();
                entry(entity, &ops)
            })
            .collect();
        alter(story, "all removed", v, false, gone.clone());
        alter(story, "all removed again", v, false, gone);
        describe(story, "after all were removed", v, false, &[]);
    });
}

fn refusals(story: &mut Story, v: i16) {
    let user: Entity = &[("user", Some("refused"))];
    let good: Ops = &[(PRODUCER, Some(1.0))];
    let bad: &[(&str, Entity, Ops)] = &[
        ("of no entity", &[], good),
        ("of an unknown kind", &[("rack", Some("a"))], good),
        ("of a user without a name", &[("user", Some(""))], good),
        (
            "of a user's address",
            &[("user", Some("a")), ("ip", Some("10.0.0.1"))],
            good,
        ),
        (
            "of an address that is none",
            &[("ip", Some("1.2.3.4.5"))],
            &[(CONNECTIONS, Some(1.0))],
        ),
        (
            "of connections of a user",
            user,
            &[(CONNECTIONS, Some(1.0))],
        ),
        ("of bytes of an address", &[("ip", None)], good),
        ("of an unknown limit", user, &[("no_such_rate", Some(1.0))]),
        (
            "of an unknown limit, removed",
            user,
            &[("no_such_rate", None)],
        ),
        ("of zero", user, &[(PRODUCER, Some(0.0))]),
        ("below zero", user, &[(REQUEST, Some(-1.0))]),
        ("of a part of a byte", user, &[(PRODUCER, Some(1.5))]),
        (
            "of almost a whole byte",
            user,
            &[(PRODUCER, Some(2.0 + 1e-7))],
        ),
        ("of too many bytes", user, &[(PRODUCER, Some(1e19))]),
        (
            "of endlessly many bytes",
            user,
            &[(PRODUCER, Some(f64::INFINITY))],
        ),
        ("of endless time", user, &[(REQUEST, Some(f64::INFINITY))]),
        (
            "of too many connections",
            &[("ip", None)],
            &[(CONNECTIONS, Some(2147483648.0))],
        ),
        (
            "of parts of connections",
            &[("ip", None)],
            &[(CONNECTIONS, Some(0.5))],
        ),
        (
            "of the same limit twice",
            user,
            &[(CONSUMER, Some(1.0)), (CONSUMER, Some(2.0))],
        ),
        (
            "of a kind twice",
            &[("user", Some("x")), ("user", Some("refused"))],
            good,
        ),
        ("of nothing", user, &[]),
        (
            "good and bad",
            user,
            &[(CONSUMER, Some(9.0)), (PRODUCER, Some(0.0))],
        ),
    ];
    for (what, entity, ops) in bad {
        alter(story, what, v, false, vec![entry(entity, ops)]);
    }
    alter(story, "none", v, false, Vec::new());
    let twice = vec![
        entry(user, &[(CONSUMER, Some(11.0))]),
        entry(user, &[(CONSUMER, Some(12.0))]),
    ];
    alter(story, "an entity twice", v, false, twice);
    let mixed = vec![
        entry(&[("user", Some("mixed"))], &[(CONSUMER, Some(11.0))]),
        entry(user, &[(PRODUCER, Some(0.5))]),
    ];
    alter(story, "a good and a bad entity", v, false, mixed);
    describe(
        story,
        "after refusals",
        v,
        false,
        &[("user", SPECIFIED, None)],
    );
    let clear = vec![
        entry(&[("user", Some("mixed"))], &[(CONSUMER, None)]),
        entry(user, &[(CONSUMER, None), (PRODUCER, None), (REQUEST, None)]),
    ];
    alter(story, "cleared", v, false, clear);
}
