//! Drives: the APIs that are decoded whole: what such an API is, and one call of it: decode,
//! handle, encode, with the memory for it.
//!
//! Large requests and answers are decoded, encoded and dropped on other threads than the shard's.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::context::Context;
use super::forward::relay;
use super::refused::CallError;
use super::reply::{Answer, Reply, refused};
use crate::base::{ErrorCode, limits};
use crate::metadata::controller::ForwardError;
use crate::server::state::answer_memory::NotMade;
use crate::server::state::codes::{Codes, ErrorCounts};
use crate::server::state::shared_answers::{SharedAnswer, SharedError};
use crate::wire::codec::{self, EncodeError, Request};

/// One Kafka API that is decoded whole, handled, and encoded whole.
pub trait Api {
    /// The request, with its key and response type.
    type Request: Request<Response: Codes + Send + 'static> + Send + 'static;
    /// First and last version served.
    const VERSIONS: (i16, i16);
    /// The API's name as Kafka prints it.
    const NAME: &'static str;
    /// Whether in a cluster the active controller answers, where it can be reached.
    const FORWARDED: bool = false;

    /// Whether this node answers also in a cluster: the request is not of what controllers know.
    fn is_own(request: &Self::Request) -> bool {
        let _ = request;
        false
    }

    /// Bytes of memory a request of `frame_bytes` may need while it is handled: reserved
    /// before it is decoded.
    fn memory_estimate(frame_bytes: usize) -> usize {
        frame_bytes.saturating_mul(4)
    }

    /// The answer's body where it is the same for all clients: then the request is not handled.
    fn shared(
        cx: &Context,
        request: &Self::Request,
    ) -> impl Future<Output = Option<Result<Rc<SharedAnswer>, SharedError>>> {
        let _ = (cx, request);
        std::future::ready(None)
    }

    /// Answers one request. Where a client chooses how long that takes there is a
    /// [`Context::pace`] between any two items. Memory in proportion to the request is counted
    /// already; what else goes into the answer is claimed first, with [`Context::claim`].
    fn handle(
        cx: &Context,
        request: Self::Request,
    ) -> impl Future<Output = <Self::Request as Request>::Response>;
}

/// A Kafka API that is decoded whole and encodes its answer as it makes it: one whose answer may
/// be far larger than its request.
pub trait EncodingApi {
    /// The request, with its key and response type.
    type Request: Request + Send + 'static;
    /// First and last version served.
    const VERSIONS: (i16, i16);
    /// The API's name as Kafka prints it.
    const NAME: &'static str;

    /// The answer's body. Paces and claims memory as [`Api::handle`] does.
    fn answer(
        cx: &Context,
        request: Self::Request,
    ) -> impl Future<Output = Result<Bytes, EncodeError>>;
}

/// Decode, handle, encode, with the types hidden.
pub type CallFn = fn(Rc<Context>, Bytes) -> Pin<Box<dyn Future<Output = Answer>>>;

/// Decode, handle and encode one request.
pub(super) fn call<A: Api + 'static>(
    cx: Rc<Context>,
    body: Bytes,
) -> Pin<Box<dyn Future<Output = Answer>>> {
    Box::pin(async move {
        let relayed = (A::FORWARDED && cx.server.is_in_cluster).then(|| body.clone());
        let request = decode::<A::Request>(&cx, body).await?;
        if let Some(body) = relayed.filter(|_| !A::is_own(&request)) {
            match relay(&cx, <A::Request as Request>::KEY, &body).await {
                // The client is told in the form of its own request: nothing is decided here.
                Err(CallError::Controller(why)) if !is_of_version(why) => {
                    tracing::debug!(api = A::NAME, %why, "not answered by the controller");
                }
                answer => return answer,
            }
        }
        if let Some(shared) = A::shared(&cx, &request).await {
            let shared = shared?;
            let key = <A::Request as Request>::KEY;
            cx.server.probe.note_errors(key, &shared.errors);
            return Ok(Reply {
                head: head_of::<A::Request>(&cx, &shared.body),
                body: shared.body.clone(),
                _shared: Some(shared),
                _memory: None,
            });
        }
        let response = A::handle(&cx, request).await;
        encode::<A::Request>(&cx, response).await
    })
}

