//! Power cuts: a broker in a virtual machine whose disk remembers every write and flush. The
//! power is cut at many points of that history; what the disk may hold then is mounted, so that
//! the file system's journal is replayed, and a broker on it is held against the acks.
//!
//! `cargo test --test power`, as root on Debian or a relative of it (`guest.sh` installs QEMU
//! and unpacks a kernel). After `--`:
//!
//! - `--states N`: crash states for each file system. `--seconds N`: how long the load lasts.
//! - `--load large`: two logs get batches that go past the journal, into space that the file system
//!   takes for unwritten until these logs' own files are flushed.
//! - `--on ext4|xfs`: only this one. `--seed N`: another run; every run prints its seed.
//! - `--accel kvm`: with the help of the host's CPU; without, everything is emulated, and runs
//!   anywhere.
//! - `--broken-flush`: the disk lies about flushes; the run must then find acked records lost.
//!
//! Where a machine cannot be made it says so and what is missing, and fails.

mod crash;
mod disk;
mod guest;

use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::arguments::Arguments;
use corelane_testing::checked::audit::Depth;
use corelane_testing::checked::load::Load;
use corelane_testing::checked::{Clock, Tick, selfcheck};
use corelane_testing::{Here, PATIENCE, mounts, ports};
use crash::{Crashes, FATES};
use disk::Disk;
use fastrand::Rng;
use guest::{Guest, Parts};

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Size of the disk: room for the logs ahead of their writes, and for what a load of a minute appends.
const DISK_BYTES: usize = 1 << 30;

struct Wanted {
    states: u64,
    seconds: u64,
    seed: u64,
    filesystems: Vec<String>,
    broken_flush: bool,
    large: bool,
    accelerator: String,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if !mounts::can_mount() {
        eprintln!("power cuts need root and loop devices: nothing was tried");
        return ExitCode::FAILURE;
    }
    if !mounts::in_own_namespace() {
        return mounts::run_again_in_namespace();
    }
    selfcheck::run();
    crash::selfcheck();
    println!("\nrunning power cuts, seed {}", arguments.seed);
    for fs in &arguments.filesystems {
        if let Err(error) = run(&arguments, fs) {
            println!(
                "\n{fs}: {error}\ntest result: FAILED. seed {}\n",
                arguments.seed
            );
            return ExitCode::FAILURE;
        }
    }
    println!("\ntest result: ok.\n");
    ExitCode::SUCCESS
}

