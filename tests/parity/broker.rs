//! Drives: a Corelane broker of our own, started on an empty folder and ended with the tests.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// How long the broker may take to serve.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running broker; dropping it ends it.
pub struct Broker {
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

// === impl Broker ===

impl Broker {
    /// Starts the broker and waits until it says that it is ready. Its log goes to our standard
    /// error stream.
    pub fn start() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let address = free_address();
        let process = Command::new(env!("CARGO_BIN_EXE_corelane"))
            .arg("serve")
            .args([
                "--config",
                concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/tests/parity/broker.properties"
                ),
            ])
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--port", &address.port().to_string(), "--shards", "1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("start corelane");
        let mut broker = Self {
            address,
            process,
            _folder: folder,
        };
        let lines = BufReader::new(broker.process.stdout.take().expect("its output")).lines();
        let (tell, ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        while let Ok(line) = ready.recv_timeout(PATIENCE) {
            if line.starts_with("corelane ready") {
                return broker;
            }
        }
        panic!("corelane did not say that it is ready within {PATIENCE:?}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}
