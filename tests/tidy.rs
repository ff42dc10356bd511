//! The house rules that a machine can check: arrows between rooms, pure files, the one room
//! that names the runtime, calls that have a replacement, docs that must be fresh.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order of the arrows: each may use those before it, never one behind.
const ROOMS: &[&str] = &[
    "base",
    "wire",
    "security",
    "io",
    "log",
    "metadata",
    "partition",
    "coordinator",
    "shard",
    "server",
    "cli",
];

/// Rooms, or parts of them, in which every file is pure.
const PURE: &[&str] = &[
    "base",
    "wire",
    "security",
    "metadata/record",
    "metadata/image",
    "metadata/controller/decide",
    "partition/producers",
    "coordinator/record",
    "coordinator/group",
];

/// What only `src/io/` and `src/main.rs` may call, and what to call instead.
const BANNED: &[(&str, &str)] = &[
    (
        "Instant::now",
        "io::clock::now, or take `now` as an argument",
    ),
    (
        "SystemTime::now",
        "io::clock::wall_ms, or take `now` as an argument",
    ),
    ("std::fs", "io::disk"),
    ("std::thread", "io::cores"),
    ("thread::sleep", "io::cores::sleep"),
    ("println!", "tracing"),
    ("dbg!", "nothing: it is left over"),
];

struct Source {
    /// Path below `src`, with forward slashes.
    path: String,
    /// The text before the file's unit tests.
    code: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    files(&src, ".rs", &mut paths);
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let name = path
                .strip_prefix(&src)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            // Test-only files follow the rules of tests.
            let test_file = ["tests.rs", "fuzz.rs"]
                .iter()
                .any(|ending| name.ends_with(ending));
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]").next().unwrap().to_owned();
            (!test_file).then_some(Source { path: name, code })
        })
        .collect()
}

/// Lines that are not comments, with their numbers.
fn code_lines(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = code.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn room_of(path: &str) -> Option<usize> {
    let room = path.split('/').next()?.trim_end_matches(".rs");
    ROOMS.iter().position(|known| *known == room)
}

fn report(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn rooms_use_only_what_stands_before_them() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some(own) = room_of(&source.path) else {
            continue;
        };
        for (number, line) in code_lines(&source.code) {
            for piece in line.split("crate::").skip(1) {
                let named: String = piece
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let used = ROOMS.iter().position(|room| *room == named);
                if used.is_some_and(|used| used > own) {
                    broken.push(format!("src/{}:{number} uses {named}", source.path));
                }
            }
        }
    }
    report("an arrow runs back", &broken);
}

#[test]
fn every_file_says_whether_it_waits_and_pure_ones_do_not() {
    let mut broken = Vec::new();
    for source in sources() {
        if source.path == "lib.rs" || source.path == "main.rs" {
            continue;
        }
        let first = source.code.lines().next().unwrap_or_default();
        let pure = first.starts_with("//! Pure");
        if !pure && !first.starts_with("//! Drives: ") {
            broken.push(format!("src/{}: its first line says neither", source.path));
        }
        let path = Path::new(&source.path);
        if !pure && PURE.iter().any(|room| path.starts_with(room)) {
            broken.push(format!("src/{}: stands in a pure room", source.path));
        }
        // Memory and plain values of the io room wait for nothing.
        let plain = ["crate::io::buffer", "crate::io::disk::Entry"];
        let waits = |line: &str| {
            let io = line.contains("crate::io::") && !plain.iter().any(|name| line.contains(name));
            io || line.contains("async ") || line.contains(".await")
        };
        // Messages may name what carries them; they do not wait for it.
        let exempt = source.path == "shard/mesh/message.rs" || source.path.ends_with("mod.rs");
        for (number, line) in code_lines(&source.code) {
            if pure && !exempt && waits(line) {
                broken.push(format!(
                    "src/{}:{number} waits: {}",
                    source.path,
                    line.trim()
                ));
            }
        }
    }
    report("files say Pure: or Drives: and keep their word", &broken);
}

#[test]
fn only_io_names_the_runtime_and_the_kernel() {
    let mut broken = Vec::new();
    for source in sources() {
        let io = source.path.starts_with("io/");
        for (number, line) in code_lines(&source.code) {
            if !io && line.contains("glommio") {
                broken.push(format!("src/{}:{number} names glommio", source.path));
            }
            let marks = ["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)"];
            if !io && marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!("src/{}:{number} is unsafe", source.path));
            }
            let exempt = io || source.path == "main.rs";
            for (call, instead) in BANNED.iter().filter(|_| !exempt) {
                if line.contains(call) {
                    let path = &source.path;
                    broken.push(format!("src/{path}:{number} calls {call}: use {instead}"));
                }
            }
        }
    }
    report("what belongs to src/io stays there", &broken);
}

