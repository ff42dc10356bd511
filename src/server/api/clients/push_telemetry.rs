//! Drives: PushTelemetry, version 0 (KIP-714): a client pushes metrics that it was asked for.

use bytes::Bytes;

use super::get_telemetry_subscriptions::{client, follow};
use crate::base::{ErrorCode, limits};
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::server::state::telemetry::{Push, TelemetryError};
use crate::wire::codec::messages::{PushTelemetryRequest, PushTelemetryResponse};
use crate::wire::compress::{Codec, decompress};
use crate::wire::otlp::{self, Bounds, Samples};

/// The API.
pub struct PushTelemetry;

codes!(PushTelemetryResponse: []);

/// Ids of instances that no client has: of none, and of the metadata log's topic.
const RESERVED: [u128; 2] = [0, 1];

const BOUNDS: Bounds = Bounds {
    samples: limits::TELEMETRY_SAMPLES_MAX,
    name_bytes: limits::TELEMETRY_NAME_BYTES_MAX,
};

impl Api for PushTelemetry {
    type Request = PushTelemetryRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "PushTelemetry";

    async fn handle(cx: &Context, request: PushTelemetryRequest) -> PushTelemetryResponse {
        let answer = PushTelemetryResponse::default();
        let instance = request.client_instance_id;
        if RESERVED.contains(&instance.as_u128()) {
            return answer.with_error_code(ErrorCode::INVALID_REQUEST.0);
        }
        follow(cx).await;
        let codec = u8::try_from(request.compression_type);
        let codec = codec.ok().and_then(Codec::from_id);
        let push = Push {
            subscription: request.subscription_id,
            terminating: request.terminating,
            has_known_codec: codec.is_some(),
            is_too_large: request.metrics.len() > cx.shard.config().telemetry_max_bytes,
        };
        let client = client(cx, instance);
        let may = cx
            .server
            .telemetry
            .borrow_mut()
            .push(client, push, cx.wall_ms);
        let (Ok(()), Some(codec)) = (may, codec) else {
            let error = may.err().unwrap_or(TelemetryError::UnknownCodec);
            return answer.with_error_code(errors::telemetry(error).0);
        };
        if request.metrics.is_empty() {
            return answer;
        }
        if codec != Codec::None && !cx.claim(limits::TELEMETRY_UNPACKED_BYTES_MAX).await {
            return answer;
        }
        let metrics = request.metrics;
        let is_short = codec == Codec::None && metrics.len() < limits::LARGE_REQUEST_BYTES;
        let read = match is_short {
            true => Some(read(codec, &metrics)),
            false => cx.beside(move || read(codec, &metrics)).await,
        };
        match read {
            None => answer,
            Some(Err(error)) => answer.with_error_code(errors::telemetry(error).0),
            Some(Ok(samples)) => {
                let mut telemetry = cx.server.telemetry.borrow_mut();
                telemetry.keep(instance, samples, cx.wall_ms);
                answer
            }
        }
    }
}

fn read(codec: Codec, metrics: &Bytes) -> Result<Samples, TelemetryError> {
    let mut unpacked = Vec::new();
    let most = limits::TELEMETRY_UNPACKED_BYTES_MAX;
    let bytes = match codec {
        Codec::None => metrics,
        codec => {
            let done = decompress(codec, metrics, most, &mut unpacked);
            done.map_err(|_| TelemetryError::Unreadable)?;
            &unpacked[..]
        }
    };
    otlp::read(bytes, BOUNDS).map_err(|_| TelemetryError::Unreadable)
}
