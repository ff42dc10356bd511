//! Drives: how fetches are served: a copy of the request waits for its turn; its answer, with the
//! records, is sent before the next request is taken up.

use std::rc::Rc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::{Answer, ROW, Scratch};
use crate::io::budget::Reserved;
use crate::io::room;
use crate::server::api::Context;
use crate::server::api::client::Client;
use crate::server::api::refused::{CallError, Refused};
use crate::server::api::spares::Spares;
use crate::server::api::steps::{Arrived, TwoSteps, Waiting};
use crate::wire::cursor::Short;

/// How fetches are served.
#[derive(Default)]
pub struct Fetch {
    spares: Spares<Scratch>,
}

/// What there is to send of a fetch.
pub struct Sending {
    /// `None` where the client takes no answers.
    answer: Option<Answer>,
    cx: Rc<Context>,
    body: Bytes,
    /// Counted until the answer is sent.
    _memory: Option<Reserved>,
}

impl TwoSteps for Fetch {
    type Begun = Waiting;
    type Answer = Sending;

    fn begin(
        &self,
        client: &Client,
        request: Arrived<'_>,
    ) -> impl Future<Output = Result<Option<Waiting>, Refused>> {
        Waiting::copy(client, request).map(|waiting| Ok(Some(waiting)))
    }

    /// Looks the records up, and waits for more where there are too few.
    async fn finish(
        &self,
        client: &Client,
        begun: Waiting,
        out: &mut Vec<u8>,
    ) -> Result<Sending, Refused> {
        begun.take_turn().await;
        let Waiting {
            cx, body, memory, ..
        } = begun;
        // For a client that takes no answers there is nothing to do.
        let answer = if client.outlet.takes_answers() {
            let answer = self.spares.take().answer(&cx, &body, out).await;
            Some(answer.map_err(|Short| match cx.memory.refused() {
                Some(refused) => Refused::Call(ROW.name, cx.version, CallError::NotMade(refused)),
                None => Refused::Malformed(ROW.name, cx.version),
            })?)
        } else {
            None
        };
        Ok(Sending {
            answer,
            cx,
            body,
            _memory: memory,
        })
    }

    async fn send(&self, client: &Client, sending: Sending, out: &[u8]) -> Result<(), Refused> {
        let Sending {
            answer,
            cx,
            body,
            _memory,
        } = sending;
        let taken_up = cx.now;
        if let Some(answer) = answer {
            let (scratch, sent) = answer.send(out, client.outlet.stream()).await;
            self.spares.keep(scratch);
            room::free_bytes(body).await;
            sent?;
            cx.memory.release();
            client.spare.give_back(cx);
        }
        let server = &client.server;
        server.probe.note(ROW.key, taken_up, server.now());
        Ok(())
    }
}
