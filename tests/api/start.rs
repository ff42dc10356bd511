//! What stands in the way of a start is said in one sentence, with a non-zero exit.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use corelane_testing::requests::{PRODUCE, batch, create_topic, produce, read_all};
use corelane_testing::{Broker, Start};

use crate::HERE;

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
    let dir = HERE.data_dir();
    let mut start = HERE.start(dir.path()).shards(2);
    let taken = TcpListener::bind(("127.0.0.1", start.port + 1)).unwrap();
    let port = (start.port + 1).to_string();
    refused(&start, &["in use", &port]);
    drop(taken);
    start.shards = 1;
    start.ready().stop();
}

#[test]
fn a_folder_in_use() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    refused(&HERE.start(dir.path()), &["in use by another process"]);
    broker.stop();
}

#[test]
fn a_folder_that_cannot_be_made() {
    let proc = Path::new("/proc/sys/corelane-cannot-be-made-here");
    refused(&HERE.start(proc), &[proc.to_str().unwrap()]);
}

#[test]
fn a_folder_without_direct_io() {
    let dir = HERE.data_dir();
    let point = dir.path().join("ramfs");
    std::fs::create_dir(&point).unwrap();
    let mount = |words: &[&str]| {
        let done = Command::new(words[0])
            .args(&words[1..])
            .arg(&point)
            .status();
        done.is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "ramfs", "none"]) {
        println!("not looked at: only root may mount");
        return;
    }
    let data = point.join("data");
    let (status, said) = HERE.start(&data).refused();
    let check = Command::new(env!("CARGO_BIN_EXE_corelane"))
        .args(["check", "--no-measure", "--data-dir"])
        .arg(&data)
        .output();
    assert!(mount(&["umount", "-l"]));
    assert_eq!(status.code(), Some(1), "{said}");
    for word in [data.to_str().unwrap(), "has no direct I/O", "ext4 or XFS"] {
        assert!(said.contains(word), "`{word}` is missing from: {said}");
    }
    let check = check.unwrap();
    let said = String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(1), "{said}");
    assert!(
        said.contains("CANNOT SERVE HERE: the file system of"),
        "{said}"
    );
    assert!(said.contains("ramfs is memory"), "{said}");
}

/// Has the kernel refuse io_uring to a program, as containers do.
#[allow(unsafe_code)]
fn without_io_uring(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let steps = [
        // The number of the system call stands at the front of what a filter sees.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_io_uring_setup as u32,
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, refuse),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let confine = move || {
        let mut steps = steps;
        let program = libc::sock_fprog {
            len: steps.len() as u16,
            filter: steps.as_mut_ptr(),
        };
        // SAFETY: plain system calls; the program and its steps live until they return.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) != 0
        };
        match refused {
            true => Err(std::io::Error::last_os_error()),
            false => Ok(()),
        }
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(confine) };
}

