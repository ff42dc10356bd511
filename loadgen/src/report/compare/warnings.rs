//! Pure: what makes two sides hard to compare.

use serde_json::Value;

use super::Side;
use super::bootstrap::BLOCKS_MIN;
use crate::report::run_report::fields;

/// Options that say where figures go, and not what was measured.
const BESIDE: [&str; 14] = [
    "out",
    "hlog",
    "json",
    "html",
    "omb_json",
    "name",
    "note",
    "format",
    "bootstrap",
    "broker_pid",
    "data_dir",
    "topic",
    "floors",
    "quiet",
];

/// What makes two sides hard to compare.
pub fn warnings(first: &Side, other: &Side) -> Vec<String> {
    let mut all = Vec::new();
    for side in [first, other] {
        if let Some(reason) = side.unfit.first() {
            let (unfit, runs) = (side.unfit.len(), side.runs);
            all.push(format!(
                "{}: {unfit} of {runs} runs unfit; {reason}",
                side.name
            ));
        }
        if side.blocks.len() < BLOCKS_MIN {
            all.push(format!(
                "{} has {} blocks; a verdict needs {BLOCKS_MIN} (run --blocks N, or several logs)",
                side.name,
                side.blocks.len()
            ));
        } else if side.cut {
            all.push(format!(
                "the blocks of {} were cut from one run: what differs from run to run, such as \
                 where a process was put in memory, is not in the interval",
                side.name
            ));
        }
    }
    if let (Some(one), Some(two)) = (first.began(), other.began())
        && first.blocks.len() + other.blocks.len() > 2
        && (one.1 < two.0 || two.1 < one.0)
    {
        all.push(
            "one side ran wholly before the other: a drift of the host looks like a difference; \
             let blocks take turns (A B B A …)"
                .to_owned(),
        );
    }
    if let (Some(one), Some(two)) = (&first.told, &other.told) {
        let settings = (one.context.settings.clone(), two.context.settings.clone());
        let hosts = (fields(&one.host), fields(&two.host));
        for (part, (one, two)) in [("settings", settings), ("host", hosts)] {
            for (key, a) in &one {
                let b = two.get(key).unwrap_or(&Value::Null);
                let beside = BESIDE.contains(&key.as_str()) || key == "load_average_at_start";
                if a != b && !beside {
                    all.push(format!("{part} differ: {key} is {a} and {b}"));
                }
            }
        }
    }
    all
}
