//! Which commit a build says it is from: `wire/build.rs` in checkouts, archives and other people's
//! repositories, and what `-V` prints.

use std::fs;
use std::path::Path;
use std::process::Command;

#[allow(dead_code)]
#[path = "../wire/build.rs"]
mod build;

fn run(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .current_dir(dir)
        .args(arguments)
        .env("GIT_COMMITTER_DATE", "2026-11-28T12:00:00Z")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let who = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@localhost",
        "-c",
        "commit.gpgsign=false",
    ];
    run(dir, "git", &[&who, arguments].concat())
}

fn commit(dir: &Path, message: &str) -> String {
    git(dir, &["commit", "-q", "--allow-empty", "-m", message]);
    let hash = git(dir, &["rev-parse", "HEAD"]);
    format!("{} 2026-11-28", &hash[..9])
}

/// What cargo looks at before it runs the script anew.
fn watched(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let read = |file: std::path::PathBuf| (file.clone(), fs::read(&file).unwrap());
    build::head_files(dir).into_iter().map(read).collect()
}

#[test]
fn a_checkout_tells_its_commit_and_is_asked_again_when_that_changes() {
    let root = tempfile::tempdir().unwrap();
    let (main, other) = (root.path().join("main"), root.path().join("other"));
    fs::create_dir(&main).unwrap();
    git(&main, &["init", "-q", "-b", "main"]);
    let first = commit(&main, "first");
    // A second checkout of the same repository, where `.git` is a file.
    git(
        &main,
        &[
            "worktree",
            "add",
            "-q",
            "-b",
            "other",
            other.to_str().unwrap(),
        ],
    );
    for dir in [&main, &other] {
        assert_eq!(build::commit(dir).as_deref(), Some(&*first));
        let before = watched(dir);
        assert!(!before.is_empty());
        fs::write(dir.join("changed"), "").unwrap();
        git(dir, &["add", "changed"]);
        assert_eq!(watched(dir), before, "only another commit counts");
        let second = commit(dir, "second");
        assert_ne!(watched(dir), before);
        assert_eq!(build::commit(dir), Some(second));
    }
    // Another branch, at another commit.
    let before = watched(&main);
    git(&main, &["checkout", "-q", "--detach", "HEAD~1"]);
    assert_ne!(watched(&main), before);
    assert_eq!(build::commit(&main), Some(first));
}

#[test]
fn without_a_log_of_head_the_branch_is_watched() {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q", "-b", "main"]);
    git(dir.path(), &["config", "core.logAllRefUpdates", "false"]);
    commit(dir.path(), "first");
    let before = watched(dir.path());
    commit(dir.path(), "second");
    assert_ne!(watched(dir.path()), before);
}

#[test]
fn an_archive_tells_no_commit_wherever_it_is_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("corelane-1.0");
    fs::create_dir(&archive).unwrap();
    let asked = || (build::commit(&archive), build::head_files(&archive));
    assert_eq!(asked(), (None, Vec::new()));
    // As a packager has it: in a repository of other things.
    git(dir.path(), &["init", "-q", "-b", "main"]);
    commit(dir.path(), "packaging");
    assert_eq!(asked(), (None, Vec::new()));
    // What looks like a checkout and is none.
    fs::create_dir(archive.join(".git")).unwrap();
    assert_eq!(build::commit(&archive), None);
}

#[test]
fn the_broker_prints_version_and_commit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let printed = run(root, env!("CARGO_BIN_EXE_corelane"), &["-V"]);
    assert_eq!(
        printed,
        format!("corelane {}", corelane::base::version::version())
    );
    let release = env!("CARGO_PKG_VERSION");
    match corelane::base::version::COMMIT {
        Some(commit) => assert_eq!(printed, format!("corelane {release} ({commit})")),
        None => assert_eq!(printed, format!("corelane {release}")),
    }
}
