//! Drives: a quorum of unmodified Apache Kafka controllers, as processes of this machine.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{DescribeQuorumRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::net::Host;
use crate::{CLIENT_ID, Client, ports, until, until_within};

/// The cluster that the controllers are formatted for.
pub const CLUSTER_ID: &str = "Q29yZWxhbmUtdGVzdHMtMQ";

/// The node id of the first controller; far from those that tests give to brokers.
const FIRST_ID: i32 = 3000;

/// How long a first election may take: all JVMs start, on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(120);

/// The quorum's log.
const METADATA: &str = "__cluster_metadata";

/// Options of a JVM that shall be small and start soon.
const JVM: &[&str] = &[
    "-Xms32m",
    "-Xmx192m",
    "-Xss512k",
    "-XX:MaxMetaspaceSize=128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xlog:disable",
    "-Djava.awt.headless=true",
    "-Dkafka.log.level=INFO",
];

/// Features that the quorum of three has off, as one of Kafka 4.0 or of a careful operator may; the
/// one of a single controller has all that Kafka's defaults turn on.
const WITHOUT: [&str; 3] = [
    "eligible.leader.replicas.version",
    "transaction.version",
    "group.version",
];

/// What a controller of a quorum for tests is told, beside where it is.
const SETTINGS: &str = "\
process.roles=controller
controller.listener.names=CONTROLLER
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.backoff.max.ms=500
default.replication.factor=1
min.insync.replicas=1
";

/// One to three controllers; those that still run are killed when it is dropped.
pub struct Quorum {
    dir: PathBuf,
    /// Settings more, a line each.
    lines: String,
    /// The release that it is formatted for; `None` for what is usual here.
    release: Option<&'static str>,
    controllers: Vec<Controller>,
}

struct Controller {
    id: i32,
    host: Host,
    port: u16,
    child: Option<Child>,
}

/// What tests with Kafka's own processes lack on this machine, if they lack something.
pub fn lacks_kafka() -> Option<&'static str> {
    class_path()
        .is_err()
        .then_some("a JDK, Maven and Kafka's artifacts")
}

/// Kafka's class path, resolved once; the error is what was said instead.
fn class_path() -> &'static Result<String, String> {
    static PATH: OnceLock<Result<String, String>> = OnceLock::new();
    PATH.get_or_init(|| {
        let script = kafka_folder().join("kafka.sh");
        let java = Command::new("java").arg("-version").output();
        java.map_err(|error| format!("java: {error}"))?;
        let output = Command::new(&script).arg("classpath").output();
        let output = output.map_err(|error| format!("{}: {error}", script.display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(said.trim().to_owned())
    })
}

fn kafka_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kafka")
}

/// A program of Kafka's, by the name of its class.
pub fn kafka_program(class: &str) -> Command {
    kafka_process(class, &[])
}

/// As [`kafka_program`], with these options of its JVM, which win.
pub fn kafka_process(class: &str, options: &[&str]) -> Command {
    process_with(
        class_path().as_ref().expect("Kafka's class path"),
        class,
        options,
    )
}

/// Compiles a file of Java that uses Kafka's classes into `classes`; what was said if it cannot be.
pub fn compile(source: &Path, classes: &Path) -> Result<(), String> {
    let path = class_path().as_ref()?;
    let mut javac = Command::new("javac");
    javac.args(["-cp", path, "-d"]).args([classes, source]);
    let output = javac.output().map_err(|error| format!("javac: {error}"))?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or_else(said)
}

/// As [`kafka_process`], of a class that [`compile`] has put into `classes`.
pub fn compiled_process(classes: &Path, class: &str, options: &[&str]) -> Command {
    let path = class_path().as_ref().expect("Kafka's class path");
    process_with(&format!("{}:{path}", classes.display()), class, options)
}

fn process_with(path: &str, class: &str, options: &[&str]) -> Command {
    let mut java = Command::new("java");
    let log = kafka_folder().join("log4j2.properties");
    java.args(JVM)
        .args(options)
        .arg(format!("-Dlog4j2.configurationFile={}", log.display()))
        .args(["-cp", path, class])
        .stdin(Stdio::null());
    java
}

// === impl Quorum ===

impl Quorum {
    /// Formats so many controllers, their data and logs in `dir`, starts them and waits until they
    /// have a leader. One alone has a quorum that can change (kraft.version 1), several have a
    /// fixed one.
    pub fn start(dir: &Path, count: usize) -> Quorum {
        Quorum::start_with(dir, count, &[])
    }

    /// As [`Self::start`], with these settings more, which win.
    pub fn start_with(dir: &Path, count: usize, lines: &[&str]) -> Quorum {
        let hosts = vec![Host::local(); count];
        Quorum::start_on(&hosts, dir, lines)
    }

    /// A controller that is formatted for an older release, with the features which that had.
    pub fn start_as(release: &'static str, dir: &Path) -> Quorum {
        Quorum::start_of(Some(release), &[Host::local()], dir, &[])
    }

    /// As [`Self::start_with`], one controller on each of these hosts.
    pub fn start_on(hosts: &[Host], dir: &Path, lines: &[&str]) -> Quorum {
        Quorum::start_of(None, hosts, dir, lines)
    }