fn run(arguments: &Wanted, fs: &str) -> Result<()> {
    let dir = Path::new(HERE.tmp).join("power");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power/guest.sh");
    let made = dir.to_string_lossy();
    mounts::run(script, &[&made, HERE.broker])?;
    let scratch = tempfile::tempdir_in("/dev/shm")?;
    let image = scratch.path().join("image");
    let fresh = fresh_disk(&image, fs)?;

    let clock = Arc::new(Clock::default());
    let disk = Disk::new(fresh.clone(), clock.clone());
    let load = match arguments.large {
        true => Load::large(ports(), clock.clone(), arguments.seed),
        false => Load::new(ports(), clock.clone(), arguments.seed),
    };
    let (from, to) = live(arguments, &dir, fs, &disk, &load)?;

    let history = std::mem::take(&mut *disk.history.lock().unwrap());
    let written: usize = history.writes.iter().map(|write| write.data.len()).sum();
    println!(
        "{fs}: {} records promised; {} writes of {} MiB, {} flushes",
        load.ledger.lock().unwrap().promised_count(),
        history.writes.len(),
        written >> 20,
        history.flushes.len()
    );
    let mut random = Rng::with_seed(arguments.seed ^ 1);
    let mut cuts: Vec<Tick> = (0..arguments.states)
        .map(|_| from + random.u64(..to - from))
        .collect();
    cuts.sort();
    let history = match arguments.broken_flush {
        true => lie(history),
        false => history,
    };
    let mut crashes = Crashes::new(&history, fresh);
    let (mut open, mut lost, mut with_unwritten, begun) = (0, 0, 0, Instant::now());
    for (number, cut) in cuts.into_iter().enumerate() {
        let fate = FATES[number % FATES.len()];
        let state = crashes.at(cut, fate, &mut random);
        open += state.open;
        lost += state.sectors_lost;
        let checked = check(&load, &image, &state.bytes, cut);
        let has_unwritten =
            checked.map_err(|error| Error::other(format!("cut at {cut}, {fate:?}: {error}")))?;
        with_unwritten += u64::from(has_unwritten);
    }
    if arguments.large && with_unwritten == 0 {
        return Err(Error::other(
            "no data file had space that was never written",
        ));
    }
    println!(
        "{fs}: {} states good in {:.0} s; {open} writes not vouched for, {lost} sectors lost; \
         {with_unwritten} with space that was never written",
        arguments.states,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// An empty file system.
fn fresh_disk(image: &Path, fs: &str) -> Result<Vec<u8>> {
    File::create(image)?.set_len(DISK_BYTES as u64)?;
    let path = image.to_string_lossy();
    match fs {
        "xfs" => mounts::run("mkfs.xfs", &["-q", "-f", &path])?,
        _ => {
            // Else the kernel would go on making it in the background.
            let at_once = "lazy_itable_init=0,lazy_journal_init=0";
            mounts::run("mkfs.ext4", &["-q", "-F", "-E", at_once, &path])?
        }
    };
    std::fs::read(image)
}

/// Boots the machine and loads its broker; between which ticks it was loaded.
fn live(
    arguments: &Wanted,
    dir: &Path,
    fs: &str,
    disk: &Arc<Disk>,
    load: &Load,
) -> Result<(Tick, Tick)> {
    let sockets = tempfile::tempdir()?;
    let socket = sockets.path().join("disk");
    let server = disk.serve(&socket, arguments.seed)?;
    let parts = Parts {
        dir,
        socket: &socket,
        fs,
        accelerator: &arguments.accelerator,
        port: load.port,
    };
    let guest = Guest::boot(&parts)?;
    load.create(1)?;
    let from = disk.clock.tick();
    let running = load.start();
    thread::sleep(Duration::from_secs(arguments.seconds));
    let to = disk.clock.tick();
    let console = guest.console();
    drop(guest);
    running.stop();
    let _ = server.join();
    let refusals = std::mem::take(&mut load.ledger.lock().unwrap().refusals);
    match refusals.first() {
        Some(refusal) => Err(Error::other(format!("{refusal}\n{console}"))),
        None => Ok((from, to)),
    }
}

/// A history of a disk that says "flushed" without having done anything.
fn lie(mut history: disk::History) -> disk::History {
    let last = history.writes.len() / 4;
    let tick = history.writes[last].arrived;
    history.flushes.retain(|flush| flush.arrived < tick);
    for write in &mut history.writes[last..] {
        write.fua = false;
    }
    history
}

/// Mounts what the disk holds after a cut, starts a broker on it, and audits that. Whether there
/// was space in data files that had never been written.
fn check(load: &Load, image: &Path, bytes: &[u8], cut: Tick) -> Result<bool> {
    write_image(image, bytes)?;
    let mounted = Mounted::new(image)?;
    let mut start = HERE.start(&mounted.0.join("broker")).shards(2);
    start.port = load.port;
    if !start.dir.exists() {
        return Err(Error::other("the broker's folder is gone"));
    }
    let folder = start.dir.to_string_lossy().into_owned();
    let maps = "find \"$0\" -name '*.log' -size +0 -exec filefrag -v {} +";
    let has_unwritten = mounts::run("sh", &["-c", maps, &folder])?.contains("unwritten");
    let broker = start.ready();
    let audited = load.audit(Depth::Whole, cut, false);
    let (log, complaint) = (broker.log(), broker.complaint());
    broker.kill();
    audited.map_err(|error| Error::other(format!("{error}\n{log}")))?;
    match complaint {
        Some(line) => Err(Error::other(format!("the broker logged: {line}"))),
        None => Ok(has_unwritten),
    }
}

/// Writes a sparse image.
fn write_image(image: &Path, bytes: &[u8]) -> Result<()> {
    const PIECE: usize = 64 << 10;
    let file = File::create(image)?;
    file.set_len(bytes.len() as u64)?;
    for (number, piece) in bytes.chunks(PIECE).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            file.write_all_at(piece, (number * PIECE) as u64)?;
        }
    }
    Ok(())
}

/// A mounted image; unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path) -> Result<Mounted> {
        let dir = image.with_extension("fs");
        std::fs::create_dir_all(&dir)?;
        let (image, path) = (image.to_string_lossy(), dir.to_string_lossy());
        mounts::run("mount", &["-o", "loop", &image, &path])?;
        Ok(Mounted(dir))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let path = self.0.to_string_lossy();
        let begun = Instant::now();
        // A killed broker's last I/O may still hold it.
        while mounts::run("umount", &[&path]).is_err() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn arguments() -> std::result::Result<Wanted, String> {
    let mut arguments = Arguments::of_program("tests/power/main.rs");
    let usual = vec!["ext4".to_owned(), "xfs".to_owned()];
    let large = match arguments.value("--load")?.as_deref() {
        None => false,
        Some("large") => true,
        Some(load) => {
            return Err(format!(
                "--load {load} is not known; see tests/power/main.rs"
            ));
        }
    };
    let wanted = Wanted {
        states: arguments.number("--states")?.unwrap_or(20),
        seconds: arguments.number("--seconds")?.unwrap_or(4),
        seed: arguments.seed()?,
        filesystems: arguments.value("--on")?.map_or(usual, |fs| vec![fs]),
        broken_flush: arguments.has("--broken-flush"),
        large,
        accelerator: arguments.value("--accel")?.unwrap_or("tcg".to_owned()),
    };
    arguments.end()?;
    Ok(wanted)
}