#[test]
fn io_uring_switched_off() {
    let dir = HERE.data_dir();
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command
        .args(["serve", "--shards", "1", "--data-dir"])
        .arg(dir.path());
    without_io_uring(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in [
        "io_uring does not work here",
        "kernel.io_uring_disabled=0",
        "seccomp",
    ] {
        assert!(said.contains(word), "`{word}` is missing from: {said}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(["check", "--data-dir"]).arg(dir.path());
    without_io_uring(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("CANNOT SERVE HERE: io_uring does not work"),
        "{said}"
    );
}

#[test]
fn too_little_locked_memory() {
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
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
    let dir = HERE.data_dir();
    let file = dir.path().join("server.properties");
    std::fs::write(&file, "num.partitons=3\n").unwrap();
    let file = file.to_str().unwrap();
    let start = || HERE.start(&dir.path().join("data")).arg("--config", file);
    refused(&start(), &["num.partitons", "num.partitions"]);
    std::fs::write(file, "num.partitions=three\n").unwrap();
    refused(&start(), &["num.partitions", "three"]);
}

#[test]
fn to_spin_on_the_only_cpu_has_no_effect_and_the_log_says_so() {
    let dir = HERE.data_dir();
    let file = dir.path().join("server.properties");
    std::fs::write(&file, "corelane.spin.us=100\n").unwrap();
    let data = dir.path().join("data");
    let start = HERE.start(&data).arg("--config", file.to_str().unwrap());
    let one = core_affinity::get_core_ids().unwrap()[0];
    let on_one = move || {
        // The broker inherits it from this thread.
        assert!(core_affinity::set_for_current(one));
        start.ready()
    };
    let broker = std::thread::spawn(on_one).join().unwrap();
    broker.wait_log(&["corelane.spin.us has no effect"]);
    broker.stop();
}

#[test]
fn settings_of_a_file_hold_and_flags_win_over_them() {
    let dir = HERE.data_dir();
    let file = dir.path().join("server.properties");
    let start = HERE
        .start(&dir.path().join("data"))
        .arg("--config", file.to_str().unwrap());
    std::fs::write(
        &file,
        "listeners=PLAINTEXT://127.0.0.1:1\nnum.partitions=3\n",
    )
    .unwrap();
    let broker = start.ready();
    assert_eq!(create_topic(&mut broker.client(), "three", -1), 0);
    for partition in 0..3 {
        assert!(read_all(&mut broker.client(), "three", partition).is_empty());
    }
    broker.stop();
}

#[test]
fn the_example_file_has_fifteen_settings_and_starts() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tuning/server.properties");
    let text = std::fs::read_to_string(file).unwrap();
    let mut settings: Vec<&str> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    settings.sort();
    assert_eq!(settings.len(), 15);
    let dir = HERE.data_dir();
    // A broker may be running on this machine: the flags win over three of them.
    let start = HERE.start(&dir.path().join("data")).shards(2);
    let broker = start.arg("--config", file).arg("--admin-port", "0").ready();
    broker.stop();
}

#[test]
fn an_admin_port_in_use_is_told_apart_from_a_shards() {
    let dir = HERE.data_dir();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let start = HERE
        .start(&dir.path().join("data"))
        .arg("--admin-port", &port);
    refused(&start, &[&port, "in use", "another --admin-port"]);
}

#[test]
fn limits_that_are_too_low() {
    let dir = HERE.data_dir();
    let data = dir.path().join("data");
    for (limit, words) in [
        ("--as=300000000", ["bytes of address space", "ulimit -v"]),
        ("--data=100000000", ["bytes of data", "ulimit -d"]),
        ("--fsize=1000000", ["bytes in a file", "ulimit -f"]),
    ] {
        refused(&HERE.start(&data).limit(limit), &words);
    }
}

#[test]
fn one_folder_under_two_names() {
    let dir = HERE.data_dir();
    let real = dir.path().join("a");
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, dir.path().join("b")).unwrap();
    let both = format!("{},{}", real.display(), dir.path().join("b").display());
    refused(&HERE.start(Path::new(&both)), &["names one folder twice"]);
}

#[test]
fn what_would_protect_the_broker_and_cannot_be_done() {
    let dir = HERE.data_dir();
    let file = dir.path().join("server.properties");
    for (text, words) in [
        (
            "ssl.keystore.location=/k\n",
            ["ssl.keystore.location", "no TLS"],
        ),
        (
            "sasl.enabled.mechanisms=PLAIN\n",
            ["sasl.enabled.mechanisms", "no TLS, SASL"],
        ),
        ("listeners=SASL_SSL://:9092\n", ["SASL_SSL", "no TLS, SASL"]),
        ("super.users=User:a\n", ["super.users", "no authorizer"]),
    ] {
        std::fs::write(&file, text).unwrap();
        let start = HERE.start(&dir.path().join("data"));
        refused(&start.arg("--config", file.to_str().unwrap()), &words);
    }
}

#[test]
fn a_start_says_what_starts_on_what_and_how_the_last_one_ended() {
    let dir = HERE.data_dir();
    let data = dir.path().join("data");
    let said = |broker: &Broker, words: &[&str]| {
        let log = broker.log();
        let mut lines = log.lines();
        let found = lines.rfind(|line| words.iter().all(|word| line.contains(word)));
        assert!(found.is_some(), "no line with {words:?}:\n{log}");
    };
    let broker = HERE.start(&data).ready();
    let version = format!("version=\"{}", env!("CARGO_PKG_VERSION"));
    said(&broker, &["corelane starts", &version, "kernel=", "cpus="]);
    said(
        &broker,
        &[
            "settings of this start",
            "shards=1",
            "first_node=1",
            "log_dirs=",
        ],
    );
    said(
        &broker,
        &["logs are open", "node=1", "partitions=0", "clean"],
    );
    assert_eq!(create_topic(&mut broker.client(), "t", 2), 0);
    let request = produce("t", 0, -1, batch(&[b"x"]));
    broker.client().call(PRODUCE, &request);
    broker.kill();
    let broker = HERE.start(&data).ready();
    said(&broker, &["logs are open", "partitions=2", "unclean"]);
    broker.stop();
    let broker = HERE.start(&data).ready();
    said(
        &broker,
        &["logs are open", "partitions=2", "last_stop=\"clean"],
    );
    broker.stop();
}

#[test]
fn a_hangup_stops_it_cleanly_unless_it_was_started_with_nohup() {
    let dir = HERE.data_dir();
    let mut broker = HERE.start(&dir.path().join("data")).ready();
    let hang_up = |broker: &Broker| {
        let id = broker.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &id])
                .status()
                .unwrap()
                .success()
        );
    };
    hang_up(&broker);
    assert!(broker.ends().success(), "{}", broker.log());
    assert!(broker.log().contains("stopped cleanly"));

    let mut start = HERE.start(&dir.path().join("data"));
    start.nohup = true;
    let mut broker = start.ready();
    hang_up(&broker);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(broker.is_alive());
    broker.client();
    broker.stop();
}

#[test]
fn retention_says_what_it_removed() {
    let dir = HERE.data_dir();
    let file = dir.path().join("server.properties");
    let text = "log.segment.bytes=1048576\nlog.retention.bytes=1\n\
                log.retention.check.interval.ms=200\n";
    std::fs::write(&file, text).unwrap();
    let start = HERE.start(&dir.path().join("data"));
    let broker = start.arg("--config", file.to_str().unwrap()).ready();
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "t", 1), 0);
    for _ in 0..6 {
        let records = batch(&[&vec![b'x'; 600_000]]);
        client.call(PRODUCE, &produce("t", 0, -1, records));
    }
    let line = broker.wait_log(&["retention removed segments"]);
    for word in ["INFO", "t-0", "segments=", "bytes=", "before_offset="] {
        assert!(line.contains(word), "{line}");
    }
    broker.stop();
}

#[test]
fn how_much_is_logged_does_not_decide_whether_it_serves() {
    for level in ["error", "warn", "debug"] {
        let dir = HERE.data_dir();
        let broker = HERE.start(dir.path()).arg("--log-level", level).ready();
        broker.stop();
    }
}