    fn start_of(
        release: Option<&'static str>,
        hosts: &[Host],
        dir: &Path,
        lines: &[&str],
    ) -> Quorum {
        let count = hosts.len();
        assert!((1..=3).contains(&count));
        let port = ports();
        let controllers = hosts.iter().enumerate().map(|(index, host)| Controller {
            id: FIRST_ID + index as i32,
            host: host.clone(),
            port: port + index as u16,
            child: None,
        });
        let mut quorum = Quorum {
            dir: dir.to_owned(),
            lines: lines.join("\n"),
            release,
            controllers: controllers.collect(),
        };
        for index in 0..count {
            quorum.format(index);
            quorum.restart(index);
        }
        quorum.wait_leader();
        quorum
    }

    /// Where they are, as `controller.quorum.bootstrap.servers` wants it.
    pub fn addresses(&self) -> String {
        let addresses = self.controllers.iter().map(|it| it.address().to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// The setting that tells Kafka's own processes of them: of a fixed quorum the voters, of one
    /// that can change an address.
    pub fn setting(&self) -> String {
        if self.controllers.len() == 1 {
            return format!("controller.quorum.bootstrap.servers={}", self.addresses());
        }
        let voter = |one: &Controller| format!("{}@{}", one.id, one.address());
        let voters: Vec<String> = self.controllers.iter().map(voter).collect();
        format!("controller.quorum.voters={}", voters.join(","))
    }

    /// Kills one as a lost machine would.
    pub fn kill(&mut self, index: usize) {
        let mut child = self.take(index);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops one in order.
    pub fn stop(&mut self, index: usize) {
        let mut child = self.take(index);
        let id = child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        let log = || format!("controller {index} does not stop:\n{}", self.log(index));
        until(log, || child.try_wait().unwrap());
    }

    /// Makes all of them stand still, as when their machines hang.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets them go on after [`Self::pause`].
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        for child in self.controllers.iter().filter_map(|it| it.child.as_ref()) {
            let id = child.id().to_string();
            let sent = Command::new("kill").args([signal, &id]).status().unwrap();
            assert!(sent.success());
        }
    }

    /// Starts one that was killed or stopped.
    pub fn restart(&mut self, index: usize) {
        let mut options = File::options();
        let log = options.create(true).append(true);
        let log = log.open(self.path(index, "log")).unwrap();
        let mut java = kafka_program("kafka.Kafka");
        java.arg(self.path(index, "properties"));
        let mut java = self.controllers[index].host.command(java);
        java.stdout(log.try_clone().unwrap()).stderr(log);
        let started = java.stdin(Stdio::null()).spawn().unwrap();
        assert!(self.controllers[index].child.replace(started).is_none());
    }

    /// The index of the controller that is active, once one is.
    pub fn wait_leader(&self) -> usize {
        let logs = || {
            let logs = (0..self.controllers.len()).map(|index| self.log(index));
            format!("no leader:\n{}", logs.collect::<Vec<_>>().join("\n---\n"))
        };
        until_within(PATIENCE, logs, || self.leader())
    }

    /// The index of the controller that says that it is the leader.
    pub fn leader(&self) -> Option<usize> {
        let running = self.controllers.iter().filter(|one| one.child.is_some());
        let leads = |one: &&Controller| leader_by(one.address()) == Some(one.id);
        let leader = running.into_iter().find(leads)?;
        self.controllers.iter().position(|one| one.id == leader.id)
    }

    /// What one has logged so far.
    pub fn log(&self, index: usize) -> String {
        fs::read_to_string(self.path(index, "log")).unwrap_or_default()
    }

    fn take(&mut self, index: usize) -> Child {
        let child = self.controllers[index].child.take();
        child.expect("a controller that runs")
    }

    fn path(&self, index: usize, what: &str) -> PathBuf {
        self.dir.join(format!("controller-{index}.{what}"))
    }

    fn format(&self, index: usize) {
        let id = self.controllers[index].id;
        let address = self.controllers[index].address();
        let file = self.path(index, "properties");
        let data = self.path(index, "data");
        let is_alone = self.controllers.len() == 1;
        let quorum = self.setting();
        let text = format!(
            "{SETTINGS}node.id={id}\nlisteners=CONTROLLER://{address}\n{quorum}\n\
             log.dirs={}\n{}\n",
            data.display(),
            self.lines
        );
        fs::write(&file, text).unwrap();
        let mut tool = kafka_program("kafka.tools.StorageTool");
        tool.args(["format", "-t", CLUSTER_ID, "-c"]).arg(&file);
        if is_alone {
            // By Kafka's defaults, with all features on.
            tool.arg("--standalone");
            let release = self.release.map(|release| ["--release-version", release]);
            tool.args(release.iter().flatten());
        } else {
            tool.args(["--release-version", "4.1"]);
            let off = |name: &&str| ["--feature".to_owned(), format!("{name}=0")];
            tool.args(WITHOUT.iter().flat_map(off));
        }
        let output = tool.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "cannot format {}: {said}",
            data.display()
        );
    }
}

impl Drop for Quorum {
    fn drop(&mut self) {
        for child in self
            .controllers
            .iter_mut()
            .filter_map(|one| one.child.as_mut())
        {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Controller {
    fn address(&self) -> SocketAddr {
        (self.host.address, self.port).into()
    }
}

/// The leader of the quorum as the controller at `address` says, if it knows.
fn leader_by(address: SocketAddr) -> Option<i32> {
    let mut client = Client::to(address, CLIENT_ID).ok()?;
    client
        .stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .ok()?;
    let topic = TopicData::default()
        .with_topic_name(TopicName(StrBytes::from_static_str(METADATA)))
        .with_partitions(vec![PartitionData::default()]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    let answer = client.try_call(1, &request).ok()?;
    let partition = answer.topics.first()?.partitions.first()?;
    (answer.error_code == 0 && partition.error_code == 0).then_some(partition.leader_id.0)
}
