//! Metrics that clients push (KIP-714): they stand on the admin page, with what names the client.

use bytes::Bytes;
use corelane_testing::Client;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, GetTelemetrySubscriptionsRequest, IncrementalAlterConfigsRequest,
    PushTelemetryRequest,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::HERE;

const CLIENT_METRICS: i8 = 16;
const INVALID_RECORD: i16 = 87;
const ZSTD: i8 = 4;

/// A gauge `name` that is 1.5.
fn gauge(name: &[u8]) -> Vec<u8> {
    let wrap = |number: u8, inner: &[u8]| [&[number << 3 | 2, inner.len() as u8], inner].concat();
    let point = [&[4 << 3 | 1][..], &1.5f64.to_le_bytes()].concat();
    let metric = [wrap(1, name), wrap(5, &wrap(1, &point))].concat();
    wrap(1, &wrap(2, &wrap(2, &metric)))
}

/// Asks what to push, pushes it, and answers with which error.
fn push(client: &mut Client, instance: Uuid, codec: i8, metrics: Vec<u8>) -> i16 {
    let request = GetTelemetrySubscriptionsRequest::default().with_client_instance_id(instance);
    let asked = client.call(0, &request);
    assert_eq!(asked.error_code, 0);
    assert_eq!(asked.requested_metrics, [StrBytes::from_static_str("*")]);
    let request = PushTelemetryRequest::default()
        .with_client_instance_id(instance)
        .with_subscription_id(asked.subscription_id)
        .with_compression_type(codec)
        .with_metrics(Bytes::from(metrics));
    client.call(0, &request).error_code
}

#[test]
fn what_clients_push_stands_on_the_admin_page() {
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
    let admin = start.port + 7;
    let broker = start.arg("--admin-port", &admin.to_string()).ready();
    let mut client = broker.client();
    let software = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("some-client"))
        .with_client_software_version(StrBytes::from_static_str("1.2"));
    client.call(4, &software);
    let config = |name: &'static str, value: &'static str| {
        AlterableConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_static_str(value)))
    };
    let settings = vec![
        config("metrics", "*"),
        config(
            "match",
            "client_software_name=some-.*,client_source_address=127\\..*",
        ),
    ];
    let resource = AlterConfigsResource::default()
        .with_resource_type(CLIENT_METRICS)
        .with_resource_name(StrBytes::from_static_str("all"))
        .with_configs(settings);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(1, &request).responses[0].error_code, 0);

    let plain = gauge(b"plain\nline");
    assert_eq!(push(&mut client, Uuid::from_u128(100), 0, plain), 0);
    let packed = zstd::encode_all(&gauge(b"packed")[..], 1).unwrap();
    assert_eq!(push(&mut client, Uuid::from_u128(101), ZSTD, packed), 0);
    // What is small and becomes large, and what is none at all.
    let bomb = zstd::encode_all(&vec![0; 200 << 20][..], 1).unwrap();
    assert_eq!(
        push(&mut client, Uuid::from_u128(102), ZSTD, bomb),
        INVALID_RECORD
    );
    let noise = push(&mut client, Uuid::from_u128(103), 0, vec![0xff; 1 << 20]);
    assert_eq!(noise, INVALID_RECORD);

    let (status, page) = broker.page("/clients");
    assert_eq!(status, 200);
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(lines.len(), 4, "{page}");
    assert!(lines[0].contains(" some-client 1.2 127.0.0.1:"), "{page}");
    assert_eq!((lines[1], lines[3]), ("plain?line 1.5", "packed 1.5"));
    let (_, metrics) = broker.page("/metrics");
    assert!(metrics.contains("corelane_client_instances{node=\"1\"} 4\n"));
    broker.stop();
}
