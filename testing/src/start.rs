//! Drives: how a broker is started: its command line, its ports, its limits.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that belong to one broker: those of its shards, and of its admin pages the last.
const PORTS: u16 = 8;

/// The first of eight ports that no other test of this run uses.
pub fn ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below the range from which the kernel takes ports for outgoing connections.
    let own = 10_000 + (std::process::id() % 500) as u16 * 16;
    loop {
        let port = own + NEXT.fetch_add(PORTS, Ordering::Relaxed) % 8_000;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (port..port + PORTS).all(free) {
            return port;
        }
    }
}

/// How to start a broker.
#[derive(Clone, Debug)]
pub struct Start {
    program: PathBuf,
    /// Its data folder; several have commas between them.
    pub dir: PathBuf,
    /// The first shard's port.
    pub port: u16,
    /// How many shards.
    pub shards: usize,
    /// More arguments.
    pub more: Vec<String>,
    /// Number of the user that runs it, where that is another.
    pub user: Option<String>,
    /// Whether it is started with `nohup`.
    pub nohup: bool,
    /// Limits of its process, as `prlimit` takes them.
    pub limits: Vec<String>,
    /// Whether it has admin pages without being told a port for them.
    pub has_admin: bool,
    /// The file with all of its settings, where it is a broker of a cluster.
    file: Option<PathBuf>,
}

impl Start {
    /// One shard on free ports.
    pub fn new(program: impl Into<PathBuf>, dir: &Path) -> Start {
        Start {
            program: program.into(),
            dir: dir.to_owned(),
            port: ports(),
            shards: 1,
            more: Vec::new(),
            user: None,
            nohup: false,
            limits: Vec::new(),
            has_admin: true,
            file: None,
        }
    }

    /// A broker of a cluster on free ports, whose shards are the nodes from `node` on: its
    /// settings are in a file beside `dir`, with these lines added, which win.
    pub fn in_cluster(&self, node: i32, controllers: &str, lines: &[&str]) -> Start {
        let file = self.dir.with_extension("properties");
        let (port, dir, shards) = (self.port, self.dir.display(), self.shards);
        let mut text = format!(
            "process.roles=broker\nnode.id={node}\n\
             controller.quorum.bootstrap.servers={controllers}\n\
             listeners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={dir}\ncorelane.shards={shards}\n\
             broker.heartbeat.interval.ms=500\noffsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
        );
        if let Some(admin) = self.admin() {
            text += &format!("corelane.admin.port={admin}\n");
        }
        for line in lines {
            text += &format!("{line}\n");
        }
        std::fs::write(&file, text).unwrap();
        Start {
            file: Some(file),
            ..self.clone()
        }
    }

    /// Formats its folders for a cluster, as `corelane format` with these arguments more: the exit
    /// status and what was said.
    pub fn format(&self, cluster_id: &str, more: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        let file = self.file.as_ref().expect("a broker of a cluster");
        command.args(["format", "--cluster-id", cluster_id, "--config"]);
        command.arg(file).args(more).output().unwrap()
    }

    /// With so many shards.
    pub fn shards(mut self, shards: usize) -> Start {
        self.shards = shards;
        self
    }

    /// Where its nodes listen, one for each shard.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        let ports = (0..self.shards as u16).map(|shard| self.port + shard);
        ports.map(|port| ([127, 0, 0, 1], port).into()).collect()
    }

    /// With one more argument and its value.
    pub fn arg(mut self, name: &str, value: &str) -> Start {
        self.more.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Run by the user with this number; needs root.
    pub fn user(mut self, number: &str) -> Start {
        self.user = Some(number.to_owned());
        self
    }

    /// With a limit of its process, as `prlimit` takes it: `--nofile=256`.
    pub fn limit(mut self, limit: &str) -> Start {
        self.limits.push(limit.to_owned());
        self
    }

    /// As a broker is by default: without admin pages.
    pub fn without_admin(mut self) -> Start {
        self.has_admin = false;
        self
    }

    pub(crate) fn command(&self) -> Command {
        let broker = &self.program;
        let mut command = match &self.user {
            None if !self.limits.is_empty() => {
                let mut command = Command::new("prlimit");
                command.args(&self.limits).arg(broker);
                command
            }
            None if self.nohup => {
                let mut command = Command::new("nohup");
                command.arg(broker);
                command
            }
            None => Command::new(broker),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--clear-groups"]);
                command.arg(broker);
                command
            }
        };
        command.arg("serve");
        if let Some(file) = &self.file {
            command.arg("--config").arg(file).args(&self.more);
            return command;
        }
        command.arg("--data-dir").arg(&self.dir);
        command.args(["--port", &self.port.to_string()]);
        command
            .args(["--shards", &self.shards.to_string()])
            .args(&self.more);
        if let Some(admin) = self.admin()
            && !self.more.iter().any(|arg| arg == "--admin-port")
        {
            command.args(["--admin-port", &admin.to_string()]);
        }
        command
    }

    /// The port of the admin pages: of the eight that belong to a test the last, unless the test
    /// says another, uses it for a shard, or wants none.
    pub(crate) fn admin(&self) -> Option<u16> {
        let value = |name: &str| {
            let at = self.more.iter().position(|arg| arg == name)?;
            self.more.get(at + 1)
        };
        let told = value("--admin-port").and_then(|port| port.parse().ok());
        let file = value("--config").and_then(|file| std::fs::read_to_string(file).ok());
        let set = file.and_then(|file| {
            let mut lines = file.lines();
            lines.find_map(|line| line.strip_prefix("corelane.admin.port=")?.parse().ok())
        });
        let is_free = self.has_admin && self.shards < usize::from(PORTS);
        told.or(set).or(is_free.then_some(self.port + PORTS - 1))
    }
}
