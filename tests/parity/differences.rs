//! Pure: where Corelane is meant to differ from Apache Kafka 4.3.1, each with its reason.
//!
//! What is named here is taken out of the answers of both before they are compared; a golden file
//! shows it as `<differs: NAME>`. (That human texts are compared only as to whether there is one
//! is no difference but part of the normalisation: their words are Corelane's own. Where single
//! steps may differ, their titles say so, with the marks of `script.rs`: a topic that is created on
//! first use is named with its leaders by the answer that waited for it, `docs/decisions/0006`.)

use crate::value::Value;

/// A difference that is meant to be.
struct Difference {
    /// What it is called.
    name: &'static str,
    /// Takes it out of a field of an API's answer, putting the given mark in its place.
    remove: fn(api: &str, field: &str, value: &mut Value, mark: Value),
}

/// The whole list.
const DIFFERENCES: &[Difference] = &[
    // Finalised features switch on protocols in clients, of which Corelane does not speak those of
    // share groups (KIP-932) and of streams groups (KIP-1071); and their epoch is the length of the
    // metadata log.
    Difference {
        name: "features",
        remove: remove_features,
    },
    // Corelane answers fewer APIs than Kafka.
    Difference {
        name: "fewer APIs",
        remove: remove_apis,
    },
    // Corelane flushes before it acknowledges unless it is told otherwise, and prepares segments
    // that are smaller: `docs/decisions/0002`.
    Difference {
        name: "default",
        remove: remove_defaults,
    },
];

/// Takes out what is meant to differ.
pub fn apply(api: &str, value: &mut Value) {
    for Difference { name, remove } in DIFFERENCES {
        let mark = Value::Atom(format!("<differs: {name}>"));
        value.each_field(&mut |field, value| remove(api, field, value, mark.clone()));
    }
}

fn remove_features(api: &str, field: &str, value: &mut Value, mark: Value) {
    let features = [
        "supported_features",
        "finalized_features",
        "finalized_features_epoch",
    ];
    if api == "ApiVersions" && features.contains(&field) {
        *value = mark;
    }
}

/// The APIs that Corelane has: those whose versions are compared. (Of WriteTxnMarkers, 27, Kafka has
/// a second version, for brokers of its own.)
const APIS: &[i16] = &[
    0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 29, 30,
    31, 32, 33, 35, 37, 42, 43, 44, 45, 46, 47, 48, 49, 55, 57, 60, 61, 65, 66, 68, 69, 71, 72, 74,
    75,
];

fn remove_apis(_api: &str, field: &str, value: &mut Value, _mark: Value) {
    let ("api_keys", Value::List(list)) = (field, value) else {
        return;
    };
    list.retain_mut(|api| {
        let key = match api.field("api_key") {
            Some(Value::Atom(key)) => key.parse().unwrap_or(-1),
            _ => -1,
        };
        APIS.contains(&key)
    });
}

/// The settings whose defaults are Corelane's own.
const DEFAULTS: &[&str] = &["flush.messages", "segment.bytes", "log.segment.bytes"];

fn remove_defaults(_api: &str, field: &str, value: &mut Value, mark: Value) {
    let ("configs", Value::List(list)) = (field, value) else {
        return;
    };
    for config in list {
        let concerned = match config.field("name") {
            Some(Value::Text(name)) => DEFAULTS.contains(&name.as_str()),
            _ => false,
        };
        for part in ["value", "synonyms"] {
            if let (true, Some(value)) = (concerned, config.field(part)) {
                *value = mark.clone();
            }
        }
    }
}
