//! The broker as a process: time to ready, memory and CPU when idle, and the latency of a
//! durable ack beside the floors taken in the same run, in interleaved blocks.
//!
//! `cargo bench --bench serve`; under `cargo test` it runs small and checks only that it works.

use std::io::{Read, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::bench::{
    self, DirectFile, FloorServer, Samples, Trips, echo_server, is_large, size,
};
use corelane_testing::requests::{batch, create_topic, produce};
use corelane_testing::{Broker, CLIENT_ID, Client, Here, decode, frame_of};
use kafka_protocol::messages::ProduceRequest;

/// Where the broker of this build is.
const HERE: Here = corelane_testing::here!();
/// Version of Produce.
const VERSION: i16 = 9;

/// Starts a broker and waits until it is ready; returns the time that took.
fn start(dir: &Path) -> (Broker, Duration) {
    let start = HERE.start(dir).without_admin().arg("--log-level", "warn");
    let begun = Instant::now();
    let broker = start.ready();
    (broker, begun.elapsed())
}

/// Resident memory in MiB.
fn resident_mib(broker: &Broker) -> f64 {
    broker.resident_kib() as f64 / 1024.0
}

fn main() {
    bench::serve_floor();
    let dir = HERE.data_dir();

    let mut starts = Vec::new();
    for run in 0..size(1, 10) {
        let (broker, ready) = start(&dir.path().join(format!("empty-{run}")));
        starts.push(ready);
        broker.stop();
    }
    starts.sort();
    let median = starts[starts.len() / 2];
    println!(
        "start on an empty folder to ready    {:.0} ms (goal 150)",
        ms(median)
    );

    let (broker, ready) = start(&dir.path().join("data"));
    broker_idle(&broker);
    latency(&broker, dir.path());
    println!(
        "resident after that                  {:.1} MiB",
        resident_mib(&broker)
    );
    broker.stop();
    let (broker, again) = start(&dir.path().join("data"));
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
        resident_mib(broker)
    );
    println!("CPU when idle                        {used:.2} % of a core (goal < 1)");
}

/// Durable acks of 1 KiB, one in flight, in blocks between blocks of the floors.
fn latency(broker: &Broker, dir: &Path) {
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "bench", 1), 0);
    let records = batch(&[&[b'x'; 1_024]]);
    let request = frame_of("bench", VERSION, 0, &produce("bench", 0, -1, records));
    let first = client.exchange(&request).unwrap();
    let answer_bytes = first.len() + 4;
    let (_, answer) = decode::<ProduceRequest>(VERSION, first).unwrap();
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);

    let echo = echo_server(request.len(), answer_bytes);
    let mut echo = Client::over(echo, CLIENT_ID).unwrap();
    let mut server = FloorServer::start(dir, request.len(), answer_bytes);
    let mut file = DirectFile::new(&dir.join("floor"), 4_096);
    let mut trips = RoundTrips::default();
    let mut flushed = Samples::default();
    let (mut floor_cpu, mut ack_cpu) = (0.0, 0.0);
    let per_block = size(20, 500);
    for _ in 0..size(2, 12) {
        let mut answer = vec![0; answer_bytes];
        trips.echoes.take(per_block, || {
            echo.stream.write_all(&request).unwrap();
            echo.stream.read_exact(&mut answer).unwrap();
        });
        trips.by_client.take(per_block, || {
            echo.exchange(&request).unwrap();
        });
        flushed.merge(Samples::take(per_block, || {
            file.write();
            file.flush();
        }));
        let before = server.cpu_seconds();
        trips.floors.take(per_block, || {
            server.stream.write_all(&request).unwrap();
            server.stream.read_exact(&mut answer).unwrap();
        });
        floor_cpu += server.cpu_seconds() - before;
        let before = broker.cpu_seconds();
        trips.acks.take(per_block, || {
            client.exchange(&request).unwrap();
        });
        ack_cpu += broker.cpu_seconds() - before;
    }
    println!("{}", flushed.line("floor: pwrite and fdatasync"));
    trips.print();
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

/// Round trips by this thread.
#[derive(Default)]
struct RoundTrips {
    /// To a server that answers at once, by a plain write and read.
    echoes: Trips,
    /// To the same server by the client that asks the broker.
    by_client: Trips,
    /// To the server that writes and flushes, by a plain write and read.
    floors: Trips,
    /// To the broker, by the client.
    acks: Trips,
}

impl RoundTrips {
    fn print(&self) {
        let RoundTrips {
            echoes,
            by_client,
            floors,
            acks,
        } = self;
        println!("{}", echoes.samples.line("floor: loopback round trip"));
        println!(
            "{}",
            by_client.samples.line("the same, by this bench's client")
        );
        println!("{}", floors.samples.line("floor: both, in one server"));
        println!(
            "{}",
            acks.samples.line("durable ack of 1 KiB, one in flight")
        );
        let added = |to: &Trips, of: &Trips, part| of.samples.us(part) - to.samples.us(part);
        let (p50, p99) = (added(floors, acks, 0.5), added(floors, acks, 0.99));
        println!("added to the server's                p50 {p50:.1} µs (goal 15), p99 {p99:.1} µs");
        println!(
            "of that the client                   p50 {:.1} µs, CPU {:.1} µs",
            added(echoes, by_client, 0.5),
            by_client.cpu_us() - echoes.cpu_us()
        );
        println!(
            "CPU of the thread that asks          {:.1} µs for an ack, {:.1} for the server's answer, {:.1} for an echo",
            acks.cpu_us(),
            floors.cpu_us(),
            echoes.cpu_us()
        );
    }
}
