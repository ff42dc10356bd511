//! Drives: a connection of a client of a simulated cluster: one request at a time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::SECOND;
use super::nodes::broker_ip;
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::io::stream::Stream;
use crate::wire::codec::messages::RequestHeader;
use crate::wire::codec::{Decodable, Encodable, HeaderVersion, Request};

const NUMBER: i32 = 7;

/// A connection; one whose call has failed is of no use any more.
pub struct Link {
    runtime: Runtime,
    stream: Stream,
}

impl Link {
    /// Connects to a broker, within a time.
    pub async fn to(net: &Net, runtime: &Runtime, broker: usize) -> Option<Link> {
        let reaching = net.connect((broker_ip(broker), 9092).into());
        let stream = runtime.within(SECOND, reaching).await?.ok()?;
        let runtime = runtime.clone();
        Some(Link { runtime, stream })
    }

    /// Asks, and waits so long for the answer.
    pub async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        limit: Duration,
    ) -> Option<R::Response> {
        let runtime = self.runtime.clone();
        runtime.within(limit, self.ask(version, request)).await?
    }

    async fn ask<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(NUMBER);
        let mut bytes = BytesMut::new();
        header
            .encode(&mut bytes, R::header_version(version))
            .unwrap();
        request.encode(&mut bytes, version).unwrap();
        let mut frame = (bytes.len() as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(&bytes);
        self.stream.write_all(&frame).await.ok()?;
        let mut length = [0; 4];
        self.read(&mut length).await?;
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.read(&mut frame).await?;
        assert_eq!(frame[..4], NUMBER.to_be_bytes());
        let header = match R::Response::header_version(version) {
            1 => 5,
            _ => 4,
        };
        let mut body = Bytes::from(frame).slice(header..);
        Some(R::Response::decode(&mut body, version).unwrap())
    }

    async fn read(&self, bytes: &mut [u8]) -> Option<()> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.stream.read(&mut bytes[filled..]).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => filled += count,
            }
        }
        Some(())
    }
}
