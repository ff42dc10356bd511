//! The admin pages: what they say, and what they do with those who ask badly.

use std::io::Write;
use std::net::TcpStream;

use corelane_testing::admin::{exchange, get};
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;

use crate::HERE;

#[test]
fn pages_tell_about_a_broker_that_runs() {
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path()).shards(2);
    let admin = start.port + 7;
    let broker = start.arg("--admin-port", &admin.to_string()).ready();
    let software = StrBytes::from_static_str("test");
    let request = ApiVersionsRequest::default()
        .with_client_software_name(software.clone())
        .with_client_software_version(software);
    broker.client_of(1).call(4, &request);

    for (path, status, text) in [
        ("/ready", "HTTP/1.1 200", "ready\n"),
        ("/health", "HTTP/1.1 200", "healthy\n"),
        ("/metrics", "HTTP/1.1 200", "corelane_shards 2\n"),
        ("/metrics", "HTTP/1.1 200", "corelane_shards_silent 0\n"),
        (
            "/metrics",
            "HTTP/1.1 200",
            "corelane_mesh_record_bytes_total{node=\"2\"} 0\n",
        ),
        (
            "/metrics",
            "HTTP/1.1 200",
            "corelane_request_latency_seconds_count{api=\"ApiVersions\",node=\"2\"} 1\n",
        ),
        (
            "/config",
            "HTTP/1.1 200",
            "# default\nlog.flush.interval.messages=1\n",
        ),
        ("/elsewhere", "HTTP/1.1 404", "/metrics"),
    ] {
        let answer = get(admin, path).unwrap();
        assert!(answer.starts_with(status), "{path}: {answer}");
        assert!(answer.contains(text), "{path} lacks {text}: {answer}");
    }
    broker.stop();
}

#[test]
fn who_is_silent_does_not_blind_the_pages() {
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
    let admin = start.port + 7;
    let broker = start.arg("--admin-port", &admin.to_string()).ready();
    // Kept open: half of them have asked once, the others never.
    let silent: Vec<TcpStream> = (0..90)
        .filter_map(|at| {
            let mut stream = TcpStream::connect(("127.0.0.1", admin)).ok()?;
            let asks = b"GET /ready HTTP/1.1\r\nHost: h\r\n\r\n";
            if at % 2 == 0 {
                stream.write_all(asks).ok()?;
            }
            Some(stream)
        })
        .collect();
    for path in ["/health", "/ready", "/metrics"] {
        let answer = get(admin, path).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    drop(silent);
    broker.stop();
}

#[test]
fn bad_requests_are_refused_and_hurt_no_client() {
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
    let admin = start.port + 7;
    let broker = start.arg("--admin-port", &admin.to_string()).ready();
    let posted =
        b"POST /config HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let answer = exchange(admin, posted).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    let answer = exchange(admin, b"\x00\x00\x00\x10garbage\r\n\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let mut endless = b"GET / HTTP/1.1\r\nA: ".to_vec();
    endless.resize(100_000, b'a');
    let answer = exchange(admin, &endless).unwrap();
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    // More connections than are served at a time, all silent: later ones are refused, and
    // served again once these are gone.
    let silent: Vec<TcpStream> = (0..80)
        .filter_map(|_| TcpStream::connect(("127.0.0.1", admin)).ok())
        .collect();
    broker.client().call(0, &ApiVersionsRequest::default());
    drop(silent);
    broker.wait_page("/health", 200, "");
    broker.stop();
}
