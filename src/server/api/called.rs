//! Drives: how the APIs that are decoded whole are served: a copy of the request waits for its
//! turn and is called then.

use futures_util::FutureExt;

use super::call::CallFn;
use super::client::Client;
use super::refused::Refused;
use super::reply::Reply;
use super::row::Row;
use super::steps::{Arrived, TwoSteps, Waiting};
use crate::base::Instant;
use crate::io::budget::Reserved;

/// An API that is decoded whole.
#[derive(Clone, Copy)]
pub struct Called(pub CallFn);

/// What a call has answered.
pub struct Returned {
    reply: Reply,
    row: &'static Row,
    taken_up: Instant,
    /// Counted until the answer is sent.
    _memory: Option<Reserved>,
}

impl TwoSteps for Called {
    type Begun = Waiting;
    type Answer = Returned;

    fn begin(
        &self,
        client: &Client,
        request: Arrived<'_>,
    ) -> impl Future<Output = Result<Option<Waiting>, Refused>> {
        Waiting::copy(client, request).map(|waiting| Ok(Some(waiting)))
    }

    async fn finish(
        &self,
        _: &Client,
        begun: Waiting,
        _: &mut Vec<u8>,
    ) -> Result<Returned, Refused> {
        begun.take_turn().await;
        let Waiting {
            row,
            cx,
            body,
            memory,
        } = begun;
        let (version, taken_up) = (cx.version, cx.now);
        let reply = (self.0)(cx, body).await;
        Ok(Returned {
            reply: reply.map_err(|error| Refused::Call(row.name, version, error))?,
            row,
            taken_up,
            _memory: memory,
        })
    }

    async fn send(&self, client: &Client, answer: Returned, _: &[u8]) -> Result<(), Refused> {
        let sent = answer.reply.send(&client.outlet).await;
        sent.map_err(Refused::Gone)?;
        let server = &client.server;
        server
            .probe
            .note(answer.row.key, answer.taken_up, server.now());
        Ok(())
    }
}
