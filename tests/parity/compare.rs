//! Pure: golden text of a story, and what differs between two of them.
//!
//! A step begins with `== API: what was asked`; a line `-- v3-5` says for which versions the
//! answer below it holds.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::script::{OR_AS_NEXT, OR_CLOSED, OR_UNSUPPORTED, Step, UNANSWERED};

/// Answers by step and version; the steps are numbered in the order in which they were told.
type Answers = BTreeMap<(usize, String), Vec<(Option<i16>, String)>>;

/// A story as golden text.
pub fn golden(steps: &[Step]) -> String {
    let mut out = String::new();
    for ((_, title), versions) in by_title(steps) {
        let _ = writeln!(out, "== {title}");
        for (label, answer) in grouped(&versions) {
            let _ = write!(out, "{label}{answer}");
        }
        out.push('\n');
    }
    out
}

/// How the steps that were played differ from a golden text, to be read by people.
pub fn differences(golden: &str, steps: &[Step]) -> Vec<String> {
    let mut expected = read(golden);
    let mut out = Vec::new();
    let mut played = by_title(steps).into_iter().peekable();
    while let Some(((_, title), versions)) = played.next() {
        let wanted = expected.remove(&title).unwrap_or_default();
        let next = played.peek().and_then(|((_, next), _)| expected.get(next));
        let is_next = |version, got: &String| {
            let mut next = next.into_iter().flatten();
            next.any(|(one, text)| *one == version && text == got)
        };
        for (version, _) in &wanted {
            if !versions.iter().any(|(one, _)| one == version) {
                out.push(format!(
                    "== {title}\n(was not played at version {version:?})\n"
                ));
            }
        }
        let pairs: Vec<_> = versions
            .into_iter()
            .map(|(version, got)| {
                let want = wanted.iter().find(|(one, _)| *one == version);
                let want = want.map_or("nothing: there is no such step\n", |(_, text)| text);
                let fine = if title.ends_with(UNANSWERED) {
                    got != "no answer\n"
                } else {
                    want == got
                        || title.ends_with(OR_CLOSED) && got == "connection closed\n"
                        || title.ends_with(OR_AS_NEXT) && is_next(version, &got)
                        || title.ends_with(OR_UNSUPPORTED) && got.contains("35 UnsupportedVersion")
                };
                (
                    version,
                    if fine {
                        String::new()
                    } else {
                        side_by_side(want, &got)
                    },
                )
            })
            .collect();
        for (label, difference) in grouped(&pairs) {
            if !difference.is_empty() {
                out.push(format!("== {title}\n{label}{difference}"));
            }
        }
    }
    out.extend(
        expected
            .keys()
            .map(|title| format!("== {title}\n(was not played)\n")),
    );
    out
}

/// A line-by-line comparison: `-` expected, `+` got; long equal stretches are left out.
fn side_by_side(want: &str, got: &str) -> String {
    let (want, got): (Vec<_>, Vec<_>) = (want.lines().collect(), got.lines().collect());
    let lines = edit_script(&want, &got);
    let near = |i: usize| {
        lines[i.saturating_sub(3)..lines.len().min(i + 4)]
            .iter()
            .any(|(mark, _)| *mark != ' ')
    };
    let mut out = String::new();
    if want == got {
        let _ = writeln!(out, "! {}", got.join("\n! "));
    }
    for (i, (mark, line)) in lines.iter().enumerate() {
        if near(i) {
            let _ = writeln!(out, "{mark} {line}");
        } else if i == 0 || near(i - 1) {
            out.push_str("  …\n");
        }
    }
    out
}

/// The shortest edit from one text to the other, by longest common subsequence.
fn edit_script<'a>(want: &[&'a str], got: &[&'a str]) -> Vec<(char, &'a str)> {
    let mut common = vec![vec![0; got.len() + 1]; want.len() + 1];
    for i in (0..want.len()).rev() {
        for j in (0..got.len()).rev() {
            common[i][j] = match want[i] == got[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < want.len() || j < got.len() {
        if i < want.len() && j < got.len() && want[i] == got[j] {
            out.push((' ', want[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < want.len() && (j == got.len() || common[i + 1][j] >= common[i][j + 1]) {
            out.push(('-', want[i]));
            i += 1;
        } else {
            out.push(('+', got[j]));
            j += 1;
        }
    }
    out
}

fn by_title(steps: &[Step]) -> Answers {
    let mut titles: Vec<&str> = Vec::new();
    let mut out = Answers::new();
    for step in steps {
        let number = titles
            .iter()
            .position(|one| *one == step.title)
            .unwrap_or_else(|| {
                titles.push(&step.title);
                titles.len() - 1
            });
        let answers = out.entry((number, step.title.clone())).or_default();
        answers.push((step.version, step.answer.clone()));
    }
    out
}

/// Neighbouring versions with the same text become one, under a line that names them.
fn grouped(versions: &[(Option<i16>, String)]) -> Vec<(String, &str)> {
    let mut out: Vec<(Option<i16>, Option<i16>, &str)> = Vec::new();
    for (version, text) in versions {
        match out.last_mut() {
            Some((_, last, same)) if same == text => *last = *version,
            _ => out.push((*version, *version, text)),
        }
    }
    let label = |(first, last, text): (Option<i16>, Option<i16>, _)| match (first, last) {
        (Some(first), Some(last)) if first == last => (format!("-- v{first}\n"), text),
        (Some(first), Some(last)) => (format!("-- v{first}-{last}\n"), text),
        _ => (String::new(), text),
    };
    out.into_iter().map(label).collect()
}

/// Golden text, read back.
fn read(golden: &str) -> BTreeMap<String, Vec<(Option<i16>, String)>> {
    let mut out: BTreeMap<String, Vec<(Option<i16>, String)>> = BTreeMap::new();
    for step in golden.split("== ").skip(1) {
        let (title, body) = step.split_once('\n').unwrap_or((step, ""));
        let answers = out.entry(title.to_owned()).or_default();
        for block in format!("\n{}", body.trim_end()).split("\n-- v") {
            let Some((label, text)) = block.split_once('\n') else {
                continue;
            };
            let text = format!("{}\n", text.trim_end());
            if label.is_empty() {
                answers.push((None, text));
                continue;
            }
            let (first, last) = label.split_once('-').unwrap_or((label, label));
            let number = |text: &str| text.parse::<i16>().expect("a version in a golden file");
            answers.extend((number(first)..=number(last)).map(|v| (Some(v), text.clone())));
        }
    }
    out
}
