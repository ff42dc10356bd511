//! Drives: GetTelemetrySubscriptions, version 0 (KIP-714): a client asks which metrics it is to
//! push. Also what both APIs about telemetry need to know of a client.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::ids::{Uuid, base64_url};
use crate::base::limits;
use crate::metadata::image::ResourceKind;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::server::state::telemetry::{Client, Subscription};
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};
use crate::wire::compress::Codec;

/// The API.
pub struct GetTelemetrySubscriptions;

codes!(GetTelemetrySubscriptionsResponse: []);

/// How clients may compress what they push, the best first.
const CODECS: [Codec; 4] = [Codec::Zstd, Codec::Lz4, Codec::Gzip, Codec::Snappy];

impl Api for GetTelemetrySubscriptions {
    type Request = GetTelemetrySubscriptionsRequest;
    const VERSIONS: (i16, i16) = (0, 0);
    const NAME: &'static str = "GetTelemetrySubscriptions";

    async fn handle(
        cx: &Context,
        request: GetTelemetrySubscriptionsRequest,
    ) -> GetTelemetrySubscriptionsResponse {
        let answer = GetTelemetrySubscriptionsResponse::default();
        let instance = match request.client_instance_id.is_nil() {
            true => Uuid::from_bytes(cx.shard.runtime().random_bytes()),
            false => request.client_instance_id,
        };
        follow(cx).await;
        let client = client(cx, instance);
        let asked = cx.server.telemetry.borrow_mut().get(client, cx.wall_ms);
        match asked {
            Err(error) => answer.with_error_code(errors::telemetry(error).0),
            Ok(asked) => {
                let metrics = asked.metrics.into_iter().map(StrBytes::from_string);
                let max_bytes = cx.shard.config().telemetry_max_bytes;
                answer
                    .with_client_instance_id(instance)
                    .with_subscription_id(asked.id)
                    .with_accepted_compression_types(CODECS.map(|it| it.id() as i8).into())
                    .with_push_interval_ms(asked.interval_ms as i32)
                    .with_telemetry_max_bytes(max_bytes as i32)
                    .with_delta_temporality(true)
                    .with_requested_metrics(metrics.collect())
            }
        }
    }
}

/// What is known of the client that asks, no text longer than groups keep one.
pub(super) fn client(cx: &Context, instance: Uuid) -> Client {
    let session = &cx.session;
    let (name, version) = session.software();
    let kept = |text: &str| text.chars().take(limits::CLIENT_ID_BYTES_MAX).collect();
    let id = base64_url(instance.as_bytes());
    let (address, port) = (session.address.ip(), session.address.port());
    Client {
        instance,
        from: session.address,
        facts: [
            id,
            kept(&cx.client_id),
            name,
            version,
            address.to_string(),
            port.to_string(),
        ]
        .into(),
    }
}

/// Has the subscriptions of the image count. Those that are new are read in steps: it takes some
/// 100 µs to compile a pattern.
pub(super) async fn follow(cx: &Context) {
    let image = cx.image();
    let kind = ResourceKind::ClientMetrics;
    let names = image.configs.names(kind);
    let known = cx.server.telemetry.borrow().subscriptions();
    let is_known = |name: &&&Arc<str>| {
        let known = known.get(**name);
        known.is_some_and(|(from, _)| Arc::ptr_eq(from, image.configs.of(kind, name)))
    };
    if names.len() == known.len() && names.iter().filter(is_known).count() == known.len() {
        return;
    }
    let mut subscriptions = BTreeMap::new();
    for name in names {
        let settings = image.configs.of(kind, name);
        let read = match known.get(name) {
            Some((from, read)) if from == settings => read.clone(),
            _ => {
                cx.pace().await;
                Rc::new(Subscription::of(settings))
            }
        };
        subscriptions.insert(name.clone(), (settings.clone(), read));
    }
    cx.server
        .telemetry
        .borrow_mut()
        .subscribe(Rc::new(subscriptions));
}
