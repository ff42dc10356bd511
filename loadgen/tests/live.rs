//! Drives: loadgen as a user calls it, against a broker of this workspace.
//!
//! Machines that run tests are busy: whether a run is fit (exit code 3) is not asked here, and
//! whether records are lost, repeated or out of order (4) always.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};
use std::{fs, thread};

use clap::Parser;
use corelane::commands::cli::{Cli, Command as Corelane};
use corelane::host::this;
use corelane::server;
use corelane::server::loggers::Loggers;
use serde_json::Value;

/// How long a broker may take to start, or loadgen to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where the one broker of all tests listens. It is a part of this process and ends with it.
fn broker() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        // On a file system with direct I/O, unlike the usual place for temporary files.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broker-of-loadgen");
        let _ = fs::remove_dir_all(&dir);
        let (ready, address) = mpsc::channel();
        thread::spawn(move || {
            let dir = dir.to_str().unwrap();
            let words = [
                "corelane",
                "serve",
                "--data-dir",
                dir,
                "--port",
                "0",
                "--shards",
                "1",
            ];
            let Corelane::Serve(flags) = Cli::parse_from(words).command_or_default() else {
                unreachable!("serve was asked for")
            };
            let host = this::host_facts();
            // The folder is new: it says nothing of shards.
            let config = flags.load(None, &host, |_| None).unwrap();
            let loggers = Loggers::new(&config.log_level, |_| ());
            server::serve(config, loggers, |at| ready.send(at.to_string()).unwrap()).unwrap();
        });
        address.recv_timeout(PATIENCE).expect("the broker starts")
    })
}

fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(line.replace("BROKER", broker()).split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Calls loadgen with the words of `line`, in which BROKER is the broker.
fn loadgen(line: &str) -> Output {
    command(line).output().unwrap()
}

/// The same; it has to have run and to have found nothing wrong with the records.
fn runs(line: &str) -> String {
    let output = loadgen(line);
    let said = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{line}\n{text}{said}"
    );
    text
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    (dir, path)
}

/// A workload in the shape in which OpenMessaging Benchmark ships them.
const WORKLOAD: &str = r#"
name: 2 topics / 2 partitions / 512 bytes

topics: 2
partitionsPerTopic: 2
keyDistributor: "NO_KEY"
messageSize: 512
payloadFile: "payload/payload-512b.data"
subscriptionsPerTopic: 2
consumerPerSubscription: 1
producersPerTopic: 2
producerRate: 400
consumerBacklogSizeGB: 0
testDurationMinutes: 15
"#;

/// The fields of a result: OpenMessaging Benchmark's class `TestResult`.
fn fields_of_a_result() -> BTreeSet<String> {
    let plain = "workload driver messageSize topics partitions producersPerTopic \
                 consumersPerTopic publishRate publishErrorRate consumeRate backlog";
    let mut fields: BTreeSet<String> = plain.split_whitespace().map(str::to_owned).collect();
    for (each, all) in [
        ("publishLatency", "aggregatedPublishLatency"),
        ("publishDelayLatency", "aggregatedPublishDelayLatency"),
        ("endToEndLatency", "aggregatedEndToEndLatency"),
    ] {
        for end in "Avg 50pct 75pct 95pct 99pct 999pct 9999pct Max".split(' ') {
            fields.extend([format!("{each}{end}"), format!("{all}{end}")]);
        }
        fields.insert(format!("{all}Quantiles"));
    }
    fields
}

