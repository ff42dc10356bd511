//! The house rules that a machine can check: arrows between rooms, pure files, the one room
//! that names the runtime, calls that have a replacement, sizes, docs that must be true.

mod circles;
mod order;
mod paths;
mod sizes;
mod source;
mod uses;

use std::fs;
use std::path::Path;

use source::{broker, files, product, root};

/// The rooms in the order of the arrows: each may use those before it, never one behind.
const ROOMS: &[&str] = &[
    "base",
    "wire",
    "security",
    "io",
    "host",
    "log",
    "metadata",
    "partition",
    "coordinator",
    "shard",
    "server",
    "commands",
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
    "partition/state",
    "coordinator/record",
    "coordinator/group",
];

/// In place of a clock.
const CLOCK: &str = "io::runtime::Runtime, or take `now` as an argument";
/// In place of what only runs on an executor of this machine.
const RUNTIME: &str = "io::runtime::Runtime, which may be simulated";

/// What only `src/io/` may call, and what to call instead; `src/main.rs` and `src/commands/` may
/// print.
const BANNED: &[(&str, &str)] = &[
    ("Instant::now", CLOCK),
    ("SystemTime::now", CLOCK),
    ("clock::now", CLOCK),
    ("clock::wall_ms", CLOCK),
    ("std::fs", "io::disk"),
    ("std::thread", RUNTIME),
    ("thread::sleep", RUNTIME),
    ("cores::spawn", RUNTIME),
    ("cores::sleep", RUNTIME),
    ("cores::yield_now", RUNTIME),
    ("cores::next_round", RUNTIME),
    ("cores::background", RUNTIME),
    ("cores::blocking", RUNTIME),
    ("offload::", RUNTIME),
    (
        "new_v4",
        "random numbers of io::runtime::Runtime, or take them as an argument",
    ),
    ("println!", "tracing"),
    ("dbg!", "nothing: it is left over"),
];

/// Whether this file speaks to the user.
fn is_front(path: &str) -> bool {
    path == "main.rs" || path.starts_with("commands/")
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
    for (path, source) in broker() {
        let Some(own) = room_of(path) else {
            continue;
        };
        for (number, line) in source.code_lines() {
            for piece in line.split("crate::").skip(1) {
                let named: String = piece
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let used = ROOMS.iter().position(|room| *room == named);
                if used.is_some_and(|used| used > own) {
                    broken.push(format!("{}:{number} uses {named}", source.path));
                }
            }
        }
    }
    report("an arrow runs back", &broken);
}

#[test]
fn every_file_says_whether_it_waits_and_pure_ones_do_not() {
    let mut broken = Vec::new();
    for (path, source) in broker() {
        // The room's manual pages are files: the crate writes them for the programs.
        if ["lib.rs", "main.rs", "wire/src/pages.rs"].contains(&path) {
            continue;
        }
        let first = source.code.lines().next().unwrap_or_default();
        let pure = first.starts_with("//! Pure");
        if !pure && !first.starts_with("//! Drives: ") {
            broken.push(format!("{}: its first line says neither", source.path));
        }
        if !pure && PURE.iter().any(|room| Path::new(path).starts_with(room)) {
            broken.push(format!("{}: stands in a pure room", source.path));
        }
        // Memory and plain values of the io room wait for nothing.
        let plain = ["crate::io::buffer", "crate::io::disk::Entry"];
        let waits = |line: &str| {
            let io = line.contains("crate::io::") && !plain.iter().any(|name| line.contains(name));
            io || line.contains("async ") || line.contains(".await")
        };
        // Messages may name what carries them; they do not wait for it.
        let exempt = path == "shard/mesh/message.rs";
        for (number, line) in source.code_lines() {
            if pure && !exempt && waits(line) {
                broken.push(format!("{}:{number} waits: {}", source.path, line.trim()));
            }
        }
    }
    report("files say Pure: or Drives: and keep their word", &broken);
}

#[test]
fn files_of_the_other_crates_say_whether_they_wait() {
    let mut broken = Vec::new();
    for source in product().filter(|source| !source.path.starts_with("src/")) {
        let first = source.code.lines().next().unwrap_or_default();
        let is_root = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
        if !is_root && !first.starts_with("//! Pure: ") && !first.starts_with("//! Drives: ") {
            broken.push(format!("{}: its first line says neither", source.path));
        }
    }
    report("files say Pure: or Drives:", &broken);
}

#[test]
fn only_io_names_the_runtime_and_the_kernel() {
    let mut broken = Vec::new();
    for (path, source) in broker() {
        let io = path.starts_with("io/");
        for (number, line) in source.code_lines() {
            if !io && line.contains("glommio") {
                broken.push(format!("{}:{number} names glommio", source.path));
            }
            let marks = ["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)"];
            if !io && marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!("{}:{number} is unsafe", source.path));
            }
            let exempt = |call: &str| io || (is_front(path) && call == "println!");
            for (call, instead) in BANNED.iter().filter(|(call, _)| !exempt(call)) {
                if line.contains(call) {
                    broken.push(format!(
                        "{}:{number} calls {call}: use {instead}",
                        source.path
                    ));
                }
            }
        }
    }
    report("what belongs to src/io stays there", &broken);
}

#[test]
fn what_runs_the_state_machines_names_none_of_them() {
    let mut broken = Vec::new();
    for (path, source) in broker() {
        if !path.starts_with("coordinator/runtime/") {
            continue;
        }
        for (number, line) in source.code.to_lowercase().lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphabetic());
            let of_a_machine = ["group", "member", "join"];
            let named = |word: &str| of_a_machine.iter().any(|known| word.starts_with(known));
            if let Some(word) = words.find(|word| named(word)) {
                broken.push(format!("{}:{}: {word}", source.path, number + 1));
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
    let dirs = ["src", "tests", "benches", "loadgen", "testing", "wire"];
    let mut broken = Vec::new();
    for path in dirs.iter().flat_map(|dir| files(dir, ".rs")) {
        if path == "tests/tidy/main.rs" {
            continue;
        }
        let text = fs::read_to_string(root().join(&path)).unwrap();
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    report("something is left half done", &broken);
}

#[test]
fn every_room_introduces_itself() {
    let mut broken = Vec::new();
    for room in ROOMS {
        let path = match *room {
            "wire" => root().join("wire/src/lib.rs"),
            other => root().join("src").join(other).join("mod.rs"),
        };
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if !text.contains("//! May use: ") || !text.contains("Never: ") {
            broken.push(format!(
                "{}: say what it may use and what it never does",
                path.display()
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
        .filter(|room| **room == "wire" || root().join("src").join(room).is_dir())
    {
        assert!(
            map.contains(&format!("`{room}`")),
            "docs/ARCHITECTURE.md misses `{room}`"
        );
    }
}

/// Programs share code through the crate `testing/`, not by compiling a file twice.
#[test]
fn no_file_is_a_module_of_two_programs() {
    let mark = concat!("#[", "path");
    let dirs = ["src", "tests", "benches", "loadgen", "testing", "wire"];
    // The script that Cargo runs is no library: its test includes it.
    let of_the_script = "tests/version.rs";
    let mut broken = Vec::new();
    for path in dirs.iter().flat_map(|dir| files(dir, ".rs")) {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        if text.contains(mark) && path != of_the_script {
            broken.push(path);
        }
    }
    report("a file is named by its path", &broken);
}
