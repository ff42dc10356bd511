//! Tells the crate which commit it is built from: `src/version.rs` reads it. In a source
//! archive, or where there is no git, it tells nothing, and the version stands alone.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = own.parent().expect("the workspace is above");
    // Who builds from an archive may say the commit. Cargo runs this anew when it changes, or
    // one of the files: without any such line it would do so at each build.
    println!("cargo::rerun-if-env-changed=CORELANE_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    for file in head_files(root) {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    let said = std::env::var("CORELANE_COMMIT").ok();
    if let Some(commit) = said.or_else(|| commit(root)) {
        println!("cargo::rustc-env=CORELANE_COMMIT={commit}");
    }
}

/// The commit that is checked out in `root`, short, and the day it was made, as `rustc -V` has
/// them. None if `root` is not itself a checkout: an archive that is unpacked in a repository of
/// another project's is not that repository's commit.
pub fn commit(root: &Path) -> Option<String> {
    root.join(".git").exists().then_some(())?;
    git(
        root,
        &["show", "-s", "--abbrev=9", "--format=%h %cs", "HEAD"],
    )
}

/// The files of which one changes when another commit is checked out or made: which branch it
/// is, and the log of what HEAD was. Where no such log is kept, the branch itself.
pub fn head_files(root: &Path) -> Vec<PathBuf> {
    let path = |name: &str| git(root, &["rev-parse", "--git-path", name]).map(|it| root.join(it));
    if !root.join(".git").exists() {
        return Vec::new();
    }
    let branch = git(root, &["symbolic-ref", "-q", "HEAD"]);
    let mut files: Vec<PathBuf> = ["HEAD", "logs/HEAD"]
        .iter()
        .filter_map(|name| path(name))
        .collect();
    if !files.last().is_some_and(|log| log.exists()) {
        files.extend(path("packed-refs"));
        files.extend(branch.and_then(|branch| path(&branch)));
    }
    // A file that is not there would have cargo build anew each time.
    files.retain(|file| file.exists());
    files
}

/// What git prints of the repository of `root`, never of one around it; nothing where git fails or
/// is not there.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("--git-dir")
        .arg(root.join(".git"))
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