#[test]
fn a_workload_of_openmessaging_runs_and_its_result_has_their_fields_and_units() {
    let (dir, out) = folder();
    let file = dir.path().join("workload.yaml");
    fs::write(&file, WORKLOAD).unwrap();
    let shown = runs(&format!("omb {} --show", file.display()));
    for option in [
        "--rate 400",
        "--topics 2",
        "--create 2",
        "--fanout 2",
        "--producers 4",
    ] {
        assert!(shown.contains(option), "{shown}");
    }
    assert!(
        shown.contains("--duration 900") && shown.contains("--warmup 60"),
        "{shown}"
    );
    runs(&format!(
        "omb {} --bootstrap BROKER --topic omb --duration 2 --warmup 1 --drain 60 --quiet --out {}",
        file.display(),
        out.display()
    ));
    let (theirs, ours) = (json(out.join("omb.json")), json(out.join("run.json")));
    let fields: BTreeSet<String> = theirs.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, fields_of_a_result());
    assert_eq!(theirs["workload"], "2 topics / 2 partitions / 512 bytes");
    let of = |name: &str| theirs[name].as_f64().unwrap();
    for (name, value) in [
        ("messageSize", 512.0),
        ("topics", 2.0),
        ("partitions", 2.0),
        ("producersPerTopic", 2.0),
        ("consumersPerTopic", 1.0),
    ] {
        assert_eq!(of(name), value, "{name}");
    }
    // Milliseconds with decimals, and whole microseconds for the delay.
    let latency = &ours["latency_us"];
    for (name, own, unit_us) in [
        ("aggregatedPublishLatency", "produce_service", 1e3),
        ("aggregatedEndToEndLatency", "e2e", 1e3),
        ("aggregatedPublishDelayLatency", "lateness", 1.0),
    ] {
        for (end, quantile) in [("50pct", "p50"), ("99pct", "p99"), ("Max", "max")] {
            let (given, wanted) = (
                of(&format!("{name}{end}")) * unit_us,
                &latency[own][quantile],
            );
            let wanted = wanted.as_f64().unwrap();
            assert!(
                (given - wanted).abs() <= 1.0 + wanted * 2e-3,
                "{name}{end}: {given}, {wanted}"
            );
        }
    }
    assert!(theirs["aggregatedPublishDelayLatencyMax"].is_u64());
    let rate = theirs["publishRate"][0].as_f64().unwrap();
    assert!((200.0..=410.0).contains(&rate), "{rate}");
    // Both groups' records count, as there.
    let consumed = theirs["consumeRate"][0].as_f64().unwrap();
    assert!(
        (1.9..=2.1).contains(&(consumed / rate)),
        "{consumed}, {rate}"
    );
    let periods = |name: &str| theirs[name].as_array().unwrap().len();
    assert_eq!((periods("publishLatency99pct"), periods("backlog")), (1, 1));
    assert_eq!(
        ours["notes"].as_array().unwrap().len(),
        1,
        "the payload file is not read"
    );
}

#[test]
fn a_cold_reader_reads_all_there_is_and_says_what_is_not_there() {
    let (_dir, out) = folder();
    runs(&format!(
        "run --bootstrap BROKER --topic cold --create 3 --rate 600 --duration 1 --warmup 1 \
         --producers 3 --size 2000 --no-check --drain 60 --quiet --out {}",
        out.display()
    ));
    let sent = json(out.join("run.json"))["records"]["sent"]
        .as_u64()
        .unwrap();
    assert_eq!(sent, 1_200);
    for fetch_bytes in [1_024, 4_194_304] {
        let line = format!("read --bootstrap BROKER --topic cold --fetch-bytes {fetch_bytes}");
        let said = runs(&line);
        assert!(
            said.starts_with("3 partitions: 1200 records, 2.5 MB in"),
            "{said}"
        );
    }
    let none = loadgen("read --bootstrap BROKER --topic nowhere");
    let said = String::from_utf8_lossy(&none.stderr);
    assert_eq!(none.status.code(), Some(1), "{said}");
    assert!(
        said.contains("Metadata was refused with Kafka's error 3"),
        "{said}"
    );
}

#[test]
fn every_plan_that_comes_along_runs() {
    let list = runs("plan --list");
    let names: Vec<&str> = list
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    assert_eq!(names.len(), 7, "{list}");
    thread::scope(|scope| {
        for name in names {
            scope.spawn(move || plan_runs(name));
        }
    });
}

