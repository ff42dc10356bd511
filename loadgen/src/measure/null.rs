//! Drives: a server that stores nothing and answers after a known time, to test the instrument
//! and to see what it costs itself.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use core_affinity::CoreId;
use hdrhistogram::Histogram;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, InitProducerIdResponse, MetadataResponse, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};

use crate::measure::latency::histogram;

/// Partitions of the one topic that it claims to have.
pub const PARTITIONS: i32 = 4;
/// The topic.
pub const TOPIC: &str = "null";

/// What becomes of a request to produce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Success, so many nanoseconds after the request was read; those behind it on the same
    /// connection wait.
    After(u64),
    /// An error code, at once.
    #[cfg_attr(not(test), allow(dead_code))]
    Refuse(i16),
    /// Nothing.
    #[cfg_attr(not(test), allow(dead_code))]
    Never,
    /// The end of the connection.
    #[cfg_attr(not(test), allow(dead_code))]
    Close,
}

type Rule = dyn Fn(u64) -> Answer + Send + Sync;

/// The server: a thread for each connection.
pub struct Null {
    /// Where it listens.
    pub address: String,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<JoinHandle<Histogram<u64>>>>,
    /// Requests to produce that were answered with success, if they are kept.
    #[cfg_attr(not(test), allow(dead_code))]
    pub kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Null {
    /// How long each answer took by the server's own clock, once its clients are gone.
    pub fn delays(self) -> Histogram<u64> {
        self.over.store(true, Ordering::Relaxed);
        // It is in the middle of waiting for a connection.
        let _ = TcpStream::connect(&self.address);
        let mut all = histogram();
        for thread in self.thread.join().unwrap_or_default() {
            if let Ok(own) = thread.join() {
                all.add(own).expect("all histograms have the same bounds");
            }
        }
        all
    }
}

/// Starts a server that does with request number n what `rule` says. `keep` keeps the requests;
/// its threads are pinned to `core`.
pub fn start(
    rule: impl Fn(u64) -> Answer + Send + Sync + 'static,
    keep: bool,
    core: Option<CoreId>,
) -> io::Result<Null> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let over = Arc::new(AtomicBool::new(false));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let (ends, keeps) = (over.clone(), keep.then(|| kept.clone()));
    let rule: Arc<Rule> = Arc::new(rule);
    let count = Arc::new(AtomicU64::new(0));
    let thread = thread::spawn(move || {
        let mut threads = Vec::new();
        for stream in listener.incoming() {
            let Ok(stream) = stream.and_then(|s| s.set_nodelay(true).map(|()| s)) else {
                continue;
            };
            if ends.load(Ordering::Relaxed) {
                break;
            }
            let mut server = Server {
                stream,
                port: i32::from(address.port()),
                rule: rule.clone(),
                count: count.clone(),
                kept: keeps.clone(),
                delays: histogram(),
            };
            threads.push(thread::spawn(move || {
                core.map(core_affinity::set_for_current);
                // The end of a connection is no failure of the server.
                let _ = server.serve();
                server.delays
            }));
        }
        threads
    });
    Ok(Null {
        address: address.to_string(),
        over,
        thread,
        kept,
    })
}

struct Server {
    stream: TcpStream,
    port: i32,
    rule: Arc<Rule>,
    count: Arc<AtomicU64>,
    kept: Option<Arc<Mutex<Vec<Vec<u8>>>>>,
    delays: Histogram<u64>,
}

impl Server {
    fn serve(&mut self) -> io::Result<()> {
        let mut request = Vec::new();
        loop {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length)?;
            request.resize(u32::from_be_bytes(length) as usize, 0);
            self.stream.read_exact(&mut request)?;
            let begun = Instant::now();
            let key = i16::from_be_bytes([request[0], request[1]]);
            let version = i16::from_be_bytes([request[2], request[3]]);
            let body = match key {
                0 => match self.produced(&request) {
                    Some(body) => body,
                    None => continue,
                },
                3 => self.metadata(version)?,
                22 => InitProducerIdResponse::default().encoded(version)?,
                _ => return Err(io::Error::other("not an API that it knows")),
            };
            // The correlation id stands behind the API's key and version.
            let mut frame = (4 + body.len() as i32).to_be_bytes().to_vec();
            frame.extend_from_slice(&request[4..8]);
            frame.extend_from_slice(&body);
            if key == 0 {
                self.delays
                    .saturating_record(begun.elapsed().as_nanos() as u64);
            }
            self.stream.write_all(&frame)?;
        }
    }

    /// The answer to a request to produce, version 8; none if there is to be none.
    fn produced(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let code = match (self.rule)(self.count.fetch_add(1, Ordering::Relaxed)) {
            Answer::After(ns) => {
                if ns > 0 {
                    thread::sleep(Duration::from_nanos(ns));
                }
                if let Some(Ok(mut kept)) = self.kept.as_ref().map(|kept| kept.lock()) {
                    kept.push(request.to_vec());
                }
                0i16
            }
            Answer::Refuse(code) => code,
            Answer::Never => return None,
            Answer::Close => {
                let _ = self.stream.shutdown(std::net::Shutdown::Both);
                return None;
            }
        };
        // One topic without a name, one partition: number, code, offset, time, log start, no
        // record errors, no message; then the throttle time.
        let mut body = Vec::with_capacity(64);
        body.extend_from_slice(&1i32.to_be_bytes());
        body.extend_from_slice(&0i16.to_be_bytes());
        body.extend_from_slice(&1i32.to_be_bytes());
        body.extend_from_slice(&0i32.to_be_bytes());
        body.extend_from_slice(&code.to_be_bytes());
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(&[0xff; 8]);
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(&0i32.to_be_bytes());
        body.extend_from_slice(&(-1i16).to_be_bytes());
        body.extend_from_slice(&[0; 4]);
        Some(body)
    }

    fn metadata(&self, version: i16) -> io::Result<Vec<u8>> {
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(1))
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(self.port);
        let partition = |number| {
            MetadataResponsePartition::default()
                .with_partition_index(number)
                .with_leader_id(BrokerId(1))
        };
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str(TOPIC))))
            .with_partitions((0..PARTITIONS).map(partition).collect());
        MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_topics(vec![topic])
            .encoded(version)
    }
}

trait Encoded: Encodable {
    fn encoded(&self, version: i16) -> io::Result<Vec<u8>> {
        let mut bytes = BytesMut::new();
        self.encode(&mut bytes, version).map_err(io::Error::other)?;
        Ok(bytes.into())
    }
}

impl<T: Encodable> Encoded for T {}
