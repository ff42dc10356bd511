//! Drives: one broker of a cluster as a process, of ours or of Apache Kafka: both are started,
//! stopped, killed, paused and emptied in the same words.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::net::Host;
use crate::quorum::{CLUSTER_ID, Quorum, kafka_process};
use crate::{Here, Start, ports, until_within};

/// How long a start or an orderly stop may take: several JVMs share two cores.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a process that ends at SIGTERM returns when it is a JVM.
const TERMINATED: i32 = 143;

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This build's.
    Corelane,
    /// Apache Kafka's.
    Kafka,
}

/// A broker of one node; killed when dropped.
pub struct Member {
    /// Its node.
    pub id: i32,
    /// Whose program it is.
    pub kind: Kind,
    /// Where it listens.
    pub port: u16,
    host: Host,
    /// Its data folder.
    pub dir: PathBuf,
    start: Start,
    child: Option<Child>,
    is_paused: bool,
    /// What it says of the cluster is not to be trusted, as the test knows.
    pub is_cut_off: bool,
    /// How long its log was when it was started last.
    logged: usize,
}

impl Member {
    /// A member with its folder in `dir`, formatted but not started; `lines` are settings that both
    /// kinds know, and win.
    pub fn new(
        here: &Here,
        kind: Kind,
        dir: &Path,
        id: i32,
        host: Host,
        quorum: &Quorum,
        lines: &[&str],
    ) -> Member {
        let data = dir.join(format!("member-{id}"));
        let mut start = here.start(&data);
        start.port = ports();
        let start = match kind {
            Kind::Corelane => {
                let listener = format!("listeners=PLAINTEXT://{}:{}", host.address, start.port);
                let lines = [lines, &[listener.as_str()]].concat();
                start.in_cluster(id, &quorum.addresses(), &lines)
            }
            Kind::Kafka => start,
        };
        let member = Member {
            id,
            kind,
            port: start.port,
            host,
            dir: data,
            start,
            child: None,
            is_paused: false,
            is_cut_off: false,
            logged: 0,
        };
        if kind == Kind::Kafka {
            member.write_settings(&quorum.setting(), lines);
        }
        member.format();
        member
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        (self.host.address, self.port).into()
    }

    /// The port of its admin pages, where it is one of ours.
    pub fn admin(&self) -> Option<u16> {
        self.start.admin().filter(|_| self.kind == Kind::Corelane)
    }

    /// Whether it can answer for the cluster: it runs, is not paused, and not cut off.
    pub fn is_running(&self) -> bool {
        self.child.is_some() && !self.is_paused && !self.is_cut_off
    }

    /// Starts its process, without waiting for anything.
    pub fn start(&mut self) {
        self.logged = self.log().len();
        let mut options = File::options();
        let log = options.create(true).append(true);
        let log = log.open(self.path("log")).unwrap();
        let command = match self.kind {
            Kind::Corelane => self.start.command(),
            Kind::Kafka => {
                let mut java = kafka_process("kafka.Kafka", &["-Xmx256m"]);
                java.arg(self.path("properties"));
                java
            }
        };
        let mut command = self.host.command(command);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let started = command.stdin(Stdio::null()).spawn().unwrap();
        assert!(self.child.replace(started).is_none(), "it runs already");
    }

    /// Waits until it takes part in the cluster.
    pub fn wait_ready(&mut self) {
        let words = match self.kind {
            Kind::Corelane => "corelane ready",
            Kind::Kafka => "Kafka Server started",
        };
        let (id, path) = (self.id, self.path("log"));
        let child = self.child.as_mut().expect("a member that runs");
        let log = || fs::read_to_string(&path).unwrap_or_default();
        let logged = self.logged;
        until_within(
            PATIENCE,
            || format!("member {id} does not start:\n{}", log()),
            || {
                if let Some(status) = child.try_wait().unwrap() {
                    panic!("member {id} ended, {status}:\n{}", log());
                }
                log()[logged..].contains(words).then_some(())
            },
        );
    }

    /// Kills it as a lost machine would.
    pub fn kill(&mut self) {
        let mut child = self.take();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it in order: it hands its leaderships away.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        let mut child = self.take();
        let (id, log) = (self.id, || self.log());
        let status = until_within(
            PATIENCE,
            || format!("member {id} does not stop:\n{}", log()),
            || child.try_wait().unwrap(),
        );
        assert!(self.is_good(status), "member {id}: {status}:\n{}", log());
    }

    fn is_good(&self, status: ExitStatus) -> bool {
        match self.kind {
            Kind::Corelane => status.success(),
            Kind::Kafka => status.success() || status.code() == Some(TERMINATED),
        }
    }

    /// Makes it stand still, as a machine does that swaps or migrates.
    pub fn pause(&mut self) {
        self.signal("-STOP");
        self.is_paused = true;
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&mut self) {
        self.signal("-CONT");
        self.is_paused = false;
    }

    /// Takes all that a member that does not run has stored, as when its disk was replaced, and
    /// formats it again.
    pub fn wipe(&mut self) {
        assert!(self.child.is_none(), "it runs");
        fs::remove_dir_all(&self.dir).unwrap();
        self.format();
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(30)..];
        format!(
            "--- member {} ({:?}):\n{}",
            self.id,
            self.kind,
            last.join("\n")
        )
    }

    /// The first line of its log that tells of a defect, where it is one of ours.
    pub fn complaint(&self) -> Option<String> {
        let log = self.log();
        let mut lines = log.lines().filter(|line| line.contains("panicked"));
        let line = lines.next().filter(|_| self.kind == Kind::Corelane)?;
        Some(line.to_owned())
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("a member that runs");
        let id = child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
    }

    fn take(&mut self) -> Child {
        self.is_paused = false;
        self.child.take().expect("a member that runs")
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.dir.with_extension(extension)
    }

    fn write_settings(&self, quorum: &str, lines: &[&str]) {
        let Member { id, dir, .. } = self;
        let address = self.address();
        let text = format!(
            "process.roles=broker\nnode.id={id}\ncontroller.listener.names=CONTROLLER\n\
             {quorum}\n\
             listeners=PLAINTEXT://{address}\nlog.dirs={}\n\
             broker.heartbeat.interval.ms=500\nnum.network.threads=2\nnum.io.threads=2\n\
             share.coordinator.state.topic.num.partitions=1\n{}\n",
            dir.display(),
            lines.join("\n")
        );
        fs::write(self.path("properties"), text).unwrap();
    }

    /// Of Kafka's `format` only what a broker cannot do without is written, by hand: a JVM takes
    /// seconds for it.
    fn format(&self) {
        let said = match self.kind {
            Kind::Corelane => self.start.format(CLUSTER_ID, &[]),
            Kind::Kafka => {
                fs::create_dir_all(&self.dir).unwrap();
                let text = format!("version=1\ncluster.id={CLUSTER_ID}\nnode.id={}\n", self.id);
                fs::write(self.dir.join("meta.properties"), text).unwrap();
                return;
            }
        };
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{errors}");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