/// A plan with little time and load: only that all of it works is looked at.
fn plan_runs(name: &str) {
    let (_dir, out) = folder();
    let said = runs(&format!(
        "plan {name} --bootstrap BROKER --rate 200 --blocks 1 --drain 60 --quiet --scale 0.05 \
         --out {}",
        out.display()
    ));
    assert!(said.contains("overview: "), "{name}: {said}");
    let overview = fs::read_to_string(out.join("index.html")).unwrap();
    let steps: Vec<PathBuf> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(!steps.is_empty(), "{name}");
    for step in steps {
        let told = json(step.join("run.json"));
        let link = format!(
            "{}/report.html",
            step.file_name().unwrap().to_string_lossy()
        );
        assert!(overview.contains(&link), "{name}: {link}");
        assert!(
            told["about"].as_str().unwrap().contains("0.05 times"),
            "{name}"
        );
        assert!(told["check"]["seen"].as_u64().unwrap() > 0, "{name}");
        assert_eq!(told["check"]["lost"], 0, "{name}");
        // What a plan does beside the load has to have worked.
        let events = told["events"].as_array().unwrap();
        let failed = events.iter().find(|event| {
            event["what"]
                .as_str()
                .unwrap_or_default()
                .starts_with("failed")
        });
        assert!(failed.is_none(), "{name}: {failed:?}");
        let reads = told["settings"]["at"].is_string() || told["settings"]["at"].is_array();
        assert_eq!(reads, !events.is_empty(), "{name}");
        assert!(
            fs::read_to_string(step.join("report.html"))
                .unwrap()
                .contains("<svg"),
            "{name}"
        );
    }
}

#[test]
fn a_sweep_leaves_its_curve_and_tags_of_each_rate() {
    let (_dir, out) = folder();
    runs(&format!(
        "sweep --bootstrap BROKER --topic sweep --create 1 --rate 100 --factor 2 --until 200 \
         --knee 100000 --duration 2 --warmup 1 --drain 60 --consume --quiet --out {}",
        out.display()
    ));
    let told = json(out.join("sweep.json"));
    assert_eq!(told["settings"]["topic"], "sweep");
    let log = fs::read_to_string(out.join("sweep.hlog")).unwrap();
    // On a machine that stands still for a moment the first rate is past the knee already.
    let steps = told["steps"].as_array().unwrap();
    let knee = told["knee"].as_u64();
    assert_eq!(steps.len(), if knee == Some(100) { 1 } else { 2 });
    for step in steps {
        let rate = step["offered"].as_u64().unwrap();
        assert_eq!(step["latency_us"]["count"], rate * 2);
        assert_eq!(step["e2e_us"]["count"], rate * 2);
        assert_eq!(step["past_knee"].is_null(), knee != Some(rate));
        for kind in ["produce", "e2e", "lateness"] {
            let tag = format!("Tag={kind}@{rate},");
            // A line for each second, but a machine that stands still may leave one out.
            let lines = log.lines().filter(|line| line.starts_with(&tag)).count();
            assert!(lines >= 1, "{tag}");
        }
    }
    let page = out.join("sweep.html");
    let drawn = fs::read_to_string(&page).unwrap();
    assert!(drawn.contains("Latency against rate: end to end"));
    fs::remove_file(&page).unwrap();
    runs(&format!("report {}", out.display()));
    assert_eq!(fs::read_to_string(&page).unwrap(), drawn);
}

#[test]
fn a_proof_is_written_down_with_what_happened_meanwhile() {
    let (_dir, out) = folder();
    let said = runs(&format!(
        "verify --bootstrap BROKER --topic proof --create 2 --rate 300 --duration 2 --quiet \
         --event 1=nothing --format json --out {}",
        out.display()
    ));
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(told, json(out.join("verify.json")));
    assert_eq!(
        (&told["promised"], &told["seen"]),
        (&Value::from(600), &Value::from(600))
    );
    assert_eq!(
        (&told["exit"], &told["lost"]),
        (&Value::from(0), &Value::from(0))
    );
    assert_eq!(told["events"][0]["what"], "nothing");
    let log = fs::read_to_string(out.join("verify.hlog")).unwrap();
    assert!(log.contains("Tag=produce,"));
}

#[test]
fn an_interrupted_run_writes_its_whole_report() {
    let (_dir, out) = folder();
    let mut child = command(&format!(
        "run --bootstrap BROKER --topic interrupted --create 1 --rate 200 --duration 600 \
         --warmup 0 --drain 60 --consume --quiet --out {}",
        out.display()
    ))
    .spawn()
    .unwrap();
    thread::sleep(Duration::from_secs(2));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                child.kill().unwrap();
                panic!("it went on after Ctrl-C");
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(matches!(status.code(), Some(0 | 3)), "{status}");
    let told = json(out.join("run.json"));
    assert_eq!(told["interrupted"], true);
    let seconds = told["measured_s"].as_f64().unwrap();
    assert!((0.1..500.0).contains(&seconds), "{seconds}");
    assert_eq!(told["check"]["seen"], told["records"]["sent"]);
    assert!(out.join("report.html").metadata().unwrap().len() > 10_000);
}
