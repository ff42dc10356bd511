//! Drives: file systems on loop devices, in a mount namespace of the test program's own: they are
//! gone when the process is, however it ends.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::Here;

/// Set in the environment of a process that has its own mount namespace.
const OWN: &str = "CORELANE_TEST_OWN_MOUNTS";
/// Size of a file system; the file behind it is sparse.
const BYTES: u64 = 1 << 30;

/// A folder on a file system of the wanted kind; unmounted when dropped.
pub struct Mount {
    here: Here,
    dir: tempfile::TempDir,
    mounted: bool,
}

/// Runs a command; what it wrote when it fails.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| Error::other(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::other(format!("{program} {arguments:?}: {said}")))
}

/// Whether loop devices can be mounted here.
pub fn can_mount() -> bool {
    let root = run("id", &["-u"]).is_ok_and(|id| id == "0");
    root && run("unshare", &["--mount", "true"]).is_ok() && run("losetup", &["-f"]).is_ok()
}

/// Whether this process has mounts of its own.
pub fn in_own_namespace() -> bool {
    std::env::var_os(OWN).is_some()
}

/// Runs this program once more, with mounts of its own.
pub fn run_again_in_namespace() -> ExitCode {
    let own = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(OWN, "1")
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("unshare: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Mount {
    /// A file system of `kind` (`ext4`, `xfs`), or a plain folder for `here`.
    pub fn new(here: Here, kind: &str) -> Result<Mount> {
        Mount::sized(here, kind, BYTES)
    }

    /// As [`Mount::new`], of so many bytes.
    pub fn sized(here: Here, kind: &str, bytes: u64) -> Result<Mount> {
        let mut mount = Mount {
            here,
            dir: tempfile::tempdir_in(here.tmp)?,
            mounted: false,
        };
        std::fs::create_dir(mount.path())?;
        if kind != "here" {
            let image = mount.image();
            std::fs::File::create(&image)?.set_len(bytes)?;
            let text = image.to_string_lossy().into_owned();
            let (make, force) = match kind {
                "xfs" => ("mkfs.xfs", "-f"),
                _ => ("mkfs.ext4", "-F"),
            };
            run(make, &["-q", force, &text])?;
            mount.mount()?;
        }
        Ok(mount)
    }

    /// The file behind the file system.
    pub fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// Mounts the image; the loop device goes with the mount.
    pub fn mount(&mut self) -> Result<()> {
        let image = self.image().to_string_lossy().into_owned();
        let device = run("losetup", &["--find", "--show", "--direct-io=on", &image])?;
        let path = self.path().to_string_lossy().into_owned();
        let mounted = run("mount", &[&device, &path]);
        // The kernel takes it apart as soon as it is no longer mounted.
        let detached = run("losetup", &["--detach", &device]);
        self.mounted = mounted.is_ok();
        mounted.and(detached).map(drop)
    }

    /// The folder.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("fs")
    }

    /// Copies what is in the folder to where it stays, and says where.
    pub fn keep(self) -> String {
        let kept = Path::new(self.here.tmp).join("kept");
        let (from, to) = (self.path(), kept.to_string_lossy().into_owned());
        let _ = std::fs::remove_dir_all(&kept);
        let from = from.to_string_lossy().into_owned();
        match run("cp", &["--archive", "--sparse=always", &from, &to]) {
            Ok(_) => to,
            Err(error) => format!("nowhere: {error}"),
        }
    }

    /// Unmounts it; the image stays.
    pub fn unmount(&mut self) {
        if std::mem::take(&mut self.mounted) {
            let path = self.path().to_string_lossy().into_owned();
            // A killed broker's last I/O may still hold it.
            let _ = run("umount", &[&path]).or_else(|_| run("umount", &["--lazy", &path]));
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.unmount();
    }
}
