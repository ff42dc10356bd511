//! Drives: a server that stores nothing and answers after a known time, to test the instrument.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hdrhistogram::Histogram;
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::protocol::Encodable;

use crate::client::PRODUCE;
use crate::latency::histogram;

/// What becomes of a request.
pub enum Answer {
    /// Success, so many nanoseconds after the request was read; those behind it wait.
    After(u64),
    /// An error code, at once.
    Refuse(i16),
    /// Nothing.
    Never,
    /// The end of the connection.
    Close,
}

/// The server; it serves one connection.
pub struct Null {
    /// Where it listens.
    pub address: String,
    thread: JoinHandle<Histogram<u64>>,
}

impl Null {
    /// How long each answer took by the server's own clock, once its client is gone.
    pub fn delays(self) -> Histogram<u64> {
        self.thread.join().unwrap()
    }
}

/// Starts a server that does with request number n what `answer` says.
pub fn start(answer: impl Fn(u64) -> Answer + Send + 'static) -> Null {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        serve(stream, answer)
    });
    Null { address, thread }
}

fn serve(mut stream: TcpStream, answer: impl Fn(u64) -> Answer) -> Histogram<u64> {
    let mut delays = histogram();
    for number in 0.. {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            break;
        }
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).unwrap();
        let begun = Instant::now();
        let code = match answer(number) {
            Answer::After(ns) => {
                std::thread::sleep(Duration::from_nanos(ns));
                0
            }
            Answer::Refuse(code) => code,
            Answer::Never => continue,
            Answer::Close => break,
        };
        let partition = PartitionProduceResponse::default().with_error_code(code);
        let topic = TopicProduceResponse::default().with_partition_responses(vec![partition]);
        let mut body = BytesMut::new();
        let response = ProduceResponse::default().with_responses(vec![topic]);
        response.encode(&mut body, PRODUCE).unwrap();
        // The correlation id stands behind the API's key and version.
        let mut frame = (4 + body.len() as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(&request[4..8]);
        frame.extend_from_slice(&body);
        delays.record(begun.elapsed().as_nanos() as u64).unwrap();
        if stream.write_all(&frame).is_err() {
            break;
        }
    }
    delays
}
