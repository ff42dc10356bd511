//! Stories about ACLs, of a broker without an authorizer: DescribeAcls, CreateAcls, DeleteAcls.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use crate::script::{Story, make, s};

/// Topic, literal, read, allow; by Kafka's numbers.
const TOPIC: i8 = 2;
const LITERAL: i8 = 3;
const READ: i8 = 3;
const ALLOW: i8 = 3;
const ANY: i8 = 1;

pub fn acls(story: &mut Story) {
    story.versions(1..=3, |story, v| {
        let request = make!(DescribeAclsRequest {
            resource_type_filter: ANY,
            pattern_type_filter: ANY,
            operation: ANY,
            permission_type: ANY,
        });
        story.ask("all", v, request);
        let request = make!(DescribeAclsRequest {
            resource_type_filter: TOPIC,
            resource_name_filter: Some(s("acls")),
            pattern_type_filter: LITERAL,
            principal_filter: Some(s("User:parity")),
            host_filter: Some(s("*")),
            operation: READ,
            permission_type: ALLOW,
        });
        story.ask("of a topic", v, request);
        let creation = make!(AclCreation {
            resource_type: TOPIC,
            resource_name: s("acls"),
            resource_pattern_type: LITERAL,
            principal: s("User:parity"),
            host: s("*"),
            operation: READ,
            permission_type: ALLOW,
        });
        for count in [0, 1, 2] {
            let creations = vec![creation.clone(); count];
            let request = make!(CreateAclsRequest {
                creations: creations
            });
            story.ask(&format!("{count} of them"), v, request);
        }
        let filter = make!(DeleteAclsFilter {
            resource_type_filter: TOPIC,
            resource_name_filter: Some(s("acls")),
            pattern_type_filter: LITERAL,
            operation: READ,
            permission_type: ALLOW,
        });
        for count in [0, 1, 2] {
            let filters = vec![filter.clone(); count];
            let request = make!(DeleteAclsRequest { filters: filters });
            story.ask(&format!("{count} of them"), v, request);
        }
    });
}
