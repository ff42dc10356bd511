//! Drives: requests that the active controller of a cluster answers: they go to it as they came,
//! and its answers come back as they are.

use std::pin::Pin;
use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};

use super::context::Context;
use super::refused::CallError;
use super::reply::{Answer, Reply, refused};
use crate::metadata::controller::Forward;
use crate::wire::header::{put_request_header, split_response};
use crate::wire::principal::principal_bytes;

/// What a request's header takes besides the client id, at most, in bytes.
const HEADER_BYTES: usize = 11;

/// A call of an API that brokers never answer themselves: relays the request with this key.
pub(super) fn relayed<const KEY: i16>(
    cx: Rc<Context>,
    body: Bytes,
) -> Pin<Box<dyn Future<Output = Answer>>> {
    Box::pin(async move { relay(&cx, KEY, &body).await })
}

/// Has the active controller answer the request with this key and body.
pub(super) async fn relay(cx: &Context, key: i16, body: &Bytes) -> Answer {
    let mut request = BytesMut::with_capacity(HEADER_BYTES + cx.client_id.len() + body.len());
    let (version, id) = (cx.version, cx.correlation_id);
    put_request_header(&mut request, key, version, id, &cx.client_id);
    request.extend_from_slice(body);
    let principal = &cx.session.principal;
    let forward = Forward {
        request: request.freeze(),
        principal: principal_bytes(&principal.kind, &principal.name),
        client_host: cx.session.address.ip(),
    };
    let answer = cx.shard.control.forward(forward).await;
    let answer = answer.map_err(CallError::Controller)?;
    if !is_answer_to(&answer, key, version, id) {
        return Err(CallError::Garbled);
    }
    if !cx.claim(answer.len()).await {
        return Err(refused(cx));
    }
    let mut length = BytesMut::with_capacity(size_of::<i32>());
    length.put_i32(answer.len() as i32);
    Ok(Reply::relayed(cx, length.freeze(), answer))
}

/// Whether an answer begins as one to the request `id` must; its body is the client's business.
fn is_answer_to(answer: &Bytes, key: i16, version: i16, id: i32) -> bool {
    split_response(answer, key, version).is_some_and(|(of, _)| of == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_no_answer() {
        let create_topics = |answer: &'static [u8], version| {
            is_answer_to(&Bytes::from_static(answer), 19, version, 7)
        };
        // From version 5 on the header ends with tagged fields.
        assert!(create_topics(b"\0\0\0\x07\0rest", 5));
        assert!(create_topics(b"\0\0\0\x07", 4));
        for answer in [
            &b""[..],
            b"\0\0\0",
            b"\0\0\0\x08\0rest",
            b"\0\0\0\x07",
            b"\0\0\0\x07\x01",
        ] {
            assert!(!create_topics(answer, 5), "{answer:?}");
        }
    }
}
