//! Stories about frames that no client sends: garbage, lies about lengths, unknown requests.

use bytes::{BufMut, Bytes, BytesMut};
use corelane_testing::Outcome;
use kafka_protocol::messages::{
    ApiVersionsRequest, FetchRequest, FindCoordinatorRequest, MetadataRequest, ProduceRequest,
    RequestHeader,
};
use kafka_protocol::protocol::{Encodable, Request};

use crate::client::{self, frame, header, sized};
use crate::script::{Story, answer_of, make, s};

/// A request by its bytes: header of this kind, then the body.
fn request(header_version: i16, header: &RequestHeader, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    header.encode(&mut out, header_version).expect("header");
    out.put_slice(body);
    sized(&out)
}

/// Shows an answer as bytes: to such requests none is expected.
fn as_bytes(body: Bytes) -> Outcome<String> {
    Outcome::Answer(format!("{body:?}"))
}

pub fn frames(story: &mut Story) {
    lengths(story);
    bodies(story);
    headers(story);
    pipelined(story);
}

fn lengths(story: &mut Story) {
    let metadata = frame(
        1,
        7,
        &make!(MetadataRequest {
            topics: Some(vec![])
        }),
    );
    for length in [0, 1, 2, 4, 7, 8, 9] {
        let body = &metadata[4..][..length];
        story.raw(&format!("frame of {length} bytes"), &sized(body), as_bytes);
    }
    for (what, length) in [
        ("frame of -1 bytes", -1),
        ("frame of the least length", i32::MIN),
        ("frame of two billion bytes", 2_000_000_000),
        ("frame of the largest length", i32::MAX),
        (
            "frame of a byte more than socket.request.max.bytes",
            104_857_601,
        ),
        (
            "frame of socket.request.max.bytes, its body missing",
            104_857_600,
        ),
    ] {
        let bytes = [&i32::to_be_bytes(length)[..], &metadata[4..]].concat();
        story.raw(what, &bytes, as_bytes);
    }
    story.raw("half a frame", &metadata[..metadata.len() / 2], as_bytes);
    story.raw("half a length", &metadata[..2], as_bytes);
    story.raw(
        "a web request",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        as_bytes,
    );
    story.raw(
        "the beginning of TLS",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        as_bytes,
    );
    story.raw("garbage in a frame", &sized(&[0xa5; 100]), as_bytes);
    story.raw("zeros in a frame", &sized(&[0; 100]), as_bytes);
}

