//! Drives: DescribeClientQuotas, versions 0 and 1 (KIP-546): the limits of those who match.

use crate::base::ErrorCode;
use crate::metadata::controller::decide::{CLIENT_ID, IP, USER};
use crate::metadata::image::{ClientQuotas, QuotaEntity, QuotaValues};
use crate::server::api::{Api, Context};
use crate::server::state::codes::codes;
use crate::wire::codec::StrBytes;
use crate::wire::codec::messages::describe_client_quotas_request::ComponentData;
use crate::wire::codec::messages::describe_client_quotas_response::{
    EntityData, EntryData, ValueData,
};
use crate::wire::codec::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

/// The API.
pub struct DescribeClientQuotas;

codes!(DescribeClientQuotasResponse: []);

/// Entities that are looked at in one turn; where there are more it is done beside the core.
const EXAMINED_MAX: usize = 200;

impl Api for DescribeClientQuotas {
    type Request = DescribeClientQuotasRequest;
    const VERSIONS: (i16, i16) = (0, 1);
    const NAME: &'static str = "DescribeClientQuotas";

    async fn handle(
        cx: &Context,
        request: DescribeClientQuotasRequest,
    ) -> DescribeClientQuotasResponse {
        let answer = DescribeClientQuotasResponse::default();
        let filter = match Filter::of(&request) {
            Ok(filter) => filter,
            Err((code, text)) => {
                return answer
                    .with_error_code(code.0)
                    .with_error_message(Some(StrBytes::from_string(text)))
                    .with_entries(None);
            }
        };
        let image = cx.image();
        if !cx.claim(image.quotas.answer_bytes()).await {
            return answer;
        }
        let entries = match image.quotas.len() > EXAMINED_MAX {
            true => cx.beside(move || filter.entries(&image.quotas)).await,
            false => Some(filter.entries(&image.quotas)),
        };
        answer.with_entries(Some(entries.unwrap_or_default()))
    }
}

/// What an entity's name of one kind must be.
#[derive(PartialEq, Eq, Debug)]
enum Match {
    /// This name; `None` for all others of the kind.
    Name(Option<String>),
    /// Any, or all others of the kind.
    Any,
}

/// Which entities are asked for.
#[derive(PartialEq, Eq, Debug)]
struct Filter {
    parts: Vec<(String, Match)>,
    /// Whether an entity must have no other parts.
    is_strict: bool,
}

/// Numbers of the ways to match.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

impl Filter {
    /// What a request asks for, or what is wrong with it (`ClientQuotasImage.describe` of Kafka).
    fn of(request: &DescribeClientQuotasRequest) -> Result<Filter, (ErrorCode, String)> {
        let mut parts: Vec<(String, Match)> = Vec::new();
        for component in &request.components {
            let kind = component.entity_type.as_str();
            if kind.is_empty() {
                return invalid("Invalid empty entity type.");
            }
            if parts.iter().any(|(known, _)| known == kind) {
                return invalid(format!(
                    "Entity type {kind} cannot appear more than once in the filter."
                ));
            }
            if ![USER, CLIENT_ID, IP].contains(&kind) {
                let text = format!("Unsupported entity type {kind}");
                return Err((ErrorCode::UNSUPPORTED_VERSION, text));
            }
            parts.push((kind.to_owned(), how(component)?));
        }
        let has = |kind| parts.iter().any(|(known, _)| known == kind);
        if has(IP) && (has(USER) || has(CLIENT_ID)) {
            return invalid(
                "Invalid entity filter component combination. IP filter component should not be \
                 used with user or clientId filter component.",
            );
        }
        Ok(Filter {
            parts,
            is_strict: request.strict,
        })
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        if self.is_strict && entity.parts().len() != self.parts.len() {
            return false;
        }
        self.parts.iter().all(|(kind, how)| match how {
            Match::Name(name) => entity.name(kind) == Some(name.as_deref()),
            Match::Any => entity.name(kind).is_some(),
        })
    }

