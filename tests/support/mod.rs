//! What the test programs share: a broker process of ours, and a client that speaks frames.

#![allow(dead_code)] // Each program uses a part of it.

pub mod exposition;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// How long anything that should happen may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a request may hold a core at a time in a build with debug assertions, in
/// milliseconds.
const TURN_MAX_MS: f64 = 100.0;

/// The page of metrics of the broker with this admin port, if it answers.
pub fn metrics(admin: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", admin)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    Some(page)
}

/// A folder on a file system with direct I/O, removed when dropped.
pub fn data_dir() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Ports for a broker of up to eight shards that no other test of this run uses.
pub fn ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below the range from which the kernel takes ports for outgoing connections.
    let own = 10_000 + (std::process::id() % 500) as u16 * 16;
    loop {
        let port = own + NEXT.fetch_add(8, Ordering::Relaxed) % 8_000;
        let free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (port..port + 8).all(free) {
            return port;
        }
    }
}

/// A broker process; killed when dropped.
pub struct Broker {
    child: Child,
    /// The first shard's port.
    pub port: u16,
    /// Its data folder.
    pub dir: PathBuf,
    log: PathBuf,
    said: mpsc::Receiver<String>,
    /// The port of its admin pages.
    pub admin: Option<u16>,
}

/// How to start a broker.
pub struct Start {
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
}

impl Start {
    /// One shard on free ports.
    pub fn new(dir: &Path) -> Start {
        Start {
            dir: dir.to_owned(),
            port: ports(),
            shards: 1,
            more: Vec::new(),
            user: None,
            nohup: false,
            limits: Vec::new(),
        }
    }

    /// With so many shards.
    pub fn shards(mut self, shards: usize) -> Start {
        self.shards = shards;
        self
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

    fn command(&self) -> Command {
        let broker = env!("CARGO_BIN_EXE_corelane");
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
                command.args(["--reuid", user, "--clear-groups", broker]);
                command
            }
        };
        command.arg("serve").arg("--data-dir").arg(&self.dir);
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

    /// Starts it and waits until it is ready.
    pub fn ready(&self) -> Broker {
        let broker = self.spawn();
        broker.wait_ready();
        broker
    }

