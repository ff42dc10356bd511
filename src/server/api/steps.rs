//! Drives: the two steps in which every request is served: begin and finish.

use std::future::Future;
use std::rc::Rc;

use bytes::Bytes;

use super::client::Client;
use super::context::Context;
use super::refused::Refused;
use super::row::Row;
use crate::base::{Instant, limits};
use crate::io::budget::Reserved;
use crate::io::turn;
use crate::wire::header::RequestHeader;

/// How requests of an API are served. A connection reads requests in one task and answers them in
/// another. So a request is begun as soon as it has arrived, and finished when it is the oldest
/// one of its connection that has no answer.
pub trait TwoSteps {
    /// A request that was begun and not finished.
    type Begun;
    /// What there is to send besides the bytes in the writer's buffer.
    type Answer;

    /// Takes a request out of the receive buffer, and does what need not wait for the requests
    /// before it. `None`: the client wants no answer.
    fn begin(
        &self,
        client: &Client,
        request: Arrived<'_>,
    ) -> impl Future<Output = Result<Option<Self::Begun>, Refused>>;

    /// Waits for what the request needs and makes its answer. The bytes that are made for it are
    /// appended to `out`.
    fn finish(
        &self,
        client: &Client,
        begun: Self::Begun,
        out: &mut Vec<u8>,
    ) -> impl Future<Output = Result<Self::Answer, Refused>>;

    /// Hands the answer to the kernel, which includes all of `out`.
    fn send(
        &self,
        client: &Client,
        answer: Self::Answer,
        out: &[u8],
    ) -> impl Future<Output = Result<(), Refused>>;
}

/// A request that lies whole in its connection's receive buffer.
pub struct Arrived<'a> {
    /// The row of its API, which serves its version.
    pub row: &'static Row,
    /// Its header, and the body behind it.
    pub header: RequestHeader<'a>,
    /// When it was taken up.
    pub now: Instant,
    /// The memory that is counted for it until it is answered, if any.
    pub memory: Option<Reserved>,
}

/// A request that is taken up when its turn comes, with a copy of its body.
pub struct Waiting {
    /// The row of its API.
    pub row: &'static Row,
    /// What its handler may reach.
    pub cx: Rc<Context>,
    /// Its body.
    pub body: Bytes,
    /// See [`Arrived::memory`].
    pub memory: Option<Reserved>,
}

impl Waiting {
    /// Copies a request out of the receive buffer.
    pub async fn copy(client: &Client, request: Arrived<'_>) -> Waiting {
        let cx = client.context(&request.header, request.now);
        let body = client.spare.body(request.header.body).await;
        Waiting {
            row: request.row,
            cx,
            body,
            memory: request.memory,
        }
    }

    /// Its turn has come. One that takes long waits for a step of the core of its own.
    pub async fn take_turn(&self) {
        if self.body.len() >= limits::LARGE_REQUEST_BYTES {
            turn::give_way().await;
        }
    }
}