/// Decode one request and have the API encode its answer.
pub(super) fn call_encoded<A: EncodingApi + 'static>(
    cx: Rc<Context>,
    body: Bytes,
) -> Pin<Box<dyn Future<Output = Answer>>> {
    Box::pin(async move {
        let request = decode::<A::Request>(&cx, body).await?;
        let body = A::answer(&cx, request).await;
        if cx.memory.refused().is_some() {
            return Err(refused(&cx));
        }
        let body = body.map_err(CallError::Answer)?;
        Ok(Reply {
            head: head_of::<A::Request>(&cx, &body),
            _shared: None,
            _memory: Some(cx.memory.seal(&cx.shard.budget, body.len())),
            body,
        })
    })
}

async fn decode<R: Request + Send + 'static>(cx: &Context, body: Bytes) -> Result<R, CallError> {
    let version = cx.version;
    let is_large = body.len() >= limits::LARGE_REQUEST_BYTES;
    let cost = if is_large {
        let body = body.clone();
        let checked = cx
            .shard
            .runtime()
            .offload(move || codec::check_request::<R>(&body, version));
        checked
            .await
            .map_err(|_| CallError::NotMade(NotMade::Panicked))?
    } else {
        codec::check_request::<R>(&body, version)
    };
    let cost = cost.map_err(CallError::Request)?;
    if !cx
        .claim(cost.saturating_mul(limits::ANSWER_COST_FACTOR))
        .await
    {
        return Err(refused(cx));
    }
    let decoded = if is_large {
        let decoded = cx
            .shard
            .runtime()
            .offload(move || codec::decode::<R>(body, version));
        decoded
            .await
            .map_err(|_| CallError::NotMade(NotMade::Panicked))?
    } else {
        codec::decode::<R>(body, version)
    };
    decoded.map_err(CallError::Request)
}

async fn encode<R>(cx: &Context, response: R::Response) -> Answer
where
    R: Request<Response: Codes + Send + 'static>,
{
    if cx.memory.refused().is_some() {
        cx.shard.runtime().drop_later(response);
        return Err(refused(cx));
    }
    let (version, correlation_id) = (cx.version, cx.correlation_id);
    let encode = move || {
        let mut frame = BytesMut::new();
        let bytes = codec::encoded_bytes(&response, version)?;
        frame.reserve(bytes + FRAME_HEAD_BYTES);
        codec::encode_response(R::KEY, version, correlation_id, &response, &mut frame)?;
        Ok::<_, EncodeError>((frame.freeze(), ErrorCounts::of(&response)))
    };
    let frame = match cx.memory.bytes() < limits::LARGE_ANSWER_BYTES {
        true => encode(),
        false => cx
            .shard
            .runtime()
            .offload(encode)
            .await
            .map_err(|_| CallError::NotMade(NotMade::Panicked))?,
    };
    let (head, errors) = frame.map_err(CallError::Answer)?;
    cx.server.probe.note_errors(R::KEY, &errors);
    let memory = cx.memory.seal(&cx.shard.budget, head.len());
    Ok(Reply {
        head,
        body: Bytes::new(),
        _shared: None,
        _memory: Some(memory),
    })
}

/// Length and header of a response, at most.
const FRAME_HEAD_BYTES: usize = 16;

fn head_of<R: Request>(cx: &Context, body: &Bytes) -> Bytes {
    let mut head = BytesMut::new();
    codec::put_response_head(R::KEY, cx.version, cx.correlation_id, body.len(), &mut head);
    head.freeze()
}

/// Whether the controller does not know the version of what was relayed: then the connection ends,
/// so that the client asks anew which versions there are.
fn is_of_version(why: ForwardError) -> bool {
    why == ForwardError::Refused(ErrorCode::UNSUPPORTED_VERSION)
}
