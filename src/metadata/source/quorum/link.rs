//! Drives: a connection to a controller, which has said what it understands.

use std::time::Duration;

use crate::base::ErrorCode;
use crate::io::net::Net;
use crate::io::peer::{Peer, PeerError, PeerOptions};
use crate::io::runtime::Runtime;
use crate::wire::codec::messages::ApiVersionsRequest;
use crate::wire::codec::{Request, StrBytes};

use super::messages::{Address, PIECE_BYTES};

/// How long a controller may take for an answer, beside what it waits on purpose.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long it may take to reach it.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The largest answer that is taken: a batch of the largest size that Kafka writes is 8 MiB.
const ANSWER_BYTES_MAX: i32 = 16 << 20;
const _: () = assert!(PIECE_BYTES < ANSWER_BYTES_MAX);

/// The versions of each API that a controller understands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApiRanges(Vec<(i16, i16, i16)>);

/// A connection to a controller.
pub struct Link {
    to: Address,
    peer: Peer,
    ranges: ApiRanges,
}

/// Why a controller cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is not reached, or does not answer as it should.
    #[error("{0}")]
    Peer(PeerError),
    /// It does not say what it understands.
    #[error("it answers ApiVersions with the error {0:?}")]
    Refused(ErrorCode),
    /// It understands other versions of an API than this build.
    #[error(
        "it speaks no version of the API {0} from {1} to {2}: the controllers are too old or too \
         new for this build, which works with Apache Kafka 4.0 to 4.3"
    )]
    Versions(i16, i16, i16),
}

impl From<PeerError> for LinkError {
    fn from(error: PeerError) -> LinkError {
        LinkError::Peer(error)
    }
}

// === impl ApiRanges ===

impl ApiRanges {
    /// Key, first and last version of each API.
    pub fn new(ranges: Vec<(i16, i16, i16)>) -> ApiRanges {
        ApiRanges(ranges)
    }

    /// First and last version of an API, by its key.
    pub fn get(&self, api_key: i16) -> Option<(i16, i16)> {
        let found = self.0.iter().find(|(key, ..)| *key == api_key);
        found.map(|(_, first, last)| (*first, *last))
    }

    /// The newest version from `first` to `last` that the controller understands, too.
    pub fn choose<R: Request>(&self, first: i16, last: i16) -> Result<i16, LinkError> {
        let (least, most) = self.get(R::KEY).unwrap_or((0, -1));
        match most.min(last) {
            version if version >= least.max(first) => Ok(version),
            _ => Err(LinkError::Versions(R::KEY, first, last)),
        }
    }
}

// === impl Link ===

impl Link {
    /// Connects to a controller and asks it what it understands.
    pub async fn open(
        net: &Net,
        runtime: &Runtime,
        to: Address,
        client_id: &str,
    ) -> Result<Link, LinkError> {
        let options = PeerOptions {
            client_id: client_id.to_owned(),
            answer_bytes_max: ANSWER_BYTES_MAX,
            connect_within: CONNECT_WITHIN,
        };
        let mut peer = Peer::connect(net, runtime, (&to.host, to.port), options).await?;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("corelane"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer = peer.call(3, &request, ANSWER_WITHIN).await?;
        match ErrorCode(answer.error_code) {
            ErrorCode::NONE => {}
            error => return Err(LinkError::Refused(error)),
        }
        let ranges = answer.api_keys.iter();
        let ranges = ranges.map(|api| (api.api_key, api.min_version, api.max_version));
        let ranges = ApiRanges::new(ranges.collect());
        Ok(Link { to, peer, ranges })
    }

    /// Whom it is connected to.
    pub fn to(&self) -> &Address {
        &self.to
    }

    /// What the controller understands.
    pub fn ranges(&self) -> &ApiRanges {
        &self.ranges
    }

    /// Asks and waits for the answer, [`ANSWER_WITHIN`] longer than the controller may on purpose.
    /// After an error the link is closed.
    pub async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        on_purpose: Duration,
    ) -> Result<R::Response, PeerError> {
        let limit = on_purpose + ANSWER_WITHIN;
        self.peer.call(version, request, limit).await
    }
}
