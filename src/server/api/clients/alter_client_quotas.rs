//! Drives: AlterClientQuotas, versions 0 and 1 (KIP-546): limits of users, clients and addresses.
//! They are stored and shown. Left out: no client is slowed down by them yet.

use crate::base::ErrorCode;
use crate::io::turn;
use crate::metadata::controller::{self, QuotaChange};
use crate::metadata::image::QuotaEntity;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::alter_client_quotas_request::EntryData as Asked;
use crate::wire::codec::messages::alter_client_quotas_response::{EntityData, EntryData};
use crate::wire::codec::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};

/// The API.
pub struct AlterClientQuotas;

codes!(AlterClientQuotasResponse: [entries]);

impl Api for AlterClientQuotas {
    type Request = AlterClientQuotasRequest;
    const VERSIONS: (i16, i16) = (0, 1);
    const NAME: &'static str = "AlterClientQuotas";
    const FORWARDED: bool = true;

    async fn handle(cx: &Context, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
        let changes = turn::collect(request.entries.into_iter().map(change)).await;
        let entities = turn::collect(changes.iter().map(|one| one.entity.clone())).await;
        let request = controller::AlterClientQuotas {
            validate_only: request.validate_only,
            changes,
        };
        let entries = match cx.shard.control.alter_client_quotas(request).await {
            Ok(results) => {
                let entries = results.into_iter().map(|(entity, result)| match result {
                    Ok(()) => entry(&entity, ErrorCode::NONE, None),
                    Err(error) => {
                        let (code, text) = errors::alter_quotas(&error);
                        entry(&entity, code, Some(text))
                    }
                });
                turn::collect(entries).await
            }
            Err(_) => {
                let code = errors::undecided(cx.server.is_in_cluster);
                let failed = |entity: &QuotaEntity| entry(entity, code, None);
                turn::collect(entities.iter().map(failed)).await
            }
        };
        AlterClientQuotasResponse::default().with_entries(entries)
    }
}

fn change(asked: Asked) -> QuotaChange {
    let parts = asked.entity.into_iter().map(|part| {
        let name = part.entity_name.map(|name| name.to_string());
        (part.entity_type.to_string(), name)
    });
    let ops = asked.ops.into_iter().map(|op| {
        let value = (!op.remove).then_some(op.value);
        (op.key.to_string(), value)
    });
    QuotaChange {
        entity: QuotaEntity::new(parts),
        ops: ops.collect(),
    }
}

fn entry(entity: &QuotaEntity, code: ErrorCode, text: Option<String>) -> EntryData {
    let parts = entity.parts().iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(StrBytes::from_string(kind.clone()))
            .with_entity_name(name.clone().map(StrBytes::from_string))
    });
    EntryData::default()
        .with_error_code(code.0)
        .with_error_message(text.map(StrBytes::from_string))
        .with_entity(parts.collect())
}