    fn entries(&self, quotas: &ClientQuotas) -> Vec<EntryData> {
        let found = quotas.iter().filter(|(entity, _)| self.matches(entity));
        found
            .map(|(entity, values)| entry(entity, values))
            .collect()
    }
}

fn invalid<T>(text: impl Into<String>) -> Result<T, (ErrorCode, String)> {
    Err((ErrorCode::INVALID_REQUEST, text.into()))
}

/// How one component of a filter matches.
fn how(component: &ComponentData) -> Result<Match, (ErrorCode, String)> {
    match (component.match_type, &component._match) {
        (EXACT, Some(name)) => Ok(Match::Name(Some(name.to_string()))),
        (EXACT, None) => {
            invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.")
        }
        (DEFAULT, None) => Ok(Match::Name(None)),
        (SPECIFIED, None) => Ok(Match::Any),
        (DEFAULT | SPECIFIED, Some(_)) => {
            invalid("Request specified a match type without a name, but also a match string.")
        }
        (other, _) => invalid(format!("Unknown match type {other}")),
    }
}

fn entry(entity: &QuotaEntity, values: &QuotaValues) -> EntryData {
    let parts = entity.parts().iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(StrBytes::from_string(kind.clone()))
            .with_entity_name(name.clone().map(StrBytes::from_string))
    });
    let values = values.iter().map(|(key, value)| {
        ValueData::default()
            .with_key(StrBytes::from_string(key.clone()))
            .with_value(*value)
    });
    EntryData::default()
        .with_entity(parts.collect())
        .with_values(values.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(kind: &str, how: i8, name: Option<&str>) -> ComponentData {
        ComponentData::default()
            .with_entity_type(StrBytes::from_string(kind.to_owned()))
            .with_match_type(how)
            .with_match(name.map(|name| StrBytes::from_string(name.to_owned())))
    }

    fn filter(components: Vec<ComponentData>, strict: bool) -> Result<Filter, ErrorCode> {
        let request = DescribeClientQuotasRequest::default()
            .with_components(components)
            .with_strict(strict);
        Filter::of(&request).map_err(|(code, _)| code)
    }

    #[test]
    fn entities_match_by_name_default_or_kind() {
        let part = |kind: &str, name: Option<&str>| (kind.to_owned(), name.map(String::from));
        let alice = QuotaEntity::new([part(USER, Some("alice"))]);
        let both = QuotaEntity::new([part(USER, Some("alice")), part(CLIENT_ID, None)]);
        let others = QuotaEntity::new([part(USER, None)]);
        let matching = |components, strict| {
            let filter = filter(components, strict).unwrap();
            [&alice, &both, &others].map(|entity| filter.matches(entity))
        };
        let exact = || vec![component(USER, EXACT, Some("alice"))];
        assert_eq!(matching(exact(), false), [true, true, false]);
        assert_eq!(matching(exact(), true), [true, false, false]);
        let default = vec![component(USER, DEFAULT, None)];
        assert_eq!(matching(default, false), [false, false, true]);
        let any = vec![component(USER, SPECIFIED, None)];
        assert_eq!(matching(any, true), [true, false, true]);
        assert_eq!(matching(Vec::new(), false), [true; 3]);
        assert_eq!(matching(Vec::new(), true), [false; 3]);
    }

    #[test]
    fn filters_that_say_two_things_are_refused() {
        let invalid = Err(ErrorCode::INVALID_REQUEST);
        let user = || component(USER, SPECIFIED, None);
        assert_eq!(filter(vec![user(), user()], false), invalid);
        let ip = component(IP, SPECIFIED, None);
        assert_eq!(filter(vec![user(), ip], false), invalid);
        let unknown = vec![component("rack", EXACT, Some("a"))];
        assert_eq!(filter(unknown, false), Err(ErrorCode::UNSUPPORTED_VERSION));
    }
}