fn bodies(story: &mut Story) {
    let of = |version: i16| header(MetadataRequest::KEY, version, 7);
    let metadata = answer_of::<MetadataRequest>;
    for (what, version, bytes) in [
        (
            "a string that is not utf-8 (or closed)",
            1,
            &b"\0\0\0\x01\0\x02\xc3\x28"[..],
        ),
        ("an array of -2 (or closed)", 1, b"\xff\xff\xff\xfe"),
        ("an array of the least count (or closed)", 1, b"\x80\0\0\0"),
        (
            "v9, an array of four billion (or closed)",
            9,
            b"\xff\xff\xff\xff\x0f\0\0\0\0",
        ),
        (
            "v9, the same tag twice (or closed)",
            9,
            b"\x01\0\0\0\x02\x05\x01a\x05\x01a",
        ),
        (
            "v9, tags out of order (or closed)",
            9,
            b"\x01\0\0\0\x02\x06\x01a\x05\x01a",
        ),
        ("v9, an unknown tag", 9, b"\x01\0\0\0\x01\x05\x02ab"),
        ("more behind the body", 1, b"\xff\xff\xff\xffmore"),
    ] {
        let header_version = if version >= 9 { 2 } else { 1 };
        let bytes = request(header_version, &of(version), bytes);
        story.raw(&format!("Metadata: {what}"), &bytes, |body| {
            known_answer(metadata(version, 7)(body))
        });
    }
    for (what, version, bytes) in [
        ("no body", 1, &b""[..]),
        ("half an array's count", 1, b"\0\0"),
        ("an array of two billion", 1, b"\x77\x35\x94\x00"),
        ("an array of the largest count", 1, b"\x7f\xff\xff\xff"),
        ("an array of two with one", 1, b"\0\0\0\x02\0\x01a"),
        (
            "a string of -1 that may not be null",
            1,
            b"\0\0\0\x01\xff\xff",
        ),
        ("a string of -2", 1, b"\0\0\0\x01\xff\xfe"),
        ("a string longer than the frame", 1, b"\0\0\0\x01\x7f\xffab"),
        (
            "v9, an array of two billion",
            9,
            b"\x81\xa8\xd6\xb9\x07\0\0\0\0",
        ),
        (
            "v9, a count of six bytes",
            9,
            b"\xff\xff\xff\xff\xff\x01\0\0\0\0",
        ),
        (
            "v9, a string of two billion",
            9,
            b"\x02\x81\xa8\xd6\xb9\x07a",
        ),
        (
            "v9, a null string that may not be null",
            9,
            b"\x02\0\0\0\0\0\0",
        ),
        ("v9, two billion tags", 9, b"\x01\0\0\0\x81\xa8\xd6\xb9\x07"),
        (
            "v9, a tag longer than the frame",
            9,
            b"\x01\0\0\0\x01\x05\x7fab",
        ),
    ] {
        let header_version = if version >= 9 { 2 } else { 1 };
        let bytes = request(header_version, &of(version), bytes);
        story.raw(&format!("Metadata: {what}"), &bytes, as_bytes);
    }
    let truncated = |whole: Bytes, missing: usize| sized(&whole[4..whole.len() - missing]);
    let produce = frame(
        9,
        7,
        &make!(ProduceRequest {
            acks: 1,
            timeout_ms: 1000
        }),
    );
    story.raw(
        "Produce: a byte is missing",
        &truncated(produce, 1),
        as_bytes,
    );
    let fetch = frame(12, 7, &FetchRequest::default());
    story.raw(
        "Fetch: three bytes are missing",
        &truncated(fetch, 3),
        as_bytes,
    );
    let find = frame(
        4,
        7,
        &make!(FindCoordinatorRequest {
            coordinator_keys: vec![s("g")]
        }),
    );
    story.raw(
        "FindCoordinator: two bytes are missing",
        &truncated(find, 2),
        as_bytes,
    );
    let bytes = request(2, &header(ApiVersionsRequest::KEY, 3, 7), b"\x07par");
    story.raw(
        "ApiVersions: v3, half a body",
        &bytes,
        answer_of::<ApiVersionsRequest>(3, 7),
    );
}

/// Of an answer that depends on all stories, only that there was one.
fn known_answer(outcome: Outcome<String>) -> Outcome<String> {
    match outcome {
        Outcome::Answer(_) => Outcome::Answer("answered".to_owned()),
        other => other,
    }
}

fn headers(story: &mut Story) {
    for key in [4, 5, 7, 95, 999, -1, i16::MAX, i16::MIN] {
        let bytes = request(1, &header(key, 0, 7), &[0; 16]);
        story.raw(&format!("API key {key}"), &bytes, as_bytes);
    }
    let empty = b"\0\0\0\0";
    let metadata = answer_of::<MetadataRequest>;
    let mut anonymous = header(MetadataRequest::KEY, 1, 7);
    anonymous.client_id = None;
    story.raw(
        "header: no client id",
        &request(1, &anonymous, empty),
        |body| known_answer(metadata(1, 7)(body)),
    );
    let mut negative = header(MetadataRequest::KEY, 1, -5);
    negative.client_id = Some(s(""));
    story.raw(
        "header: correlation id -5, an empty client id",
        &request(1, &negative, empty),
        |body| known_answer(metadata(1, -5)(body)),
    );
    for (what, bytes) in [
        (
            "a client id that is not utf-8 (or closed)",
            &b"\0\x03\0\x01\0\0\0\x07\0\x02\xc3\x28\0\0\0\0"[..],
        ),
        (
            "a client id longer than the frame",
            b"\0\x03\0\x01\0\0\0\x07\x7f\xffab",
        ),
        (
            "a client id of length -2 (or closed)",
            b"\0\x03\0\x01\0\0\0\x07\xff\xfe\0\0\0\0",
        ),
        (
            "v9, an unknown tag",
            b"\0\x03\0\x09\0\0\0\x07\0\x01p\x01\x05\x02ab\x01\0\0\0\0",
        ),
        (
            "v9, two billion tags",
            b"\0\x03\0\x09\0\0\0\x07\0\x01p\x81\xa8\xd6\xb9\x07\x01\0\0\0\0",
        ),
    ] {
        let version = i16::from(bytes[3]);
        story.raw(&format!("header: {what}"), &sized(bytes), |body| {
            known_answer(metadata(version, 7)(body))
        });
    }
}

