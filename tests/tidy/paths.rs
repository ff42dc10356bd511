//! Drives: that the pages name only files and folders that exist.

use std::collections::BTreeSet;
use std::fs;

use super::source::{files, root};

/// Endings of files that the pages name without their folder, too.
const ENDINGS: &[&str] = &[".rs", ".java", ".md"];

/// The folders at the root that hold files of the repository: not what is built, nor what begins
/// with a dot.
fn places() -> Vec<String> {
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap());
    let dirs = entries.filter(|entry| entry.path().is_dir());
    let names = dirs.map(|dir| dir.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| name != "target" && !name.starts_with('.'))
        .collect()
}

/// All files and folders of the repository, by their paths.
fn all() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in places().iter().flat_map(|place| files(place, "")) {
        for (at, _) in file.match_indices('/') {
            all.insert(file[..at].to_owned());
        }
        all.insert(file);
    }
    for entry in fs::read_dir(root()).unwrap() {
        all.insert(entry.unwrap().file_name().to_string_lossy().into_owned());
    }
    all
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn unfolded(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else {
        return vec![name.to_owned()];
    };
    let Some((inner, after)) = rest.split_once('}') else {
        return vec![name.to_owned()];
    };
    let pieces = inner.split(',').map(|it| format!("{before}{it}{after}"));
    pieces.collect()
}

/// Whether a word in backticks names a file or folder of this repository.
fn is_path(word: &str) -> bool {
    let plain = |symbol: char| symbol.is_ascii_alphanumeric() || "_-./{},".contains(symbol);
    let (first, rest) = word.split_once('/').unwrap_or((word, ""));
    let is_below = !rest.is_empty() || word.ends_with('/');
    let is_place = ["", "src"].map(|dir| root().join(dir).join(first).is_dir());
    word.chars().all(plain)
        && !word.starts_with(['/', '.', '-'])
        && first != "target"
        && ((is_below && is_place.contains(&true))
            || ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

/// Whether it exists: from the root, as the end of a path, or in the `src` of a crate.
fn exists(all: &BTreeSet<String>, name: &str) -> bool {
    let name = name.trim_end_matches('/');
    let end = format!("/{name}");
    let of_crate = name.replacen('/', "/src/", 1);
    [name, &of_crate].iter().any(|name| all.contains(*name))
        || all.iter().any(|path| path.ends_with(&end))
}

fn missing(all: &BTreeSet<String>, line: &str) -> Vec<String> {
    let words = line.split('`').skip(1).step_by(2);
    let names = words.filter(|word| is_path(word)).flat_map(unfolded);
    names.filter(|name| !exists(all, name)).collect()
}

#[test]
fn the_pages_name_what_exists() {
    let all = all();
    let mut pages = files("docs", ".md");
    pages.extend(["README.md".to_owned(), "loadgen/README.md".to_owned()]);
    let mut broken = Vec::new();
    for page in pages {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for (number, line) in text.lines().enumerate() {
            for name in missing(&all, line) {
                broken.push(format!("{page}:{}: {name}", number + 1));
            }
        }
    }
    super::report("a page names what is not there", &broken);
}

#[test]
fn what_is_not_there_is_missed() {
    let all: BTreeSet<String> = ["src/log/mod.rs", "src/log", "tests/api"]
        .map(str::to_owned)
        .into();
    let line =
        "`log/mod.rs`, `src/log/`, `mod.rs`, `tests/{api,gone}/`, `gone.rs`, `a b.rs`, `/x.rs`";
    assert_eq!(missing(&all, line), ["tests/gone/", "gone.rs"]);
}
