//! Drives: connections of the double: requests in, answers out.

use bytes::{Bytes, BytesMut};

use super::Quorum;
use crate::io::stream::Stream;
use crate::wire::codec::messages::api_versions_response::ApiVersion;
use crate::wire::codec::messages::{
    AllocateProducerIdsRequest, AlterPartitionRequest, ApiVersionsResponse, BrokerHeartbeatRequest,
    BrokerRegistrationRequest, EnvelopeRequest, FetchRequest, FetchSnapshotRequest,
};
use crate::wire::codec::{Encodable, Request, decode, encode_response};
use crate::wire::frame;
use crate::wire::header::RequestHeader;

impl Quorum {
    pub(super) async fn serve(self, index: usize, stream: Stream) {
        let mut received = Vec::new();
        let mut buffer = [0; 4_096];
        loop {
            while let Ok(frame::Next::Frame(frame)) = frame::next(&received, 1 << 20) {
                let length = frame.len() + 4;
                let answer = self.answer(index, &Bytes::copy_from_slice(frame)).await;
                received.drain(..length);
                self.0.answers.set(self.0.answers.get() + 1);
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => received.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        }
    }

    async fn answer(&self, index: usize, frame: &Bytes) -> BytesMut {
        let header = RequestHeader::parse(frame).unwrap();
        let (key, version) = (header.api_key, header.api_version);
        let body = frame.slice_ref(header.body);
        let mut out = BytesMut::new();
        fn put(header: &RequestHeader<'_>, answer: &impl Encodable, out: &mut BytesMut) {
            let (key, version) = (header.api_key, header.api_version);
            encode_response(key, version, header.correlation_id, answer, out).unwrap();
        }
        match key {
            FetchRequest::KEY => {
                let request: FetchRequest = decode(body, version).unwrap();
                put(&header, &self.fetch(index, &request).await, &mut out);
            }
            FetchSnapshotRequest::KEY => {
                let request = decode(body, version).unwrap();
                put(&header, &self.fetch_snapshot(index, &request), &mut out);
            }
            BrokerRegistrationRequest::KEY => {
                let request = decode(body, version).unwrap();
                put(&header, &self.register(index, &request), &mut out);
            }
            BrokerHeartbeatRequest::KEY => {
                let request = decode(body, version).unwrap();
                put(&header, &self.report(index, &request), &mut out);
            }
            AllocateProducerIdsRequest::KEY => {
                let request = decode(body, version).unwrap();
                put(&header, &self.allocate(index, &request), &mut out);
            }
            AlterPartitionRequest::KEY => {
                let request = decode(body, version).unwrap();
                put(&header, &self.alter_partition(index, &request), &mut out);
            }
            EnvelopeRequest::KEY => {
                let request = decode(body, version).unwrap();
                put(&header, &self.open_envelope(index, request), &mut out);
            }
            18 => put(&header, &versions(), &mut out),
            other => panic!("the double does not know API {other}"),
        }
        out
    }
}

fn versions() -> ApiVersionsResponse {
    let range = |(key, first, last)| {
        ApiVersion::default()
            .with_api_key(key)
            .with_min_version(first)
            .with_max_version(last)
    };
    let ranges = [
        (1, 4, 18),
        (18, 0, 4),
        (56, 2, 3),
        (58, 0, 0),
        (59, 0, 1),
        (62, 0, 4),
        (63, 0, 2),
        (67, 0, 0),
    ];
    let ranges = ranges.map(range);
    ApiVersionsResponse::default().with_api_keys(ranges.into())
}