/// Several requests in one piece: answered one after the other.
fn pipelined(story: &mut Story) {
    let one = frame(0, 1, &ApiVersionsRequest::default());
    let two = frame(
        1,
        2,
        &make!(MetadataRequest {
            topics: Some(vec![])
        }),
    );
    let client = story.client(0);
    client.send_raw(&[&one[..], &two[..], &one[..2]].concat());
    client.send_raw(&one[2..]);
    let ids: Vec<_> = (0..3)
        .map(|_| match client.receive_within(client::SILENCE * 10) {
            Outcome::Answer(body) => i32::from_be_bytes([body[0], body[1], body[2], body[3]]),
            _ => -1,
        })
        .collect();
    story.tell(
        "three requests in two pieces: correlation ids of the answers",
        &format!("{ids:?}"),
    );
}

/// Each API with the versions just outside what Kafka 4.3 answers.
const OUTSIDE: &[(&str, i16, &[i16])] = &[
    ("Produce", 0, &[-1, 0, 1, 2, 14]),
    ("Fetch", 1, &[-1, 0, 3, 19]),
    ("ListOffsets", 2, &[0, 12]),
    ("Metadata", 3, &[-1, 14]),
    ("OffsetCommit", 8, &[0, 1, 11]),
    ("OffsetFetch", 9, &[0, 11]),
    ("FindCoordinator", 10, &[-1, 7]),
    ("JoinGroup", 11, &[-1, 10]),
    ("Heartbeat", 12, &[-1, 5]),
    ("LeaveGroup", 13, &[-1, 6]),
    ("SyncGroup", 14, &[-1, 6]),
    ("DescribeGroups", 15, &[-1, 7]),
    ("ListGroups", 16, &[-1, 6]),
    ("CreateTopics", 19, &[0, 1, 8]),
    ("DeleteTopics", 20, &[0, 7]),
    ("DeleteRecords", 21, &[-1, 3]),
    ("InitProducerId", 22, &[-1, 6]),
    ("OffsetForLeaderEpoch", 23, &[0, 1, 5]),
    ("DescribeConfigs", 32, &[0, 5]),
    ("AlterConfigs", 33, &[-1, 3]),
    ("DescribeLogDirs", 35, &[0, 6]),
    ("CreatePartitions", 37, &[-1, 4]),
    ("DeleteGroups", 42, &[-1, 3]),
    ("IncrementalAlterConfigs", 44, &[-1, 2]),
    ("OffsetDelete", 47, &[-1, 1]),
    ("DescribeCluster", 60, &[-1, 3]),
    ("ListConfigResources", 74, &[-1, 2]),
    ("DescribeTopicPartitions", 75, &[-1, 1]),
];

pub fn unsupported_versions(story: &mut Story) {
    for (name, key, versions) in OUTSIDE {
        for version in *versions {
            let bytes = request(1, &header(*key, *version, 7), &[0; 32]);
            story.raw(&format!("{name}: version {version}"), &bytes, as_bytes);
        }
    }
}
