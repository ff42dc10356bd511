//! What stands in the way of a start is said in one sentence, with a non-zero exit.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::{Start, data_dir};

fn refused(start: &Start, words: &[&str]) {
    let (status, said) = start.refused();
    assert_eq!(status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing from: {said}");
    }
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("corelane: "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_port_in_use() {
    let dir = data_dir();
    let mut start = Start::new(dir.path()).shards(2);
    let taken = TcpListener::bind(("127.0.0.1", start.port + 1)).unwrap();
    let port = (start.port + 1).to_string();
    refused(&start, &["in use", &port]);
    drop(taken);
    start.shards = 1;
    start.ready().stop();
}

#[test]
fn a_folder_in_use() {
    let dir = data_dir();
    let broker = Start::new(dir.path()).ready();
    refused(&Start::new(dir.path()), &["in use by another process"]);
    broker.stop();
}

#[test]
fn a_folder_without_direct_io() {
    let shm = Path::new("/proc/sys/corelane-cannot-be-made-here");
    refused(
        &Start::new(shm),
        &["/proc/sys/corelane-cannot-be-made-here"],
    );
}

#[test]
fn too_little_locked_memory() {
    let dir = data_dir();
    let start = Start::new(dir.path());
    let line = format!(
        "ulimit -l 64 && exec {} serve --shards 1 --port {} --data-dir {}",
        env!("CARGO_BIN_EXE_corelane"),
        start.port,
        dir.path().display()
    );
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("memory may be locked"), "{said}");
}

#[test]
fn a_setting_that_is_unknown_or_bad() {
    let dir = data_dir();
    let file = dir.path().join("server.properties");
    std::fs::write(&file, "num.partitons=3\n").unwrap();
    let file = file.to_str().unwrap();
    let start = || Start::new(&dir.path().join("data")).arg("--config", file);
    refused(&start(), &["num.partitons", "num.partitions"]);
    std::fs::write(file, "num.partitions=three\n").unwrap();
    refused(&start(), &["num.partitions", "three"]);
}

#[test]
fn settings_of_a_file_hold_and_flags_win_over_them() {
    let dir = data_dir();
    let file = dir.path().join("server.properties");
    let start = Start::new(&dir.path().join("data")).arg("--config", file.to_str().unwrap());
    std::fs::write(
        &file,
        "listeners=PLAINTEXT://127.0.0.1:1\nnum.partitions=3\n",
    )
    .unwrap();
    let broker = start.ready();
    assert_eq!(
        crate::records::create_topic(&mut broker.client(), "three", -1),
        0
    );
    for partition in 0..3 {
        assert!(crate::records::read_all(&mut broker.client(), "three", partition).is_empty());
    }
    broker.stop();
}
