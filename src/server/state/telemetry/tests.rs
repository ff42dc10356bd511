//! Pure: clients that ask and push, and those that do it too often or too much.

use super::*;

const NOW: WallMs = 1_000_000;

fn client(id: u128) -> Client {
    let text = |text: &str| text.to_owned();
    Client {
        instance: Uuid::from_u128(id),
        from: ([127, 0, 0, 1], 1000).into(),
        facts: ["id", "app-1", "java", "4.3.1", "127.0.0.1", "1000"]
            .map(text)
            .into(),
    }
}

fn subscribed(list: &[(&str, &[(&str, &str)])]) -> Telemetry {
    let mut telemetry = Telemetry::default();
    let one = |(name, settings): &(&str, &[(&str, &str)])| {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let settings: Overrides = Arc::new(settings.iter().map(pair).collect());
        let subscription = Rc::new(Subscription::of(&settings));
        (Arc::from(*name), (settings, subscription))
    };
    telemetry.subscribe(Rc::new(list.iter().map(one).collect()));
    telemetry
}

fn push(subscription: i32) -> Push {
    Push {
        subscription,
        terminating: false,
        has_known_codec: true,
        is_too_large: false,
    }
}

fn samples(count: usize) -> Samples {
    let sample = |at: usize| Sample {
        name: format!("{at:0>200}"),
        value: at as f64,
    };
    Samples {
        list: (0..count).map(sample).collect(),
        left_out: 0,
    }
}

#[test]
fn a_client_is_asked_for_what_matches_it() {
    let mut telemetry = subscribed(&[
        ("a", &[("metrics", "org.a,org.b"), ("interval.ms", "5000")]),
        (
            "b",
            &[("metrics", "org.b,org.c"), ("match", "client_id=app-.*")],
        ),
        ("c", &[("metrics", "org.d"), ("match", "client_id=app")]),
        (
            "d",
            &[
                ("metrics", "*"),
                ("match", "client_id=.*,client_software_version=3.*"),
            ],
        ),
    ]);
    let asked = telemetry.get(client(1), NOW).unwrap();
    assert_eq!(asked.metrics, ["org.a", "org.b", "org.c"]);
    assert_eq!(asked.interval_ms, 5000);
    let other = telemetry.get(client(2), NOW).unwrap();
    assert_ne!(other.id, asked.id, "ids differ by instance");
    let mut all = subscribed(&[("a", &[("metrics", "x,*")]), ("b", &[("metrics", "y")])]);
    assert_eq!(all.get(client(1), NOW).unwrap().metrics, ["*"]);
    let nothing = Telemetry::default().get(client(1), NOW).unwrap();
    assert!(nothing.metrics.is_empty() && nothing.interval_ms == 300_000);
}

#[test]
fn who_comes_too_early_is_told_so() {
    let mut telemetry = subscribed(&[("a", &[("metrics", "*"), ("interval.ms", "1000")])]);
    let id = telemetry.get(client(1), NOW).unwrap().id;
    assert_eq!(
        telemetry.get(client(1), NOW + 999),
        Err(TelemetryError::TooEarly)
    );
    assert_eq!(telemetry.push(client(1), push(id), NOW + 1), Ok(()));
    let early = telemetry.push(client(1), push(id), NOW + 1000);
    assert_eq!(early, Err(TelemetryError::TooEarly));
    assert_eq!(telemetry.push(client(1), push(id), NOW + 1001), Ok(()));
    let last = Push {
        terminating: true,
        ..push(id)
    };
    assert_eq!(telemetry.push(client(1), last, NOW + 1002), Ok(()));
    let after = telemetry.push(client(1), push(id), NOW + 9000);
    assert_eq!(after, Err(TelemetryError::Terminated));
    // On another connection it is a new client.
    let from = ([127, 0, 0, 1], 2000).into();
    assert!(
        telemetry
            .get(Client { from, ..client(1) }, NOW + 9001)
            .is_ok()
    );
}

#[test]
fn what_is_wrong_with_a_push_is_said() {
    let mut telemetry = subscribed(&[("a", &[("metrics", "*"), ("interval.ms", "100")])]);
    let id = telemetry.get(client(1), NOW).unwrap().id;
    let mut at = NOW;
    let mut ask = |push: Push| {
        at += 100;
        telemetry.push(client(1), push, at)
    };
    assert_eq!(ask(push(id + 1)), Err(TelemetryError::UnknownSubscription));
    let codec = Push {
        has_known_codec: false,
        ..push(id)
    };
    assert_eq!(ask(codec), Err(TelemetryError::UnknownCodec));
    let large = Push {
        is_too_large: true,
        ..push(id)
    };
    assert_eq!(ask(large), Err(TelemetryError::TooLarge));
    assert_eq!(ask(push(id)), Ok(()));
    let unknown = telemetry.push(client(1), push(id + 1), at + 100);
    assert_eq!(unknown, Err(TelemetryError::UnknownSubscription));
    // It must ask anew, and may at once, but not again and again.
    assert!(telemetry.get(client(1), at + 100).is_ok());
    let again = telemetry.get(client(1), at + 101);
    assert_eq!(again, Err(TelemetryError::TooEarly));
    telemetry.subscribe(Rc::default());
    let old = telemetry.push(client(1), push(id), at + 1);
    assert_eq!(old, Err(TelemetryError::UnknownSubscription));
}

#[test]
fn instances_and_what_they_push_are_bounded() {
    let mut telemetry = subscribed(&[("a", &[("metrics", "*"), ("interval.ms", "100")])]);
    for id in 0..100 + limits::TELEMETRY_INSTANCES_MAX as u128 {
        telemetry.get(client(id), NOW).unwrap();
        telemetry.keep(
            Uuid::from_u128(id),
            samples(limits::TELEMETRY_SAMPLES_MAX),
            NOW,
        );
    }
    assert_eq!(telemetry.count(), limits::TELEMETRY_INSTANCES_MAX);
    assert_eq!(telemetry.order.len(), telemetry.count());
    let kept = |telemetry: &Telemetry| {
        let kept = telemetry.instances.values().map(|it| kept_bytes(&it.kept));
        kept.sum::<usize>()
    };
    assert_eq!(kept(&telemetry), telemetry.kept_bytes);
    assert!(telemetry.kept_bytes <= limits::TELEMETRY_KEPT_BYTES_MAX);
    let newest = telemetry.newest(NOW);
    assert_eq!(
        newest.last().unwrap().samples.list.len(),
        limits::TELEMETRY_SAMPLES_MAX
    );
    // In time all are forgotten.
    assert!(telemetry.newest(NOW + SILENT_MS + 1).is_empty());
    assert_eq!((telemetry.count(), telemetry.kept_bytes), (0, 0));
}
