//! Drives: requests to the active controller, each kind on a connection of its own: the controller
//! answers a connection in order, and one slow request must not delay the others.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use std::net::IpAddr;

use crate::base::ErrorCode;
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::metadata::source::quorum::{Link, LinkError, Watch};
use crate::wire::codec::Request;
use crate::wire::codec::messages::{EnvelopeRequest, EnvelopeResponse};

/// How long a controller may work on a change before it answers, beside the time of any answer.
const ON_PURPOSE: Duration = Duration::from_secs(30);
/// How long a new leader is waited for once the one that was known has turned out to be none.
const REDISCOVER_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A client's request that the active controller shall answer.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Its header and body, as they came.
    pub request: Bytes,
    /// Who the client is, as Kafka's default serializer writes it (`DefaultPrincipalData`).
    pub principal: Bytes,
    /// The client's address.
    pub client_host: IpAddr,
}

/// Why a request was not answered by the active controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ForwardError {
    /// The controller is part of this process: nothing is forwarded.
    #[error("this broker is no part of a cluster: nothing is forwarded")]
    NoCluster,
    /// No active controller could be reached in time.
    #[error("no active controller could be reached")]
    Unreachable,
    /// It refused the envelope, and did not look into it.
    #[error("the active controller refuses the envelope: {0:?}")]
    Refused(ErrorCode),
    /// Too many requests wait for the controller.
    #[error("too many requests wait for the active controller")]
    TooMany,
}

/// A connection to the active controller: where another node becomes it, one to that node.
pub struct Line {
    net: Net,
    runtime: Runtime,
    watch: Watch,
    name: String,
    link: RefCell<Option<Link>>,
}

// === impl Line ===

impl Line {
    /// A connection that is made when it is needed first; the controller knows it by `name`.
    pub fn new(net: &Net, runtime: &Runtime, watch: &Watch, name: String) -> Line {
        Line {
            net: net.clone(),
            runtime: runtime.clone(),
            watch: watch.clone(),
            name,
            link: RefCell::new(None),
        }
    }

    /// Asks the active controller; once more where another turns out to be it, as the error `code`
    /// of an answer says. `None` where none could be reached, or it was lost before it answered.
    /// Only one request may be under way.
    pub async fn ask<R: Request>(
        &self,
        versions: (i16, i16),
        request: &R,
        code: impl Fn(&R::Response) -> i16,
    ) -> Option<R::Response> {
        for _ in 0..2 {
            let answer = self.try_to_ask(versions, request).await?;
            if ErrorCode(code(&answer)) != ErrorCode::NOT_CONTROLLER {
                return Some(answer);
            }
            // The follower of the metadata log learns of the new leader.
            self.link.borrow_mut().take();
            self.runtime.sleep(LOOK_AGAIN).await;
        }
        None
    }

    async fn try_to_ask<R: Request>(
        &self,
        versions: (i16, i16),
        request: &R,
    ) -> Option<R::Response> {
        let mut link = self.reach().await?;
        let asked = async {
            let version = link.ranges().choose::<R>(versions.0, versions.1)?;
            Ok::<_, LinkError>(link.call(version, request, ON_PURPOSE).await?)
        };
        match asked.await {
            Ok(answer) => {
                *self.link.borrow_mut() = Some(link);
                Some(answer)
            }
            Err(error) => {
                tracing::debug!(error = %error, "a request to the active controller has failed");
                None
            }
        }
    }

    /// A connection to the active controller, waiting for one to be known.
    async fn reach(&self) -> Option<Link> {
        let until = self.runtime.now().after(REDISCOVER_WITHIN);
        while self.runtime.now() < until {
            let Some(to) = self.watch.leader().address else {
                self.runtime.sleep(LOOK_AGAIN).await;
                continue;
            };
            let kept = self.link.borrow_mut().take();
            if let Some(link) = kept.filter(|link| *link.to() == to) {
                return Some(link);
            }
            match Link::open(&self.net, &self.runtime, to, &self.name).await {
                Ok(link) => return Some(link),
                Err(_) => self.runtime.sleep(LOOK_AGAIN).await,
            }
        }
        None
    }

    /// Has the active controller answer a client's request.
    pub async fn forward(&self, forward: &Forward) -> Result<Bytes, ForwardError> {
        let address = match forward.client_host {
            IpAddr::V4(address) => Bytes::copy_from_slice(&address.octets()),
            IpAddr::V6(address) => Bytes::copy_from_slice(&address.octets()),
        };
        let envelope = EnvelopeRequest::default()
            .with_request_data(forward.request.clone())
            .with_request_principal(Some(forward.principal.clone()))
            .with_client_host_address(address);
        let code = |answer: &EnvelopeResponse| answer.error_code;
        let answer = self.ask((0, 0), &envelope, code).await;
        let answer = answer.ok_or(ForwardError::Unreachable)?;
        match (ErrorCode(answer.error_code), answer.response_data) {
            (ErrorCode::NONE, Some(data)) => Ok(data),
            (ErrorCode::NONE, None) => Err(ForwardError::Refused(ErrorCode::UNKNOWN_SERVER_ERROR)),
            (error, _) => Err(ForwardError::Refused(error)),
        }
    }
}
