//! Drives: DescribeCluster, versions 0 to 2 (KIP-700, KIP-919 endpoint types, KIP-1073 fenced
//! brokers).

use crate::base::ErrorCode;
use crate::metadata::image::Broker;
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_cluster_response::DescribeClusterBroker;
use crate::wire::codec::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

/// What a client may do with the cluster where there is no authorizer: create, alter,
/// describe, act in it, write idempotently, and the two about settings
/// (`AclEntry.supportedOperations` of Kafka), as a bit field.
pub const CLUSTER_OPERATIONS: i32 = 8096;

/// Types of endpoints.
const BROKER: i8 = 1;
const CONTROLLER: i8 = 2;

/// The API.
pub struct DescribeCluster;

codes!(DescribeClusterResponse: []);

impl Api for DescribeCluster {
    type Request = DescribeClusterRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "DescribeCluster";

    async fn handle(cx: &Context, request: DescribeClusterRequest) -> DescribeClusterResponse {
        if cx.version >= 1 && request.endpoint_type != BROKER {
            return refused(request.endpoint_type);
        }
        let image = cx.image();
        let with_fenced = cx.version >= 2 && request.include_fenced_brokers;
        let listed = image
            .brokers
            .iter()
            .filter(|broker| with_fenced || !broker.fenced);
        let brokers = listed
            .filter_map(|broker| shape(broker, &cx.session.listener, cx.version))
            .collect();
        let mut answer = DescribeClusterResponse::default()
            .with_cluster_id(StrBytes::from_string(image.cluster_id.to_string()))
            // Every node hands changes on to the controller.
            .with_controller_id(BrokerId(cx.shard.node.0))
            .with_brokers(brokers);
        if request.include_cluster_authorized_operations {
            answer.cluster_authorized_operations = CLUSTER_OPERATIONS;
        }
        answer
    }
}

fn shape(broker: &Broker, listener: &str, version: i16) -> Option<DescribeClusterBroker> {
    let endpoint = broker.endpoint(listener)?;
    let node = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(broker.id.0))
        .with_host(StrBytes::from_string(endpoint.host.clone()))
        .with_port(i32::from(endpoint.port))
        .with_rack(broker.rack.clone().map(StrBytes::from_string))
        .with_is_fenced(version >= 2 && broker.fenced);
    Some(node)
}

/// The answer to a client that takes this for an endpoint of another type.
fn refused(endpoint_type: i8) -> DescribeClusterResponse {
    let (code, text) = match endpoint_type {
        CONTROLLER => (
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of \
             type CONTROLLER"
                .to_owned(),
        ),
        other => (
            ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            format!("Unsupported endpoint type {other}"),
        ),
    };
    DescribeClusterResponse::default()
        .with_error_code(code.0)
        .with_error_message(Some(StrBytes::from_string(text)))
}
