//! Drives: the Rust files of the workspace, with what belongs to tests taken out of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A file of the product.
pub struct Source {
    /// Path below the root of the repository.
    pub path: String,
    /// The text; items that are compiled for tests only are blank, so that lines keep their
    /// numbers.
    pub code: String,
    /// The same without comments and without what stands between quotes.
    pub bare: String,
    /// Lines that belong to no test.
    pub lines: usize,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The paths of all files below `dir`, relative to the root, that end so; in order.
pub fn files(dir: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&root().join(dir), &mut found);
    let root = root();
    let names = found.iter().map(|path| {
        let below = path.strip_prefix(&root).unwrap();
        below.to_string_lossy().replace('\\', "/")
    });
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, found),
            false => found.push(path),
        }
    }
}

/// The crates of the product, each with the folder of its files.
pub fn crates() -> &'static [(String, Vec<Source>)] {
    static READ: LazyLock<Vec<(String, Vec<Source>)>> = LazyLock::new(|| {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let members = manifest.lines().find(|line| line.starts_with("members = "));
        let names = members.unwrap().split('"').skip(1).step_by(2);
        let dirs = names.map(|name| match name {
            "." => "src".to_owned(),
            name => format!("{name}/src"),
        });
        dirs.map(|dir| (dir.clone(), sources(&dir))).collect()
    });
    &READ
}

/// The files of the product that are not tests as a whole.
pub fn product() -> impl Iterator<Item = &'static Source> {
    crates().iter().flat_map(|(_, sources)| sources)
}

/// The files of the broker with their paths below `src`, and those of its room `wire`, which is a
/// crate of its own, with theirs below the root.
pub fn broker() -> impl Iterator<Item = (&'static str, &'static Source)> {
    product().filter_map(|source| {
        let of_wire = source.path.starts_with("wire/").then_some(&*source.path);
        Some((source.path.strip_prefix("src/").or(of_wire)?, source))
    })
}

fn sources(dir: &str) -> Vec<Source> {
    let texts: Vec<(String, String)> = files(dir, ".rs")
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            (path, text)
        })
        .collect();
    let mut of_tests = BTreeSet::new();
    for (path, text) in &texts {
        of_tests.extend(test_modules(path, text));
    }
    let is_test = |path: &str| {
        let below = |module: &String| path.starts_with(&format!("{module}/"));
        of_tests.contains(path.trim_end_matches(".rs")) || of_tests.iter().any(below)
    };
    let product = texts.into_iter().filter(|(path, _)| !is_test(path));
    product
        .map(|(path, text)| Source::new(path, &text))
        .collect()
}

impl Source {
    /// Takes the tests out of a file's text.
    pub fn new(path: String, text: &str) -> Source {
        let mut bare = without_words(text);
        let mut code = text.to_owned();
        let mut lines = text.lines().count();
        for (from, to) in test_items(&bare) {
            lines -= text[from..to].lines().count();
            code = blanked(&code, from, to);
            bare = blanked(&bare, from, to);
        }
        Source {
            path,
            code,
            bare,
            lines,
        }
    }

    /// Lines that are not comments, with their numbers.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.lines().enumerate();
        let lines = lines.map(|(at, line)| (at + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Each function with a body: its name and how many lines it has.
    pub fn functions(&self) -> Vec<(&str, usize)> {
        let code = self.bare.as_str();
        let mut found = Vec::new();
        for (at, _) in code.match_indices("fn ") {
            if code[..at].ends_with(is_word) {
                continue;
            }
            let name = word_at(code, at + 3);
            if !name.is_empty()
                && let Some(end) = body_end(code, at)
            {
                found.push((name, code[at..end].lines().count()));
            }
        }
        found
    }
}

/// Whether a symbol may stand in a name.
pub fn is_word(symbol: char) -> bool {
    symbol.is_alphanumeric() || symbol == '_'
}

/// The name that begins at `at`, or nothing.
pub fn word_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    let end = rest.find(|symbol| !is_word(symbol)).unwrap_or(rest.len());
    &rest[..end]
}

/// Replaces all but the ends of lines by blanks.
fn blanked(text: &str, from: usize, to: usize) -> String {
    let blank = |symbol: char| match symbol {
        '\n' => "\n".to_owned(),
        other => " ".repeat(other.len_utf8()),
    };
    let between: String = text[from..to].chars().map(blank).collect();
    [&text[..from], &between, &text[to..]].concat()
}

/// The text without comments and what stands in strings, each byte of them a blank.
fn without_words(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (skip, len) = match bytes[at] {
            b'/' if rest.starts_with("//") => (0, rest.find('\n').unwrap_or(rest.len())),
            b'/' if rest.starts_with("/*") => (0, rest.find("*/").map_or(rest.len(), |it| it + 2)),
            b'"' => (1, string_len(rest)),
            b'r' if !text[..at].ends_with(is_raw_name) => match raw_string_len(rest) {
                Some(len) => (1, len),
                None => (0, 0),
            },
            b'\'' => (1, symbol_len(rest)),
            _ => (0, 0),
        };
        for byte in &mut out[at + skip.min(len)..at + len] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        // Names and symbols of more than one byte are never cut: only whole pieces are blank.
        at += len.max(rest.chars().next().map_or(1, char::len_utf8));
    }
    String::from_utf8(out).unwrap()
}

/// Whether an `r` behind this symbol is a part of a name: `b` and `c` may stand before a raw
/// string.
fn is_raw_name(symbol: char) -> bool {
    is_word(symbol) && !matches!(symbol, 'b' | 'c')
}

