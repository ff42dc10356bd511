//! Bad bytes close one connection, with one log line; other connections go on.

use std::io::Write;

use bytes::Bytes;
use corelane_testing::requests::{PRODUCE, batch, create_topic, produce, read_all};
use corelane_testing::{Broker, Client, frame};
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};

use crate::HERE;

/// Sends `bytes` on a connection of its own and expects it to be closed.
fn closed_by(broker: &mut Broker, what: &str, bytes: &[u8]) {
    let mut client = broker.client();
    // The broker may close before it has read all.
    let _ = client.stream.write_all(bytes);
    assert!(client.is_closed(), "{what} did not close the connection");
    assert!(broker.is_alive(), "{what} ended the broker");
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

#[test]
fn frames_that_cannot_be_requests_close_their_connection_only() {
    let dir = HERE.data_dir();
    let mut broker = HERE.start(dir.path()).ready();
    let mut witness = broker.client();
    assert_eq!(create_topic(&mut witness, "witness", 1), 0);

    let huge = i32::MAX.to_be_bytes();
    closed_by(&mut broker, "a negative length", &(-1i32).to_be_bytes());
    closed_by(&mut broker, "an oversized length", &huge);
    closed_by(
        &mut broker,
        "an HTTP request",
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n",
    );
    closed_by(
        &mut broker,
        "an unknown API",
        &framed(&[0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
    );
    closed_by(
        &mut broker,
        "an unknown version",
        &framed(&[0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff]),
    );
    closed_by(&mut broker, "a header cut short", &framed(&[0, 3, 0, 1]));

    // Metadata v1 with an array that claims two billion topics.
    let mut lie = vec![0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff];
    lie.extend_from_slice(&2_000_000_000i32.to_be_bytes());
    closed_by(&mut broker, "an array of two billion", &framed(&lie));

    // Every prefix of a real request, whole as a frame and cut as a body.
    let whole = frame(
        12,
        1,
        &MetadataRequest::default().with_topics(Some(Vec::new())),
    );
    for cut in 0..whole.len() - 4 {
        let mut client = broker.client();
        let _ = client.stream.write_all(&framed(&whole[4..4 + cut]));
        assert!(
            client.is_closed(),
            "a body cut at {cut} did not close the connection"
        );
    }
    let request = produce("witness", 0, -1, batch(&[b"fine"]));
    assert_eq!(
        witness.call(PRODUCE, &request).responses[0].partition_responses[0].error_code,
        0
    );
    assert!(broker.is_alive());
    let log = broker.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(
        log.contains("closing connection") && log.contains("peer=127.0.0.1:"),
        "{log}"
    );
    broker.stop();
}

#[test]
fn an_unknown_version_of_api_versions_is_answered() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    let mut client = broker.client();
    // Version 77 with the header of version 2, as KIP-511 clients send it.
    client
        .stream
        .write_all(&framed(&[0, 18, 0, 77, 0, 0, 0, 9, 0xff, 0xff, 0, 1, 1, 0]))
        .unwrap();
    let answer = client.receive().unwrap();
    assert_eq!(answer[..4], 9i32.to_be_bytes());
    assert_eq!(
        answer[4..6],
        35i16.to_be_bytes(),
        "UNSUPPORTED_VERSION in the oldest form"
    );
    let versions = client.call(
        3,
        &ApiVersionsRequest::default()
            .with_client_software_name("test".to_owned().into())
            .with_client_software_version("1".to_owned().into()),
    );
    assert_eq!(versions.error_code, 0);
    broker.stop();
}

#[test]
fn records_that_cannot_be_get_kafkas_error_and_leave_no_trace() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "bad", 1), 0);
    let good = batch(&[b"good"]);
    let mut torn = good.to_vec();
    *torn.last_mut().unwrap() ^= 1;
    let mut code = |records: Bytes| {
        let answer = client.call(PRODUCE, &produce("bad", 0, -1, records));
        answer.responses[0].partition_responses[0].error_code
    };
    assert_eq!(code(torn.into()), 2, "a wrong checksum is CORRUPT_MESSAGE");
    assert_eq!(
        code(batch(&[&vec![0; 2 << 20]])),
        10,
        "2 MiB is MESSAGE_TOO_LARGE"
    );
    assert_eq!(code(Bytes::new()), 87, "no batch is INVALID_RECORD");
    let twice = [&good[..], &good[..]].concat();
    assert_eq!(code(twice.into()), 87, "two batches are INVALID_RECORD");
    assert_eq!(code(good), 0);
    assert_eq!(read_all(&mut client, "bad", 0), [(0, b"good".to_vec())]);
    broker.stop();
}

#[test]
fn half_sent_giants_take_no_memory_and_hurt_no_client() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    let before = broker.resident_kib();
    // A hundred connections, each announcing 90 MiB and sending 8 KiB of it.
    let mut giants: Vec<Client> = (0..100).map(|_| broker.client()).collect();
    for giant in &mut giants {
        giant
            .stream
            .write_all(&(90i32 << 20).to_be_bytes())
            .unwrap();
        giant.stream.write_all(&[0; 8_192]).unwrap();
    }
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, "others", 1), 0);
    let request = produce("others", 0, -1, batch(&[b"served"]));
    assert_eq!(
        client.call(PRODUCE, &request).responses[0].partition_responses[0].error_code,
        0
    );
    let grown = broker.resident_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "resident memory grew by {grown} KiB");
    broker.stop();
}

#[test]
fn a_produce_without_ack_that_fails_closes_the_connection() {
    let dir = HERE.data_dir();
    let broker = HERE.start(dir.path()).ready();
    let mut client = broker.client();
    client
        .send(PRODUCE, &produce("nowhere", 0, 0, batch(&[b"lost"])))
        .unwrap();
    assert!(client.is_closed());
    broker.stop();
}
