//! The rules of this crate that a machine can check: folders use only those before them, files
//! and folders that stand beside each other use one another in one direction only, and each file
//! says what it is and is short enough to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders in the order of the arrows: each may use those before it, never one behind.
const FOLDERS: &[&str] = &["load", "options", "measure", "report", "run", "cli"];

/// No file has more lines, tests included.
const LINES_MAX: usize = 400;

/// A file: its module's path below the crate, and its text.
struct Source {
    module: Vec<String>,
    text: String,
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// All files but `main.rs`, which stands above the folders.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    files(&src(), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    paths.sort();
    let sources = paths.iter().map(|path| {
        let below = path.strip_prefix(src()).unwrap().with_extension("");
        let names = below.iter().map(|name| name.to_string_lossy().into_owned());
        Source {
            module: names.filter(|name| name != "mod").collect(),
            text: fs::read_to_string(path).unwrap(),
        }
    });
    sources.filter(|one| one.module != ["main"]).collect()
}

/// What a file names with `crate::` or `super::`, as paths below the crate.
fn named(source: &Source) -> Vec<Vec<String>> {
    let lines = source.text.lines();
    let code: String = lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line.trim(), " "])
        .collect();
    let mut found = Vec::new();
    for (at, mark) in code.match_indices("crate::") {
        paths(&code[at + mark.len()..], &[], &mut found);
    }
    // Inside `mod tests` it is the file itself.
    let product = code.split("mod tests {").next().unwrap_or_default();
    let above = &source.module[..source.module.len() - 1];
    for (at, mark) in product.match_indices("super::") {
        paths(&product[at + mark.len()..], above, &mut found);
    }
    found
}

/// The paths that `text` begins with, each behind `base`; several where there are braces.
fn paths(text: &str, base: &[String], found: &mut Vec<Vec<String>>) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let mut path = base.to_vec();
    if !name.is_empty() {
        path.push(name.to_owned());
        match rest.strip_prefix("::") {
            Some(rest) => paths(rest, &path, found),
            None => found.push(path),
        }
    } else if let Some(inside) = rest.strip_prefix('{') {
        in_braces(inside, &path, found);
    }
}

/// The paths of a list in braces, up to its end.
fn in_braces(inside: &str, base: &[String], found: &mut Vec<Vec<String>>) {
    let (mut depth, mut begun) = (0, 0);
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                paths(inside[begun..at].trim(), base, found);
                begun = at + 1;
                if letter == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

/// Who uses whom among what stands beside each other, by the folder that it stands in.
fn neighbours() -> BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for source in sources() {
        for path in named(&source) {
            let pairs = source.module.iter().zip(&path);
            let shared = pairs.take_while(|(own, other)| own == other).count();
            if let (Some(own), Some(other)) = (source.module.get(shared), path.get(shared)) {
                let folder = found.entry(path[..shared].to_vec()).or_default();
                let uses = folder.entry(own.clone()).or_default();
                uses.insert(other.clone());
            }
        }
    }
    found
}

fn report(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn folders_use_only_what_stands_before_them() {
    let place = |name: &String| FOLDERS.iter().position(|folder| folder == name);
    let mut broken = Vec::new();
    let all = neighbours();
    let top = &all[&Vec::new()];
    assert_eq!(
        top.len(),
        FOLDERS.len() - 1,
        "all but the first use another"
    );
    for (own, uses) in top {
        let own_place = place(own).unwrap_or_else(|| panic!("src/{own} is not in the list"));
        let behind = |name: &&String| place(name).is_some_and(|at| at > own_place);
        let wrong = uses.iter().filter(behind);
        broken.extend(wrong.map(|name| format!("src/{own} uses {name}")));
    }
    report("an arrow runs back", &broken);
}

#[test]
fn neighbours_do_not_use_each_other_in_circles() {
    let mut broken = Vec::new();
    for (folder, graph) in neighbours() {
        for start in graph.keys() {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&String> = graph[start].iter().collect();
            while let Some(next) = open.pop() {
                if seen.insert(next) {
                    open.extend(graph.get(next).into_iter().flatten());
                }
            }
            if seen.contains(start) {
                broken.push(format!("{}::{start}", folder.join("::")));
            }
        }
    }
    report("these are in a circle of `use`", &broken);
}

#[test]
fn each_file_says_what_it_is_and_is_short() {
    let mut broken = Vec::new();
    for source in sources() {
        let name = source.module.join("/");
        let (first, lines) = (source.text.lines().next(), source.text.lines().count());
        let kinds = ["//! Pure: ", "//! Drives: "];
        if !first.is_some_and(|first| kinds.iter().any(|kind| first.starts_with(kind))) {
            broken.push(format!(
                "{name}: its first line is neither Pure: nor Drives:"
            ));
        }
        if lines > LINES_MAX {
            broken.push(format!("{name}: {lines} lines, more than {LINES_MAX}"));
        }
    }
    report("files say what they are and are short", &broken);
}

#[test]
fn paths_are_found_in_braces() {
    let source = Source {
        module: vec!["a".to_owned(), "b".to_owned()],
        text: "use crate::x::{y, z::{self, W}};\nuse super::c::D;\n".to_owned(),
    };
    let found: Vec<String> = named(&source).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["x::y", "x::z::self", "x::z::W", "a::c::D"]);
}
