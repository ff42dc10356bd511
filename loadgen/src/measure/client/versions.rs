//! Drives: which versions of each API a broker speaks.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::Request;

use super::{ClientError, Connection};

/// The versions of each API that a broker speaks.
#[derive(Clone, Default, Debug)]
pub struct Versions(HashMap<i16, (i16, i16)>);

impl Versions {
    /// Asks for them (the oldest version of ApiVersions is known to all).
    pub fn ask(connection: &mut Connection) -> Result<Versions, ClientError> {
        let answer = connection.call(&ApiVersionsRequest::default(), 0)?;
        if answer.error_code != 0 {
            return Err(ClientError::Refused("ApiVersions", answer.error_code));
        }
        let spoken = answer.api_keys.iter();
        let spoken = spoken.map(|api| (api.api_key, (api.min_version, api.max_version)));
        Ok(Versions(spoken.collect()))
    }

    /// Versions from 0 to those given, by API key.
    pub fn assumed(newest: &[(i16, i16)]) -> Versions {
        Versions(
            newest
                .iter()
                .map(|(key, version)| (*key, (0, *version)))
                .collect(),
        )
    }

    /// The newest version of `R` among `known` that the broker speaks too.
    pub fn pick<R: Request>(&self, known: RangeInclusive<i16>) -> Result<i16, ClientError> {
        let (least, most) = self.0.get(&R::KEY).copied().unwrap_or((0, -1));
        let version = most.min(*known.end());
        match version >= least.max(*known.start()) {
            true => Ok(version),
            false => Err(ClientError::Unsupported(R::KEY, *known.end())),
        }
    }
}
