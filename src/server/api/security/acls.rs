//! Drives: DescribeAcls, CreateAcls and DeleteAcls, versions 1 to 3 (KIP-140, KIP-290 patterns).
//!
//! As Kafka without `authorizer.class.name`: nothing is looked at, and every answer says that
//! there is no authorizer. Clients take that for "there are no ACLs here" and go on.

use crate::base::ErrorCode;
use crate::io::turn;
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::create_acls_response::AclCreationResult;
use crate::wire::codec::messages::delete_acls_response::DeleteAclsFilterResult;
use crate::wire::codec::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsRequest, DescribeAclsResponse,
};

/// DescribeAcls.
pub struct DescribeAcls;
/// CreateAcls.
pub struct CreateAcls;
/// DeleteAcls.
pub struct DeleteAcls;

const VERSIONS: (i16, i16) = (1, 3);
const CODE: i16 = ErrorCode::SECURITY_DISABLED.0;

fn reason() -> Option<StrBytes> {
    Some(StrBytes::from_static_str("No Authorizer is configured."))
}

codes!(DescribeAclsResponse: []);

impl Api for DescribeAcls {
    type Request = DescribeAclsRequest;
    const VERSIONS: (i16, i16) = VERSIONS;
    const NAME: &'static str = "DescribeAcls";

    async fn handle(_: &Context, _: DescribeAclsRequest) -> DescribeAclsResponse {
        DescribeAclsResponse::default()
            .with_error_code(CODE)
            .with_error_message(reason())
    }
}

codes!(CreateAclsResponse: [results]);

impl Api for CreateAcls {
    type Request = CreateAclsRequest;
    const VERSIONS: (i16, i16) = VERSIONS;
    const NAME: &'static str = "CreateAcls";

    async fn handle(cx: &Context, request: CreateAclsRequest) -> CreateAclsResponse {
        let refused = || {
            AclCreationResult::default()
                .with_error_code(CODE)
                .with_error_message(reason())
        };
        let results = turn::collect(request.creations.iter().map(|_| refused())).await;
        cx.drop_later(request);
        CreateAclsResponse::default().with_results(results)
    }
}

codes!(DeleteAclsResponse: [filter_results]);

impl Api for DeleteAcls {
    type Request = DeleteAclsRequest;
    const VERSIONS: (i16, i16) = VERSIONS;
    const NAME: &'static str = "DeleteAcls";

    async fn handle(cx: &Context, request: DeleteAclsRequest) -> DeleteAclsResponse {
        let refused = || {
            DeleteAclsFilterResult::default()
                .with_error_code(CODE)
                .with_error_message(reason())
        };
        let results = turn::collect(request.filters.iter().map(|_| refused())).await;
        cx.drop_later(request);
        DeleteAclsResponse::default().with_filter_results(results)
    }
}
