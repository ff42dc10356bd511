//! The broker as a process: time to ready, memory and CPU when idle, and the latency of a
//! durable ack beside the floors taken in the same run, in interleaved blocks.
//!
//! `cargo bench --bench serve`; under `cargo test` it runs small and checks only that it works.

mod harness;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use corelane::wire::batch::{BatchBuilder, NewRecord};
use corelane::wire::codec;
use harness::{DirectFile, FloorServer, Samples, cpu_seconds, echo_server, is_large, size};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, ProduceRequest, ProduceResponse, RequestHeader,
    TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

const VERSION: i16 = 9;

/// A running broker; killed when dropped.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    /// Starts the broker and waits until it is ready; returns the time that took.
    fn start(dir: &Path, port: u16) -> (Broker, Duration) {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_corelane"))
            .args(["serve", "--shards", "1", "--log-level", "warn"])
            .args(["--port", &port.to_string(), "--data-dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("corelane ready"), "{line}");
        (Broker { child, port }, begun.elapsed())
    }

    fn stop(mut self) {
        Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Resident memory in MiB.
    fn resident_mib(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<f64>()
            .unwrap()
            / 1024.0
    }

    /// CPU time used so far, in seconds.
    fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(TcpStream);

impl Client {
    fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client(stream)
    }

    /// Sends a frame and receives the answer's body.
    fn exchange(&mut self, frame: &[u8]) -> Bytes {
        self.0.write_all(frame).unwrap();
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut answer = vec![0; i32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut answer).unwrap();
        Bytes::from(answer)
    }
}

fn frame<R: Request>(request: &R, version: i16) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("bench")));
    let mut bytes = BytesMut::new();
    header
        .encode(&mut bytes, R::header_version(version))
        .unwrap();
    request.encode(&mut bytes, version).unwrap();
    let mut framed = (bytes.len() as i32).to_be_bytes().to_vec();
    framed.extend_from_slice(&bytes);
    framed
}

fn body<R: Decodable + HeaderVersion + codec::Message>(mut answer: Bytes, version: i16) -> R {
    let header = if R::header_version(version) == 1 {
        5
    } else {
        4
    };
    let mut rest = answer.split_off(header);
    R::decode(&mut rest, version).unwrap()
}

fn create_topic(client: &mut Client, name: &str) {
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(name.to_owned())))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_timeout_ms(5_000)
        .with_topics(vec![topic]);
    let answer: CreateTopicsResponse = body(client.exchange(&frame(&request, 5)), 5);
    assert_eq!(answer.topics[0].error_code, 0);
}

fn produce_frame(topic: &str, value_bytes: usize) -> Vec<u8> {
    let value = vec![b'x'; value_bytes];
    let mut batch = BatchBuilder::new();
    batch.push(NewRecord::new(1_700_000_000_000, None, Some(&value)));
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(batch.build().into()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![topic]);
    frame(&request, VERSION)
}

fn main() {
    harness::serve_floor();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let port = 21_000 + (std::process::id() % 20_000) as u16;

    let mut starts = Vec::new();
    for run in 0..size(1, 10) {
        let (broker, ready) = Broker::start(&dir.path().join(format!("empty-{run}")), port);
        starts.push(ready);
        broker.stop();
    }
    starts.sort();
    let median = starts[starts.len() / 2];
    println!(
        "start on an empty folder to ready    {:.0} ms (goal 150)",
        ms(median)
    );

    let (broker, ready) = Broker::start(&dir.path().join("data"), port);
    broker_idle(&broker);
    latency(&broker, dir.path());
    println!(
        "resident after that                  {:.1} MiB",
        broker.resident_mib()
    );
    broker.stop();
    let (broker, again) = Broker::start(&dir.path().join("data"), port);
    println!(
        "first start / restart with records   {:.0} / {:.0} ms",
        ms(ready),
        ms(again)
    );
    broker.stop();
}

fn ms(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}

fn broker_idle(broker: &Broker) {
    let seconds = size(1, 10);
    let before = broker.cpu_seconds();
    thread::sleep(Duration::from_secs(seconds));
    let used = (broker.cpu_seconds() - before) / seconds as f64 * 100.0;
    println!(
        "resident when idle                   {:.1} MiB (goal 64)",
        broker.resident_mib()
    );
    println!("CPU when idle                        {used:.2} % of a core (goal < 1)");
}

/// Durable acks of 1 KiB, one in flight, in blocks between blocks of the floors.
fn latency(broker: &Broker, dir: &Path) {
    let mut client = Client::connect(broker.port);
    create_topic(&mut client, "bench");
    let request = produce_frame("bench", 1_024);
    let first = client.exchange(&request);
    let answer_bytes = first.len() + 4;
    let answer: ProduceResponse = body(first, VERSION);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);

    let mut echo = Client(echo_server(request.len(), answer_bytes));
    let mut server = FloorServer::start(dir, request.len(), answer_bytes);
    let mut file = DirectFile::new(&dir.join("floor"), 4_096);
    let (mut echoes, mut flushed) = (Samples::default(), Samples::default());
    let (mut floors, mut acks) = (Samples::default(), Samples::default());
    let (mut floor_cpu, mut ack_cpu) = (0.0, 0.0);
    let per_block = size(20, 500);
    for _ in 0..size(2, 12) {
        let mut answer = vec![0; answer_bytes];
        echoes.merge(Samples::take(per_block, || {
            echo.0.write_all(&request).unwrap();
            echo.0.read_exact(&mut answer).unwrap();
        }));
        flushed.merge(Samples::take(per_block, || {
            file.write();
            file.flush();
        }));
        let before = server.cpu_seconds();
        floors.merge(Samples::take(per_block, || {
            server.stream.write_all(&request).unwrap();
            server.stream.read_exact(&mut answer).unwrap();
        }));
        floor_cpu += server.cpu_seconds() - before;
        let before = broker.cpu_seconds();
        acks.merge(Samples::take(per_block, || {
            client.exchange(&request);
        }));
        ack_cpu += broker.cpu_seconds() - before;
    }
    println!("{}", echoes.line("floor: loopback round trip"));
    println!("{}", flushed.line("floor: pwrite and fdatasync"));
    println!("{}", floors.line("floor: both, in one server"));
    println!("{}", acks.line("durable ack of 1 KiB, one in flight"));
    let added = |part| acks.us(part) - floors.us(part);
    let (p50, p99) = (added(0.5), added(0.99));
    println!("added to the server's                p50 {p50:.1} µs (goal 15), p99 {p99:.1} µs");
    let each = 1e6 / (per_block * size(2, 12)) as f64;
    let (ack_cpu, floor_cpu) = (ack_cpu * each, floor_cpu * each);
    println!(
        "CPU of all threads for an ack        {ack_cpu:.1} µs, {:.2} x the server's {floor_cpu:.1} (goal 1.3)",
        ack_cpu / floor_cpu
    );
    if !is_large() {
        println!("(a small run: the figures mean nothing)");
    }
}