/// The length of a string that begins here, with its quotes.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string_len(text: &str) -> Option<usize> {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(2 + hashes + body.find(&end)? + end.len())
}

/// The length of a symbol in quotes; 0 where it is a lifetime.
fn symbol_len(text: &str) -> usize {
    let mut symbols = text.char_indices().skip(1);
    match (symbols.next(), symbols.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = at + escaped.len_utf8();
            text[after..].find('\'').map_or(0, |end| after + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// Where the items are that are compiled for tests only, with their attribute.
fn test_items(bare: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut from = 0;
    while let Some(at) = next_test(bare, from) {
        let end = item_end(bare, at);
        found.push((at, end));
        from = end;
    }
    found
}

fn next_test(bare: &str, from: usize) -> Option<usize> {
    let marks = ["#[cfg(test)]", "#[cfg(all(test,", "#[test]"];
    let found = marks.iter().filter_map(|mark| bare[from..].find(mark));
    found.min().map(|at| from + at)
}

/// The end of the item whose attributes begin at `at`.
fn item_end(bare: &str, at: usize) -> usize {
    let mut at = at;
    // The attributes before the item itself.
    while bare[at..].trim_start().starts_with("#[") {
        at = bare.len() - bare[at..].trim_start().len();
        at = closing(bare, at + 1) + 1;
    }
    at = bare.len() - bare[at..].trim_start().len();
    let rest = without_visibility(&bare[at..]);
    let first = word_at(rest, 0);
    let second = word_at(rest[first.len()..].trim_start(), 0);
    let is_value = first == "const" && !["fn", "unsafe", "async"].contains(&second);
    let ends_with_semicolon = is_value || ["use", "static", "type"].contains(&first);
    let words = [
        "fn", "mod", "impl", "struct", "enum", "trait", "async", "unsafe", "extern", "const",
    ];
    let is_item = ends_with_semicolon || words.contains(&first);
    let mut depth = 0usize;
    for (offset, symbol) in bare[at..].char_indices() {
        match symbol {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return at + offset,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 && !ends_with_semicolon {
                    return at + offset + 1;
                }
            }
            ';' if depth == 0 => return at + offset + 1,
            ',' if depth == 0 && !is_item => return at + offset + 1,
            _ => {}
        }
    }
    bare.len()
}

/// What follows `pub` or `pub(crate)`.
fn without_visibility(item: &str) -> &str {
    if word_at(item, 0) != "pub" {
        return item;
    }
    let rest = item[3..].trim_start();
    match rest.starts_with('(') {
        true => rest[closing(rest, 0) + 1..].trim_start(),
        false => rest,
    }
}

/// Where the bracket at `at` is closed.
fn closing(bare: &str, at: usize) -> usize {
    let mut depth = 0usize;
    for (offset, symbol) in bare[at..].char_indices() {
        match symbol {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + offset;
        }
    }
    bare.len() - 1
}

/// Behind the body of the function at `at`; nothing where it has none.
fn body_end(bare: &str, at: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (offset, symbol) in bare[at..].char_indices() {
        match symbol {
            '{' if depth == 0 => return Some(closing(bare, at + offset) + 1),
            ';' if depth == 0 => return None,
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The modules that a file declares for tests only, as paths without an ending.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let bare = without_words(text);
    let stem = path.trim_end_matches(".rs");
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let folder = match name {
        "mod" | "lib" | "main" => folder,
        _ => stem,
    };
    let items = test_items(&bare).into_iter();
    let names = items.filter_map(|(from, to)| {
        let item = bare[from..to].strip_suffix(';')?;
        let (_, name) = item.rsplit_once("mod ")?;
        Some(format!("{folder}/{}", name.trim()))
    });
    names.collect()
}

#[test]
fn what_is_compiled_for_tests_only_is_taken_out_and_nothing_else() {
    let text = concat!(
        "const A: char = '{';\n",
        "#[cfg(test)]\n",
        "use std::{fs, io};\n",
        "struct B {\n    #[cfg(test)]\n    c: u8,\n    d: &'static str,\n}\n",
        "#[cfg(test)]\n#[derive(Debug)]\npub(crate) struct E<F, G>(F, G);\n",
        "fn h() -> &'static str {\n    \"#[cfg(test)] fn i() {\" // }\n}\n",
        "#[cfg(test)]\nmod tests {\n    #[test]\n    fn j() {}\n}\n",
        "fn k() {\n    #[cfg(test)]\n    l(1, 2);\n    m();\n}\n",
        "#[cfg(test)]\nmod n;\n",
        "#[cfg(not(test))]\nfn o() {}\n",
    );
    let source = Source::new("src/p.rs".to_owned(), text);
    for kept in [
        "const A",
        "d: &'static",
        "fn h()",
        "i() {",
        "m();",
        "fn o()",
    ] {
        assert!(
            source.code.contains(kept),
            "{kept} is gone:\n{}",
            source.code
        );
    }
    for gone in ["std", "c: u8", "struct E", "fn j", "l(1", "mod n"] {
        assert!(
            !source.code.contains(gone),
            "{gone} is there:\n{}",
            source.code
        );
    }
    assert_eq!(source.functions(), [("h", 3), ("k", 5), ("o", 1)]);
    assert_eq!(source.code.len(), text.len());
    assert_eq!(source.lines, text.lines().count() - 2 - 2 - 3 - 5 - 2 - 2);
    assert_eq!(test_modules("src/p.rs", text), ["src/p/n"]);
    assert_eq!(test_modules("src/q/mod.rs", text), ["src/q/n"]);
}
