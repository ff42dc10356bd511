//! The virtual machine that the broker runs in.

use std::fs::File;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::checked::broker::Connection;

/// How long a machine may take to boot and to start its broker; without KVM it is slow.
const BOOT_MAX: Duration = Duration::from_secs(120);

/// A running machine; dropped, it loses its power.
pub struct Guest {
    child: Child,
    console: PathBuf,
}

/// What a machine is made of.
pub struct Parts<'a> {
    /// Holds `vmlinuz` and `initrd`; the console's text goes there too.
    pub dir: &'a Path,
    /// The socket of the disk.
    pub socket: &'a Path,
    pub fs: &'a str,
    /// QEMU's `kvm` or `tcg`.
    pub accelerator: &'a str,
    /// Port of the first of two shards, inside and outside.
    pub port: u16,
}

impl Guest {
    /// Boots a machine and waits until its broker answers.
    pub fn boot(parts: &Parts<'_>) -> Result<Guest> {
        let console = parts.dir.join("console.log");
        let sink = File::create(&console)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let port = parts.port;
        let forward = |port: u16| format!("hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:{port}");
        let network = format!("user,id=n,{},{}", forward(port), forward(port + 1));
        let fs = parts.fs;
        let words = format!("console=ttyS0 quiet panic=-1 data.fs={fs} data.port={port}");
        let disk = format!(
            "driver=nbd,node-name=d,server.type=unix,server.path={}",
            text(parts.socket)
        );
        let child = Command::new("qemu-system-x86_64")
            .args([
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args(["-accel", parts.accelerator, "-cpu", "max"])
            .args(["-smp", "2", "-m", "1024", "-serial", "stdio"])
            .args(["-kernel", &text(&parts.dir.join("vmlinuz"))])
            .args(["-initrd", &text(&parts.dir.join("initrd"))])
            .args(["-append", &words])
            .args(["-blockdev", &disk])
            .args([
                "-device",
                "virtio-blk-pci,drive=d,write-cache=on,discard=off,write-zeroes=off",
            ])
            .args([
                "-netdev",
                &network,
                "-device",
                "virtio-net-pci,netdev=n,romfile=",
            ])
            .stdin(Stdio::null())
            .stdout(sink.try_clone()?)
            .stderr(sink)
            .spawn()?;
        let mut guest = Guest { child, console };
        let begun = Instant::now();
        while !guest.console().contains("corelane ready") {
            if guest.child.try_wait()?.is_some() || begun.elapsed() > BOOT_MAX {
                let error = format!("the machine did not come up:\n{}", guest.console());
                return Err(Error::other(error));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Connection::open(port)?.topics()?;
        Ok(guest)
    }

    /// What it wrote to its console.
    pub fn console(&self) -> String {
        let bytes = std::fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
