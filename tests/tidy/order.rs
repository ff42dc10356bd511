//! Drives: the order of the arrows inside a room and inside a crate.

use super::source::product;
use super::uses::graphs;

/// Folders and their parts, in the order of the arrows: each part may use those before it, never
/// one behind.
const ORDER: &[(&str, &[&str])] = &[
    (
        "src/commands",
        &["adopt", "check", "pages", "cli", "format", "serve"],
    ),
    (
        "src/server",
        &[
            "loggers",
            "session",
            "start",
            "formatted",
            "guarantee",
            "health",
            "lag",
            "guests",
            "move_numbers",
            "scrape",
            "client_metrics",
            "admin",
            "control",
            "state",
            "api",
            "connection",
            "housekeeping",
            "node",
            "bring_up",
        ],
    ),
    (
        "src/server/api",
        &[
            "authorizer",
            "outlet",
            "spares",
            "refused",
            "errors",
            "context",
            "client",
            "reply",
            "forward",
            "call",
            "row",
            "steps",
            "called",
            "groups",
            "offsets",
            "transactions",
            "records",
            "security",
            "clients",
            "cluster",
            "topics",
            "table",
        ],
    ),
    (
        "src/server/connection",
        &[
            "receive", "lifetime", "slot", "queue", "hub", "desk", "dispatch", "reader", "writer",
            "serve", "list",
        ],
    ),
    (
        "loadgen/src",
        &["load", "options", "measure", "report", "run", "cli"],
    ),
];

#[test]
fn parts_use_only_what_stands_before_them() {
    let graphs = graphs();
    let mut broken = Vec::new();
    for (folder, order) in ORDER {
        let place = |part: &str| order.iter().position(|known| *known == part);
        for source in product() {
            let below = source.path.strip_prefix(folder);
            let Some(below) = below.and_then(|path| path.strip_prefix('/')) else {
                continue;
            };
            let part = below.split('/').next().unwrap_or_default();
            let part = part.trim_end_matches(".rs");
            if !["mod", "main", "lib"].contains(&part) && place(part).is_none() {
                broken.push(format!("{}: has no place in the order", source.path));
            }
        }
        for (part, used) in &graphs[*folder] {
            let behind = |other: &&String| place(other) > place(part);
            for other in used.iter().filter(behind) {
                broken.push(format!("{folder}/{part} uses {other}"));
            }
        }
    }
    super::report("an arrow runs back", &broken);
}
