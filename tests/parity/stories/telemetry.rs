//! Stories about the metrics of clients (KIP-714): GetTelemetrySubscriptions, PushTelemetry, and
//! the settings of subscriptions. Ids of subscriptions are each broker's own.

use bytes::Bytes;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
    IncrementalAlterConfigsRequest, PushTelemetryRequest,
};
use uuid::Uuid;

use crate::script::{Story, make, s};
use crate::value::Value;

const CLIENT_METRICS: i8 = 16;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Settings of a subscription; `None` deletes one.
type Settings<'a> = &'a [(&'a str, Option<&'a str>)];

fn subscribe(story: &mut Story, what: &str, name: &str, settings: Settings) {
    let config = |(name, value): &(&str, Option<&str>)| {
        make!(AlterableConfig {
            name: s(name),
            config_operation: if value.is_some() { SET } else { DELETE },
            value: value.map(s),
        })
    };
    let resource = make!(AlterConfigsResource {
        resource_type: CLIENT_METRICS,
        resource_name: s(name),
        configs: settings.iter().map(config).collect(),
    });
    let request = make!(IncrementalAlterConfigsRequest {
        resources: vec![resource],
    });
    story.ask(what, 1, request);
}

/// Takes out what each broker makes up.
fn forget(answer: &mut Value) {
    for field in ["client_instance_id", "subscription_id"] {
        if let Some(value) = answer.field(field) {
            *value = Value::atom("<own>");
        }
    }
}

fn get(story: &mut Story, what: &str, id: Uuid) -> Option<GetTelemetrySubscriptionsResponse> {
    let request = make!(GetTelemetrySubscriptionsRequest {
        client_instance_id: id,
    });
    story.ask_and(what, 0, request, forget)
}

/// A gauge `m` that is 1.5.
fn metrics() -> Vec<u8> {
    let wrap = |number: u8, inner: &[u8]| [&[number << 3 | 2, inner.len() as u8], inner].concat();
    let point = [&[4 << 3 | 1][..], &1.5f64.to_le_bytes()].concat();
    let metric = [wrap(1, b"m"), wrap(5, &wrap(1, &point))].concat();
    wrap(1, &wrap(2, &wrap(2, &metric)))
}

struct Push<'a> {
    subscription: i32,
    terminating: bool,
    codec: i8,
    metrics: &'a [u8],
}

fn push(story: &mut Story, what: &str, id: Uuid, push: Push) {
    let request = make!(PushTelemetryRequest {
        client_instance_id: id,
        subscription_id: push.subscription,
        terminating: push.terminating,
        compression_type: push.codec,
        metrics: Bytes::copy_from_slice(push.metrics),
    });
    story.ask(what, 0, request);
}

pub fn client_metrics(story: &mut Story) {
    let bad: &[(&str, &str, Settings)] = &[
        ("no name", "", &[("metrics", Some("m"))]),
        ("an unknown setting", "bad", &[("period", Some("1"))]),
        ("too often", "bad", &[("interval.ms", Some("99"))]),
        ("too seldom", "bad", &[("interval.ms", Some("3600001"))]),
        ("no number", "bad", &[("interval.ms", Some("x"))]),
        ("no pattern", "bad", &[("match", Some("client_id"))]),
        ("an unknown property", "bad", &[("match", Some("rack=a"))]),
        (
            "a pattern that is none",
            "bad",
            &[("match", Some("client_id=("))],
        ),
    ];
    for (what, name, settings) in bad {
        subscribe(story, what, name, settings);
    }
    // The stories' clients are called so; a client that nothing asks is asked for nothing.
    get(story, "of nothing", Uuid::from_u128(7_000));
    let settings: Settings = &[("metrics", Some("b,a,a")), ("interval.ms", Some("600"))];
    subscribe(story, "all clients", "one", settings);
    let settings: Settings = &[
        ("metrics", Some("c")),
        ("match", Some("client_id=no-such-.*")),
    ];
    subscribe(story, "some clients", "two", settings);
    story.pause(500);
    get(story, "of a new client", Uuid::nil());
    let id = Uuid::from_u128(7_001);
    let first = get(story, "of a client with an id", id).map_or(0, |it| it.subscription_id);
    get(story, "too early", id);
    let good = metrics();
    let of = |subscription: i32| Push {
        subscription,
        terminating: false,
        codec: 0,
        metrics: &good,
    };
    push(story, "at once", id, of(first));
    push(story, "too early", id, of(first));
    for (what, id) in [("without an id", 0), ("of a reserved id", 1)] {
        push(story, what, Uuid::from_u128(id), of(first));
    }
    let next = |story: &mut Story, what: &str, of: Push| {
        story.pause(700);
        push(story, what, id, of);
    };
    next(story, "of another subscription", of(first ^ 1));
    get(story, "after another subscription", id);
    next(
        story,
        "of an unknown codec",
        Push {
            codec: 9,
            ..of(first)
        },
    );
    get(story, "after an unknown codec", id);
    next(
        story,
        "of a codec below zero",
        Push {
            codec: -1,
            ..of(first)
        },
    );
    next(
        story,
        "of nothing",
        Push {
            metrics: &[],
            ..of(first)
        },
    );
    next(
        story,
        "of no metrics",
        Push {
            metrics: b"\x0b",
            ..of(first)
        },
    );
    next(
        story,
        "of no gzip",
        Push {
            codec: 1,
            ..of(first)
        },
    );
    let large = vec![0; (1 << 20) + 1];
    next(
        story,
        "of too much",
        Push {
            metrics: &large,
            ..of(first)
        },
    );
    next(story, "good", of(first));
    push(
        story,
        "the last, too early",
        id,
        Push {
            terminating: true,
            ..of(first)
        },
    );
    next(story, "after the last", of(first));
    let stranger = Uuid::from_u128(7_002);
    push(story, "of a stranger", stranger, of(first));
    for (what, name) in [
        ("all clients no more", "one"),
        ("some clients no more", "two"),
    ] {
        let settings: Settings = &[("metrics", None), ("interval.ms", None), ("match", None)];
        subscribe(story, what, name, settings);
    }
    story.pause(500);
    get(story, "of nothing again", id);
}