    /// Starts it without waiting for anything.
    pub fn spawn(&self) -> Broker {
        // Beside the folder: the broker makes that one itself.
        let first = self.dir.to_str().and_then(|dirs| dirs.split(',').next());
        let log = Path::new(first.unwrap_or_default()).with_extension("log");
        let sink = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let spawned = self.command().stdout(Stdio::piped()).stderr(sink).spawn();
        let mut child = spawned.unwrap();
        let stdout = child.stdout.take().unwrap();
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = say.send(line);
        });
        Broker {
            child,
            port: self.port,
            dir: self.dir.clone(),
            log,
            said,
            admin: self.admin(),
        }
    }

    /// The port of the admin pages: of the eight that belong to a test the last, unless the test
    /// says another or uses it for a shard.
    fn admin(&self) -> Option<u16> {
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
        let own = (self.shards < 8).then_some(self.port + 7);
        told.or(set).or(own)
    }

    /// Starts it, expecting it to give up: its exit status and what it wrote to stderr.
    pub fn refused(&self) -> (ExitStatus, String) {
        let output = self.command().stdin(Stdio::null()).output().unwrap();
        (
            output.status,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}

impl Broker {
    /// Waits until it is ready, as its first line of output says.
    pub fn wait_ready(&self) {
        let line = self.said.recv_timeout(PATIENCE).unwrap_or_default();
        assert!(
            line.starts_with("corelane ready"),
            "said {line:?}; log:\n{}",
            self.log()
        );
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The status and the text of an admin page.
    pub fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin.unwrap())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        (status.parse().unwrap_or(0), text.to_owned())
    }

    /// Waits until an admin page has this status and says this; the whole text.
    pub fn wait_page(&self, path: &str, status: u16, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let (found, text) = self.page(path);
            if found == status && text.contains(words) {
                return text;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{path} says {found} {text}, not {status} {words}; log:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until it has ended by itself: its exit status.
    pub fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "it goes on; log:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// A client of the first shard.
    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// A client of shard `shard`.
    pub fn client_of(&self, shard: u16) -> Client {
        Client::connect(self.port + shard)
    }

    /// Kills it as a power cut of the process would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, without waiting.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
    }

    /// Asks it to stop and waits until it has, cleanly.
    pub fn stop(mut self) {
        self.check_turns();
        self.terminate();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}; log:\n{}", self.log());
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "does not stop; log:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Checks that no request has held a core for long. Where the machine is busy a turn may
    /// have stood still because its thread did not run: the kernel says for how long that was.
    pub fn check_turns(&self) {
        let Some(page) = self.admin.and_then(metrics) else {
            return;
        };
        let waited_ms = self.threads_waited().as_millis() as f64;
        let turns = page.lines().filter(|line| {
            let of = line.strip_prefix("corelane_longest_turn_seconds{");
            let works = ["api=", "work=\"accept\"", "work=\"connection\""];
            of.is_some_and(|of| works.iter().any(|work| of.starts_with(work)))
        });
        for line in turns {
            let turn_s: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(
                turn_s * 1e3 <= TURN_MAX_MS + waited_ms,
                "a turn of {turn_s} s, threads that were ready waited {waited_ms} ms: {line}"
            );
        }
    }

    /// For how long threads of it that could run had no CPU, all together.
    fn threads_waited(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let waited = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            stat.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let tasks = tasks.into_iter().flatten().flatten();
        Duration::from_nanos(tasks.filter_map(waited).sum())
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// CPU time used so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name in parentheses may hold blanks; what follows it does not.
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks: Vec<f64> = fields
            .skip(11)
            .take(2)
            .map(|it| it.parse().unwrap())
            .collect();
        // The kernel counts them in hundredths, whatever its own clock.
        ticks.iter().sum::<f64>() / 100.0
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// The most memory that was resident at any time, in KiB.
    pub fn peak_resident_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("the broker has ended; log:\n{}", self.log()));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that sends requests and receives answers, one at a time.
pub struct Client {
    /// The socket, for frames that are not requests.
    pub stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    /// Connects to a shard.
    pub fn connect(port: u16) -> Client {
        Client::try_connect(port).unwrap()
    }

    /// As [`Self::connect`]; an error where nobody listens.
    pub fn try_connect(port: u16) -> std::io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            correlation_id: 0,
        })
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.try_call(version, request).unwrap()
    }

    /// As [`Self::call`]; an error when the connection ends instead.
    pub fn try_call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> std::io::Result<R::Response> {
        self.send(version, request)?;
        let (correlation_id, answer) = self.answer::<R>(version)?;
        assert_eq!(correlation_id, self.correlation_id);
        Ok(answer)
    }

    /// The answer to the oldest request that has none yet, and that request's number.
    pub fn answer<R: Request>(&mut self, version: i16) -> std::io::Result<(i32, R::Response)> {
        let mut answer = self.receive()?;
        let header = match R::Response::header_version(version) {
            1 => 5,
            _ => 4,
        };
        let correlation_id = i32::from_be_bytes(answer[..4].try_into().unwrap());
        let mut body = answer.split_off(header);
        Ok((
            correlation_id,
            R::Response::decode(&mut body, version).unwrap(),
        ))
    }

    /// Sends a request without waiting.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> std::io::Result<()> {
        self.correlation_id += 1;
        let frame = frame(version, self.correlation_id, request);
        self.stream.write_all(&frame)
    }

    /// The next answer, with its header.
    pub fn receive(&mut self) -> std::io::Result<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut answer = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer)?;
        Ok(Bytes::from(answer))
    }

    /// Whether the broker has closed the connection, after what it may still have sent.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}

/// A request's whole frame.
pub fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut bytes = BytesMut::new();
    header
        .encode(&mut bytes, R::header_version(version))
        .unwrap();
    request.encode(&mut bytes, version).unwrap();
    let mut frame = (bytes.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(&bytes);
    frame
}