#[test]
fn what_runs_the_state_machines_names_none_of_them() {
    let runtime = root().join("src/coordinator/runtime");
    let mut paths = Vec::new();
    files(&runtime, ".rs", &mut paths);
    let product = paths
        .iter()
        .filter(|path| !path.starts_with(runtime.join("tests")));
    let mut broken = Vec::new();
    for path in product {
        let text = fs::read_to_string(path).unwrap().to_lowercase();
        for (number, line) in text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphabetic());
            let of_a_machine = ["group", "member", "join"];
            let named = |word: &str| of_a_machine.iter().any(|known| word.starts_with(known));
            if let Some(word) = words.find(|word| named(word)) {
                broken.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    report("coordinator/runtime knows no machine by name", &broken);
}

#[test]
fn nothing_is_left_half_done() {
    let marks = [
        "todo!",
        "unimplemented!",
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        "#[ignore",
    ];
    let mut paths = Vec::new();
    for dir in ["src", "tests", "benches", "loadgen"] {
        files(&root().join(dir), ".rs", &mut paths);
    }
    let mut broken = Vec::new();
    for path in paths.iter().filter(|path| !path.ends_with("tests/tidy.rs")) {
        let text = fs::read_to_string(path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    report("something is left half done", &broken);
}

#[test]
fn every_room_introduces_itself() {
    let mut broken = Vec::new();
    for room in ROOMS {
        let path = root().join("src").join(room).join("mod.rs");
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if !text.contains("//! May use: ") || !text.contains("Never: ") {
            broken.push(format!(
                "src/{room}/mod.rs: say what it may use and what it never does"
            ));
        }
    }
    report("each room's mod.rs says what it is", &broken);
}

#[test]
fn the_map_is_short_and_names_every_room() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    assert!(
        map.lines().count() < 300,
        "docs/ARCHITECTURE.md has grown past 300 lines"
    );
    for room in ROOMS
        .iter()
        .filter(|room| root().join("src").join(room).is_dir())
    {
        assert!(
            map.contains(&format!("`{room}`")),
            "docs/ARCHITECTURE.md misses `{room}`"
        );
    }
}

/// Folders of `server` and their parts, in the order of the arrows: each part may use those before
/// it, never one behind.
const PARTS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "loggers",
            "session",
            "start",
            "guarantee",
            "check",
            "adopt",
            "health",
            "lag",
            "guests",
            "scrape",
            "admin",
            "control",
            "state",
            "api",
            "connection",
            "housekeeping",
            "node",
            "bring_up",
            "sim_tests",
        ],
    ),
    (
        "server/api",
        &[
            "authorizer",
            "outlet",
            "spares",
            "refused",
            "errors",
            "context",
            "client",
            "call",
            "row",
            "steps",
            "called",
            "groups",
            "offsets",
            "records",
            "security",
            "transactions",
            "cluster",
            "topics",
            "table",
        ],
    ),
    (
        "server/connection",
        &[
            "receive", "lifetime", "slot", "queue", "hub", "desk", "dispatch", "reader", "writer",
            "serve", "list",
        ],
    ),
];

/// The modules that a file's `use` declarations name, as paths below `src`.
fn used_modules(path: &str, code: &str) -> Vec<String> {
    let text: Vec<&str> = code_lines(code).map(|(_, line)| line.trim()).collect();
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let mut used = Vec::new();
    for statement in text.join(" ").split(';') {
        let Some((_, tree)) = statement.rsplit_once("use ") else {
            continue;
        };
        let is_tree = |c: char| c.is_alphanumeric() || "_:{}, *".contains(c);
        if tree.chars().all(is_tree) {
            expand("", tree, &mut used);
        }
    }
    used.iter()
        .filter_map(|path| resolve(module, path))
        .collect()
}

/// Writes out `a::{b, c::{d, e}}`.
fn expand(before: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        paths.push(format!("{before}{}", tree.trim()));
        return;
    };
    let before = format!("{before}{}", head.trim());
    let (mut depth, mut from) = (0, 0);
    let end = rest.rfind('}').unwrap_or(rest.len());
    for (at, c) in rest[..end].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&before, &rest[from..at], paths);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !rest[from..end].trim().is_empty() {
        expand(&before, &rest[from..end], paths);
    }
}

/// A path below `src` for a path of `use` in `module`; `None` where that names another crate.
fn resolve(module: &str, path: &str) -> Option<String> {
    let mut at: Vec<&str> = match path.split("::").next()? {
        "crate" => Vec::new(),
        "super" | "self" => module.split('/').collect(),
        _ => return None,
    };
    for part in path.split("::") {
        match part {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            name => at.push(name),
        }
    }
    Some(at.join("/"))
}

#[test]
fn parts_of_the_server_use_only_what_stands_before_them() {
    let part_of = |path: &str, folder: &str| {
        let below = path.strip_prefix(folder)?.strip_prefix('/')?;
        let part = below.split('/').next()?.trim_end_matches(".rs");
        (part != "mod").then(|| part.to_owned())
    };
    let mut broken = Vec::new();
    for source in sources() {
        for (folder, order) in PARTS {
            let Some(own) = part_of(&source.path, folder) else {
                continue;
            };
            let Some(rank) = order.iter().position(|part| *part == own) else {
                broken.push(format!("src/{}: has no place in the order", source.path));
                continue;
            };
            let used = used_modules(&source.path, &source.code);
            let behind = used.iter().filter(|path| {
                let part = part_of(path, folder);
                order[rank + 1..]
                    .iter()
                    .any(|it| part.as_deref() == Some(*it))
            });
            broken.extend(behind.map(|path| format!("src/{} uses {path}", source.path)));
        }
    }
    report("an arrow runs back", &broken);
}

#[test]
fn uses_are_found_however_they_are_written() {
    let code = "use super::a::{B, c::{D, E}};\nuse crate::x::{self, Y};\n// use super::no;\n\
                pub use super::super::f;\nuse std::fmt;\nfn f() { let x = \"use it\"; }\n";
    let used = used_modules("server/api/here.rs", code);
    assert_eq!(
        used,
        [
            "server/api/a/B",
            "server/api/a/c/D",
            "server/api/a/c/E",
            "x",
            "x/Y",
            "server/f"
        ]
    );
}
