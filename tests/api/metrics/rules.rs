//! The alert rules and the dashboard name only what the broker exports.

use corelane_testing::exposition::value;
use serde_json::Value;

use super::{broker, page, read, traffic};
use crate::HERE;

/// Names of metrics in an expression of PromQL, and the values that it asks of their labels.
fn named(expression: &str) -> Vec<(String, Vec<(String, String)>)> {
    let is_part = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_' || symbol == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find(is_part) {
        let word = &rest[at..];
        let end = word.find(|symbol| !is_part(symbol)).unwrap_or(word.len());
        let (name, behind) = word.split_at(end);
        rest = behind;
        if !name.starts_with("corelane_") && !name.starts_with("process_") {
            // What is in quotes is no name.
            if let Some(quoted) = rest.strip_prefix("=\"").or(rest.strip_prefix("=~\"")) {
                rest = quoted.split_once('"').map_or("", |(_, behind)| behind);
            }
            continue;
        }
        let mut labels = Vec::new();
        if let Some((inner, behind)) = rest.strip_prefix('{').and_then(|it| it.split_once('}')) {
            rest = behind;
            for matcher in inner.split(',') {
                if let Some((label, value)) = matcher.split_once('=') {
                    let label = label.trim_end_matches('!');
                    let values = value.trim_start_matches('~').trim_matches('"').split('|');
                    labels.extend(values.map(|value| (label.to_owned(), value.to_owned())));
                }
            }
        }
        found.push((name.to_owned(), labels));
    }
    found
}

/// Every expression under a key called `expr`, wherever it stands.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "expr" => found.push(text.clone()),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|one| expressions(one, found)),
        _ => {}
    }
}

/// Labels that Prometheus gives each series, and those that only a real fault gives a value.
fn is_given_later(label: &str, value: &str) -> bool {
    ["job", "instance"].contains(&label) || value.contains('$') || label == "error"
}

#[test]
fn alerts_and_the_dashboard_name_what_the_broker_exports() {
    let dir = HERE.data_dir();
    let (broker, admin) = broker(dir.path());
    traffic(&broker);
    let page = page(admin);
    let rules: Value = serde_saphyr::from_str(&read("tuning/alerts.yml")).expect("YAML");
    let dashboard: Value = serde_json::from_str(&read("tuning/dashboard.json")).expect("JSON");
    for (file, content, least) in [
        ("alerts.yml", &rules, 15),
        ("dashboard.json", &dashboard, 15),
    ] {
        let mut all = Vec::new();
        expressions(content, &mut all);
        assert!(all.len() >= least, "{file} has {} expressions", all.len());
        for expression in &all {
            let names = named(expression);
            assert!(
                !names.is_empty() || expression.starts_with("up{"),
                "{file}: no metric in {expression}"
            );
            for (name, labels) in names {
                assert!(
                    value(&page, &name, &[]).is_some(),
                    "{file}: no {name}, in {expression}"
                );
                for (label, asked) in labels {
                    assert!(
                        is_given_later(&label, &asked)
                            || value(&page, &name, &[(&label, &asked)]).is_some(),
                        "{file}: no {name} with {label}={asked}, in {expression}"
                    );
                }
            }
        }
    }
    let groups = rules["groups"].as_array().expect("groups of rules");
    for rule in groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
    {
        let name = rule["alert"].as_str().expect("a name");
        for what in ["summary", "description"] {
            assert!(
                rule["annotations"][what].is_string(),
                "{name} has no {what}"
            );
        }
        assert!(
            rule["labels"]["severity"].is_string(),
            "{name} has no severity"
        );
    }
    broker.stop();
}

#[test]
fn names_are_found_in_expressions() {
    let found = named(
        "sum by (api) (rate(corelane_a_total{api=\"corelane_x\",job=~\"$job\"}[5m])) / process_b > 0",
    );
    let labels = vec![
        ("api".to_owned(), "corelane_x".to_owned()),
        ("job".to_owned(), "$job".to_owned()),
    ];
    assert_eq!(
        found,
        [
            ("corelane_a_total".to_owned(), labels),
            ("process_b".to_owned(), Vec::new())
        ]
    );
}
